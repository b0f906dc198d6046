//! The real binaries with a wrong environment: they do not start, and Lambda is told why.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use test_case::test_case;

const LOADER: &str = env!("CARGO_BIN_EXE_loader");
const LISTER: &str = env!("CARGO_BIN_EXE_lister");
const WORKER: &str = env!("CARGO_BIN_EXE_worker");

const FANS_OUT: &str = r#"
[bucket]
name = "landing"
[[feed]]
name = "flights"
prefix = "flights/"
fan_out = true
[feed.redshift]
workgroup = "demo"
database = "dev"
table = "public.flights"
format = "csv"
"#;

#[test_case(LOADER, &[], "set SLUICE_CONFIG_URI"; "no configuration")]
#[test_case(WORKER, &[("SLUICE_CONFIG_URI", "/no/such/file")], "/no/such/file"; "a configuration that is not there")]
#[test_case(WORKER, &[("SLUICE_CONFIG", "[bucket]\nnaem = \"x\"")], "naem"; "a configuration that is wrong")]
#[test_case(LISTER, &[("SLUICE_CONFIG", FANS_OUT)], "set SLUICE_WORKER_FUNCTION"; "a lister without a worker")]
fn a_wrong_configuration_stops_the_start(binary: &str, variables: &[(&str, &str)], expected: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime_api = listener.local_addr().unwrap().to_string();
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || sender.send(answer_one(&listener)));

    let output = run(binary, variables, &[("AWS_LAMBDA_RUNTIME_API", &runtime_api)]);
    let (head, body) = requests.recv_timeout(Duration::from_secs(10)).expect("a request to the Runtime API");

    assert!(!output.status.success());
    assert!(head.starts_with("POST /2018-06-01/runtime/init/error "), "{head}");
    assert!(head.to_lowercase().contains("lambda-runtime-function-error-type: runtime.configurationerror"), "{head}");
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(error["errorType"], "ConfigurationError");
    assert!(error["errorMessage"].as_str().unwrap().contains(expected), "{error}");
}

#[test]
fn without_lambda_the_log_says_why() {
    let output = run(LOADER, &[], &[]);
    assert!(!output.status.success());
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(log.contains("set SLUICE_CONFIG_URI"), "{log}");
}

fn run(binary: &str, variables: &[(&str, &str)], more: &[(&str, &str)]) -> Output {
    let variables = variables.iter().chain(more).copied();
    // A Region and keys, or the SDK looks for them on the network.
    let aws = [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")];
    Command::new(binary).env_clear().envs(aws).envs(variables).output().unwrap()
}

/// Takes one request and accepts it; its head and its body.
fn answer_one(listener: &TcpListener) -> (String, String) {
    let (mut stream, _) = listener.accept().unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= length(head)
        {
            stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
            return (head.to_owned(), body.to_owned());
        }
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the request ends early: {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

fn length(head: &str) -> usize {
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    length.and_then(|length| length.trim().parse().ok()).expect("a body with a length")
}
