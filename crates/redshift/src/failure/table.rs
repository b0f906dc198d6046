//! The one table of known error texts: where each was seen, what it means, and what to do. `docs/ERRORS.md` is made of it.
//!
//! Pure. No text fits two rows, so that their order says nothing. Only a row that means [`Means::Contents`] ever leads to
//! quarantine: it is the list of what is allowed to.

use super::text::{Text, Words};
use Means::{Contents, Exists, FileGone, NoRelation, ObjectGone, Passes, ToMend, Value, ZeroDivision};
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
    /// What is in a file. Only COPY's own word counts.
    Contents,
    /// A file of the batch is not there. Only COPY's own word counts.
    FileGone,
    /// Some object is not there: a file of the batch, or what the feed's options name. Only COPY's own word counts.
    ObjectGone,
    /// It passes by itself.
    Passes,
    /// Somebody has to mend something; nothing is wrong with the files.
    ToMend,
    /// A relation is not there: the ledger, where it is to be locked.
    NoRelation,
    /// It is there already.
    Exists,
    /// A division by zero: the guard's way to say that a file is in the ledger.
    ZeroDivision,
    /// SQL met a value that it cannot take, which may have come with a file. It is no word about the file.
    Value,
}

/// The row that a text fits.
pub(super) fn row(text: &Text) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.texts.iter().any(|words| text.says(*words)))
}

/// The feed's own statements.
pub const OWN_SQL: &str = "this is a statement of the feed's own (`pre_sql`, `post_sql`), or the ledger's, and not COPY: \
                           mend it, or what it reads and writes. No file is moved for it; if a file brings it about, the \
                           others get through";

/// What nobody knows.
pub const UNKNOWN: &str = "nobody knows this error: look the statement up in the warehouse. The files stay where they are, \
                           and if one of them brings it about, the others get through";

/// What somebody, or a timeout, stopped.
pub(super) const STOPPED: &str = "Query (~) cancelled on user's request";

/// COPY's own words where a system view has the reasons.
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

/// All of them.
pub const ROWS: &[Row] = &[
    // Contents.
    Row { texts: &[NOTED], seen: "databricks/spark-redshift#53", means: Contents, advice: BAD_FILE },
    Row {
        texts: &[Head("failed to inflate with *: invalid or incomplete deflate data.")],
        seen: "https://repost.aws/knowledge-center/redshift-stl-load-errors",
        means: Contents,
        advice: BAD_FILE,
    },
    Row {
        texts: &[
            Scan("File '~' has an incompatible Parquet s*"),
            Scan("File '~' has an invalid version number*"),
            Scan("Unmatched number of columns between table and file*"),
            Scan("The length of the data column * is longer than the length defined in the table*"),
        ],
        seen: SPECTRUM,
        means: Contents,
        advice: BAD_FILE,
    },
    Row {
        texts: &[
            Scan("File '~' has invalid file metadata at file offset*"),
            Scan("File '~' column '~' has an invalid type length.*"),
            Scan("File '~' column '~' has a scale that does not match the table metadata*"),
            Scan("File '~' column '~' has a precision that does not match the table metadata*"),
            Scan("Corrupt Parquet file*"),
        ],
        seen: "https://github.com/apache/impala/blob/master/be/src/exec/parquet/parquet-metadata-utils.cc",
        means: Contents,
        advice: BAD_FILE,
    },
    Row {
        texts: &[
            Scan("NULL value in column *"),
            Scan("String value exceeds the max size of 65535 bytes*"),
            Scan("String contains invalid or unsupported UTF8 codepoints*"),
            Scan("Date or timestamp value out of range*"),
            Scan("Decimal value of more than 38 digits*"),
            Scan("Overflow for NUMERIC(*"),
        ],
        seen: STAND_IN,
        means: Contents,
        advice: BAD_FILE,
    },
    // What is not there.
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
    Row {
        texts: &[Manifest("NoSuchKey")],
        seen: "public code that reads it",
        means: Passes,
        advice: "nothing: each attempt writes its manifest anew. If it comes again and again, see whether a lifecycle rule \
                 removes what is under `sluice/manifests/`",
    },
    // What passes by itself.
    Row {
        texts: &[
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
        seen: S3_CODES,
        means: Passes,
        advice: BUSY,
    },
    Row {
        texts: &[
            Head("Spectrum Scan Error: Access throttled*"),
            Head("Spectrum Scan Error: Retries exceeded*"),
            Scan("Access throttled by *"),
            Scan("Retries exceeded*"),
        ],
        seen: SPECTRUM,
        means: Passes,
        advice: BUSY,
    },
    Row {
        texts: &[
            Head("S3Query Exception Connection failed, retries exceeded.*"),
            Scan("boost::thread_resource_error: Resource temporarily unavailable*"),
        ],
        seen: "harrystech/arthur-redshift-etl#134",
        means: Passes,
        advice: BUSY,
    },
    Row {
        texts: &[
            Head("Spectrum Scan Error: No more data to read*"),
            Scan("No more data to read*"),
            Scan("HTTP response error code: 500*"),
            Scan("HTTP response error code: 503*"),
            Scan("Error: HTTP response error code: 500*"),
            Scan("Error: HTTP response error code: 503*"),
        ],
        seen: "reports of users of Spectrum; its form as in the next row",
        means: Passes,
        advice: BUSY,
    },
    Row {
        texts: &[
            Scan("HTTP response error code: 416 Message: InvalidRange*"),
            Scan("Error: HTTP response error code: 416 Message: InvalidRange*"),
        ],
        seen: "awslabs/aws-lambda-redshift-loader#223",
        means: Passes,
        advice: "a file was replaced while it was read; it is tried again by itself. Have producers use each name once",
    },
    Row {
        texts: &[
            Head("1023"),
            Head("1018"),
            Head("Serializable isolation violation on table*"),
            Head("could not complete because of conflict with concurrent transaction*"),
        ],
        seen: ISOLATION,
        means: Passes,
        advice: OTHER_WRITER,
    },
    Row {
        texts: &[Head("deadlock detected"), Head("could not serialize access*")],
        seen: POSTGRESQL,
        means: Passes,
        advice: OTHER_WRITER,
    },
    Row {
        texts: &[
            Head(STOPPED),
            Head("Query (~) canceled on user's request"),
            Head("canceling statement*"),
            Head("statement timeout*"),
        ],
        seen: "practo/tipoca-stream#144",
        means: Passes,
        advice: "it ran into a timeout or somebody stopped it; it is tried again by itself. If it comes again and again, \
                 raise `statement_timeout` or lower `files_per_load`",
    },
    Row {
        texts: &[
            Head("connection *"),
            Head("server closed the connection unexpectedly*"),
            Head("terminating connection due to administrator command"),
            Head("the database system is *"),
            Head("the cluster is being *"),
        ],
        seen: POSTGRESQL,
        means: Passes,
        advice: AWAY,
    },
    // What somebody has to mend.
    Row {
        texts: &[Head("Cannot COPY into nonexistent table *")],
        seen: "estuary/connectors#918",
        means: ToMend,
        advice: "create the table that the feed names, or mend `table` in the configuration",
    },
    Row {
        texts: &[Head("relation * does not exist"), Head("relation * does not exist in the database.")],
        seen: POSTGRESQL,
        means: NoRelation,
        advice: "create the table that the feed names, or mend `table`, `pre_sql` or `post_sql` in the configuration",
    },
    Row {
        texts: &[
            Head("schema * does not exist"),
            Head("column * does not exist"),
            Head("function * does not exist"),
            Head("database * does not exist"),
            Head("user * does not exist"),
        ],
        seen: POSTGRESQL,
        means: ToMend,
        advice: "create what is missing, or mend the feed's `table`, `columns`, `pre_sql` or `post_sql`",
    },
    Row {
        texts: &[Head("permission denied for *"), Head("must be owner of *")],
        seen: POSTGRESQL,
        means: ToMend,
        advice: "grant the function's database user what is denied: INSERT on the table, USAGE and CREATE on the ledger's \
                 schema",
    },
    Row {
        texts: &[S3("AccessDenied")],
        seen: S3_ERRORS,
        means: ToMend,
        advice: "let the role that COPY runs with (`iam_role`) read the bucket: s3:GetObject and s3:ListBucket, and \
                 kms:Decrypt where the bucket has a key of its own",
    },
    Row {
        texts: &[
            Scan("Forbidden: HTTP response error code: 403*"),
            Scan("HTTP response error code: 403*"),
            Scan("Error: HTTP response error code: 403*"),
        ],
        seen: SPECTRUM,
        means: ToMend,
        advice: "let the role that COPY runs with (`iam_role`) read the bucket, s3:GetObject and kms:Decrypt, and forbid no \
                 presigned URLs there",
    },
    Row {
        texts: &[Head("COPY with MANIFEST parameter requires full path of an S3 object.*"), Manifest("AccessDenied")],
        seen: "PostHog/posthog#61603",
        means: ToMend,
        advice: "the manifest cannot be read: let the role that COPY runs with (`iam_role`) read `sluice/manifests/`: \
                 s3:GetObject, s3:ListBucket, and kms:Decrypt where the bucket has a key of its own. `sluice doctor` tries it",
    },
    Row {
        texts: &[S3("PermanentRedirect"), Manifest("PermanentRedirect")],
        seen: S3_ERRORS,
        means: ToMend,
        advice: "the bucket is in another Region than the warehouse: say which by `region` in the feed's COPY options",
    },
    Row {
        texts: &[S3("NoSuchBucket"), Manifest("NoSuchBucket")],
        seen: S3_CODES,
        means: ToMend,
        advice: "there is no such bucket: mend `name` under `[bucket]`, or the COPY option that names another one",
    },
    Row {
        texts: &[S3("InvalidObjectState")],
        seen: "https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html",
        means: ToMend,
        advice: "the file is in an archive storage class, and COPY cannot read it: restore it, or drop it in another class",
    },
    Row {
        texts: &[
            Head("User ~ is not authorized to assume IAM Role ~"),
            Head("Not authorized to get credentials of role *"),
        ],
        seen: "https://docs.aws.amazon.com/redshift/latest/mgmt/copy-unload-iam-role.html",
        means: ToMend,
        advice: "attach the role that the feed names by `iam_role` to the warehouse",
    },
    Row {
        texts: &[Head("Number of jsonpaths and the number of columns should match.*")],
        seen: "awslabs/aws-lambda-redshift-loader#32",
        means: ToMend,
        advice: "the jsonpaths object must have a path for each column: add or remove paths, or list in `columns` those \
                 that it fills",
    },
    Row {
        texts: &[Head("Invalid JSONPath format: *")],
        seen: "https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-json.html",
        means: ToMend,
        advice: "mend that path in the jsonpaths object which the feed's COPY options name",
    },
    Row {
        texts: &[Head("Disk Full*")],
        seen: "https://repost.aws/knowledge-center/redshift-high-disk-usage",
        means: ToMend,
        advice: "the warehouse has no room: delete, VACUUM, or make it larger; smaller batches (`files_per_load`) need less \
                 room at once",
    },
    Row {
        texts: &[Head("Query (~) cancelled by WLM abort action of Query Monitoring Rule *")],
        seen: "https://docs.aws.amazon.com/redshift/latest/dg/cm-c-wlm-query-monitoring-rules.html",
        means: ToMend,
        advice: "a query monitoring rule of the warehouse ends the load: take this user out of the rule's queue, raise its \
                 limit, or lower `files_per_load`",
    },
    Row {
        texts: &[Head("Spectrum Scan Error: Resource limit exceeded*")],
        seen: SPECTRUM,
        means: ToMend,
        advice: "the files need more memory than Spectrum has: write smaller row groups, or lower `files_per_load`",
    },
    Row {
        texts: &[
            Head("syntax error at *"),
            Head("REGION argument is not supported for PARQUET based COPY"),
            Head("TRUNCATECOLUMNS argument is not supported for PARQUET based COPY"),
            Head("SUPER column in COPY query requires SERIALIZETOJSON option"),
            Head("The specified S3 prefix * does not exist"),
            Head("cannot execute * in a read-only transaction"),
        ],
        seen: "https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html",
        means: ToMend,
        advice: "mend the feed's `pre_sql`, `post_sql` or COPY options",
    },
    // What has a meaning of its own in one place.
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
        advice: "the feed's own SQL (`pre_sql`, `post_sql`) meets a value that it cannot take: let it pass such values over. \
                 If a file brought the value, the others get through, and the file waits where it is",
    },
];
