//! `docs/ERRORS.md` says what the table of error texts says. `SLUICE_WRITE_PAGES=1` writes it.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use sluice_redshift::failure::{Means, OWN_SQL, ROWS, UNKNOWN};

const HEAD: &str = "# Errors of the warehouse

Every text of Redshift that Sluice knows: what it means, what Sluice does, what you do. It is made of the one table that
sorts errors, `crates/redshift/src/failure/table.rs`; `…` stands for what a text quotes, which is never looked at.
Why so: [0019](decisions/0019-one-table-of-errors.md).

Which statement failed comes first. Only COPY's own error may say that a file is bad or gone; the same words from
`pre_sql`, `post_sql` or the ledger's statements move no file. Nothing but the texts under *contents* ever leads to
`failed/`.
";

fn what(means: Means) -> (&'static str, &'static str) {
    match means {
        Means::Contents => {
            ("contents of a file", "finds the file, moves it to `failed/` with the reason, and loads the others")
        }
        Means::FileGone => ("a file is not there", "looks which files are there, and loads those"),
        Means::ObjectGone => (
            "an object is not there",
            "looks which files are there, and loads those; if all are, tries again from a minute to a quarter of an hour",
        ),
        Means::Passes => ("it passes by itself", "tries again from a second to a minute"),
        Means::Configuration => {
            ("somebody has to mend it", "tries again from a minute to a quarter of an hour, for ever")
        }
        Means::NoRelation => {
            ("a relation is not there", "makes the ledger, if it is that; otherwise as where somebody has to mend it")
        }
        Means::Exists => {
            ("it is there already", "takes the ledger as made; otherwise as where somebody has to mend it")
        }
        Means::ZeroDivision => (
            "a division by zero",
            "of the guard: archives what the ledger has; otherwise as where nobody knows the error",
        ),
        Means::Value => {
            ("SQL meets a value", "as where somebody has to mend it; the other files are loaded, and the file rests")
        }
    }
}

fn page() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut page = format!("{HEAD}\n| text | means | Sluice | you | seen |\n|---|---|---|---|---|\n");
    for row in ROWS {
        let texts: Vec<String> = row.texts.iter().map(|words| format!("`{words}`")).collect();
        let (means, does) = what(row.means);
        let texts = cell(&texts.join("<br>"));
        writeln!(page, "| {texts} | {means} | {does} | {} | {} |", cell(row.advice), cell(row.seen)).unwrap();
    }
    writeln!(page, "| any other, of a statement of your own | | tries again | {OWN_SQL} | |").unwrap();
    writeln!(page, "| any other | nobody knows | tries again from a minute to a quarter of an hour | {UNKNOWN} | |")
        .unwrap();
    page
}

#[test]
fn the_page_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ERRORS.md");
    if std::env::var_os("SLUICE_WRITE_PAGES").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/ERRORS.md is another: SLUICE_WRITE_PAGES=1 cargo nextest run -p sluice-redshift the_page"
    );
}
