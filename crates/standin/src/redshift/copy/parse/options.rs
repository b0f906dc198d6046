//! COPY's options, with Redshift's defaults.
//!
//! Never has an option that this stand-in does not implement.

/// How to read the files. Options that are not given have Redshift's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of COPY")]
pub(crate) struct Options {
    pub(crate) manifest: bool,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    pub(crate) encoding: Encoding,
    pub(crate) region: Option<String>,
    pub(crate) delimiter: Option<u8>,
    pub(crate) quote: u8,
    pub(crate) ignore_header: u64,
    pub(crate) null_as: Vec<u8>,
    pub(crate) empty_as_null: bool,
    pub(crate) blanks_as_null: bool,
    pub(crate) date_format: Option<String>,
    pub(crate) time_format: Option<String>,
    pub(crate) max_error: u64,
    pub(crate) ignore_all_errors: bool,
    pub(crate) no_load: bool,
    pub(crate) accept_inv_chars: Option<u8>,
    pub(crate) accept_any_date: bool,
    pub(crate) truncate_columns: bool,
    pub(crate) fill_record: bool,
    pub(crate) ignore_blank_lines: bool,
    pub(crate) trim_blanks: bool,
    pub(crate) round_dec: bool,
    pub(crate) explicit_ids: bool,
    pub(crate) escape: bool,
    pub(crate) remove_quotes: bool,
    pub(crate) serialize_to_json: bool,
}

/// The format of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Delimited,
    Csv,
    /// The width of each column, in characters.
    FixedWidth(Vec<usize>),
    Json(JsonPaths),
    Parquet,
}

/// How objects map to columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonPaths {
    Auto,
    AutoIgnoreCase,
    NoShred,
    /// An object that holds the paths.
    File {
        bucket: String,
        key: String,
    },
}

/// The encoding of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    /// A byte order mark gives the byte order.
    Utf16,
    Utf16Le,
    Utf16Be,
    Latin1,
}

/// The compression of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            manifest: false,
            format: Format::Delimited,
            compression: Compression::None,
            encoding: Encoding::Utf8,
            region: None,
            delimiter: None,
            quote: b'"',
            ignore_header: 0,
            null_as: b"\\N".to_vec(),
            empty_as_null: false,
            blanks_as_null: false,
            date_format: None,
            time_format: None,
            max_error: 0,
            ignore_all_errors: false,
            no_load: false,
            accept_inv_chars: None,
            accept_any_date: false,
            truncate_columns: false,
            fill_record: false,
            ignore_blank_lines: false,
            trim_blanks: false,
            round_dec: false,
            explicit_ids: false,
            escape: false,
            remove_quotes: false,
            serialize_to_json: false,
        }
    }
}
