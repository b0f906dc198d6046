//! `make bench`: what the three functions need, measured on the stand-in, written to docs/BENCHMARKS.md.
//!
//! The functions are the release binaries, as they are deployed. No figure of that page is typed by hand; with the names
//! of parts as arguments only those are measured, and printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench that cannot measure has to stop")]
#![allow(clippy::cast_precision_loss, reason = "figures are shown with three digits")]

mod arrival;
mod backlog;
mod batch;
mod cold;
mod figures;
mod inspect;
mod page;
mod requests;
mod sizes;
mod template;

use std::path::{Path, PathBuf};

use sluice_standin::deployment::Deployment;
use sluice_tests::Site;

use figures::Used;
use template::Template;

/// The parts, in the order of the page.
const PARTS: [&str; 7] = ["sizes", "cold", "lister", "worker", "loader", "inspect", "requests"];

#[tokio::main]
async fn main() {
    // cargo adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = asked.iter().find(|part| !PARTS.contains(&part.as_str())) {
        eprintln!("error: there is no part {unknown}; there are {}", PARTS.join(", "));
        std::process::exit(2);
    }
    let mut bench = Bench::new();
    let mut page = Vec::new();
    for part in PARTS.into_iter().filter(|part| asked.is_empty() || asked.iter().any(|asked| asked == part)) {
        eprintln!("measuring: {part}");
        let text = bench.measure(part).await;
        println!("{text}");
        page.push(text);
    }
    if asked.is_empty() {
        let path = root().join("docs/BENCHMARKS.md");
        std::fs::write(&path, bench.page(&page)).expect("a page that can be written");
        eprintln!("written: docs/BENCHMARKS.md");
    }
}

/// What the parts share, and what they leave for the comparison with the template.
pub(crate) struct Bench {
    functions: PathBuf,
    template: Template,
    load_average: String,
    /// The most that each function has used.
    used: Used,
    batches: Vec<batch::Batch>,
    arrivals: Vec<arrival::Arrival>,
}

impl Bench {
    fn new() -> Self {
        Self {
            functions: functions(),
            template: Template::read(&root().join("template.yaml")),
            load_average: figures::load_average(),
            used: Used::default(),
            batches: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    async fn measure(&mut self, part: &str) -> String {
        match part {
            "sizes" => sizes::measure(self),
            "cold" => cold::measure(self).await,
            "lister" => backlog::measure(self).await,
            "worker" => batch::measure(self).await,
            "loader" => arrival::measure(self).await,
            "inspect" => inspect::measure(self).await,
            _ => requests::measure(self).await,
        }
    }

    /// A site with the release binaries, and a process for each invocation.
    async fn site(&self, settings: &str, change: impl FnOnce(&mut Deployment)) -> Site {
        Site::with(&sluice_tests::numbers(settings), |deployment| {
            deployment.binaries.clone_from(&self.functions);
            deployment.warm = false;
            change(deployment);
        })
        .await
    }
}

/// A folder with what `scripts/check-functions` has just built, under the names that the stand-in looks for.
fn functions() -> PathBuf {
    let target = sluice_tests::binaries();
    let built = target.with_file_name("lambda");
    let folder = target.join("bench-functions");
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["loader", "lister", "worker"] {
        let bootstrap = built.join(name).join("bootstrap");
        std::fs::copy(&bootstrap, folder.join(name))
            .unwrap_or_else(|error| panic!("there is no {}: run `make bench`\n{error}", bootstrap.display()));
    }
    folder
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}
