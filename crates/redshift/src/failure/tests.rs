//! Known texts, from whichever statement, with whatever in them.

use std::time::Duration;

use proptest::prelude::*;
use sluice_core::object::ETag;
use test_case::test_case;

use super::super::statements::Part;
use super::testing::{example, scan};
use super::*;

const ROLES: Roles = Roles { lock: 1, guard: 2, copy: 3 };

fn file(key: &str) -> File {
    File { key: Key::new(key).unwrap(), etag: ETag::new("e"), size: 1, last_modified: jiff::Timestamp::UNIX_EPOCH }
}

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

fn failure(number: usize, text: &str) -> Failure {
    let files = [file("incoming/f.parquet"), file("incoming/g.parquet")];
    let with_parts = of_transaction(ROLES, &failed(number, text), "b", &files);
    let without = of_transaction(ROLES, &Description { parts: vec![], ..failed(number, text) }, "b", &files);
    assert_eq!(with_parts, without, "the number in the text says the same as the parts");
    with_parts
}

fn all_words() -> impl Iterator<Item = (&'static Row, Words)> {
    ROWS.iter().flat_map(|row| row.texts.iter().map(move |words| (row, *words)))
}

fn rows(text: &str) -> Vec<&'static [Words]> {
    let text = Text::parse(text);
    ROWS.iter().filter(|row| row.texts.iter().any(|words| text.says(*words))).map(|row| row.texts).collect()
}

#[test]
fn every_known_text_fits_its_row_and_no_other() {
    for (row, words) in all_words() {
        for value in ["7", "\"public\".\"flights\"", "a 'b' (c)", "ERROR: Query (7) cancelled on user's request"] {
            assert_eq!(rows(&example(words, value)), [row.texts], "{}", example(words, value));
        }
        assert!(!row.seen.is_empty() && !row.advice.is_empty());
    }
}

#[test]
fn no_statement_but_copy_speaks_of_files() {
    for (_, words) in all_words() {
        let text = example(words, "https://s3.us-east-1.amazonaws.com/b/incoming/f.parquet");
        let unnumbered = Description { error: Some(text.clone()), parts: vec![], ..failed(3, "") };
        let unknown = of_transaction(ROLES, &unnumbered, "b", &[file("incoming/f.parquet")]);
        for failure in [0, 1, 2, 4, 5].map(|number| failure(number + 1, &text)).into_iter().chain([unknown]) {
            // Statement 4 of the text is COPY, 3 from 0.
            let of_copy = failure.message.starts_with("Query #4 ");
            let of_files = [FailureKind::BadData, FailureKind::FileMissing, FailureKind::ObjectMissing];
            assert!(of_copy || !of_files.contains(&failure.kind), "{failure:?}");
            assert!(of_copy || failure.file.is_none(), "{failure:?}");
        }
    }
}

/// Whatever a value, a key or a name may say.
fn hostile() -> impl Strategy<Value = String> {
    let known: Vec<String> = all_words().map(|(_, words)| example(words, "x")).collect();
    let parts = prop_oneof![
        4 => proptest::sample::select(known),
        1 => Just(" DETAIL: code: 15007 context: File 'x' has an incompatible Parquet schema".to_owned()),
        1 => Just("' has an incompatible Parquet schema for column '".to_owned()),
        1 => Just("\nQuery #4 failed with ERROR: Load into table 't' failed.".to_owned()),
        1 => Just(",Status 503,Error SlowDown,Rid 0".to_owned()),
        2 => "[ -~\n]{0,12}",
    ];
    proptest::collection::vec(parts, 1..4).prop_map(|parts| format!("x{}", parts.concat()))
}

/// Whether a text that quotes `value` is the row's and no other's; what says `detail:` in a name may be nobody's.
fn is_rows_own(row: &Row, words: Words, value: &str) -> bool {
    let found = rows(&example(words, value));
    let cut = value.to_lowercase().contains("detail:") || value.contains(",Error");
    found == [row.texts] || (found.is_empty() && cut) || (row.means != Means::Contents && cut)
}

#[test]
fn a_known_text_that_quotes_another_is_its_own() {
    for (row, words) in all_words() {
        for (_, other) in all_words() {
            let other = example(other, "x");
            for value in
                [format!("x{other}"), format!("x {}", other.trim_start_matches("ERROR: ")), format!("{other} x")]
            {
                assert!(
                    is_rows_own(row, words, &value),
                    "{}: {:?}",
                    example(words, &value),
                    rows(&example(words, &value))
                );
            }
        }
    }
}

proptest! {
    /// A name of the warehouse's own that holds `detail:` at most makes its text one that nobody knows.
    #[test]
    fn what_is_quoted_changes_nothing(at in 0..all_words().count(), value in hostile()) {
        let (row, words) = all_words().nth(at).unwrap();
        prop_assert!(is_rows_own(row, words, &value), "{}", example(words, &value));
    }

    #[test]
    fn a_key_in_the_detail_changes_nothing(at in 0..all_words().count(), key in hostile()) {
        let (row, words) = all_words().nth(at).unwrap();
        let text = match words {
            Words::Scan(_) => example(words, "x").replace("  query:     7", &format!("  query:     {key}")),
            _ => format!("{}\n  Detail: S3 key being read : s3://b/{key}", example(words, "x")),
        };
        prop_assert_eq!(rows(&text), [row.texts], "{}", text);
    }

    #[test]
    fn an_unknown_text_stays_unknown_whatever_it_quotes(value in hostile()) {
        for text in [format!("ERROR: something new about \"{value}\""), scan("Spectrum Scan Error", 15007, &format!("Timeout while File '{value}' was read")), scan("Something new", 15007, &value)] {
            prop_assert_eq!(failure(4, &text).kind, FailureKind::Unknown, "{}", text);
        }
    }
}

const SUMMARY: &str =
    "ERROR: Load into table 'flights' failed.  Check 'sys_load_error_detail' system table for details.";
const URL: &str = "https://s3.us-east-1.amazonaws.com/b/incoming/f.parquet";

#[test_case(3, "ERROR: division by zero" => FailureKind::AlreadyLoaded; "the guard")]
#[test_case(3, "ERROR: Divide by zero" => FailureKind::AlreadyLoaded; "the guard in other words")]
#[test_case(5, "ERROR: division by zero" => FailureKind::Unknown; "somebody's own SQL divides by zero")]
#[test_case(2, "ERROR: relation \"public.sluice_ledger_flights\" does not exist" => FailureKind::LedgerMissing)]
#[test_case(2, "ERROR: Relation sluice_ledger_flights does not exist in the database." => FailureKind::LedgerMissing)]
#[test_case(5, "ERROR: relation \"connection_events\" does not exist" => FailureKind::Configuration; "a relation of a telling name")]
#[test_case(4, "ERROR: Cannot COPY into nonexistent table timeout" => FailureKind::Configuration)]
#[test_case(4, "FATAL: database \"nowhere\" does not exist" => FailureKind::Configuration; "no session was begun")]
#[test_case(4, "FATAL: connection to the warehouse lost: this stand-in's PostgreSQL: closed" => FailureKind::Transient; "the stand-in's own words")]
#[test_case(4, "ERROR: Load into table 'flights' failed.  Check 'stl_load_errors' system table for details." => FailureKind::BadData)]
#[test_case(4, SUMMARY => FailureKind::BadData)]
#[test_case(5, SUMMARY => FailureKind::Unknown; "another COPY's")]
#[test_case(4, "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: File 'https://s3.us-east-1.amazonaws.com/b/f.parquet' has an incompatible Parquet s" => FailureKind::BadData)]
#[test_case(4, "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: The length of the data column connection is longer than the length defined in the table. Table: 32, Data: 33" => FailureKind::BadData; "a column of a telling name")]
#[test_case(4, "ERROR: S3 Query Exception (Fetch) DETAIL: code: 15001 context: Task failed due to an internal error. Unmatched number of columns between table and file. Table columns: 23" => FailureKind::BadData; "an older cluster's")]
#[test_case(4, "ERROR: Spectrum Scan Error: Access throttled" => FailureKind::Transient; "throttled")]
#[test_case(4, &scan("Spectrum Scan Error: Access throttled", 15001, "Access throttled by Amazon S3.") => FailureKind::Transient; "throttled by S3")]
#[test_case(4, &scan("Spectrum Scan Error", 15001, "Access throttled by AWS KMS.") => FailureKind::Transient; "throttled by KMS")]
#[test_case(4, &scan("Spectrum Scan Error", 15001, "HTTP response error code: 503 Message: SlowDown Please reduce your request rate.") => FailureKind::Transient; "told to slow down")]
#[test_case(4, &scan("Spectrum Scan Error", 15007, &format!("File '{URL}': timeout was reached")) => FailureKind::Unknown; "a timeout that names the file")]
#[test_case(4, &scan("Spectrum Scan Error", 15007, &format!("File '{URL}")) => FailureKind::Unknown; "cut off where it names the file")]
#[test_case(4, "ERROR: Spectrum Scan Error: Retries exceeded" => FailureKind::Transient; "spectrum cannot reach S3")]
#[test_case(4, "ERROR: Spectrum Scan Error DETAIL: code: 15001 context: boost::thread_resource_error: Resource temporarily unavailable" => FailureKind::Transient; "spectrum has no thread")]
#[test_case(4, "ERROR: Spectrum Scan Error: File not found DETAIL: https://s3.us-east-1.amazonaws.com/b/f" => FailureKind::FileMissing; "spectrum misses a file")]
#[test_case(4, "ERROR: failed to inflate with zlib: invalid or incomplete deflate data. DETAIL: code: 9001 context: S3 key being read : s3://b/incoming/f.gz" => FailureKind::BadData)]
#[test_case(4, "ERROR: Mandatory url is not present in manifest file" => FailureKind::FileMissing)]
#[test_case(4, "ERROR: S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Rid 0" => FailureKind::ObjectMissing; "some object")]
#[test_case(4, "ERROR: S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey\n  Detail: S3 key being read : s3://b/incoming/f.parquet" => FailureKind::FileMissing; "a file of the batch")]
#[test_case(4, "ERROR: Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey" => FailureKind::Transient)]
#[test_case(4, "ERROR: Problem reading manifest file - S3ServiceException:Access Denied,Status 403,Error AccessDenied" => FailureKind::Configuration)]
#[test_case(4, "ERROR: COPY with MANIFEST parameter requires full path of an S3 object." => FailureKind::Configuration)]
#[test_case(4, "ERROR: S3ServiceException:Access Denied,Status 403,Error AccessDenied" => FailureKind::Configuration)]
#[test_case(4, "ERROR: Number of jsonpaths and the number of columns should match. JSONPath size: 2, Number of columns in table or column list: 3" => FailureKind::Configuration)]
#[test_case(4, "ERROR: Disk Full\n  Detail: \n  ---\n  error:  Disk Full\n  code:      1016\n  context:   node: 3" => FailureKind::Configuration)]
#[test_case(4, "ERROR: Query (7) cancelled by WLM abort action of Query Monitoring Rule \"long\"." => FailureKind::Configuration)]
#[test_case(4, "ERROR: Query (7) cancelled on user's request" => FailureKind::Transient)]
#[test_case(5, "ERROR: 1023 DETAIL: Serializable isolation violation on table - 100, transactions forming the cycle are: 1, 2 (pid:3)" => FailureKind::Transient)]
#[test_case(4, "ERROR: deadlock detected" => FailureKind::Transient)]
#[test_case(4, "ERROR: permission denied for relation flights" => FailureKind::Configuration)]
#[test_case(5, "ERROR: invalid input syntax for integer: \"connection reset by peer\"" => FailureKind::Unknown; "a value that says connection")]
#[test_case(5, "ERROR: invalid input syntax for integer: \"Spectrum Scan Error\"" => FailureKind::Unknown; "a value that says a scan failed")]
#[test_case(4, "ERROR: something that nobody has seen before" => FailureKind::Unknown; "unknown")]
#[test_case(4, "ERROR: something new about s3://b/failed to inflate stl_load_errors" => FailureKind::Unknown; "a key that asks for quarantine")]
#[test_case(4, "ERROR: Mandatory url is not present in manifest file DETAIL: S3 key being read : s3://b/f" => FailureKind::FileMissing; "missing, with its key")]
#[test_case(4, "ERROR: S3ServiceException:We encountered an internal error. Please try again.,Status 500,Error InternalError DETAIL: S3 key being read : s3://b/f" => FailureKind::Transient; "S3 fails at a key")]
#[test_case(4, "ERROR: S3ServiceException:something new DETAIL: S3 key being read : s3://b/f" => FailureKind::Unknown; "S3 says something new of a key")]
fn kinds(number: usize, text: &str) -> FailureKind {
    failure(number, text).kind
}

#[test]
fn a_failed_statement_of_the_feeds_own_is_told_as_such() {
    for text in [SUMMARY, "ERROR: something new", &scan("Spectrum Scan Error", 15007, "Corrupt Parquet file")] {
        assert_eq!(failure(5, text).advice, Some(OWN_SQL), "{text}");
        assert_ne!(failure(4, text).advice, Some(OWN_SQL), "{text}");
    }
}

#[test]
fn the_only_file_of_a_columnar_copy_is_the_one_that_is_meant() {
    let files = [file("in/a"), file("in/b")];
    let null = "ERROR: Spectrum Scan Error DETAIL: code: 15007 context: NULL value in column id";
    let refused = refused_in(null, "b", &files[..1]);
    assert_eq!(refused[&files[0].key].code, Some(15007));
    assert_eq!(refused_in(null, "b", &files), HashMap::new(), "one of two");
    // The reason stands elsewhere, or is no file's.
    let throttled = scan("Spectrum Scan Error", 15001, "Access throttled by Amazon S3. s3://b/in/a");
    for other in [SUMMARY, "Spectrum Scan Error: Retries exceeded", &throttled] {
        assert_eq!(refused_in(other, "b", &files[..1]), HashMap::new(), "{other}");
    }
}

#[test_case(Some(1207), "Invalid digit, Value 'x'" => true; "a text file")]
#[test_case(Some(15007), "Spectrum Scan Error. The length of the data column c2 is longer than the length defined in the table" => true; "a columnar file")]
#[test_case(Some(15001), "Access throttled by Amazon S3." => false; "an outage")]
#[test_case(Some(15007), "Timeout was reached" => false; "what nobody knows")]
fn a_row_of_a_view_is_a_word_about_its_file(code: Option<i64>, message: &str) -> bool {
    noted("s3://b/in/a", code, message, "b", &[file("in/a")]).is_some()
}

#[test]
fn a_statement_that_somebody_stopped_is_tried_again() {
    let stopped = Description { status: Status::Aborted, error: None, parts: vec![], ..failed(1, "") };
    assert_eq!(of_transaction(ROLES, &stopped, "b", &[]).kind, FailureKind::Transient);
    let by_a_rule = "Query (7) cancelled by WLM abort action of Query Monitoring Rule \"long\".";
    let by_a_rule = Description { error: Some(by_a_rule.to_owned()), ..stopped };
    assert_eq!(of_transaction(ROLES, &by_a_rule, "b", &[]).kind, FailureKind::Configuration);
}
