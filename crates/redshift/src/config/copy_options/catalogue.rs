//! What COPY from S3 takes: each option's name, keywords, type, and the formats that allow it.
//!
//! Never reads a configuration. Source: Amazon Redshift Database Developer Guide, "COPY": data format, data conversion
//! and data load parameters, and "COPY from columnar data formats".

use sluice_core::config::FileFormat;

use super::words;

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
    /// One of a few words, of which `on` and `off` may also be `true` and `false`.
    Word { words: &'static [(&'static str, &'static str)], expected: &'static str },
}

use FileFormat::{Avro, Csv, Delimited, FixedWidth, Json, Orc, Parquet};

const ALL: &[FileFormat] = &FileFormat::ALL;
const COLUMNAR: &[FileFormat] = &[Parquet, Orc];
/// Files of lines.
const LINES: &[FileFormat] = &[Csv, FixedWidth, Delimited];
/// Lines whose fields a delimiter parts.
const PARTED: &[FileFormat] = &[Csv, Delimited];
/// Everything but columnar.
const ROWS: &[FileFormat] = &[Csv, Json, Avro, FixedWidth, Delimited];

/// The keywords with which a format announces itself.
pub(super) const FORMAT_CLAUSES: [&str; 3] = ["FORMAT AS JSON", "FORMAT AS AVRO", "FIXEDWIDTH"];

const fn known(name: &'static str, keyword: &'static str, kind: Kind, formats: &'static [FileFormat]) -> Known {
    Known { name, keyword, kind, formats }
}

const fn text(check: fn(&str) -> Option<String>, expected: &'static str) -> Kind {
    Kind::Text { check, expected }
}

const ON_OFF: Kind = Kind::Word { words: &[("on", "ON"), ("off", "OFF")], expected: "\"on\" or \"off\"" };
const COMPUPDATE: Kind = Kind::Word {
    words: &[("preset", "PRESET"), ("on", "ON"), ("off", "OFF")],
    expected: "\"preset\", \"on\" or \"off\"",
};
const ENCODINGS: Kind = Kind::Word {
    words: &[
        ("utf8", "UTF8"),
        ("utf16", "UTF16"),
        ("utf16le", "UTF16LE"),
        ("utf16be", "UTF16BE"),
        ("iso88591", "ISO88591"),
    ],
    expected: "\"utf8\", \"utf16\", \"utf16le\", \"utf16be\" or \"iso88591\"",
};
const JSON: &str = "\"auto\", \"auto ignorecase\", \"noshred\", or \"s3://bucket/key\" of a jsonpaths file";
const AVRO: &str = "\"auto\", \"auto ignorecase\", or \"s3://bucket/key\" of a jsonpaths file";

/// All options, in the order in which they stand in a statement.
pub(super) const KNOWN: &[Known] = &[
    known("json", "FORMAT AS JSON", text(words::json, JSON), &[Json]),
    known("avro", "FORMAT AS AVRO", text(words::avro, AVRO), &[Avro]),
    known(
        "fixedwidth",
        "FIXEDWIDTH",
        text(words::fixed_width, "\"id:5,name:20\", a label and a width for each column"),
        &[FixedWidth],
    ),
    known(
        "delimiter",
        "DELIMITER",
        text(words::delimiter, "one character or a few, such as \"|\", \"\\t\" or \"|~|\""),
        PARTED,
    ),
    known("quote", "QUOTE AS", text(words::character, "one ASCII character, such as \"'\""), &[Csv]),
    known("gzip", "GZIP", Kind::Flag, ROWS),
    known("bzip2", "BZIP2", Kind::Flag, ROWS),
    known("lzop", "LZOP", Kind::Flag, ROWS),
    known("zstd", "ZSTD", Kind::Flag, ROWS),
    known("region", "REGION", text(words::region, "a Region such as \"eu-central-1\""), ROWS),
    known("acceptanydate", "ACCEPTANYDATE", Kind::Flag, ROWS),
    known(
        "acceptinvchars",
        "ACCEPTINVCHARS",
        Kind::FlagOrText { check: words::character, expected: "true, or the one ASCII character to put instead" },
        ALL,
    ),
    known("blanksasnull", "BLANKSASNULL", Kind::Flag, ROWS),
    known("dateformat", "DATEFORMAT", text(words::format, "\"auto\" or a format such as \"YYYY-MM-DD\""), ROWS),
    known("emptyasnull", "EMPTYASNULL", Kind::Flag, ROWS),
    known("encoding", "ENCODING", ENCODINGS, &[Csv, Json, Delimited]),
    known("escape", "ESCAPE", Kind::Flag, &[Delimited]),
    known("explicit_ids", "EXPLICIT_IDS", Kind::Flag, ALL),
    known("fillrecord", "FILLRECORD", Kind::Flag, &[Csv, FixedWidth, Delimited, Parquet, Orc]),
    known("ignoreblanklines", "IGNOREBLANKLINES", Kind::Flag, LINES),
    known("ignoreheader", "IGNOREHEADER", Kind::Integer { least: 0, most: i32::MAX as i64 }, LINES),
    known("null_as", "NULL AS", text(words::null, "the text that means NULL, such as \"NA\"; not a line's end"), ROWS),
    known("removequotes", "REMOVEQUOTES", Kind::Flag, &[Delimited]),
    known("roundec", "ROUNDEC", Kind::Flag, ROWS),
    known(
        "timeformat",
        "TIMEFORMAT",
        text(words::format, "\"auto\", \"epochsecs\", \"epochmillisecs\", or a format such as \"YYYY-MM-DD HH:MI:SS\""),
        ROWS,
    ),
    known("trimblanks", "TRIMBLANKS", Kind::Flag, ROWS),
    known("truncatecolumns", "TRUNCATECOLUMNS", Kind::Flag, ROWS),
    known("serializetojson", "SERIALIZETOJSON", Kind::Flag, COLUMNAR),
    known("comprows", "COMPROWS", Kind::Integer { least: 1000, most: 1_000_000_000 }, ROWS),
    known("compupdate", "COMPUPDATE", COMPUPDATE, ROWS),
    known("statupdate", "STATUPDATE", ON_OFF, ALL),
];

const SET_BY_SLUICE: &str = "Sluice sets this itself";
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
    ("iam_role", SET_BY_SLUICE, "write iam_role under [feed.redshift]"),
    ("credentials", SET_BY_SLUICE, "write iam_role under [feed.redshift]"),
    ("access_key_id", SET_BY_SLUICE, "write iam_role under [feed.redshift]; no keys belong here"),
    ("secret_access_key", SET_BY_SLUICE, "write iam_role under [feed.redshift]; no keys belong here"),
    ("session_token", SET_BY_SLUICE, "write iam_role under [feed.redshift]; no keys belong here"),
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
