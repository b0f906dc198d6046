//! `sluice config check`: what an operator and a program read of right and wrong configurations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program;

use std::fs;

use program::{ended, examples, sluice};

const WRONG: &str = r#"
[bucket]
name = "acme-landing"
incomming = "in/"

[[feed]]
name = "flights"
prefix = "flights"
max_files = 0

[feed.redshift]
workgroup = "analytics"
database = "dev"
table = "public.flights"
iam_role = "default"
format = "parquet"

[feed.redshift.options]
ignoreheader = 1
"#;

/// Checks files of these names and texts: exit code, standard output.
fn check(files: &[(&str, &str)], options: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let names = files.iter().map(|(name, _)| name);
    let output = sluice().args(["config", "check"]).args(options).args(names).current_dir(&folder).output().unwrap();
    let (code, out, err) = ended(&output);
    assert_eq!(err, "");
    format!("exit code {}\n{out}", code.unwrap())
}

#[test]
fn every_problem_is_a_line() {
    insta::assert_snapshot!(check(&[("wrong.toml", WRONG), ("syntax.toml", "[bucket]\nname = \n")], &[]));
}

#[test]
fn every_problem_is_an_object() {
    let answer = check(&[("wrong.toml", WRONG), ("syntax.toml", "[bucket]\nname = \n")], &["--json"]);
    let (code, json) = answer.split_once('\n').unwrap();
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    insta::assert_snapshot!(format!("{code}\n{value:#}"));
}

#[test]
fn the_examples_are_right() {
    let output = sluice().args(["config", "check", "sluice.toml"]).current_dir(examples()).output().unwrap();
    let (code, out, err) = ended(&output);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "sluice.toml: ok: bucket sluice-demo, 2 feeds: flights, weather\n");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = sluice().args(["config", "check", "nowhere.toml"]).current_dir(&folder).output().unwrap();
    let (code, out, _) = ended(&output);
    assert_eq!(code, Some(2));
    let expected = "nowhere.toml: cannot be read: No such file or directory (os error 2); name a file that exists and is \
                    UTF-8 text\n";
    assert_eq!(out, expected);
}
