//! An object that a COPY reads, and how the system views name it, in the three forms that have been seen.
//!
//! Never cuts a name to its column's length: the history does. Error messages always use their own form.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that stay unencoded in a URL. *Seen*: `=` is `%3D`.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// One object to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) mandatory: bool,
    /// The size in bytes, according to the manifest.
    pub(crate) length: Option<u64>,
}

impl Listed {
    pub(crate) fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// A form of a file's name. Which form a warehouse writes has varied with the file format and over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileNames {
    /// `s3://<bucket>/<key>`, with the key unencoded.
    /// Source: Amazon Redshift Database Developer Guide, `SYS_LOAD_DETAIL`, the first example.
    Url,
    /// `https://s3.<region>.amazonaws.com/<bucket>/<key>`, with the key percent-encoded. *Seen*, for Parquet.
    Encoded,
    /// The key alone. Source: the same page, the second example.
    Key,
}

impl FileNames {
    /// The name of `file` in a bucket of this region.
    pub(crate) fn name(self, region: &str, file: &Listed) -> String {
        let Listed { bucket, key, .. } = file;
        match self {
            Self::Url => file.url(),
            Self::Encoded => {
                format!("https://s3.{region}.amazonaws.com/{bucket}/{}", utf8_percent_encode(key, IN_URL))
            }
            Self::Key => key.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(FileNames::Url => "s3://b/in/day=1/a b+\u{e9}.csv")]
    #[test_case(FileNames::Encoded => "https://s3.eu-west-1.amazonaws.com/b/in/day%3D1/a%20b%2B%C3%A9.csv")]
    #[test_case(FileNames::Key => "in/day=1/a b+\u{e9}.csv")]
    fn a_file_has_three_names(names: FileNames) -> String {
        let key = "in/day=1/a b+\u{e9}.csv".to_owned();
        names.name("eu-west-1", &Listed { bucket: "b".to_owned(), key, mandatory: true, length: None })
    }
}
