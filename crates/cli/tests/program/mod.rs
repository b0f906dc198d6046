//! The `sluice` program as its users run it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, without colours whatever the machine that tests it says.
pub fn sluice() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE").env_remove("RUST_LOG");
    command
}

/// The examples that are shipped.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Ends the test where the functions are not beside the program.
pub fn need_functions() {
    let folder = Path::new(env!("CARGO_BIN_EXE_sluice")).parent().unwrap();
    for binary in ["loader", "lister", "worker"] {
        let path = folder.join(binary);
        assert!(path.is_file(), "{} is missing: `cargo build -p sluice-lambdas` builds it", path.display());
    }
}

/// The exit code, standard output and standard error.
pub fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// All of a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}
