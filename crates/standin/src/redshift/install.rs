//! The machine's PostgreSQL: where its programs are, who may run them, and fast creation of data folders.
//!
//! Never starts a server.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The superuser that `initdb` creates.
pub(crate) const SUPERUSER: &str = "sluice";

/// Why there is no PostgreSQL to start.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// This machine has no `initdb` and `postgres`.
    #[error(
        "no PostgreSQL found (looked at `pg_config --bindir`, /usr/lib/postgresql/*/bin and PATH): install the package `postgresql`, or name a server with --warehouse postgres://…"
    )]
    Missing,
    /// Root may not run PostgreSQL, and there is no other user for it.
    #[error("PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody`")]
    NobodyToRun,
    /// A folder could not be created or handed over.
    #[error("cannot prepare the folder {path}")]
    Folder {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The unprivileged user cannot reach the data folder.
    #[error(
        "the user `{user}`, as whom PostgreSQL has to run, cannot enter {ancestor}: choose a data folder elsewhere, or `chmod o+x {ancestor}`"
    )]
    Unreachable {
        /// The user.
        user: String,
        /// The folder that blocks the way.
        ancestor: PathBuf,
    },
    /// A program failed.
    #[error("`{program}` failed for {path}: {message}")]
    Program {
        /// Its name.
        program: &'static str,
        /// The path that it worked on.
        path: PathBuf,
        /// What it printed, or why it did not run.
        message: String,
    },
}

/// The location of the programs, and their version.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) bin: PathBuf,
    version: String,
}

/// The user that runs the server: a different one if this process is root.
#[derive(Debug)]
pub(crate) struct Account {
    uid: u32,
    drop_to: Option<(String, u32, u32)>,
}

impl Account {
    /// Makes `command` run as this account.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Some((_, uid, gid)) = self.drop_to {
            command.uid(uid).gid(gid);
        }
    }

    /// Hands `path` over to this account.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        match self.drop_to {
            Some((_, uid, gid)) => chown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }
}

/// Finds `initdb` and `postgres`.
pub(crate) fn programs() -> Result<Programs, InstallError> {
    let mut candidates: Vec<PathBuf> = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        candidates.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut bins: Vec<PathBuf> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
        bins.sort();
        candidates.extend(bins.into_iter().rev());
    }
    candidates.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let complete = |bin: &PathBuf| bin.join("initdb").is_file() && bin.join("postgres").is_file();
    let bin = candidates.into_iter().find(complete).ok_or(InstallError::Missing)?;
    let version = Command::new(bin.join("postgres")).arg("--version").output().map_err(|_| InstallError::Missing)?;
    let version =
        String::from_utf8_lossy(&version.stdout).chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    Ok(Programs { bin, version })
}

/// The account that runs the server.
pub(crate) fn account() -> Result<Account, InstallError> {
    let uid = fs::metadata("/proc/self").map(|own| own.uid()).or_else(|_| own_uid_by_file()).unwrap_or(u32::MAX);
    if uid != 0 {
        return Ok(Account { uid, drop_to: None });
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = ["postgres", "nobody"].iter().find_map(|name| lookup(&users, name)).ok_or(InstallError::NobodyToRun)?;
    Ok(Account { uid: found.1, drop_to: Some(found) })
}

fn own_uid_by_file() -> io::Result<u32> {
    Ok(tempfile::tempfile()?.metadata()?.uid())
}

fn lookup(users: &str, name: &str) -> Option<(String, u32, u32)> {
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [user, _, uid, gid, ..] if *user == name => {
                Some(((*user).to_owned(), uid.parse().ok()?, gid.parse().ok()?))
            }
            _ => None,
        }
    })
}

/// A port that was free when checked.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Turns `folder` into a data folder, unless it is one.
pub(crate) fn initialise(programs: &Programs, account: &Account, folder: &Path) -> Result<(), InstallError> {
    let trouble = |source| InstallError::Folder { path: folder.to_owned(), source };
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(trouble)?;
    }
    let folder = &std::path::absolute(folder).map_err(trouble)?;
    let_through(account, folder).map_err(trouble)?;
    reachable(account, folder)?;
    if folder.join("PG_VERSION").is_file() {
        return Ok(());
    }
    if !folder.is_dir() {
        DirBuilder::new().mode(0o700).create(folder).map_err(trouble)?;
        account.own(folder).map_err(trouble)?;
    }
    let template = template(programs, account)?;
    let contents = template.join(".");
    run(account, "cp", Command::new("cp").arg("-R").arg(contents).arg(folder), folder)
}

/// `initdb` takes half a second; copying its result takes a few hundredths of a second. So tests start from a copy.
///
/// Several processes may get here at once. Each makes its own folder and renames it into place. The first one wins; the
/// others use its folder.
fn template(programs: &Programs, account: &Account) -> Result<PathBuf, InstallError> {
    let base = std::env::temp_dir();
    let ready = base.join(format!("sluice-initdb-{}-{}", programs.version, account.uid));
    if usable(&ready, account) {
        return Ok(ready);
    }
    let trouble = |source| InstallError::Folder { path: base.clone(), source };
    let draft = tempfile::TempDir::with_prefix_in("sluice-initdb-", &base).map_err(trouble)?.keep();
    account.own(&draft).map_err(trouble)?;
    let mut initdb = Command::new(programs.bin.join("initdb"));
    initdb
        .args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "-U",
            SUPERUSER,
            "-D",
        ])
        .arg(&draft);
    run(account, "initdb", &mut initdb, &draft)?;
    match fs::rename(&draft, &ready) {
        Ok(()) => Ok(ready),
        Err(_) if usable(&ready, account) => {
            let _ = fs::remove_dir_all(&draft);
            Ok(ready)
        }
        // A folder with that name exists but is unusable: use our own once.
        Err(_) => Ok(draft),
    }
}

/// Accepts only a complete folder that belongs to the account: every user can write to `/tmp`.
fn usable(template: &Path, account: &Account) -> bool {
    let ours = fs::symlink_metadata(template).is_ok_and(|found| found.is_dir() && found.uid() == account.uid);
    ours && template.join("PG_VERSION").is_file()
}

/// Temporary folders are open to one user only. Another user must be able to pass through ours.
fn let_through(account: &Account, folder: &Path) -> io::Result<()> {
    let (Some(_), Some(parent)) = (&account.drop_to, folder.parent()) else { return Ok(()) };
    let found = fs::metadata(parent)?;
    let mode = found.permissions().mode();
    if found.uid() != 0 || mode & 0o001 != 0 || !parent.starts_with(std::env::temp_dir()) {
        return Ok(());
    }
    fs::set_permissions(parent, fs::Permissions::from_mode(mode | 0o001))
}

fn reachable(account: &Account, folder: &Path) -> Result<(), InstallError> {
    let Some((user, uid, _)) = &account.drop_to else {
        return Ok(());
    };
    let blocked = |ancestor: &&Path| {
        fs::metadata(ancestor).is_ok_and(|found| found.uid() != *uid && found.permissions().mode() & 0o001 == 0)
    };
    match folder.ancestors().skip(1).find(blocked) {
        Some(ancestor) => Err(InstallError::Unreachable { user: user.clone(), ancestor: ancestor.to_owned() }),
        None => Ok(()),
    }
}

fn run(account: &Account, program: &'static str, command: &mut Command, path: &Path) -> Result<(), InstallError> {
    account.apply(command);
    let failed = |message| InstallError::Program { program, path: path.to_owned(), message };
    let output = command.current_dir("/").output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:7::/:\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(lookup(users, "postgres"), Some(("postgres".to_owned(), 101, 104)));
        assert_eq!(lookup(users, "nobody"), None);
    }
}
