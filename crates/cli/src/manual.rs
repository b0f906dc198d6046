//! `sluice completions` and `sluice man`: completion scripts and manual pages, made from the commands themselves.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::Failure;
use crate::output;

/// Arguments of `sluice completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
For example: sluice completions bash > /etc/bash_completion.d/sluice")]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Arguments of `sluice man`.
#[derive(Debug, Args)]
#[command(after_help = "\
For example: sluice man | man -l -    or    sluice man --dir /usr/local/share/man/man1")]
pub(crate) struct ManArguments {
    /// Write a page for each command into this folder, instead of the first page to standard output
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints a completion script.
pub(crate) fn completions(arguments: &CompletionsArguments, mut cli: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut cli, "sluice", &mut script);
    print(&script)
}

/// Prints the manual, or writes it page by page.
pub(crate) fn man(arguments: &ManArguments, mut cli: Command) -> Result<(), Failure> {
    cli.build();
    let Some(folder) = &arguments.dir else {
        return print(&page(cli)?);
    };
    fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    let mut pages = vec![cli];
    while let Some(command) = pages.pop() {
        pages.extend(command.get_subcommands().filter(|command| command.get_name() != "help").cloned());
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page(command)?).map_err(|error| cannot(&path, &error))?;
        output::line(path.display());
    }
    Ok(())
}

fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(Failure::failed)?;
    Ok(page)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text) {
        // A reader that goes away is not an error.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
        _ => Ok(()),
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}
