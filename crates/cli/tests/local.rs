//! `sluice local`: it runs, shows what happens, and leaves nothing running, however it is stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program;

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use program::{ended, examples, need_functions, sluice};
use serde_json::Value;
use sluice_aws::{Aws, ConfigOrigin, Endpoint, Settings};
use sluice_core::object::{Key, Prefix};
use sluice_core::ports::{Objects, PutIf};

/// A running `sluice local --json`. It is killed when a test fails.
struct Local {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// What it said when it was ready.
    ready: Value,
}

impl Local {
    fn start(arguments: &[&str], data: Option<&Path>) -> Self {
        let mut command = sluice();
        command.args(["local", "--json", "--port", "0"]).args(arguments).stdout(Stdio::piped());
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut local = Self { child, lines, ready: Value::Null };
        local.ready = local.event("ready");
        local
    }

    /// The next event of this name; those before it are skipped.
    fn event(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).unwrap();
            assert!(read > 0, "sluice local ended before {name}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    fn endpoint(&self) -> String {
        self.ready["endpoint"].as_str().unwrap().to_owned()
    }

    /// Stops it with the signal: its exit code, and which of its processes are still there.
    fn stop(mut self, signal: &str) -> (Option<i32>, Vec<u32>) {
        let children = descendants(self.child.id());
        assert!(!children.is_empty(), "PostgreSQL is a child process");
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let left = children.into_iter().filter(|pid| runs(*pid)).collect();
        (status.code(), left)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Parent and state of a process, from its `stat`: the fields behind the name, which is in parentheses.
fn stat(pid: u32) -> Option<(u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// Whether the process is there and not merely waiting to be asked for its end.
fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != 'Z' && state != 'X')
}

/// Every process below `pid`.
fn descendants(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let all: Vec<(u32, u32)> = processes.filter_map(|other| Some((stat(other)?.0, other))).collect();
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(all.iter().filter(|(of, _)| *of == parent).map(|(_, child)| *child));
        at += 1;
    }
    found.split_off(1)
}

/// The whole answer to a GET.
fn get(endpoint: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn services_alone_answer_and_stop_on_ctrl_c() {
    let local = Local::start(&["--services-only"], None);
    let health = get(&local.endpoint(), "/_sluice/health");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    assert_eq!(local.ready["bucket"], Value::Null);
    assert_eq!(local.stop("INT"), (Some(0), vec![]));
}

#[tokio::test]
async fn a_file_is_loaded_at_once_and_kept_over_a_restart() {
    need_functions();
    let data = tempfile::tempdir().unwrap();
    // PostgreSQL does not run as root: its user must be able to enter.
    open_up(data.path());
    let config = examples().join("sluice.toml");
    let arguments = ["--config", config.to_str().unwrap()];

    let mut local = Local::start(&arguments, Some(data.path()));
    let file = fs::read(examples().join("data/weather/EWR-2013-01.csv.gz")).unwrap();
    let key = Key::new("incoming/weather/EWR-2013-01.csv.gz").unwrap();
    bucket(&local).await.put(&key, file, PutIf::Absent).await.unwrap();
    let arrived = local.event("arrived");
    assert_eq!((&arrived["feed"], &arrived["files"]), (&"weather".into(), &1.into()));
    // The first tick and the loader may both come upon the file: one loads it, and the other finds
    // it taken, or gone already, and may be the first to say so.
    let outcomes = std::iter::from_fn(|| Some(local.event("batch")["outcome"].clone()));
    let outcome = { outcomes }.find(|outcome| outcome != "busy" && outcome != "gone").unwrap();
    assert_eq!(outcome, "loaded");
    assert_eq!(local.stop("TERM"), (Some(0), vec![]));

    let local = Local::start(&arguments, Some(data.path()));
    let page = bucket(&local).await.list(&Prefix::new("processed/").unwrap(), None).await.unwrap();
    let keys: Vec<&str> = page.files.iter().map(|file| file.key.as_str()).collect();
    assert_eq!(keys, ["processed/weather/EWR-2013-01.csv.gz"]);
    assert_eq!(local.stop("INT"), (Some(0), vec![]));
}

fn open_up(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

async fn bucket(local: &Local) -> impl Objects {
    let endpoint = Endpoint {
        url: local.endpoint(),
        access_key_id: "local".to_owned(),
        secret_access_key: "sluice".to_owned(),
        region: "us-east-1".to_owned(),
    };
    let config = ConfigOrigin::Inline(String::new());
    let settings = Settings { config, worker_function: None, s3_path_style: true };
    Aws::at(endpoint, settings).await.objects(local.ready["bucket"].as_str().unwrap())
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = sluice().args(["local", "--services-only", "--port", &port]).output().unwrap();
    let (code, out, err) = ended(&output);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let expected = format!(
        "error: port {port} is taken by another program: choose another with --port N, or --port 0 for any free one\n"
    );
    assert_eq!(err, expected);
}

#[test]
fn without_a_configuration_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = sluice().arg("local").current_dir(&folder).output().unwrap();
    let (code, _, err) = ended(&output);
    assert_eq!(code, Some(2));
    assert!(err.contains("no examples/sluice.toml here") && err.contains("--config FILE"), "{err}");
}

#[test]
fn a_schedule_needs_a_unit() {
    let output = sluice().args(["local", "--schedule", "60"]).output().unwrap();
    let (code, _, err) = ended(&output);
    assert_eq!(code, Some(2));
    assert!(err.contains("write a time with its unit, such as 10s or 5m"), "{err}");
}
