//! What files are: their format, and how they are packed.
//!
//! Never looks at a file: [`inspect`](crate::inspect) does.

use serde::{Deserialize, Serialize};

/// The files' format.
///
/// ```
/// use sluice_core::config::FileFormat;
///
/// let columnar: Vec<_> = FileFormat::ALL.into_iter().filter(|format| format.is_columnar()).collect();
/// assert_eq!(columnar, [FileFormat::Parquet, FileFormat::Orc]);
/// assert_eq!(FileFormat::FixedWidth.as_str(), "fixedwidth");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// Comma-separated values with quoting.
    Csv,
    /// JSON objects or arrays, one after another.
    Json,
    /// Apache Avro.
    Avro,
    /// Apache Parquet.
    Parquet,
    /// Apache ORC.
    Orc,
    /// Columns of fixed width.
    FixedWidth,
    /// Text with a delimiter.
    Delimited,
}

impl FileFormat {
    /// All formats, in the order in which messages list them.
    pub const ALL: [Self; 7] =
        [Self::Csv, Self::Json, Self::Avro, Self::Parquet, Self::Orc, Self::FixedWidth, Self::Delimited];

    /// The format's name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Avro => "avro",
            Self::Parquet => "parquet",
            Self::Orc => "orc",
            Self::FixedWidth => "fixedwidth",
            Self::Delimited => "delimited",
        }
    }

    /// Whether the format is columnar: such a file ends in a footer that says where its columns are.
    #[must_use]
    pub fn is_columnar(self) -> bool {
        matches!(self, Self::Parquet | Self::Orc)
    }
}

/// How the files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip
    Gzip,
    /// bzip2
    Bzip2,
    /// lzop
    Lzop,
    /// Zstandard
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Bzip2, Self::Lzop, Self::Zstd];

    /// Its name in capitals, as SQL has it.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Gzip => "GZIP",
            Self::Bzip2 => "BZIP2",
            Self::Lzop => "LZOP",
            Self::Zstd => "ZSTD",
        }
    }
}
