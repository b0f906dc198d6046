//! COPY's options as typed values: what the operator wrote, checked against the files' format.
//!
//! Never renders SQL, and never adds an option that nobody wrote: the renderer quotes the texts and writes the keywords,
//! and so no raw word of a configuration reaches a statement.

use sluice_core::config::problem::{Report, Spot, shown};
use sluice_core::config::section::{Entry, Section, integer, mistyped, right_place};
use sluice_core::config::{Compression, FileFormat};
use toml::de::DeValue;

use super::FIELDS;
use catalogue::{KNOWN, Kind, Known, REFUSED};

mod catalogue;
mod words;

/// One clause of a COPY: keywords that are SQL already, and at most one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyOption {
    /// Keywords alone: `GZIP`, `FORMAT AS CSV`.
    Flag(&'static str),
    /// Keywords and a number: `IGNOREHEADER 1`.
    Integer(&'static str, i64),
    /// Keywords and a text, to be quoted as a literal: `NULL AS 'NA'`.
    Text(&'static str, String),
    /// Keywords and a word that is not quoted: `COMPUPDATE OFF`.
    Word(&'static str, &'static str),
}

impl CopyOption {
    /// The keywords that the clause begins with.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Flag(keyword) | Self::Integer(keyword, _) | Self::Text(keyword, _) | Self::Word(keyword, _) => {
                keyword
            }
        }
    }
}

/// Whether a clause says that the files are compressed, in whichever way.
#[must_use]
pub fn is_said_by(option: &CopyOption) -> bool {
    Compression::ALL.iter().any(|one| *option == CopyOption::Flag(one.keyword()))
}

/// The clauses of a COPY that say what the files are and how they are converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions(Vec<CopyOption>);

impl CopyOptions {
    /// The clauses, always in the same order: first the format's own (`FORMAT AS CSV`, `FORMAT AS JSON 'auto'`,
    /// `FIXEDWIDTH '…'`; none for delimited text), then the others. Whoever renders them adds no format of its own.
    #[must_use]
    pub fn options(&self) -> &[CopyOption] {
        &self.0
    }

    /// Where the jsonpaths object is, `s3://bucket/key`, if the options name one.
    #[must_use]
    pub fn jsonpaths(&self) -> Option<&str> {
        self.0.iter().find_map(|option| match option {
            CopyOption::Text(keyword, text) if keyword.starts_with("FORMAT AS ") && text.starts_with("s3://") => {
                Some(text.as_str())
            }
            _ => None,
        })
    }

    /// How the files are compressed, where the options say so.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        let given = |compression: &Compression| self.0.contains(&CopyOption::Flag(compression.keyword()));
        Compression::ALL.into_iter().find(given)
    }

    /// Whether the files are UTF-8, which is COPY's default.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.0.iter().all(|option| !matches!(option, CopyOption::Word("ENCODING", word) if *word != "UTF8"))
    }

    /// How many lines at the beginning of each file are no rows.
    #[must_use]
    pub fn header_lines(&self) -> usize {
        let lines = |option: &CopyOption| match option {
            CopyOption::Integer("IGNOREHEADER", lines) => usize::try_from(*lines).ok(),
            _ => None,
        };
        self.0.iter().find_map(lines).unwrap_or_default()
    }

    /// The byte that quotes fields of CSV; none in other formats.
    #[must_use]
    pub fn quote(&self) -> Option<u8> {
        let csv = self.0.contains(&CopyOption::Flag("FORMAT AS CSV"));
        let quote = |option: &CopyOption| match option {
            CopyOption::Text("QUOTE AS", quote) => quote.bytes().next(),
            _ => None,
        };
        csv.then(|| self.0.iter().find_map(quote).unwrap_or(b'"'))
    }

    /// Whether JSON files hold objects whose names are columns.
    #[must_use]
    pub fn wants_objects(&self) -> bool {
        let auto = |text: &str| matches!(text, "auto" | "auto ignorecase");
        self.0.iter().any(|option| matches!(option, CopyOption::Text("FORMAT AS JSON", text) if auto(text)))
    }

    /// Reads `[feed.redshift.options]` for files of `format`; `owner` is the destination's place, for what is missing.
    pub(super) fn read(
        format: FileFormat,
        section: Option<&Section<'_>>,
        owner: &Spot,
        report: &mut Report<'_>,
    ) -> Self {
        if let Some(section) = section {
            refuse_unfit(format, section, report);
            refuse_second_compression(section, report);
        }
        let fit = KNOWN.iter().filter(|known| known.fits(format));
        let mut options: Vec<_> =
            fit.filter_map(|known| read_one(known, &section?.value(known.name)?, report)).collect();
        add_format(format, &mut options, owner, report);
        Self(options)
    }
}

/// The names of all options.
pub(super) fn names() -> Vec<&'static str> {
    KNOWN.iter().map(|known| known.name).collect()
}

/// Reports options that Sluice sets itself, that the format does not take, and that nobody knows.
fn refuse_unfit(format: FileFormat, section: &Section<'_>, report: &mut Report<'_>) {
    let fit: Vec<_> = KNOWN.iter().filter(|known| known.fits(format)).map(|known| known.name).collect();
    for name in section.names() {
        if fit.contains(&name.value) {
            continue;
        }
        if let Some((_, what, remedy)) = REFUSED.iter().find(|(refused, ..)| *refused == name.value) {
            report.add(&name.spot, *what, *remedy);
        } else if KNOWN.iter().any(|known| known.name == name.value) {
            let what = format!("the format {} does not take this option", format.as_str());
            report.add(&name.spot, what, format!("remove it; it is for {}", formats_with(name.value)));
        } else {
            let elsewhere = [(FIELDS, "under [feed.redshift], above [feed.redshift.options]")];
            report.add(&name.spot, "COPY has no such option", right_place(name.value, &fit, &elsewhere));
        }
    }
}

/// The formats that take this option.
pub(super) fn formats_with(option: &str) -> String {
    let takes = |format: &FileFormat| KNOWN.iter().any(|known| known.name == option && known.fits(*format));
    FileFormat::ALL.into_iter().filter(takes).map(FileFormat::as_str).collect::<Vec<_>>().join(", ")
}

/// COPY reads all files of one statement in the same way, so there is one compression at most.
fn refuse_second_compression(section: &Section<'_>, report: &mut Report<'_>) {
    let given = |name: &str| section.value(name).is_some_and(|entry| entry.value.as_bool() == Some(true));
    let given: Vec<_> = ["gzip", "bzip2", "lzop", "zstd"].into_iter().filter(|name| given(name)).collect();
    if let [first, second, ..] = given[..] {
        let remedy = "keep one; files of several compressions need a feed for each";
        report.add(&section.spot_at(second), format!("a second compression beside {first}"), remedy);
    }
}

/// One option's value, checked.
fn read_one(known: &Known, entry: &Entry<&DeValue<'_>>, report: &mut Report<'_>) -> Option<CopyOption> {
    let keyword = known.keyword;
    match known.kind {
        Kind::Flag => match entry.value.as_bool() {
            Some(given) => given.then_some(CopyOption::Flag(keyword)),
            None => mistyped(entry, "true or false", report),
        },
        Kind::Integer { least, most } => {
            let number = entry.value.as_integer().and_then(integer).filter(|number| (least..=most).contains(number));
            match number {
                Some(number) => Some(CopyOption::Integer(keyword, number)),
                None => wrong(entry, &format!("a whole number from {least} to {most}"), report),
            }
        }
        Kind::Text { check, expected } => match entry.value.as_str().and_then(check) {
            Some(text) => Some(CopyOption::Text(keyword, text)),
            None => wrong(entry, expected, report),
        },
        Kind::FlagOrText { check, expected } => match (entry.value.as_bool(), entry.value.as_str().and_then(check)) {
            (Some(given), _) => given.then_some(CopyOption::Flag(keyword)),
            (_, Some(text)) => Some(CopyOption::Text(keyword, text)),
            _ => wrong(entry, expected, report),
        },
        Kind::Word { words, expected } => {
            let text = match (entry.value.as_bool(), entry.value.as_str()) {
                (Some(true), _) => "on".to_owned(),
                (Some(false), _) => "off".to_owned(),
                (_, text) => text.unwrap_or_default().to_ascii_lowercase(),
            };
            match words.iter().find(|(name, _)| *name == text) {
                Some((_, word)) => Some(CopyOption::Word(keyword, word)),
                None => wrong(entry, expected, report),
            }
        }
    }
}

/// Reports a value that the option does not take.
fn wrong<T>(entry: &Entry<&DeValue<'_>>, expected: &str, report: &mut Report<'_>) -> Option<T> {
    let given = match entry.value {
        DeValue::String(text) => shown(text),
        DeValue::Integer(number) => number.to_string(),
        _ => return mistyped(entry, expected, report),
    };
    report.add(&entry.spot, format!("{given} is not a value of this option"), format!("write {expected}"));
    None
}

/// Puts the format's own clause first, where no option (`json`, `avro`, `fixedwidth`) was it already.
fn add_format(format: FileFormat, options: &mut Vec<CopyOption>, owner: &Spot, report: &mut Report<'_>) {
    let given = options.first().is_some_and(|first| catalogue::FORMAT_CLAUSES.contains(&first.keyword()));
    let clause = match format {
        _ if given => return,
        FileFormat::Csv => CopyOption::Flag("FORMAT AS CSV"),
        // COPY's documented default, written out so that the statement can be read alone.
        FileFormat::Json => CopyOption::Text("FORMAT AS JSON", "auto".to_owned()),
        FileFormat::Avro => CopyOption::Text("FORMAT AS AVRO", "auto".to_owned()),
        FileFormat::Parquet => CopyOption::Flag("FORMAT AS PARQUET"),
        FileFormat::Orc => CopyOption::Flag("FORMAT AS ORC"),
        FileFormat::Delimited => return,
        FileFormat::FixedWidth => {
            let spot = Spot { path: format!("{}.options.fixedwidth", owner.path), span: owner.span.clone() };
            report.add(&spot, "missing", "write fixedwidth = \"id:5,name:20\", a label and a width for each column");
            return;
        }
    };
    options.insert(0, clause);
}
