//! The one table of known error texts: where each was seen, what it means, and what to do. `docs/ERRORS.md` is
//! generated from it.
//!
//! One file, because it is one table. Pure. No text fits two rows, so their order does not matter. Only the rows that
//! mean [`Means::Contents`] may lead to quarantine.

use super::text::{Text, Words};
use Means::{Configuration, Contents, Exists, FileGone, NoRelation, ObjectGone, Passes, Value, ZeroDivision};
use Words::{Head, Manifest, S3, Scan};

/// A kind of error, and the texts by which it is known.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its texts.
    pub texts: &'static [Words],
    /// Where they were seen.
    pub seen: &'static str,
    /// What they mean.
    pub means: Means,
    /// What an operator should do.
    pub advice: &'static str,
}

/// What an error means, whichever statement it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Something in a file is wrong, if COPY says so.
    Contents,
    /// A file of the batch is missing, if COPY says so.
    FileGone,
    /// An object is missing, if COPY says so: a file of the batch, or what the feed's options name.
    ObjectGone,
    /// It passes by itself.
    Passes,
    /// Someone has to fix something; nothing is wrong with the files.
    Configuration,
    /// A relation is missing. Where the ledger is locked, that is the ledger.
    NoRelation,
    /// It exists already.
    Exists,
    /// A division by zero. The guard says so that a file is in the ledger.
    ZeroDivision,
    /// SQL met a value that it cannot take. The value may come from a file, but the text says nothing about the file.
    Value,
}

/// The row that a text fits.
pub(super) fn row(text: &Text) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.texts.iter().any(|words| text.says(*words)))
}

/// The advice for an unknown error of the feed's own statements.
pub const OWN_SQL: &str = "this is a statement of the feed's own (`pre_sql`, `post_sql`), or the ledger's, and not COPY: \
                           mend it, or what it reads and writes. No file is moved for it; if a file brings it about, the \
                           others get through";

/// The advice for any other unknown error.
pub const UNKNOWN: &str = "nobody knows this error: look the statement up in the warehouse. The files stay where they are, \
                           and if one of them brings it about, the others get through";

/// The text of a statement that someone or a timeout stopped.
pub(super) const STOPPED: &str = "Query (~) cancelled on user's request";

/// COPY's own words when a system view has the reasons.
pub(super) const NOTED: Words = Head("Load into table * failed. Check * system table for details.");

const OTHER_WRITER: &str = "another transaction was writing the same table; it is tried again by itself";
const AWAY: &str = "the warehouse is away for a moment; it is tried again by itself. If it stays away, see whether it is \
                    paused or down";
const BUSY: &str = "S3, KMS or the network could not keep up; it is tried again by itself. If it comes again and again, \
                    drop fewer and larger files";
const BAD_FILE: &str = "have the producer mend the file, or mend the table and `sluice redrive` it: `sluice errors` says \
                        what is wrong with it";

const SPECTRUM: &str = "https://docs.aws.amazon.com/redshift/latest/dg/c-spectrum-troubleshooting.html";
const S3_ERRORS: &str = "https://docs.aws.amazon.com/redshift/latest/dg/s3serviceexception-error.html";
const S3_CODES: &str = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html";
const ISOLATION: &str =
    "https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation-serializable-isolation-troubleshooting.html";
const POSTGRESQL: &str = "https://www.postgresql.org/docs/15/errcodes-appendix.html";
const STAND_IN: &str = "inferred, by the stand-in";

const fn contents(texts: &'static [Words], seen: &'static str) -> Row {
    Row { texts, seen, means: Contents, advice: BAD_FILE }
}

const fn passes(texts: &'static [Words], seen: &'static str, advice: &'static str) -> Row {
    Row { texts, seen, means: Passes, advice }
}

const fn fix(texts: &'static [Words], seen: &'static str, advice: &'static str) -> Row {
    Row { texts, seen, means: Configuration, advice }
}

/// All rows.
pub const ROWS: &[Row] = &[
    // Contents.
    contents(&[NOTED], "databricks/spark-redshift#53"),
    contents(
        &[Head("failed to inflate with *: invalid or incomplete deflate data.")],
        "https://repost.aws/knowledge-center/redshift-stl-load-errors",
    ),
    contents(
        &[
            Scan("File '~' has an incompatible Parquet s*"),
            Scan("File '~' has an invalid version number*"),
            Scan("Unmatched number of columns between table and file*"),
            Scan("The length of the data column * is longer than the length defined in the table*"),
        ],
        SPECTRUM,
    ),
    contents(
        &[
            Scan("File '~' has invalid file metadata at file offset*"),
            Scan("File '~' column '~' has an invalid type length.*"),
            Scan("File '~' column '~' has a scale that does not match the table metadata*"),
            Scan("File '~' column '~' has a precision that does not match the table metadata*"),
            Scan("Corrupt Parquet file*"),
        ],
        "https://github.com/apache/impala/blob/master/be/src/exec/parquet/parquet-metadata-utils.cc",
    ),
    contents(
        &[
            Scan("NULL value in column *"),
            Scan("String value exceeds the max size of 65535 bytes*"),
            Scan("String contains invalid or unsupported UTF8 codepoints*"),
            Scan("Date or timestamp value out of range*"),
            Scan("Decimal value of more than 38 digits*"),
            Scan("Overflow for NUMERIC(*"),
        ],
        STAND_IN,
    ),
    // Something is missing.
    Row {
        texts: &[Head("Mandatory url is not present in manifest file*"), Head("Spectrum Scan Error: File not found*")],
        seen: "keboola's writer for Redshift; delta-rs on Redshift, 2026-09",
        means: FileGone,
        advice: "nothing: the files that are there go on. If all are there, see whether COPY's role may list the bucket",
    },
    Row {
        texts: &[S3("NoSuchKey"), Head("No such file or directory")],
        seen: "databricks/spark-redshift#136, https://docs.aws.amazon.com/redshift/latest/dg/t_Validating_input_files.html",
        means: ObjectGone,
        advice: "where all files of the batch are there, it is the jsonpaths object that the feed's COPY options name \
                 (`json`, `avro`): put it where it belongs, or mend the option",
    },
    passes(
        &[Manifest("NoSuchKey")],
        "public code that reads it",
        "nothing: each attempt writes its manifest anew. If it comes again and again, see whether a lifecycle rule \
         removes what is under `sluice/manifests/`",
    ),
    // It passes by itself.
    passes(
        &[
            S3("SlowDown"),
            S3("InternalError"),
            S3("ServiceUnavailable"),
            S3("RequestTimeout"),
            S3("OperationAborted"),
            Manifest("SlowDown"),
            Manifest("InternalError"),
            Manifest("ServiceUnavailable"),
            Manifest("RequestTimeout"),
            Manifest("OperationAborted"),
        ],
        S3_CODES,
        BUSY,
    ),
    passes(
        &[
            Head("Spectrum Scan Error: Access throttled*"),
            Head("Spectrum Scan Error: Retries exceeded*"),
            Scan("Access throttled by *"),
            Scan("Retries exceeded*"),
        ],
        SPECTRUM,
        BUSY,
    ),
    passes(
        &[
            Head("S3Query Exception Connection failed, retries exceeded.*"),
            Scan("boost::thread_resource_error: Resource temporarily unavailable*"),
        ],
        "harrystech/arthur-redshift-etl#134",
        BUSY,
    ),
    passes(
        &[
            Head("Spectrum Scan Error: No more data to read*"),
            Scan("No more data to read*"),
            Scan("HTTP response error code: 500*"),
            Scan("HTTP response error code: 503*"),
            Scan("Error: HTTP response error code: 500*"),
            Scan("Error: HTTP response error code: 503*"),
        ],
        "reports of users of Spectrum; its form as in the next row",
        BUSY,
    ),
    passes(
        &[
            Scan("HTTP response error code: 416 Message: InvalidRange*"),
            Scan("Error: HTTP response error code: 416 Message: InvalidRange*"),
        ],
        "awslabs/aws-lambda-redshift-loader#223",
        "a file was replaced while it was read; it is tried again by itself. Have producers use each name once",
    ),
    passes(
        &[
            Head("1023"),
            Head("1018"),
            Head("Serializable isolation violation on table*"),
            Head("could not complete because of conflict with concurrent transaction*"),
        ],
        ISOLATION,
        OTHER_WRITER,
    ),
    passes(&[Head("deadlock detected"), Head("could not serialize access*")], POSTGRESQL, OTHER_WRITER),
    passes(
        &[
            Head(STOPPED),
            Head("Query (~) canceled on user's request"),
            Head("canceling statement*"),
            Head("statement timeout*"),
        ],
        "practo/tipoca-stream#144",
        "it ran into a timeout or somebody stopped it; it is tried again by itself. If it comes again and again, raise \
         `statement_timeout` or lower `files_per_load`",
    ),
    passes(
        &[
            Head("connection *"),
            Head("server closed the connection unexpectedly*"),
            Head("terminating connection due to administrator command"),
            Head("the database system is *"),
            Head("the cluster is being *"),
        ],
        POSTGRESQL,
        AWAY,
    ),
    // Someone has to fix something.
    fix(
        &[Head("Cannot COPY into nonexistent table *")],
        "estuary/connectors#918",
        "create the table that the feed names, or mend `table` in the configuration",
    ),
    Row {
        texts: &[Head("relation * does not exist"), Head("relation * does not exist in the database.")],
        seen: POSTGRESQL,
        means: NoRelation,
        advice: "create the table that the feed names, or mend `table`, `pre_sql` or `post_sql` in the configuration",
    },
    fix(
        &[
            Head("schema * does not exist"),
            Head("column * does not exist"),
            Head("function * does not exist"),
            Head("database * does not exist"),
            Head("user * does not exist"),
        ],
        POSTGRESQL,
        "create what is missing, or mend the feed's `table`, `columns`, `pre_sql` or `post_sql`",
    ),
    fix(
        &[Head("permission denied for *"), Head("must be owner of *")],
        POSTGRESQL,
        "grant the function's database user what is denied: INSERT on the table, USAGE and CREATE on the ledger's \
         schema",
    ),
    fix(
        &[S3("AccessDenied")],
        S3_ERRORS,
        "let the role that COPY runs with (`iam_role`) read the bucket: s3:GetObject and s3:ListBucket, and \
         kms:Decrypt where the bucket has a key of its own",
    ),
    fix(
        &[
            Scan("Forbidden: HTTP response error code: 403*"),
            Scan("HTTP response error code: 403*"),
            Scan("Error: HTTP response error code: 403*"),
        ],
        SPECTRUM,
        "let the role that COPY runs with (`iam_role`) read the bucket, s3:GetObject and kms:Decrypt, and forbid no \
         presigned URLs there",
    ),
    fix(
        &[Head("COPY with MANIFEST parameter requires full path of an S3 object.*"), Manifest("AccessDenied")],
        "PostHog/posthog#61603",
        "the manifest cannot be read: let the role that COPY runs with (`iam_role`) read `sluice/manifests/`: \
         s3:GetObject, s3:ListBucket, and kms:Decrypt where the bucket has a key of its own. `sluice doctor` tries it",
    ),
    fix(
        &[S3("PermanentRedirect"), Manifest("PermanentRedirect")],
        S3_ERRORS,
        "the bucket is in another Region than the warehouse: say which by `region` in the feed's COPY options",
    ),
    fix(
        &[S3("NoSuchBucket"), Manifest("NoSuchBucket")],
        S3_CODES,
        "there is no such bucket: mend `name` under `[bucket]`, or the COPY option that names another one",
    ),
    fix(
        &[S3("InvalidObjectState")],
        "https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html",
        "the file is in an archive storage class, and COPY cannot read it: restore it, or drop it in another class",
    ),
    fix(
        &[Head("User ~ is not authorized to assume IAM Role ~"), Head("Not authorized to get credentials of role *")],
        "https://docs.aws.amazon.com/redshift/latest/mgmt/copy-unload-iam-role.html",
        "attach the role that the feed names by `iam_role` to the warehouse",
    ),
    fix(
        &[Head("Number of jsonpaths and the number of columns should match.*")],
        "awslabs/aws-lambda-redshift-loader#32",
        "the jsonpaths object must have a path for each column: add or remove paths, or list in `columns` those that \
         it fills",
    ),
    fix(
        &[Head("Invalid JSONPath format: *")],
        "https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-json.html",
        "mend that path in the jsonpaths object which the feed's COPY options name",
    ),
    fix(
        &[Head("Disk Full*")],
        "https://repost.aws/knowledge-center/redshift-high-disk-usage",
        "the warehouse has no room: delete, VACUUM, or make it larger; smaller batches (`files_per_load`) need less \
         room at once",
    ),
    fix(
        &[Head("Query (~) cancelled by WLM abort action of Query Monitoring Rule *")],
        "https://docs.aws.amazon.com/redshift/latest/dg/cm-c-wlm-query-monitoring-rules.html",
        "a query monitoring rule of the warehouse ends the load: take this user out of the rule's queue, raise its \
         limit, or lower `files_per_load`",
    ),
    fix(
        &[Head("Spectrum Scan Error: Resource limit exceeded*")],
        SPECTRUM,
        "the files need more memory than Spectrum has: write smaller row groups, or lower `files_per_load`",
    ),
    fix(
        &[
            Head("syntax error at *"),
            Head("REGION argument is not supported for PARQUET based COPY"),
            Head("TRUNCATECOLUMNS argument is not supported for PARQUET based COPY"),
            Head("SUPER column in COPY query requires SERIALIZETOJSON option"),
            Head("The specified S3 prefix * does not exist"),
            Head("cannot execute * in a read-only transaction"),
        ],
        "https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html",
        "mend the feed's `pre_sql`, `post_sql` or COPY options",
    ),
    // The statement decides what it means.
    Row {
        texts: &[Head("division by zero"), Head("Divide by zero")],
        seen: POSTGRESQL,
        means: ZeroDivision,
        advice: "mend the feed's `pre_sql` or `post_sql`, which divides by zero",
    },
    Row {
        texts: &[
            Head("relation * already exists"),
            Head("duplicate key value violates unique constraint *"),
            Head("tuple concurrently updated"),
        ],
        seen: POSTGRESQL,
        means: Exists,
        advice: "two made the same thing at the same moment, or `pre_sql` makes what is there: use IF NOT EXISTS",
    },
    Row {
        texts: &[
            Head("invalid input syntax for *"),
            Head("Cannot insert a NULL value into column *"),
            Head("value too long for *"),
            Head("smallint out of range"),
            Head("integer out of range"),
            Head("bigint out of range"),
            Head("numeric field overflow"),
            Head("Found multiple matches to update the same tuple."),
        ],
        seen: POSTGRESQL,
        means: Value,
        advice: "the feed's own SQL (`pre_sql`, `post_sql`) meets a value that it cannot take: let it pass such values \
                 over. If a file brought the value, the others get through, and the file waits where it is",
    },
];
