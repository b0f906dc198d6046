//! What COPY from S3 takes: each option's name, keywords, type, and the formats that allow it.
//!
//! COPY itself is not asked: an operator should read what is wrong with an option before a file waits for it, and only
//! a keyword of this table ever becomes SQL. Never reads a configuration. Source: Amazon Redshift Database Developer
//! Guide, "COPY": data format, data conversion and data load parameters, and "COPY from columnar data formats".

use sluice_core::config::FileFormat;

use super::words;
use FileFormat::{Avro, Csv, Delimited, FixedWidth, Json, Orc, Parquet};

/// One option of COPY.
#[derive(Debug)]
pub(super) struct Known {
    /// As the configuration writes it.
    pub(super) name: &'static str,
    /// As SQL writes it.
    pub(super) keyword: &'static str,
    pub(super) kind: Kind,
    formats: &'static [FileFormat],
}

impl Known {
    /// Whether files of `format` may be loaded with it.
    pub(super) fn fits(&self, format: FileFormat) -> bool {
        self.formats.contains(&format)
    }
}

/// What an option takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `true`; `false` is as good as not writing it.
    Flag,
    /// A whole number in a range.
    Integer { least: i64, most: i64 },
    /// A text that `check` takes, and perhaps changes.
    Text { check: fn(&str) -> Option<String>, expected: &'static str },
    /// `true`, or such a text.
    FlagOrText { check: fn(&str) -> Option<String>, expected: &'static str },
    /// One of a few words, in upper or lower case; for `ON` and `OFF`, also `true` and `false`.
    Word(&'static [&'static str]),
}

impl Kind {
    /// What the option takes, for a person.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::Text { expected, .. } | Self::FlagOrText { expected, .. } => (*expected).to_owned(),
            Self::Word(words) => {
                let mut words: Vec<_> = words.iter().map(|word| format!("\"{}\"", word.to_ascii_lowercase())).collect();
                let last = words.pop().unwrap_or_default();
                format!("{} or {last}", words.join(", "))
            }
        }
    }
}

const fn known(name: &'static str, keyword: &'static str, kind: Kind, formats: &'static [FileFormat]) -> Known {
    Known { name, keyword, kind, formats }
}

const fn text(check: fn(&str) -> Option<String>, expected: &'static str) -> Kind {
    Kind::Text { check, expected }
}

const ALL: &[FileFormat] = &FileFormat::ALL;
const COLUMNAR: &[FileFormat] = &[Parquet, Orc];
/// Files of lines.
const LINES: &[FileFormat] = &[Csv, FixedWidth, Delimited];
/// Everything but columnar.
const ROWS: &[FileFormat] = &[Csv, Json, Avro, FixedWidth, Delimited];

const JSON: &str = r#""auto", "auto ignorecase", "noshred", or "s3://bucket/key" of a jsonpaths file"#;
const AVRO: &str = r#""auto", "auto ignorecase", or "s3://bucket/key" of a jsonpaths file"#;
/// What the format `fixedwidth` cannot do without.
pub(super) const FIXED_WIDTH: &str = r#""id:5,name:20", a label and a width for each column"#;
const DELIMITER: &str = r#"one character or a few, such as "|", "\t" or "|~|""#;
const DATE: &str = r#""auto" or a format such as "YYYY-MM-DD""#;
const TIME: &str = r#""auto", "epochsecs", "epochmillisecs", or a format such as "YYYY-MM-DD HH:MI:SS""#;
const NULL: &str = r#"the text that means NULL, such as "NA"; not a line's end"#;
const INVALID: &str = "true, or the one ASCII character to put instead";

/// All options, in the order in which they stand in a statement.
pub(super) const KNOWN: &[Known] = &[
    known("json", "FORMAT AS JSON", text(words::json, JSON), &[Json]),
    known("avro", "FORMAT AS AVRO", text(words::avro, AVRO), &[Avro]),
    known("fixedwidth", "FIXEDWIDTH", text(words::fixed_width, FIXED_WIDTH), &[FixedWidth]),
    known("delimiter", "DELIMITER", text(words::delimiter, DELIMITER), &[Csv, Delimited]),
    known("quote", "QUOTE AS", text(words::character, "one ASCII character, such as \"'\""), &[Csv]),
    known("gzip", "GZIP", Kind::Flag, ROWS),
    known("bzip2", "BZIP2", Kind::Flag, ROWS),
    known("lzop", "LZOP", Kind::Flag, ROWS),
    known("zstd", "ZSTD", Kind::Flag, ROWS),
    known("region", "REGION", text(words::region, "a Region such as \"eu-central-1\""), ROWS),
    known("acceptanydate", "ACCEPTANYDATE", Kind::Flag, ROWS),
    known("acceptinvchars", "ACCEPTINVCHARS", Kind::FlagOrText { check: words::character, expected: INVALID }, ALL),
    known("blanksasnull", "BLANKSASNULL", Kind::Flag, ROWS),
    known("dateformat", "DATEFORMAT", text(words::format, DATE), ROWS),
    known("emptyasnull", "EMPTYASNULL", Kind::Flag, ROWS),
    known(
        "encoding",
        "ENCODING",
        Kind::Word(&["UTF8", "UTF16", "UTF16LE", "UTF16BE", "ISO88591"]),
        &[Csv, Json, Delimited],
    ),
    known("escape", "ESCAPE", Kind::Flag, &[Delimited]),
    known("explicit_ids", "EXPLICIT_IDS", Kind::Flag, ALL),
    known("fillrecord", "FILLRECORD", Kind::Flag, &[Csv, FixedWidth, Delimited, Parquet, Orc]),
    known("ignoreblanklines", "IGNOREBLANKLINES", Kind::Flag, LINES),
    known("ignoreheader", "IGNOREHEADER", Kind::Integer { least: 0, most: i32::MAX as i64 }, LINES),
    known("null_as", "NULL AS", text(words::null, NULL), ROWS),
    known("removequotes", "REMOVEQUOTES", Kind::Flag, &[Delimited]),
    known("roundec", "ROUNDEC", Kind::Flag, ROWS),
    known("timeformat", "TIMEFORMAT", text(words::format, TIME), ROWS),
    known("trimblanks", "TRIMBLANKS", Kind::Flag, ROWS),
    known("truncatecolumns", "TRUNCATECOLUMNS", Kind::Flag, ROWS),
    known("serializetojson", "SERIALIZETOJSON", Kind::Flag, COLUMNAR),
    known("comprows", "COMPROWS", Kind::Integer { least: 1000, most: 1_000_000_000 }, ROWS),
    known("compupdate", "COMPUPDATE", Kind::Word(&["PRESET", "ON", "OFF"]), ROWS),
    known("statupdate", "STATUPDATE", Kind::Word(&["ON", "OFF"]), ALL),
];

const SET_BY_SLUICE: &str = "Sluice sets this itself";
const IAM_ROLE: &str = "write iam_role under [feed.redshift]";
const NO_KEYS: &str = "write iam_role under [feed.redshift]; no keys belong here";
const NO_ROW_LOST: &str = "rows that COPY passes over would be lost without a trace";
const QUARANTINE: &str = "remove it: Sluice moves a bad file to failed/ with the reason and loads the others";
const FORMAT: &str = "the format is not an option";
const OTHER_SOURCE: &str = "this is not for files in S3";
const CLIENT_ENCRYPTION: &str = "files encrypted by the client are not supported";
const BUCKET_ENCRYPTION: &str = "remove it: what S3 encrypts, COPY reads without options";
const REMOVE: &str = "remove it";

/// Options that COPY has and Sluice does not take: name, what is wrong, what would be right.
pub(super) const REFUSED: &[(&str, &str, &str)] = &[
    ("maxerror", NO_ROW_LOST, QUARANTINE),
    ("ignoreallerrors", NO_ROW_LOST, QUARANTINE),
    ("noload", SET_BY_SLUICE, "remove it: with it nothing would ever be loaded"),
    ("manifest", SET_BY_SLUICE, REMOVE),
    ("from", SET_BY_SLUICE, REMOVE),
    ("iam_role", SET_BY_SLUICE, IAM_ROLE),
    ("credentials", SET_BY_SLUICE, IAM_ROLE),
    ("access_key_id", SET_BY_SLUICE, NO_KEYS),
    ("secret_access_key", SET_BY_SLUICE, NO_KEYS),
    ("session_token", SET_BY_SLUICE, NO_KEYS),
    ("format", SET_BY_SLUICE, "write format under [feed.redshift]"),
    ("csv", FORMAT, "write format = \"csv\" under [feed.redshift]"),
    ("parquet", FORMAT, "write format = \"parquet\" under [feed.redshift]"),
    ("orc", FORMAT, "write format = \"orc\" under [feed.redshift]"),
    ("shapefile", "shapefiles are not supported", REMOVE),
    ("null", "the option is called null_as here", "write null_as"),
    ("encrypted", CLIENT_ENCRYPTION, BUCKET_ENCRYPTION),
    ("master_symmetric_key", CLIENT_ENCRYPTION, BUCKET_ENCRYPTION),
    ("readratio", OTHER_SOURCE, REMOVE),
    ("ssh", OTHER_SOURCE, REMOVE),
];
