//! Planted bugs: each is put into a copy of the core and of this crate, and the simulation must catch it.
//!
//! Takes minutes, most of them for compiling; alone, and with what it prints: `make planted`. `SLUICE_PLANTED`: only those
//! whose names have this in them, or one of these, divided by `|`.

#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod bugs;

use std::env;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use bugs::Bug;

/// How many histories may pass before a bug counts as not caught.
const PATIENCE: u64 = 20_000;

/// How many are tried with code that is built quickly and runs slowly: most bugs are caught by these.
const QUICK: u64 = 1000;

/// How many are tried where none can show it.
const HIDDEN: u64 = 1000;

#[test]
fn every_bug_fits_the_source_exactly_once() {
    let mut wrong = Vec::new();
    for bug in bugs::all() {
        for edit in bug.edits {
            let source = fs::read_to_string(place(&crates(), edit.file)).unwrap();
            let times = source.matches(edit.find).count();
            if times != 1 {
                wrong.push(format!("{}: {:?} is in {} {times} times", bug.name, edit.find, edit.file));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// For `make prove`.
mod campaign {
    #[test]
    fn every_bug_is_caught() {
        super::catch_every_bug();
    }
}

fn catch_every_bug() {
    let only = env::var("SLUICE_PLANTED").unwrap_or_default();
    let bugs: Vec<&Bug> = bugs::all().filter(|bug| only.split('|').any(|only| bug.name.contains(only))).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for worker in 0..workers().min(bugs.len()) {
            let (bugs, next, wrong) = (&bugs, &next, &wrong);
            scope.spawn(move || {
                let workspace = copy(worker);
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = catch(&workspace, bug) {
                        println!("WRONG   {problem}");
                        wrong.lock().unwrap().push(problem);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How many bugs are tried side by side.
fn workers() -> usize {
    let jobs = env::var("CARGO_BUILD_JOBS").ok().and_then(|jobs| jobs.parse().ok());
    jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1)
}

/// Tries one bug, and tells what came of it.
fn catch(workspace: &Path, bug: &Bug) -> Result<(), String> {
    let begun = Instant::now();
    let found = plant(workspace, bug);
    let took = begun.elapsed().as_secs();
    let class = bug.class.map(|class| format!(" of {class}")).unwrap_or_default();
    match (found, bug.hidden) {
        (Some((seed, promise)), None) => {
            println!("{:>6}  {:<64} {promise} ({took} s)", seed + 1, bug.name.to_owned() + &class);
        }
        (None, Some(why)) => println!("     -  {:<64} not caught: {why} ({took} s)", bug.name),
        (None, None) => return Err(format!("{}: not caught in {PATIENCE} histories{class}", bug.name)),
        (Some((seed, promise)), Some(_)) => {
            return Err(format!("{}: caught after all, by {seed}: {promise}", bug.name));
        }
    }
    Ok(())
}

/// Where the crates are.
fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates that bugs are in, and that the simulation needs.
const CRATES: [&str; 2] = ["core", "redshift"];

/// Where a bug's file is, below the folder of the crates: in the core, where it does not say otherwise.
fn place(crates: &Path, file: &str) -> PathBuf {
    match file.strip_prefix("redshift/") {
        Some(file) => crates.join("redshift/src").join(file),
        None => crates.join("core/src").join(file),
    }
}

/// A workspace with a copy of the crates, always at the same place, so that only what a bug changes is built again.
fn copy(number: usize) -> PathBuf {
    let workspace = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("planted-{number}"));
    let root = crates().join("..");
    fs::create_dir_all(&workspace).unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members = ")).expect("a list of members");
    fs::write(workspace.join("Cargo.toml"), manifest.replace(members, "members = [\"crates/*\"]")).unwrap();
    fs::copy(root.join("Cargo.lock"), workspace.join("Cargo.lock")).unwrap();
    for name in CRATES {
        copy_folder(&crates().join(name), &workspace.join("crates").join(name));
    }
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

/// Puts the bug in, runs the simulation, and takes the bug out again: the seed of the first history that shows it, and
/// which promise is broken there.
fn plant(workspace: &Path, bug: &Bug) -> Option<(u64, String)> {
    for edit in bug.edits {
        let file = place(&workspace.join("crates"), edit.file);
        let source = fs::read_to_string(&file).unwrap();
        fs::write(&file, source.replacen(edit.find, edit.put, 1)).unwrap();
    }
    let all = if bug.hidden.is_some() { HIDDEN } else { PATIENCE };
    let quick = if bug.class.is_some() { all } else { all.min(QUICK) };
    let mut found = simulate(workspace, bug, 0..quick, true);
    if found.is_none() && quick < all {
        found = simulate(workspace, bug, quick..all, false);
    }
    for name in CRATES {
        let src = Path::new(name).join("src");
        copy_folder(&crates().join(&src), &workspace.join("crates").join(&src));
    }
    found
}

fn simulate(workspace: &Path, bug: &Bug, seeds: Range<u64>, quick: bool) -> Option<(u64, String)> {
    let mut cargo = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    let cargo = cargo
        .current_dir(workspace)
        .args(["test", "--offline", "--package", "sluice-redshift", "--test", "simulation"])
        .args(quick.then_some(CRATES).into_iter().flatten().map(|name| {
            // Built quickly, and slow.
            format!("--config=profile.dev.package.sluice-{name}.opt-level=0")
        }))
        .args(["--", "--exact", "every_history_keeps_every_promise", "--nocapture"])
        .env("CARGO_TARGET_DIR", workspace.join("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("SLUICE_SIMULATION_FROM", seeds.start.to_string())
        .env("SLUICE_SIMULATION_HISTORIES", (seeds.end - seeds.start).to_string())
        .env_remove("SLUICE_SIMULATION_CLASS")
        .env_remove("RUST_BACKTRACE");
    if let Some(class) = bug.class {
        cargo.env("SLUICE_SIMULATION_CLASS", class);
    }
    let output = cargo.output().unwrap();
    let output = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.contains("running 1 test"), "{}: does not build:\n{output}", bug.name);
    let told = output.lines().find_map(|line| line.strip_prefix("seed "));
    assert!(told.is_some() || output.contains("1 passed"), "{}: it fails without a seed:\n{output}", bug.name);
    let (seed, promise) = told?.split_once(": ").expect("a seed and a promise");
    Some((seed.parse().unwrap(), promise.chars().take(90).collect()))
}
