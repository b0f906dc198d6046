//! The SQL that Sluice builds, read back as the warehouse would understand it. Anything else is an error of the test.

use std::collections::BTreeSet;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Sql {
    Set,
    Lock,
    /// Updates the fence's row.
    Fence,
    /// Divides by what `CASE` gives where no row is in the ledger, or where some are.
    Guard {
        none: i64,
        some: i64,
        files: BTreeSet<String>,
    },
    Copy {
        manifest: String,
        no_load: bool,
        options: Options,
    },
    Record(Vec<Row>),
    CreateLedger,
    CreateFence,
    /// Puts a row into the fence if it has none.
    FillFence,
    /// Divides by zero if the fence has no row.
    CheckFence,
    /// Which of the files the ledger has.
    Loaded(BTreeSet<String>),
    /// What the ledger has of these keys.
    Named(BTreeSet<String>),
    Amend {
        new: String,
        etag: String,
        size: String,
        old: String,
    },
    LoadErrors(Trace),
    VersionsRead(Trace),
}

/// How COPY reads files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub columnar: bool,
    pub gzip: bool,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub file: String,
    pub key: String,
    pub etag: String,
    pub size: String,
}

/// How a COPY is named in the system views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    Query(i64),
    Session(i64, i64),
}

impl Sql {
    pub fn read(text: &str) -> Self {
        Self::try_read(text).unwrap_or_else(|| panic!("the simulation does not know this SQL: {text}"))
    }

    fn try_read(text: &str) -> Option<Self> {
        let (first, rest) = text.split_once(' ')?;
        Some(match first {
            "SET" => Self::Set,
            "LOCK" => Self::Lock,
            "COPY" => Self::Copy {
                manifest: literals(rest).first()?.strip_prefix("s3://bucket/")?.to_owned(),
                no_load: rest.contains(" NOLOAD "),
                options: Options {
                    columnar: rest.contains(" FORMAT AS PARQUET"),
                    gzip: rest.ends_with(" GZIP") || rest.contains(" GZIP "),
                },
            },
            "INSERT" if rest.contains("_fence\" SELECT ") => Self::FillFence,
            "INSERT" => Self::Record(rows(rest.split_once(" VALUES ")?.1)?),
            "CREATE" if rest.contains("_fence\" (") => Self::CreateFence,
            "CREATE" => Self::CreateLedger,
            "UPDATE" if rest.ends_with("_fence\" SET loads = loads + 1") => Self::Fence,
            "UPDATE" => {
                let ([new, etag, old], size) = (<[String; 3]>::try_from(literals(rest)).ok()?, numbers(rest).pop()?);
                Self::Amend { new, etag, size, old }
            }
            "SELECT" => return Self::select(rest),
            _ => return None,
        })
    }

    fn select(rest: &str) -> Option<Self> {
        if rest.starts_with("1 / (CASE WHEN COUNT(*) > 0 THEN 1 ELSE 0 END) FROM ") {
            return Some(Self::CheckFence);
        }
        if let Some(case) = rest.strip_prefix("1 / (CASE WHEN COUNT(*) = 0 AND (SELECT COUNT(*) FROM ") {
            let (none, rest) = case.split_once(" > 0 THEN ")?.1.split_once(" ELSE ")?;
            let (some, rest) = rest.split_once(" END) FROM ")?;
            let files = literals(rest.split_once(" WHERE file IN ")?.1).into_iter().collect();
            return Some(Self::Guard { none: none.parse().ok()?, some: some.parse().ok()?, files });
        }
        if rest.starts_with("file, etag FROM ") {
            return Some(Self::Loaded(literals(rest.split_once(" WHERE file IN ")?.1).into_iter().collect()));
        }
        if let (true, Some((_, keys))) =
            (rest.starts_with("file, object_key, "), rest.split_once(" WHERE object_key IN "))
        {
            return Some(Self::Named(literals(keys).into_iter().collect()));
        }
        let trace = trace(rest.split_once(" WHERE ")?.1)?;
        if rest.contains(" FROM sys_load_error_detail ") {
            Some(Self::LoadErrors(trace))
        } else {
            rest.contains(" FROM sys_load_detail ").then_some(Self::VersionsRead(trace))
        }
    }
}

/// Each row has four literals and a number: identity, key, `ETag`, size, batch.
fn rows(values: &str) -> Option<Vec<Row>> {
    let (literals, sizes) = (literals(values), numbers(values));
    let row = |(row, size): (&[String], &String)| Row {
        file: row[0].clone(),
        key: row[1].clone(),
        etag: row[2].clone(),
        size: size.clone(),
    };
    (literals.len() == 4 * sizes.len()).then(|| literals.chunks(4).zip(&sizes).map(row).collect())
}

/// All numbers that are in no literal and no name.
fn numbers(text: &str) -> Vec<String> {
    let (_, between) = split(text);
    let words = between.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.parse::<u64>().is_ok()).map(str::to_owned).collect()
}

fn trace(condition: &str) -> Option<Trace> {
    let number = |after: &str| -> Option<i64> {
        let digits = condition.split_once(after)?.1;
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    number("query_id = ").map(Trace::Query).or_else(|| Some(Trace::Session(number("session_id = ")?, number("' + ")?)))
}

fn literals(text: &str) -> Vec<String> {
    split(text).0
}

/// All string literals, read as Redshift reads them (a backslash escapes, a doubled quote is one), and what is between them.
fn split(text: &str) -> (Vec<String>, String) {
    let (mut found, mut between) = (Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '\'' {
            between.push(character);
            continue;
        }
        let mut literal = String::new();
        while let Some(character) = rest.next() {
            match character {
                '\\' => literal.extend(rest.next()),
                '\'' if rest.peek() == Some(&'\'') => literal.extend(rest.next()),
                '\'' => break,
                other => literal.push(other),
            }
        }
        found.push(literal);
    }
    (found, between)
}
