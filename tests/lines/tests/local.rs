//! `sluice local`, built with this destination: lines are loaded beside rows of Redshift.
//!
//! The programs are those that users get, with one feature more. They are built here, into a folder of their own, so that no
//! other test meets them.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use sluice_aws::{Aws, ConfigOrigin, Endpoint, S3Objects, Settings};
use sluice_core::ports::{Objects, PutIf};
use sluice_core::testing::{key, prefix};
use tempfile::TempDir;

/// For `make prove`: it compiles.
mod campaign {
    #[tokio::test]
    async fn lines_are_loaded_beside_redshift() {
        super::lines_are_loaded_beside_redshift().await;
    }
}

async fn lines_are_loaded_beside_redshift() {
    let programs = build();
    let folder = tempfile::tempdir().unwrap();
    let mut local = Local::start(&programs, &folder).await;
    local.put("journal/good.txt", b"one\r\ntwo\nbad luck\n").await;
    local.put("journal/odd.txt", b"three\n\xff\n").await;
    local.put("journal/refused.txt", b"bad\n").await;
    local.put("numbers/1.csv", b"1\n2\n").await;
    local.until_all_are_taken().await;

    assert_eq!(local.keys("processed/").await, ["processed/journal/good.txt", "processed/numbers/1.csv"]);
    let refused = ["failed/journal/odd.txt", "failed/journal/refused.txt"];
    let explained = refused.map(|key| [key.to_owned(), format!("{key}.error.json")]).concat();
    assert_eq!(local.keys("failed/").await, explained);
    let reason = local.objects.get(&key(&explained[1])).await.unwrap().unwrap().body;
    let reason: Value = serde_json::from_slice(&reason).unwrap();
    assert_eq!((&reason["message"], &reason["line"]), (&"line 2 is not UTF-8".into(), &2.into()), "{reason}");
    let loaded = ["one", "two", "bad luck"].map(str::to_owned);
    assert_eq!(lines(folder.path()), loaded);

    // The same file again is taken away, and nothing is loaded twice.
    local.put("journal/good.txt", b"one\r\ntwo\nbad luck\n").await;
    local.until_all_are_taken().await;
    assert_eq!(lines(folder.path()), loaded);

    // Bad files are judged again, and are as bad as before.
    let (code, out, err) = local.sluice(&programs, &["redrive", "journal"]);
    assert_eq!(code, Some(0), "{out}{err}");
    local.until_all_are_taken().await;
    assert_eq!(local.keys("failed/").await, explained);
    assert_eq!(lines(folder.path()), loaded);

    local.what_an_operator_asks(&programs);
    local.stop();
}

impl Local {
    /// Every file of both feeds is accounted for; what is for Redshift alone says so.
    fn what_an_operator_asks(&self, programs: &Path) {
        let (code, out, err) = self.sluice(programs, &["verify", "--json"]);
        assert_eq!(code, Some(0), "{out}{err}");
        let (_, out, err) = self.sluice(programs, &["doctor", "--prove", "--feed", "journal"]);
        for what in ["its warehouse is not looked at", "its ledger's recipe is not tried"] {
            assert!(
                out.contains(&format!("{what}: its rows go to lines, and this is for Redshift alone")),
                "{out}{err}"
            );
        }
        let (code, out, err) = self.sluice(programs, &["ledger", "rebuild", "journal"]);
        let told = err.contains("journal: its rows go to lines, and only ledgers in Redshift are converted");
        assert!(code == Some(2) && told, "{code:?} {out}{err}");
    }
}

/// Builds the programs with this destination; the folder that they are in. What is compiled for other tests is used again.
fn build() -> PathBuf {
    let test = env::current_exe().unwrap();
    let compiled = test.ancestors().nth(3).unwrap();
    let target = compiled.join("lines");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--workspace", "--bins", "--features", "sluice-aws/lines", "--target-dir"]).arg(&target);
    cargo.args(env::var_os("CI").map(|_| "--locked"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_BUILD_BUILD_DIR", compiled);
    assert!(cargo.status().unwrap().success(), "the programs are not built");
    target.join("debug")
}

/// What the table has, in the order in which it was loaded.
fn lines(folder: &Path) -> Vec<String> {
    let database = Connection::open(folder.join("lines.sqlite")).unwrap();
    let mut lines = database.prepare("SELECT line FROM journal ORDER BY rowid").unwrap();
    lines.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A running `sluice local --json` with a feed of lines and one of Redshift. It is killed when the test fails.
struct Local {
    child: Child,
    news: Lines<BufReader<ChildStdout>>,
    objects: S3Objects,
    endpoint: String,
    config: PathBuf,
}

impl Local {
    async fn start(programs: &Path, folder: &TempDir) -> Self {
        let config = folder.path().join("sluice.toml");
        let database = folder.path().join("lines.sqlite");
        let table = "CREATE TABLE journal (file TEXT NOT NULL, line TEXT NOT NULL CHECK (line <> 'bad'))";
        Connection::open(&database).unwrap().execute_batch(table).unwrap();
        fs::write(folder.path().join("tables.sql"), "CREATE TABLE IF NOT EXISTS public.numbers (id INTEGER);").unwrap();
        let journal = format!("database = \"{}\"\ntable = \"journal\"\n", database.display());
        let numbers = "workgroup = \"demo\"\ndatabase = \"dev\"\ntable = \"public.numbers\"\nformat = \"csv\"\n";
        let feed = |name: &str, kind: &str, fields: &str| {
            format!("[[feed]]\nname = \"{name}\"\nprefix = \"{name}/\"\ntrigger = \"event\"\n[feed.{kind}]\n{fields}")
        };
        let feeds = [feed("journal", "lines", &journal), feed("numbers", "redshift", numbers)].concat();
        fs::write(&config, format!("[bucket]\nname = \"landing\"\n{feeds}")).unwrap();
        let mut command = Command::new(programs.join("sluice"));
        command.args(["local", "--json", "--port", "0", "--schedule", "1s", "--config"]).arg(&config);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut news = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready: Value = serde_json::from_str(&news.next().unwrap().unwrap()).unwrap();
        let endpoint = ready["endpoint"].as_str().unwrap().to_owned();
        let objects = bucket(&endpoint).await;
        Self { child, news, objects, endpoint, config }
    }

    async fn put(&self, path: &str, body: &[u8]) {
        self.objects.put(&key(&format!("incoming/{path}")), body.to_vec(), PutIf::Any).await.unwrap();
    }

    async fn keys(&self, under: &str) -> Vec<String> {
        let page = self.objects.list(&prefix(under), None).await.unwrap();
        page.files.iter().map(|file| file.key.to_string()).collect()
    }

    /// Looks after each piece of news. The last one comes after all is done.
    async fn until_all_are_taken(&mut self) {
        while !self.keys("incoming/").await.is_empty() || !self.keys("sluice/claims/").await.is_empty() {
            self.news.next().unwrap().unwrap();
        }
    }

    /// Exit code, standard output and standard error of a command about this deployment.
    fn sluice(&self, programs: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(programs.join("sluice"));
        command.args(arguments).arg("--config").arg(&self.config).env("NO_COLOR", "1");
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "operator").env("AWS_SECRET_ACCESS_KEY", "sluice");
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    /// Stops it as Ctrl-C does.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

async fn bucket(endpoint: &str) -> S3Objects {
    let endpoint = Endpoint {
        url: endpoint.to_owned(),
        access_key_id: "producer".to_owned(),
        secret_access_key: "sluice".to_owned(),
        region: "us-east-1".to_owned(),
    };
    let config = ConfigOrigin::Inline(String::new());
    let settings = Settings { config, worker_function: None, s3_path_style: true };
    Aws::at(endpoint, settings).await.objects("landing")
}

impl Drop for Local {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
