//! Reads `pre_sql` and `post_sql`, and refuses what would end the batch's transaction.
//!
//! Never understands SQL beyond its words: literals, quoted names and comments are passed over, so that no word in them
//! is taken for a command, and no command hides in them.

use sluice_core::config::problem::Report;
use sluice_core::config::section::{Entry, Section};

/// The most statements of `pre_sql` and `post_sql` together. The Data API takes 40 in a batch, and the largest batch
/// needs the others for itself.
pub(super) const MAX_EXTRA_STATEMENTS: usize = 10;
/// The longest statement that the Data API takes, in bytes.
/// Source: Amazon Redshift Management Guide, "Using the Amazon Redshift Data API", considerations.
const MAX_STATEMENT_BYTES: usize = 100_000;

/// The statements to run before and after COPY.
pub(super) fn read_extra(section: &Section<'_>, report: &mut Report<'_>) -> (Vec<String>, Vec<String>) {
    let before = section.texts("pre_sql", report);
    let after = section.texts("post_sql", report);
    for sql in before.iter().chain(&after) {
        check(sql, report);
    }
    if before.len() + after.len() > MAX_EXTRA_STATEMENTS {
        let what = format!("pre_sql and post_sql have {} statements", before.len() + after.len());
        let field = if after.is_empty() { "pre_sql" } else { "post_sql" };
        let remedy = format!("write {MAX_EXTRA_STATEMENTS} at most, or put them into a procedure and CALL it");
        report.add(&section.spot_at(field), what, remedy);
    }
    let owned = |statements: Vec<Entry<&str>>| statements.iter().map(|sql| sql.value.trim().to_owned()).collect();
    (owned(before), owned(after))
}

fn check(sql: &Entry<&str>, report: &mut Report<'_>) {
    let statement = match words(sql.value) {
        Ok(statement) => statement,
        Err(open) => {
            report.add(&sql.spot, format!("{open} is left open"), "close it");
            return;
        }
    };
    if statement.words.is_empty() {
        report.add(&sql.spot, "there is no statement", "remove it");
    }
    if statement.more {
        report.add(&sql.spot, "there are several statements in one text", "write each as a text of its own");
    }
    if sql.value.len() > MAX_STATEMENT_BYTES || sql.value.contains('\0') {
        let remedy = format!("write at most {MAX_STATEMENT_BYTES} bytes, none of them zero");
        report.add(&sql.spot, "the warehouse would not take this statement", remedy);
    }
    if let Some((command, remedy)) = ends_transaction(&statement.words) {
        let what = format!("{command} ends the transaction that loads the files, so they could be loaded twice");
        report.add(&sql.spot, what, remedy);
    }
}

/// The command that would end the transaction, and what to write instead.
fn ends_transaction(words: &[String]) -> Option<(&'static str, &'static str)> {
    let first = words.first().map_or("", String::as_str);
    let own = "remove it: Sluice begins and ends the transaction itself";
    match first {
        "TRUNCATE" => Some(("TRUNCATE", "write DELETE FROM instead")),
        "VACUUM" => Some(("VACUUM", "run it elsewhere, outside of loads")),
        "ALTER" if words.windows(2).any(|pair| pair == ["APPEND", "FROM"]) => {
            Some(("ALTER TABLE APPEND", "write INSERT INTO … SELECT instead"))
        }
        "COMMIT" => Some(("COMMIT", own)),
        "END" => Some(("END", own)),
        "ROLLBACK" => Some(("ROLLBACK", own)),
        "ABORT" => Some(("ABORT", own)),
        "BEGIN" => Some(("BEGIN", own)),
        "START" => Some(("START TRANSACTION", own)),
        _ => None,
    }
}

/// The words of one statement, upper case, without literals, quoted names and comments.
#[derive(Debug, Default)]
struct Statement {
    words: Vec<String>,
    /// Whether something follows the statement's semicolon.
    more: bool,
}

/// Splits SQL into words, as far as needed to know its command. An error names what was left open.
fn words(sql: &str) -> Result<Statement, &'static str> {
    let mut statement = Statement::default();
    let (mut begun, mut ended) = (false, false);
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
            continue;
        }
        if let Some(after) = after_comment(rest)? {
            rest = after;
            continue;
        }
        if c == ';' {
            ended = begun;
            rest = &rest[1..];
            continue;
        }
        statement.more |= ended;
        begun = true;
        if let Some(after) = after_quoted(rest)? {
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()).max(c.len_utf8());
        statement.words.push(rest[..end].to_uppercase());
        rest = &rest[end..];
    }
    Ok(statement)
}

/// What follows the comment that `sql` begins with, if it does.
fn after_comment(sql: &str) -> Result<Option<&str>, &'static str> {
    if sql.starts_with("--") {
        return Ok(Some(sql.split_once('\n').map_or("", |(_, after)| after)));
    }
    if !sql.starts_with("/*") {
        return Ok(None);
    }
    // Comments nest in PostgreSQL and in Redshift.
    let (mut depth, mut rest) = (0_usize, sql);
    loop {
        let at = rest.find(['/', '*']).ok_or("a comment")?;
        rest = &rest[at..];
        if rest.starts_with("/*") {
            (depth, rest) = (depth + 1, &rest[2..]);
        } else if rest.starts_with("*/") {
            (depth, rest) = (depth - 1, &rest[2..]);
        } else {
            rest = &rest[1..];
        }
        if depth == 0 {
            return Ok(Some(rest));
        }
    }
}

/// What follows the literal or the quoted name that `sql` begins with, if it does.
fn after_quoted(sql: &str) -> Result<Option<&str>, &'static str> {
    match sql.as_bytes().first() {
        Some(b'\'') => after_literal(&sql[1..]).map(Some),
        // A doubled quote within a name is, for this purpose, two names side by side.
        Some(b'"') => sql[1..].split_once('"').map(|(_, after)| Some(after)).ok_or("a double quote"),
        Some(b'$') => after_dollars(sql),
        _ => Ok(None),
    }
}

/// What follows a literal's other quote. A backslash escapes, as Redshift reads literals.
fn after_literal(sql: &str) -> Result<&str, &'static str> {
    let mut escaped = false;
    for (at, c) in sql.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Ok(&sql[at + 1..]),
            _ => {}
        }
    }
    Err("a quote")
}

/// What follows `$tag$ … $tag$`, if `sql` begins with such a tag.
fn after_dollars(sql: &str) -> Result<Option<&str>, &'static str> {
    let Some((tag, after)) = sql[1..].split_once('$') else { return Ok(None) };
    if tag.starts_with(|c: char| c.is_ascii_digit()) || !tag.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Ok(None);
    }
    let closing = format!("${tag}$");
    after.split_once(&closing).map(|(_, after)| Some(after)).ok_or("a dollar quote")
}
