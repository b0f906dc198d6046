//! What Redshift's error texts mean. Pure, and the only place that reads them.
//!
//! A text that is not known means [`FailureKind::Unknown`]: the files stay, the load is tried again slowly, and
//! somebody is told. Nothing unknown ever quarantines a file.
//!
//! Some texts quote a key, or what stands in a file, and both are a producer's: what they say is never a reason to take
//! an error for another one.

use std::collections::HashMap;
use std::ops::Range;

use crate::destination::{Failure, FailureKind, Refusal, Roles};
use crate::object::{File, Key};

use super::statements::{Description, Status};

/// Texts of errors that are about the content of some file.
const BAD_DATA: [&str; 6] = [
    "stl_load_errors",
    "sys_load_error_detail",
    "spectrum scan error",
    "s3 key being read",
    "failed to inflate",
    "invalid compressed data",
];

/// The code that comes with a file that cannot be unpacked.
const CANNOT_INFLATE: i64 = 9001;

/// Texts of errors that are about a file that is not there.
const FILE_MISSING: [&str; 3] =
    ["mandatory url is not present in manifest", "the specified key does not exist", "file not found"];

/// Texts of errors that pass by themselves.
const TRANSIENT: [&str; 25] = [
    "serializable isolation violation",
    "error: 1023",
    "deadlock detected",
    "could not serialize",
    "could not complete because of conflict with concurrent transaction",
    "statement timeout",
    "cancelled on user",
    "canceled on user",
    "canceling statement",
    "problem reading manifest file",
    "connection",
    "timed out",
    "timeout",
    "slowdown",
    "slow down",
    "internalerror",
    "internal error",
    "serviceunavailable",
    "service unavailable",
    "throttl",
    "being resumed",
    "restart",
    NOT_THE_FILE[0],
    NOT_THE_FILE[1],
    NOT_THE_FILE[2],
];

/// What Spectrum says as an error of its scan, although no file's content is to blame.
const NOT_THE_FILE: [&str; 3] = ["retries exceeded", "no more data to read", "temporarily unavailable"];

/// Texts of errors that mention one of the above and yet do not pass by themselves.
const CONFIGURATION: [&str; 4] =
    ["access denied", "accessdenied", "permission denied", "must be addressed using the specified endpoint"];

/// Texts of errors that somebody has to mend, where none of all others fits.
const MENDED_BY_SOMEBODY: [&str; 8] = [
    "nonexistent table",
    "does not exist",
    "not authorized",
    "syntax error",
    "is not supported",
    "s3serviceexception",
    "iam role",
    "read-only",
];

/// What an operator should do about an error whose text has one of these words; the first that fits.
const ADVICE: [(&[&str], &str); 9] = [
    (
        &["permission denied"],
        "grant the function's database user what is denied: INSERT on the table, USAGE and CREATE on the ledger's schema",
    ),
    (
        &["nonexistent table", "relation", "schema"],
        "create the table that the feed names, or mend `table` in the configuration",
    ),
    (
        &["s3serviceexception:access denied", "error accessdenied"],
        "let the role that COPY runs with (`iam_role`) read the bucket: s3:GetObject and s3:ListBucket, and kms:Decrypt \
         where the bucket has a key of its own",
    ),
    (
        &["must be addressed using the specified endpoint"],
        "the bucket is in another Region than the warehouse: say which by `region` in the feed's COPY options",
    ),
    (&["iam role", "not authorized"], "attach the role that the feed names by `iam_role` to the warehouse"),
    (&["syntax error", "is not supported"], "mend the feed's `pre_sql`, `post_sql` or COPY options"),
    (
        &[
            "error: 1023",
            "serializable isolation violation",
            "deadlock detected",
            "could not serialize",
            "conflict with",
        ],
        "another transaction was writing the same table; it is tried again by itself",
    ),
    (
        &["statement timeout", "cancelled on user", "canceled on user", "canceling statement"],
        "it ran into a timeout or somebody stopped it; it is tried again by itself. If it comes again and again, raise \
         `statement_timeout` or lower `files_per_load`",
    ),
    (
        &["connection", "restart", "being resumed", "timed out"],
        "the warehouse is away for a moment; it is tried again by itself. If it stays away, see whether it is paused or down",
    ),
];

/// What an operator should do about what nobody knows.
const UNKNOWN: &str = "nobody knows this error: look the statement up in the warehouse. The files stay where they are, \
                       and if one of them brings it about, the others get through";

/// Texts of errors that S3 itself has answered with, or that are about what it has, whichever file was being read.
const FROM_S3: [&str; 1] = ["s3serviceexception"];

/// What the failure of a transaction means.
#[must_use]
pub fn of_transaction(roles: Roles, description: &Description) -> Failure {
    let part = failed_part(description);
    let text = part
        .and_then(|part| description.parts.get(part))
        .and_then(|part| part.error.as_deref())
        .or(description.error.as_deref())
        .unwrap_or("no error text");
    let kind = match part.or_else(|| numbered(description.error.as_deref()?)) {
        Some(part) if part == roles.guard && divides_by_zero(text) => FailureKind::AlreadyLoaded,
        Some(part) if part == roles.lock && is_missing_relation(text) => FailureKind::LedgerMissing,
        _ if description.status == Status::Aborted => FailureKind::Transient,
        _ => of_text(text),
    };
    told(kind, description.error.as_deref().unwrap_or(text))
}

/// What the failure of a single statement means.
#[must_use]
pub fn of_statement(description: &Description) -> Failure {
    let text = description.error.as_deref().unwrap_or("no error text");
    let kind = match description.status {
        Status::Aborted => FailureKind::Transient,
        _ => of_text(text),
    };
    told(kind, text)
}

fn told(kind: FailureKind, text: &str) -> Failure {
    Failure { kind, message: cut(text), advice: advice(kind, &own_words(text)), file: None, at: None }
}

/// So long is the context in the text of a columnar COPY at most; what is longer is cut off, a file's name as well.
const CONTEXT: usize = 256;

/// The one file that an error's text itself names, as texts about broken compression and columnar files do.
///
/// A key may hold another file's URL, and then only the longer one is named. A text that names several files side by
/// side names none: it may quote one of them, and the URL of the other from its content.
#[must_use]
pub fn named_in<'f>(text: &str, bucket: &str, files: &'f [File]) -> Option<&'f File> {
    let mut named: Vec<(Range<usize>, &File)> = Vec::new();
    for file in files {
        for start in [format!("s3://{bucket}/"), format!(".amazonaws.com/{bucket}/")] {
            let places = text.match_indices(&start).filter_map(|(at, _)| {
                let length = written(&text[at + start.len()..], file.key.as_str())?;
                Some((at..at + start.len() + length, file))
            });
            named.extend(places);
        }
    }
    let within =
        |one: &Range<usize>, other: &Range<usize>| one != other && other.start <= one.start && one.end <= other.end;
    let mut outermost = named.iter().filter(|(one, _)| !named.iter().any(|(other, _)| within(one, other)));
    let (_, file) = outermost.next()?;
    (outermost.all(|(_, other)| other.key == file.key) && !may_be_longer(text, bucket, file, files)).then_some(*file)
}

/// How much of `text` is this key, as it is or as a URL has it: Spectrum writes `%3D` for `=`.
fn written(text: &str, key: &str) -> Option<usize> {
    if text.starts_with(key) {
        return Some(key.len());
    }
    let mut rest = text.as_bytes();
    for byte in key.bytes() {
        rest = after(rest, byte)?;
    }
    Some(text.len() - rest.len())
}

/// What follows this byte, encoded or not.
fn after(text: &[u8], byte: u8) -> Option<&[u8]> {
    let (first, rest) = text.split_first()?;
    match (first, rest) {
        (b'%', [high, low, rest @ ..]) => {
            let hex = [*high, *low];
            let encoded = u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?;
            (encoded == byte).then_some(rest)
        }
        _ => (*first == byte).then_some(rest),
    }
}

/// Whether the text is cut off in a name that may be this file's or a longer one's. Both begin alike, so that what is left
/// of the longer name tells nobody which it was.
fn may_be_longer(text: &str, bucket: &str, file: &File, files: &[File]) -> bool {
    let Some((_, context)) = text.split_once("context:") else {
        return false;
    };
    let context = context.trim_start();
    let Some((last, _)) = context.char_indices().nth(CONTEXT - 1) else {
        return false;
    };
    let context = &context[..context.ceil_char_boundary(last + 1)];
    let bucket = format!("/{bucket}/");
    let longer = |other: &&File| other.key != file.key && other.key.as_str().starts_with(file.key.as_str());
    files.iter().filter(longer).any(|other| {
        context.match_indices(&bucket).any(|(at, _)| is_beginning(&context[at + bucket.len()..], other.key.as_str()))
    })
}

/// Whether a text ends within this key.
fn is_beginning(text: &str, key: &str) -> bool {
    if key.starts_with(text) {
        return true;
    }
    let mut rest = text.as_bytes();
    for byte in key.bytes() {
        match after(rest, byte) {
            Some(more) => rest = more,
            // An encoded byte may be cut off as well.
            None => return rest.is_empty() || (rest[0] == b'%' && rest.len() < 3),
        }
    }
    false
}

/// The file that an error's text itself names, with that text; where a columnar COPY had one file only, that one.
#[must_use]
pub fn refused_in(text: &str, bucket: &str, files: &[File]) -> HashMap<Key, Refusal> {
    let refusal = || Refusal { code: code_in(text), message: cut(text), ..Refusal::default() };
    let only = match files {
        [only] if is_columnar(text) => Some(only),
        _ => None,
    };
    named_in(text, bucket, files).or(only).map(|file| (file.key.clone(), refusal())).into_iter().collect()
}

/// Whether it is a columnar COPY's text about what is in a file. It is all that is said: nothing is noted elsewhere.
fn is_columnar(text: &str) -> bool {
    own_words(text).contains("spectrum scan error") && of_text(text) == FailureKind::BadData
}

/// What is said of a file that cannot be unpacked, where the warehouse has not come as far.
#[must_use]
pub fn damaged(damage: &str) -> Refusal {
    Refusal { code: Some(CANNOT_INFLATE), message: damage.to_owned(), ..Refusal::default() }
}

/// The number in `code: 9001`, where an error's text has one.
#[must_use]
pub fn code_in(text: &str) -> Option<i64> {
    let digits: String = text.split("code:").nth(1)?.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether a table could not be made because somebody else was making it at the same moment.
#[must_use]
pub fn made_by_another(failure: &Failure) -> bool {
    let text = failure.message.to_lowercase();
    ["already exists", "duplicate key value", "concurrently updated"].iter().any(|known| text.contains(known))
}

/// What the warehouse itself says, in lower case: a key, and all that follows it, may be a producer's words.
fn own_words(text: &str) -> String {
    let mut text = text.to_lowercase();
    let key = "s3 key being read";
    let url = ["s3://", "https://"].into_iter().filter_map(|start| text.find(start));
    let end = url.chain(text.find(key).map(|at| at + key.len())).min();
    text.truncate(end.unwrap_or(text.len()));
    text
}

fn of_text(text: &str) -> FailureKind {
    let text = own_words(text);
    let any = |texts: &[&str]| texts.iter().any(|known| text.contains(known));
    // The manifest itself is written anew by every attempt; that it is missing passes by itself.
    let manifest = text.contains("problem reading manifest file");
    if any(&CONFIGURATION) {
        FailureKind::Configuration
    } else if any(&BAD_DATA) && !(any(&FROM_S3) || any(&FILE_MISSING) || any(&NOT_THE_FILE)) {
        FailureKind::BadData
    } else if any(&FILE_MISSING) && !manifest {
        FailureKind::FileMissing
    } else if any(&TRANSIENT) {
        FailureKind::Transient
    } else if any(&MENDED_BY_SOMEBODY) {
        FailureKind::Configuration
    } else {
        FailureKind::Unknown
    }
}

fn advice(kind: FailureKind, own_words: &str) -> Option<&'static str> {
    if kind == FailureKind::Unknown {
        return Some(UNKNOWN);
    }
    let fits = |(words, _): &&(&[&str], &str)| words.iter().any(|word| own_words.contains(word));
    ADVICE.iter().find(fits).map(|(_, advice)| *advice)
}

/// Which statement of the transaction failed, from 0; the others are finished or were never begun.
fn failed_part(description: &Description) -> Option<usize> {
    description.parts.iter().position(|part| part.status == Status::Failed)
}

/// The same from the text: `Query #3 failed with ERROR: …` counts from 1.
fn numbered(text: &str) -> Option<usize> {
    let digits: String = text.split("Query #").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<usize>().ok()?.checked_sub(1)
}

fn divides_by_zero(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("division by zero") || text.contains("divide by zero")
}

/// Whether there is no such table.
#[must_use]
pub fn is_missing_relation(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("relation") && text.contains("does not exist")
}

/// As much of a text as is read by people.
fn cut(text: &str) -> String {
    text.trim().chars().take(1000).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use test_case::test_case;

    use super::super::statements::Part;
    use super::*;
    use crate::object::ETag;

    fn failed(number: usize, text: &str) -> Description {
        let part = |at: usize| Part {
            status: match at.cmp(&number) {
                std::cmp::Ordering::Less => Status::Finished,
                std::cmp::Ordering::Equal => Status::Failed,
                std::cmp::Ordering::Greater => Status::Aborted,
            },
            error: (at == number).then(|| text.to_owned()),
            query_id: None,
            rows: None,
        };
        Description {
            status: Status::Failed,
            error: Some(format!("Query #{number} failed with {text}")),
            created_at: None,
            updated_at: None,
            duration: Duration::ZERO,
            pid: None,
            query_id: None,
            rows: None,
            parts: (1..=5).map(part).collect(),
        }
    }

    fn kind(number: usize, text: &str) -> FailureKind {
        let transaction = Roles { lock: 1, guard: 2, copy: 3 };
        let with_parts = of_transaction(transaction, &failed(number, text));
        let without = of_transaction(transaction, &Description { parts: vec![], ..failed(number, text) });
        assert_eq!(with_parts.kind, without.kind, "the number in the text says the same as the parts");
        with_parts.kind
    }

    #[test_case(3, "ERROR: division by zero" => FailureKind::AlreadyLoaded; "the guard")]
    #[test_case(3, "ERROR: Divide by zero" => FailureKind::AlreadyLoaded; "the guard in other words")]
    #[test_case(5, "ERROR: division by zero" => FailureKind::Unknown; "somebody's own SQL divides by zero")]
    #[test_case(2, "ERROR: relation \"public.sluice_ledger_flights\" does not exist" => FailureKind::LedgerMissing)]
    #[test_case(2, "ERROR: Relation sluice_ledger_flights does not exist in the database." => FailureKind::LedgerMissing)]
    #[test_case(4, "ERROR: Cannot COPY into nonexistent table flights" => FailureKind::Configuration)]
    #[test_case(4, "ERROR: Load into table 'flights' failed.  Check 'stl_load_errors' system table for details." => FailureKind::BadData)]
    #[test_case(4, "ERROR: Load into table 'flights' failed.  Check 'sys_load_error_detail' system table for details." => FailureKind::BadData)]
    #[test_case(4, "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: File 'https://s3.us-east-1.amazonaws.com/b/f.parquet' has an incompatible Parquet s" => FailureKind::BadData)]
    #[test_case(4, "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: The length of the data column connection is longer than the length defined in the table. Table: 32, Data: 33" => FailureKind::BadData; "a column of a telling name")]
    #[test_case(4, "ERROR: Spectrum Scan Error: Retries exceeded" => FailureKind::Transient; "spectrum cannot reach S3")]
    #[test_case(4, "ERROR: Spectrum Scan Error DETAIL: code: 15001 context: boost::thread_resource_error: Resource temporarily unavailable" => FailureKind::Transient; "spectrum has no thread")]
    #[test_case(4, "ERROR: Spectrum Scan Error: File not found DETAIL: https://s3.us-east-1.amazonaws.com/b/f" => FailureKind::FileMissing; "spectrum misses a file")]
    #[test_case(4, "ERROR: failed to inflate with zlib: invalid or incomplete deflate data. DETAIL: code: 9001 context: S3 key being read : s3://b/incoming/f.gz" => FailureKind::BadData)]
    #[test_case(4, "ERROR: Mandatory url is not present in manifest file" => FailureKind::FileMissing)]
    #[test_case(4, "ERROR: Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey" => FailureKind::Transient)]
    #[test_case(4, "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied" => FailureKind::Configuration)]
    #[test_case(4, "ERROR: S3ServiceException:The bucket you are attempting to access must be addressed using the specified endpoint." => FailureKind::Configuration)]
    #[test_case(5, "ERROR: 1023 DETAIL: Serializable isolation violation on table - 100, transactions forming the cycle are: 1, 2 (pid:3)" => FailureKind::Transient)]
    #[test_case(4, "ERROR: deadlock detected" => FailureKind::Transient)]
    #[test_case(4, "ERROR: permission denied for relation flights" => FailureKind::Configuration)]
    #[test_case(4, "ERROR: something that nobody has seen before" => FailureKind::Unknown; "unknown")]
    #[test_case(4, "ERROR: failed to inflate with zlib: DETAIL: context: S3 key being read : s3://b/Access Denied timeout S3ServiceException.gz" => FailureKind::BadData; "a key that says otherwise")]
    #[test_case(4, "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: File 'https://s3.us-east-1.amazonaws.com/b/f' has an incompatible Parquet schema for column 'permission denied'" => FailureKind::BadData; "a column that says otherwise")]
    #[test_case(4, "ERROR: something new about s3://b/failed to inflate stl_load_errors" => FailureKind::Unknown; "a key that asks for quarantine")]
    #[test_case(4, "ERROR: Mandatory url is not present in manifest file DETAIL: S3 key being read : s3://b/f" => FailureKind::FileMissing; "missing, with its key")]
    #[test_case(4, "ERROR: S3ServiceException:We encountered an internal error. Please try again.,Status 500,Error InternalError DETAIL: S3 key being read : s3://b/f" => FailureKind::Transient; "S3 fails at a key")]
    #[test_case(4, "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied DETAIL: S3 key being read : s3://b/f" => FailureKind::Configuration; "S3 denies a key")]
    #[test_case(4, "ERROR: S3ServiceException:something new DETAIL: S3 key being read : s3://b/f" => FailureKind::Configuration; "S3 says something new of a key")]
    fn texts(number: usize, text: &str) -> FailureKind {
        kind(number, text)
    }

    #[test]
    fn a_text_may_name_its_file() {
        let file = |name: &str| File {
            key: Key::new(format!("incoming/{name}")).unwrap(),
            etag: ETag::new("e"),
            size: 1,
            last_modified: jiff::Timestamp::UNIX_EPOCH,
        };
        let files = [file("a.gz"), file("a.gz.gz"), file("x s3://b/incoming/a.gz")];
        let named = |text: &str| named_in(text, "b", &files).map(|file| file.key.as_str());
        assert_eq!(named("code: 9001 context: S3 key being read : s3://b/incoming/a.gz"), Some("incoming/a.gz"));
        assert_eq!(named("being read : s3://b/incoming/a.gz.gz (x)"), Some("incoming/a.gz.gz"));
        assert_eq!(
            named("being read : s3://b/incoming/x s3://b/incoming/a.gz"),
            Some("incoming/x s3://b/incoming/a.gz")
        );
        assert_eq!(named("File 'https://s3.us-east-1.amazonaws.com/b/incoming/a.gz' has"), Some("incoming/a.gz"));
        assert_eq!(named("Check 'sys_load_error_detail'"), None);
        assert_eq!(named("s3://b/incoming/a.gz and again s3://b/incoming/a.gz"), Some("incoming/a.gz"));
        // A content may quote any URL, so such a text says nothing.
        assert_eq!(named("File s3://b/incoming/a.gz: column 's3://b/incoming/a.gz.gz'"), None);
        assert_eq!(named("column 's3://b/incoming/a.gz.gz' of s3://b/incoming/a.gz"), None);
        assert_eq!(code_in("ERROR  code: 9001 context"), Some(9001));
        assert_eq!(code_in("ERROR"), None);
    }

    #[test]
    fn a_url_may_be_encoded_and_cut_off() {
        let file = |key: &str| File {
            key: Key::new(key).unwrap(),
            etag: ETag::new("e"),
            size: 1,
            last_modified: jiff::Timestamp::UNIX_EPOCH,
        };
        let files = [file("in/day=1/é%.parquet"), file("in/day=1/x"), file("in/day=1/x.parquet")];
        let named = |text: &str| named_in(text, "b", &files).map(|file| file.key.as_str());
        let url = "https://s3.us-east-1.amazonaws.com/b/in/day%3D1/";
        assert_eq!(named(&format!("File '{url}%C3%A9%25.parquet' has")), Some("in/day=1/é%.parquet"));
        assert_eq!(named(&format!("File '{url}x.parquet' has")), Some("in/day=1/x.parquet"));
        assert_eq!(named(&format!("File '{url}y.parquet' has")), None);
        assert_eq!(named(&format!("File '{url}%")), None);
        assert_eq!(named("s3://b/in/day=1/x.parquet"), Some("in/day=1/x.parquet"));
        let cut = |name: &str, length: usize| {
            let end = format!("File name: {url}{name}");
            format!("code: 15007 context:   {}{end}\n  query:  7", "x".repeat(length - end.len()))
        };
        assert_eq!(named(&cut("x", 255)), Some("in/day=1/x"), "it is whole");
        assert_eq!(named(&cut("x", 256)), None, "it may have been the longer one");
        assert_eq!(named(&cut("x.parquet", 256)), Some("in/day=1/x.parquet"), "nothing is longer than this");
        assert_eq!(named(&cut("x.parq", 256)), None, "neither of them");
    }

    #[test]
    fn the_only_file_of_a_columnar_copy_is_the_one_that_is_meant() {
        let file = |key: &str| File {
            key: Key::new(key).unwrap(),
            etag: ETag::new("e"),
            size: 1,
            last_modified: jiff::Timestamp::UNIX_EPOCH,
        };
        let files = [file("in/a"), file("in/b")];
        let null = "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: NULL value in column id";
        let refused = refused_in(null, "b", &files[..1]);
        assert_eq!(refused[&files[0].key].code, Some(15007));
        assert_eq!(refused_in(null, "b", &files), HashMap::new(), "one of two");
        // The reason stands elsewhere, or is no file's.
        for other in ["Check 'sys_load_error_detail'", "Spectrum Scan Error: Retries exceeded"] {
            assert_eq!(refused_in(other, "b", &files[..1]), HashMap::new(), "{other}");
        }
    }

    #[test]
    fn a_statement_that_somebody_stopped_is_tried_again() {
        let transaction = Roles { lock: 1, guard: 2, copy: 3 };
        let stopped = Description { status: Status::Aborted, error: None, parts: vec![], ..failed(1, "") };
        assert_eq!(of_transaction(transaction, &stopped).kind, FailureKind::Transient);
    }
}
