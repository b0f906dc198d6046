//! `sluice local` on a terminal, while producers choose keys that would steer it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use program::{need_functions, sluice};
use sluice_aws::{Aws, ConfigOrigin, Endpoint, Settings};
use sluice_core::object::Key;
use sluice_core::ports::{Objects, PutIf};

const CONFIG: &str = r#"
[bucket]
name = "landing"
[[feed]]
name = "numbers"
prefix = "numbers/"
trigger = "event"
[feed.redshift]
workgroup = "demo"
database = "dev"
table = "public.numbers"
format = "csv"
"#;

/// Clears the screen, writes into the clipboard, sets the title, opens a link, forges a line, turns round what follows.
const KEYS: [&str; 4] = [
    "incoming/numbers/a\u{1b}[2J\u{1b}[1;32m\u{1b}]52;c;aGk=\u{7}",
    "incoming/numbers/b\u{1b}]0;title\u{7}\u{9b}2J\u{90}\u{7f}",
    "incoming/numbers/c\r\n00:00:00Z  numbers: loaded batch 01234567",
    "incoming/numbers/d\u{202e}vsc.\u{1b}]8;;http://example.com\u{1b}\\",
];

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[tokio::test]
async fn no_key_steers_the_terminal_of_who_watches() {
    need_functions();
    let folder = tempfile::tempdir().unwrap();
    let (config, tables) = (folder.path().join("sluice.toml"), folder.path().join("tables.sql"));
    fs::write(&config, CONFIG).unwrap();
    fs::write(&tables, "CREATE TABLE public.numbers (id INTEGER NOT NULL)").unwrap();
    // With colours, as on a terminal: what is not a terminal is spared all escapes anyway.
    let mut command = sluice();
    command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    command.args(["local", "--port", "0", "--schedule", "1h", "--config"]).arg(&config).arg("--tables").arg(&tables);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ready = lines.find(|line| line.contains("AWS_ENDPOINT_URL=")).unwrap();
    let url = ready.split_once("AWS_ENDPOINT_URL=").unwrap().1.split(' ').next().unwrap();
    let endpoint = Endpoint {
        url: url.to_owned(),
        access_key_id: "local".to_owned(),
        secret_access_key: "sluice".to_owned(),
        region: "us-east-1".to_owned(),
    };
    let settings = Settings { config: ConfigOrigin::Inline(String::new()), worker_function: None, s3_path_style: true };
    let bucket = Aws::at(endpoint, settings).await.objects("landing");
    for key in KEYS {
        bucket.put(&Key::new(key).unwrap(), b"no number".to_vec(), PutIf::Any).await.unwrap();
    }
    let mut refused = 0;
    let mut seen = Vec::new();
    while refused < KEYS.len() {
        let line = lines.next().expect("another line");
        refused += usize::from(line.contains("was refused by the warehouse"));
        seen.push(line);
    }
    assert!(seen.iter().any(|line| line.contains('\u{1b}')), "there are colours");
    for line in &seen {
        let plain = without_colours(line);
        let steers = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!plain.contains(steers), "{line:?}");
        // Our own colours are never green and bold at once.
        assert!(!line.contains("\u{1b}[1;32m"), "{line:?}");
    }
    assert!(seen.iter().all(|line| !line.starts_with("00:00:00Z")));
}

/// The line without our styles, which are `ESC [`, numbers, `m`.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let (numbers, rest) = part.split_once('m').unwrap_or(("?", part));
        let style = numbers.chars().all(|c| c.is_ascii_digit() || c == ';');
        plain += if style { rest.to_owned() } else { format!("\u{1b}[{part}") }.as_str();
    }
    plain
}
