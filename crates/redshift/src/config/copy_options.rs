//! COPY's options as typed values: what the operator wrote, checked against the files' format.
//!
//! Never renders SQL. The renderer quotes the texts and writes the keywords, so no raw word of a configuration reaches
//! a statement. Besides the format's own clause, never adds an option that nobody wrote.

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

    /// The compression, if the clause is one.
    pub(crate) fn compression(&self) -> Option<Compression> {
        Compression::ALL.into_iter().find(|compression| *self == Self::Flag(compression.keyword()))
    }
}

/// The clauses of a COPY that describe the files and how they are converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions(Vec<CopyOption>);

impl CopyOptions {
    /// The clauses, always in the same order: first the format's own (`FORMAT AS CSV`, `FORMAT AS JSON 'auto'`,
    /// `FIXEDWIDTH '…'`; none for delimited text), then the others. The renderer adds no format of its own.
    #[must_use]
    pub fn options(&self) -> &[CopyOption] {
        &self.0
    }

    /// Where the jsonpaths object is, `s3://bucket/key`, if the options name one.
    pub(crate) fn jsonpaths(&self) -> Option<&str> {
        self.text("FORMAT AS JSON").or(self.text("FORMAT AS AVRO")).filter(|text| text.starts_with("s3://"))
    }

    /// How the files are compressed, if the options say so.
    pub(crate) fn compression(&self) -> Option<Compression> {
        self.0.iter().find_map(CopyOption::compression)
    }

    /// Whether the files are UTF-8, which is COPY's default.
    pub(crate) fn is_utf8(&self) -> bool {
        self.0.iter().all(|option| !matches!(option, CopyOption::Word("ENCODING", word) if *word != "UTF8"))
    }

    /// How many lines at the beginning of each file are not rows.
    pub(crate) fn header_lines(&self) -> usize {
        let lines = |option: &CopyOption| match option {
            CopyOption::Integer("IGNOREHEADER", lines) => usize::try_from(*lines).ok(),
            _ => None,
        };
        self.0.iter().find_map(lines).unwrap_or_default()
    }

    /// The byte that quotes fields of CSV; `None` in other formats.
    pub(crate) fn quote(&self) -> Option<u8> {
        let csv = self.0.contains(&CopyOption::Flag("FORMAT AS CSV"));
        csv.then(|| self.text("QUOTE AS").and_then(|quote| quote.bytes().next()).unwrap_or(b'"'))
    }

    /// Whether JSON files hold objects whose names are columns.
    pub(crate) fn wants_objects(&self) -> bool {
        matches!(self.text("FORMAT AS JSON"), Some("auto" | "auto ignorecase"))
    }

    /// The text of the clause with these keywords.
    fn text(&self, keywords: &str) -> Option<&str> {
        self.0.iter().find_map(|option| match option {
            CopyOption::Text(keyword, text) if *keyword == keywords => Some(text.as_str()),
            _ => None,
        })
    }

    /// Reads `[feed.redshift.options]` for files of `format`; `owner` is the destination's place, for what is missing.
    pub(super) fn read(
        format: FileFormat,
        section: Option<&Section<'_>>,
        owner: &Spot,
        report: &mut Report<'_>,
    ) -> Self {
        let mut options = Vec::new();
        if let Some(section) = section {
            refuse_unfit(format, section, report);
            refuse_second_compression(section, report);
            for known in KNOWN.iter().filter(|known| known.fits(format)) {
                options.extend(section.value(known.name).and_then(|entry| read_one(known, &entry, report)));
            }
        }
        add_format(format, &mut options, owner, report);
        Self(options)
    }
}

/// The names of all options.
pub(super) fn names() -> Vec<&'static str> {
    KNOWN.iter().map(|known| known.name).collect()
}

/// Reports options that Sluice sets itself, that the format does not take, and that COPY does not have.
fn refuse_unfit(format: FileFormat, section: &Section<'_>, report: &mut Report<'_>) {
    let fit: Vec<_> = KNOWN.iter().filter(|known| known.fits(format)).map(|known| known.name).collect();
    for name in section.names().filter(|name| !fit.contains(&name.value)) {
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

/// COPY reads all files of one statement in the same way, so it takes one compression at most.
fn refuse_second_compression(section: &Section<'_>, report: &mut Report<'_>) {
    let given = |name: &&str| section.value(name).is_some_and(|entry| entry.value.as_bool() == Some(true));
    let given: Vec<_> = ["gzip", "bzip2", "lzop", "zstd"].into_iter().filter(given).collect();
    if let [first, second, ..] = given[..] {
        let remedy = "keep one; files of several compressions need a feed for each";
        report.add(&section.spot_at(second), format!("a second compression beside {first}"), remedy);
    }
}

/// One option's value, checked. A flag that is `false` gives no clause.
fn read_one(known: &Known, entry: &Entry<&DeValue<'_>>, report: &mut Report<'_>) -> Option<CopyOption> {
    let (keyword, kind) = (known.keyword, known.kind);
    let (flag, text) = (entry.value.as_bool(), entry.value.as_str());
    let option = match kind {
        Kind::Flag | Kind::FlagOrText { .. } if flag.is_some() => return flag?.then_some(CopyOption::Flag(keyword)),
        Kind::Flag => return mistyped(entry, &kind.expected(), report),
        Kind::Integer { least, most } => {
            let number = entry.value.as_integer().and_then(integer).filter(|number| (least..=most).contains(number));
            number.map(|number| CopyOption::Integer(keyword, number))
        }
        Kind::Text { check, .. } | Kind::FlagOrText { check, .. } => {
            text.and_then(check).map(|text| CopyOption::Text(keyword, text))
        }
        Kind::Word(words) => {
            let given = flag.map(|flag| if flag { "on" } else { "off" }).or(text).unwrap_or_default();
            let word = words.iter().find(|word| word.eq_ignore_ascii_case(given));
            word.map(|word| CopyOption::Word(keyword, word))
        }
    };
    option.or_else(|| wrong(entry, &kind.expected(), report))
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

/// Puts the format's own clause first, unless an option (`json`, `avro`, `fixedwidth`) is that clause.
fn add_format(format: FileFormat, options: &mut Vec<CopyOption>, owner: &Spot, report: &mut Report<'_>) {
    let given = |keyword| options.first().is_some_and(|first| first.keyword() == keyword);
    let clause = match format {
        FileFormat::Csv => CopyOption::Flag("FORMAT AS CSV"),
        // COPY's documented default, written out so that the statement can be read alone.
        FileFormat::Json => CopyOption::Text("FORMAT AS JSON", "auto".to_owned()),
        FileFormat::Avro => CopyOption::Text("FORMAT AS AVRO", "auto".to_owned()),
        FileFormat::Parquet => CopyOption::Flag("FORMAT AS PARQUET"),
        FileFormat::Orc => CopyOption::Flag("FORMAT AS ORC"),
        FileFormat::Delimited => return,
        FileFormat::FixedWidth => {
            if !given("FIXEDWIDTH") {
                let spot = Spot { path: format!("{}.options.fixedwidth", owner.path), span: owner.span.clone() };
                report.add(&spot, "missing", format!("write fixedwidth = {}", catalogue::FIXED_WIDTH));
            }
            return;
        }
    };
    if !given(clause.keyword()) {
        options.insert(0, clause);
    }
}
