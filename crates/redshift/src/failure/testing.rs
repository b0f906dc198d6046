//! Examples of known texts, as Redshift writes them, with anything quoted in them.
//!
//! For tests only: never part of a deployed function.

use super::table::ROWS;
use super::{Means, Words};

/// An example of each known text and what it means, with `value` wherever a text quotes something.
pub fn examples(value: &str) -> impl Iterator<Item = (Means, String)> {
    ROWS.iter().flat_map(move |row| row.texts.iter().map(move |words| (row.means, example(*words, value))))
}

/// A text that says these words, with `value` wherever it quotes something.
pub(super) fn example(words: Words, value: &str) -> String {
    // Spectrum encodes the names of objects.
    let encoded = value.replace([' ', '\'', '"', '\n'], "%20");
    let filled = |pattern: &str| pattern.replace('*', value).replace('~', &encoded);
    match words {
        Words::Head(pattern) => format!("ERROR: {}", filled(pattern)),
        Words::S3(code) => {
            format!("ERROR: S3ServiceException:{value},Status 400,Error {code},Rid 0,ExtRid 0,CanRetry 1")
        }
        Words::Manifest(code) => {
            format!("ERROR: Problem reading manifest file - S3ServiceException:{value},Status 400,Error {code},Rid 0")
        }
        Words::Scan(pattern) => scan("Spectrum Scan Error", 15007, &filled(pattern)),
    }
}

/// A Spectrum error as the Data API shows it.
pub(super) fn scan(error: &str, code: i64, context: &str) -> String {
    let rule = "-----------------------------------------------";
    format!(
        "ERROR: {error}\n  Detail: \n  {rule}\n  error:  {error}\n  code:      {code}\n  context:   {context}\n  query:     7\n  \
         location:  dory_util.cpp:1777\n  process:   worker_thread [pid=1]\n  {rule} [ErrorId: 1-68f7ff75-672e60d1]"
    )
}
