//! Planted bugs: each is put into a copy of the crate, and the simulation must catch it.
//!
//! Takes minutes, most of them for compiling; alone, and with what it prints: `make planted`.

#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod bugs;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bugs::{BUGS, Bug};

/// How many histories may pass before a bug counts as not caught.
const PATIENCE: u64 = 20_000;

/// How many are tried where none can show it.
const HIDDEN: u64 = 1000;

#[test]
fn every_bug_fits_the_source_exactly_once() {
    for bug in BUGS {
        for edit in bug.edits {
            let source = fs::read_to_string(source().join("src").join(edit.file)).unwrap();
            assert_eq!(source.matches(edit.find).count(), 1, "{}: {:?} in {}", bug.name, edit.find, edit.file);
        }
    }
}

/// For `make prove`.
mod campaign {
    #[test]
    fn every_bug_is_caught() {
        super::catch_every_bug();
    }
}

fn catch_every_bug() {
    let workspace = copy();
    let mut wrong = Vec::new();
    for bug in BUGS {
        let begun = Instant::now();
        let found = plant(&workspace, bug);
        let took = begun.elapsed().as_secs();
        match (&found, bug.hidden) {
            (Some((histories, promise)), None) => println!("{histories:>6}  {:<48} {promise} ({took} s)", bug.name),
            (None, Some(why)) => println!("     -  {:<48} not caught: {why} ({took} s)", bug.name),
            (None, None) => wrong.push(format!("{}: not caught in {PATIENCE} histories", bug.name)),
            (Some((histories, _)), Some(_)) => wrong.push(format!("{}: caught after all, by {histories}", bug.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// This crate.
fn source() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A workspace with a copy of this crate, always at the same place, so that only what a bug changes is built again.
fn copy() -> PathBuf {
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
    let root = source().join("../..");
    fs::create_dir_all(&workspace).unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members = ")).expect("a list of members");
    fs::write(workspace.join("Cargo.toml"), manifest.replace(members, "members = [\"crates/core\"]")).unwrap();
    fs::copy(root.join("Cargo.lock"), workspace.join("Cargo.lock")).unwrap();
    copy_folder(&source(), &workspace.join("crates/core"));
    workspace
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else if fs::read(&from).unwrap() != fs::read(&to).unwrap_or_default() {
            // What is the same keeps its age, and is not built again.
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// Puts the bug in, runs the simulation, and takes the bug out again: how many histories it took to see which promise
/// broken.
fn plant(workspace: &Path, bug: &Bug) -> Option<(u64, String)> {
    for edit in bug.edits {
        let file = workspace.join("crates/core/src").join(edit.file);
        let source = fs::read_to_string(&file).unwrap();
        fs::write(&file, source.replacen(edit.find, edit.put, 1)).unwrap();
    }
    let output = simulate(workspace, if bug.hidden.is_some() { HIDDEN } else { PATIENCE });
    copy_folder(&source().join("src"), &workspace.join("crates/core/src"));
    assert!(output.contains("running 1 test"), "{}: does not build:\n{output}", bug.name);
    let told = output.lines().find_map(|line| line.strip_prefix("seed "))?;
    let (seed, promise) = told.split_once(": ").expect("a seed and a promise");
    Some((seed.parse::<u64>().unwrap() + 1, promise.chars().take(90).collect()))
}

fn simulate(workspace: &Path, histories: u64) -> String {
    let output = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .current_dir(workspace)
        .args(["test", "--offline", "--package", "sluice-core", "--test", "simulation"])
        .args(["--", "--exact", "every_history_keeps_every_promise", "--nocapture"])
        .env("CARGO_TARGET_DIR", workspace.join("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("SLUICE_SIMULATION_HISTORIES", histories.to_string())
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
