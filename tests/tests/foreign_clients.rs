//! The stand-in as others use it: boto3 and the AWS CLI, unmodified.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use sluice_tests::Site;
use test_case::test_case;
use tokio::process::Command;

/// The folder with the Python tools. Without them the tests fail: a test that did not run has shown nothing.
fn tools() -> PathBuf {
    let folder = std::env::var_os("SLUICE_TEST_TOOLS").map_or_else(|| root().join(".tools/venv/bin"), PathBuf::from);
    assert!(
        folder.join("python").exists(),
        "no Python tools in {}: run `make setup`, or `make test`",
        folder.display()
    );
    folder
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

async fn run(command: &mut Command) {
    let site = Site::start(&sluice_tests::numbers("")).await;
    let output = command.env("ENDPOINT", site.standin.endpoint()).output().await.unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    println!("{text}");
    assert!(output.status.success(), "{text}");
    assert!(text.lines().any(|line| line.starts_with("ok")), "it did nothing");
    site.stop().await;
}

#[test_case("s3")]
#[test_case("redshift-data")]
#[test_case("cloudwatch")]
#[tokio::test]
async fn boto3(part: &str) {
    let script = root().join("tests/clients/boto3_client.py");
    run(Command::new(tools().join("python")).arg(script).arg(part)).await;
}

#[test_case("s3")]
#[test_case("redshift_data")]
#[test_case("cloudwatch")]
#[tokio::test]
async fn aws_cli(part: &str) {
    let path = std::env::join_paths(
        std::iter::once(tools()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )
    .unwrap();
    run(Command::new(root().join("tests/clients/aws_cli.sh")).arg(part).env("PATH", path)).await;
}
