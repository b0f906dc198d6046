//! Names and texts of a configuration as SQL: refused, or one name and one literal each.

#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use sluice_core::batch::BatchId;
use sluice_core::config::Config;
use sluice_core::destination::Load;
use sluice_core::object::{ETag, File, Key};
use sluice_redshift::{RedshiftFeed, RedshiftKind, sql};

/// Names and texts that a configuration gives.
#[derive(Clone, Debug)]
struct Given {
    schema: String,
    table: String,
    column: String,
    null: String,
}

/// The COPY of a configuration with these, or `None` where it is refused.
fn copy(given: &Given) -> Option<String> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let toml = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let text = format!(
        "[bucket]\nname = \"landing\"\n[[feed]]\nname = \"f\"\nprefix = \"f/\"\n[feed.redshift]\nworkgroup = \"w\"\n\
         database = \"d\"\nformat = \"csv\"\ntable = {}\ncolumns = [{}]\n[feed.redshift.options]\nnull_as = {}\n",
        toml(&format!("{}.{}", quoted(&given.schema), quoted(&given.table))),
        toml(&given.column),
        toml(&given.null),
    );
    let config = Config::parse(&text, "the test", &[&RedshiftKind]).ok()?;
    let feed = &config.feeds[0];
    let file = File {
        key: Key::new("incoming/f/a").unwrap(),
        etag: ETag::new("e"),
        size: 1,
        last_modified: jiff::Timestamp::UNIX_EPOCH,
    };
    let files = [file];
    let manifest = Key::new("sluice/manifests/f/b.manifest").unwrap();
    let load =
        Load { slot: 0, batch: &BatchId::of(&files), files: &files, token: "", compression: None, prepared: false };
    let transaction = sql::transaction("landing", RedshiftFeed::of(feed).unwrap(), &load, &manifest);
    Some(transaction.statements[transaction.roles.copy].clone())
}

/// The statement with `?` for literals and `"` for quoted names, and what they say, as Redshift reads them.
fn read(sql: &str) -> (String, Vec<String>) {
    let (mut shape, mut said) = (String::new(), Vec::new());
    let mut rest = sql.chars().peekable();
    while let Some(quote) = rest.next() {
        if quote != '\'' && quote != '"' {
            shape.push(quote);
            continue;
        }
        let mut text = String::new();
        loop {
            match rest.next() {
                Some('\\') if quote == '\'' => text.extend(rest.next()),
                Some(c) if c == quote && rest.peek() == Some(&quote) => text.extend(rest.next()),
                Some(c) if c != quote => text.push(c),
                _ => break,
            }
        }
        shape.push(if quote == '"' { '"' } else { '?' });
        said.push(text);
    }
    (shape, said)
}

fn check(given: &Given) -> bool {
    let Some(sql) = copy(given) else { return false };
    let (shape, said) = read(&sql);
    assert_eq!(shape, "COPY \".\" (\") FROM ? IAM_ROLE default MANIFEST FORMAT AS CSV NULL AS ?", "{sql}");
    let Given { schema, table, column, null } = given.clone();
    assert_eq!(said, [schema, table, column, "s3://landing/sluice/manifests/f/b.manifest".to_owned(), null]);
    true
}

fn given(text: &str) -> Given {
    let text = || text.to_owned();
    Given { schema: text(), table: text(), column: text(), null: text() }
}

#[test]
fn what_is_hostile_and_legal_is_quoted() {
    for text in
        ["\"; DROP TABLE t; --", "'); DROP TABLE t; --", "\\'; DROP TABLE t; --", "\\", "'", "a\\' OR 1=1", "$$", ":p"]
    {
        assert!(check(&given(text)), "{text} is refused");
    }
}

#[test]
fn what_no_name_can_hold_is_refused() {
    assert!(copy(&given("a\0b")).is_none());
    assert!(copy(&given("")).is_none());
}

proptest! {
    #[test]
    fn any_text_is_refused_or_quoted(texts in proptest::array::uniform4("([\\\\'\"$;:-]|.){0,12}")) {
        let [schema, table, column, null] = texts;
        check(&Given { schema, table, column, null });
    }
}
