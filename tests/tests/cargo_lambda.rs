//! The functions on a developer's machine, as docs/LOCAL.md runs them: `cargo lambda watch` with `events/local.env`, and
//! `cargo lambda invoke` with each of the sample events, against `sluice local --services-only`.
//!
//! Everything here is the real program, in a process of its own; nothing is recompiled, since `cargo lambda watch` asks
//! cargo for what is built already.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use serde_json::{Value, json};
use sluice_aws::{Aws, ConfigOrigin, Endpoint, S3Objects, Settings};
use sluice_core::object::{Key, Prefix};
use sluice_core::ports::{Objects, PutIf};

const EWR: &str = "incoming/weather/EWR-2013-01.csv.gz";
const JFK: &str = "incoming/weather/JFK-2013-01.csv.gz";
const FLIGHTS: &str = "incoming/flights/2013-01-01.csv.gz";
const ODD: &str = "incoming/weather/Zürich & co/50% 'new' + \"old\" 2013-01.csv.gz";

#[tokio::test]
async fn every_sample_event_does_what_it_says() {
    let local = Local::start();
    let watch = Watch::start(&local, None);
    let mut laptop = Laptop { local: &local, watch: &watch, used: BTreeSet::new() };

    // Nothing to do.
    laptop.loader("s3-test", &[], &[]).await;
    laptop.loader("sqs-s3-test", &[], &[]).await;
    laptop.loader("s3-other-bucket", &[], &[(EWR, "skipped")]).await;

    // A file that is there is loaded, whatever the envelope. Another month each time: the same file would be known.
    let envelopes =
        ["s3-put", "eventbridge-object-created", "sqs-eventbridge", "sns-s3", "sns-eventbridge", "sqs-sns-s3"];
    for (month, event) in (1..).zip(envelopes) {
        laptop.loader(event, &[(EWR, &format!("weather/EWR-2013-{month:02}"))], &[(EWR, "loaded")]).await;
    }
    laptop.loader("s3-put-odd-key", &[(ODD, "weather/EWR-2013-07")], &[(ODD, "loaded")]).await;
    let two = [(EWR, "weather/EWR-2013-08"), (JFK, "weather/JFK-2013-01")];
    laptop.loader("sqs-s3", &two, &[(EWR, "loaded"), (JFK, "loaded")]).await;
    // Flights are loaded by schedule only.
    let three = [(EWR, "weather/EWR-2013-09"), (JFK, "weather/JFK-2013-02"), (FLIGHTS, "flights/2013-01-01")];
    laptop.loader("s3-put-many", &three, &[(EWR, "loaded"), (JFK, "loaded"), (FLIGHTS, "deferred")]).await;

    // Messages of the newest version, one of them about a copy.
    let both = [(EWR, "weather/EWR-2013-10"), (JFK, "weather/JFK-2013-03")];
    laptop.loader("s3-put-2-6", &both, &[(EWR, "loaded"), (JFK, "loaded")]).await;

    // The lister invokes the worker where `cargo lambda watch` listens: its files are loaded when it answers.
    assert_eq!(laptop.lister("schedule-feeds").await, [("flights".into(), 1)]);
    assert_eq!(laptop.lister("schedule").await, [("flights".into(), 0), ("weather".into(), 0)]);
    local.put(FLIGHTS, "flights/2013-01-02").await;
    assert_eq!(laptop.lister("schedule-rule").await, [("flights".into(), 1), ("weather".into(), 0)]);

    // Claims that their worker did not get: the same claim by hand, and by the event of its statement's end.
    let deaf = Watch::start(&local, Some("http://127.0.0.1:1"));
    for (day, name) in [("03", "worker"), ("04", "statement-finished")] {
        local.put(FLIGHTS, &format!("flights/2013-01-{day}")).await;
        let tick = deaf.invoke("lister", &event("schedule-feeds"));
        assert_eq!(tick["feeds"][0]["batches"][0]["claim"], "sluice/claims/flights/0.json", "{tick}");
        let work = laptop.invoke("worker", name);
        assert_eq!((&work["outcome"], &work["files_loaded"]), (&json!("loaded"), &json!(1)), "{name}: {work}");
    }

    assert!(!watch.process.log().contains("Compiling aws-"), "what was built is not used:\n{}", watch.process.log());
    assert_eq!(local.keys("incoming/").await, Vec::<String>::new());
    assert_eq!(local.keys("processed/").await.len(), 17);
    laptop.used_all_events();
}

/// A developer with both programs running.
struct Laptop<'a> {
    local: &'a Local,
    watch: &'a Watch,
    used: BTreeSet<String>,
}

impl Laptop<'_> {
    fn invoke(&mut self, function: &str, name: &str) -> Value {
        self.used.insert(format!("{name}.json"));
        self.watch.invoke(function, &event(name))
    }

    /// Drops example files as these keys and has the loader told; it must say this of each file.
    async fn loader(&mut self, name: &str, files: &[(&str, &str)], outcomes: &[(&str, &str)]) {
        for (key, example) in files {
            self.local.put(key, example).await;
        }
        let answer = self.invoke("loader", name);
        let of = |file: &Value| (text(&file["key"]), text(&file["outcome"]));
        let said: BTreeSet<_> = answer["files"].as_array().unwrap().iter().map(of).collect();
        let expected: BTreeSet<_> = outcomes.iter().map(|(key, outcome)| ((*key).into(), (*outcome).into())).collect();
        assert_eq!(said, expected, "{name}: {answer}\n{}", self.watch.process.log());
        assert_eq!(answer["batchItemFailures"], json!([]), "{name}: {answer}");
        for (key, outcome) in outcomes {
            let there = self.local.keys("incoming/").await.iter().any(|there| there == key);
            assert_eq!(there, *outcome == "deferred", "{name}: {key}");
        }
    }

    /// Has the lister tick: how many files it claimed, by feed.
    async fn lister(&mut self, name: &str) -> Vec<(String, u64)> {
        let answer = self.invoke("lister", name);
        let of = |feed: &Value| (text(&feed["feed"]), feed["claimed"].as_u64().unwrap());
        assert_eq!(
            self.local.keys("sluice/claims/").await,
            Vec::<String>::new(),
            "{answer}\n{}",
            self.watch.process.log()
        );
        answer["feeds"].as_array().unwrap().iter().map(of).collect()
    }

    fn used_all_events(&self) {
        let files = fs::read_dir(root().join("events")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let events = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let all: BTreeSet<_> = events.map(|path| text_of(path.file_name())).collect();
        assert_eq!(all, self.used, "each sample event has its line in this test");
    }
}

/// `sluice local --services-only` with the examples' bucket and tables.
struct Local {
    _process: Process,
    endpoint: String,
    bucket: String,
}

impl Local {
    fn start() -> Self {
        let mut command = Command::new(sluice_tests::binaries().join("sluice"));
        command.args(["local", "--services-only", "--json", "--port", "0", "--config", "examples/sluice.toml"]);
        let process = Process::start(&mut command, |line| line.contains("\"ready\""));
        let ready: Value = serde_json::from_str(process.log().lines().next().unwrap()).unwrap();
        Self { endpoint: text(&ready["endpoint"]), bucket: text(&ready["bucket"]), _process: process }
    }

    /// The bucket, as somebody who has nothing to do with the functions.
    async fn objects(&self) -> S3Objects {
        let endpoint = Endpoint {
            url: self.endpoint.clone(),
            access_key_id: "local".to_owned(),
            secret_access_key: "sluice".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let config = ConfigOrigin::Inline(String::new());
        let settings = Settings { config, worker_function: None, s3_path_style: true };
        Aws::at(endpoint, settings).await.objects(&self.bucket)
    }

    /// Drops a file of `examples/data`.
    async fn put(&self, key: &str, example: &str) {
        let body = fs::read(root().join(format!("examples/data/{example}.csv.gz"))).unwrap();
        self.objects().await.put(&Key::new(key).unwrap(), body, PutIf::Absent).await.unwrap();
    }

    async fn keys(&self, prefix: &str) -> Vec<String> {
        let page = self.objects().await.list(&Prefix::new(prefix).unwrap(), None).await.unwrap();
        page.files.iter().map(|file| file.key.to_string()).collect()
    }
}

/// `cargo lambda watch` with the variables that are shipped, but for the ports.
struct Watch {
    process: Process,
    port: u16,
}

impl Watch {
    /// Starts it; the lister finds the worker at `workers`, or here.
    fn start(local: &Local, workers: Option<&str>) -> Self {
        let port = free_port();
        let here = format!("http://127.0.0.1:{port}");
        let mut command = cargo_lambda();
        command.args(["watch", "--ignore-changes", "--invoke-address", "127.0.0.1"]);
        command.args(["--invoke-port", &port.to_string(), "--env-file", "events/local.env"]);
        command.args(["--env-var", &format!("AWS_ENDPOINT_URL={}", local.endpoint)]);
        command.args(["--env-var", &format!("AWS_ENDPOINT_URL_LAMBDA={}", workers.unwrap_or(&here))]);
        let process = Process::start(&mut command, |line| line.contains("starting Runtime server"));
        // It says so just before it does; until then connections are refused.
        while process.runs() && TcpStream::connect(("127.0.0.1", port)).is_err() {
            thread::yield_now();
        }
        Self { process, port }
    }

    /// `cargo lambda invoke` with this file; the answer.
    fn invoke(&self, function: &str, event: &Path) -> Value {
        let mut command = cargo_lambda();
        command.args(["invoke", "--invoke-address", "127.0.0.1", "--invoke-port", &self.port.to_string()]);
        let output = command.arg(function).arg("--data-file").arg(event).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let answer = serde_json::from_str(&out).ok().filter(|_| output.status.success());
        answer.unwrap_or_else(|| panic!("{function} on {}: {out}\n{err}\n{}", event.display(), self.process.log()))
    }
}

/// A program that prints lines, until it is dropped.
struct Process {
    child: Mutex<Child>,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it, and waits for a line.
    fn start(command: &mut Command, ready: fn(&str) -> bool) -> Self {
        let mut child = command.current_dir(root()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::default();
        let (sender, lines) = mpsc::channel();
        collect(child.stdout.take().unwrap(), &log, &sender);
        collect(child.stderr.take().unwrap(), &log, &sender);
        drop(sender);
        let process = Self { child: Mutex::new(child), log };
        assert!(lines.iter().any(|line| ready(&line)), "{command:?} ended:\n{}", process.log());
        process
    }

    /// What it has printed.
    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn runs(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    /// Asks it to end, that it may end those that it has started.
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        _ = Command::new("kill").arg(child.id().to_string()).status();
        _ = child.wait();
    }
}

/// Reads all lines, so that whoever prints them is never held up.
fn collect(from: impl Read + Send + 'static, log: &Arc<Mutex<String>>, sender: &mpsc::Sender<String>) {
    let (log, sender) = (Arc::clone(log), sender.clone());
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            log.lock().unwrap().extend([line.as_str(), "\n"]);
            // Nobody listens any more once it was ready.
            _ = sender.send(line);
        }
    });
}

/// `cargo lambda`, as `make setup` installs it. Without it the test fails: a test that did not run has shown nothing.
fn cargo_lambda() -> Command {
    let tools = std::env::var_os("SLUICE_TOOLS").map_or_else(|| root().join(".tools"), PathBuf::from).join("sam/bin");
    let folder = tools.display();
    assert!(tools.join("cargo-lambda").exists(), "no cargo-lambda in {folder}: run `make setup`, or `make test`");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([tools].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut command = Command::new("cargo");
    command.arg("lambda").env("PATH", path).env("NO_COLOR", "1");
    // What cargo tells a test of its package is not for the cargo that `cargo lambda watch` starts: build scripts that
    // ask for it would run again, and all that depends on them would be compiled again.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_the_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    // It finds the binaries that this test was built with, wherever they are.
    command.env("CARGO_TARGET_DIR", sluice_tests::binaries().parent().unwrap());
    command
}

fn is_of_the_package(variable: &str) -> bool {
    let of_the_package =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];
    variable == "OUT_DIR" || of_the_package.iter().any(|prefix| variable.starts_with(prefix))
}

/// A port that nobody gets who takes any free one: those are above 32767, where this test does not look.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap();
    (first..32_768).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn event(name: &str) -> PathBuf {
    root().join(format!("events/{name}.json"))
}

fn text_of(name: Option<&OsStr>) -> String {
    name.and_then(OsStr::to_str).unwrap().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
