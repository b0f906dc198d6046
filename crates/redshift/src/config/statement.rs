//! Reads `pre_sql` and `post_sql`, and refuses what would end the batch's transaction.
//!
//! Never understands SQL beyond its words. It skips literals, quoted names and comments, so that a word in them does
//! not look like a command, and no command hides behind them.

use sluice_core::config::problem::Report;
use sluice_core::config::section::{Entry, Section};

use crate::statements::MAX_STATEMENT_BYTES;

/// The most statements of `pre_sql` and `post_sql` together. The Data API takes 40 in a batch, and Sluice needs the
/// others for the largest load.
const MAX_EXTRA_STATEMENTS: usize = 10;

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
    let plain = match plain(sql.value) {
        Ok(plain) => plain,
        Err(open) => {
            report.add(&sql.spot, format!("{open} is left open"), "close it");
            return;
        }
    };
    let words: Vec<&str> = plain.split([' ', ';']).filter(|word| !word.is_empty() && *word != QUOTED).collect();
    if words.is_empty() {
        report.add(&sql.spot, "there is no statement", "remove it");
    }
    if plain.split(';').filter(|statement| !statement.trim().is_empty()).count() > 1 {
        report.add(&sql.spot, "there are several statements in one text", "write each as a text of its own");
    }
    if sql.value.len() > MAX_STATEMENT_BYTES || sql.value.contains('\0') {
        let remedy = format!("write at most {MAX_STATEMENT_BYTES} bytes, none of them zero");
        report.add(&sql.spot, "the warehouse would not take this statement", remedy);
    }
    if let Some((command, remedy)) = ends_transaction(&words) {
        let what = format!("{command} ends the transaction that loads the files, so they could be loaded twice");
        report.add(&sql.spot, what, remedy);
    }
}

/// The command that would end the transaction, and what to write instead.
fn ends_transaction<'w>(words: &[&'w str]) -> Option<(&'w str, &'static str)> {
    let own = "remove it: Sluice begins and ends the transaction itself";
    match *words.first()? {
        "TRUNCATE" => Some(("TRUNCATE", "write DELETE FROM instead")),
        "VACUUM" => Some(("VACUUM", "run it elsewhere, outside of loads")),
        "ALTER" if words.windows(2).any(|pair| pair == ["APPEND", "FROM"]) => {
            Some(("ALTER TABLE APPEND", "write INSERT INTO … SELECT instead"))
        }
        "START" => Some(("START TRANSACTION", own)),
        command @ ("BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "ABORT") => Some((command, own)),
        _ => None,
    }
}

/// Stands for a literal or a quoted name in [`plain`] SQL.
const QUOTED: &str = "'";

/// SQL in upper case without comments, with blanks between its words and signs, and with [`QUOTED`] for each literal
/// and quoted name. The error names what was left open.
fn plain(sql: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = after_comment(rest)? {
            plain.push(' ');
            rest = after;
        } else if let Some(after) = after_quoted(rest)? {
            plain.extend([" ", QUOTED, " "]);
            rest = after;
        } else {
            match c {
                c if c.is_alphanumeric() || c == '_' => plain.extend(c.to_uppercase()),
                c if c.is_whitespace() => plain.push(' '),
                sign => plain.extend([' ', sign, ' ']),
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    Ok(plain)
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
        // A doubled quote within a name counts as two names side by side, which changes nothing here.
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
