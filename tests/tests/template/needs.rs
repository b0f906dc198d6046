//! Which rights a function needs: what the stand-in's journal says it did, in IAM's words.
//!
//! Sources: Service Authorization Reference (which action each call needs); Amazon S3 User Guide, "Required permissions
//! for Amazon S3 API operations", "Conditional requests"; Lambda Developer Guide, "Execution role".

use std::collections::BTreeSet;

use sluice_standin::journal::Entry;

use super::document::{ACCOUNT, REGION};
use super::policy::Need;

/// What a stack is to whoever needs rights: how its warehouse is reached, and what is switched on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setting {
    /// Of `ExecuteStatement` and `BatchExecuteStatement`.
    pub(crate) warehouse: String,
    /// What a submission needs besides: credentials of some kind.
    pub(crate) credentials: Vec<Need>,
    pub(crate) kms_key: Option<String>,
    pub(crate) traces: bool,
}

/// What the calls of one request need.
pub(crate) fn of_request(entry: &Entry, setting: &Setting) -> Vec<Need> {
    let subject = entry.subject.as_deref().unwrap_or_default();
    let also = entry.also.as_deref().unwrap_or_default();
    match entry.service {
        "s3" => of_s3(&entry.operation, entry.status, subject, also, setting),
        "redshift-data" => of_redshift(&entry.operation, setting),
        "lambda" => {
            assert_eq!(entry.operation, "Invoke");
            vec![Need::new("lambda:InvokeFunction", format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{subject}"))]
        }
        "monitoring" => {
            assert_eq!(entry.operation, "PutMetricData");
            vec![Need::new("cloudwatch:PutMetricData", "*").with("cloudwatch:namespace", "Sluice")]
        }
        other => panic!("a function called {other}:{}", entry.operation),
    }
}

/// What each function may ask where it looks at files, whether or not one run of it meets that: whatever lies under
/// incoming/, and hints; and where it loads the head of a file, and what has a name in the archive, or has not.
pub(crate) fn of_looking(bucket: &str, setting: &Setting, loads: bool) -> Vec<Need> {
    let all = [
        ("ListObjectsV2", 200, bucket.to_owned(), Some("incoming/")),
        ("GetObject", 200, format!("{bucket}/sluice/state/numbers/success.json"), None),
        ("PutObject", 200, format!("{bucket}/sluice/state/not-taken.json"), None),
    ];
    let of_loads = [
        ("GetObject", 206, format!("{bucket}/incoming/numbers/1.csv"), None),
        ("GetObject", 404, format!("{bucket}/incoming/numbers/1.csv"), None),
        ("HeadObject", 200, format!("{bucket}/processed/numbers/1.csv"), None),
        ("HeadObject", 404, format!("{bucket}/processed/numbers/1.csv"), None),
        ("PutObject", 200, format!("{bucket}/sluice/state/numbers/without-rows/b.json"), None),
    ];
    all.into_iter()
        .chain(of_loads.into_iter().filter(|_| loads))
        .flat_map(|(operation, status, subject, also)| of_s3(operation, status, &subject, also.unwrap_or(""), setting))
        .collect()
}

fn of_s3(operation: &str, status: u16, subject: &str, also: &str, setting: &Setting) -> Vec<Need> {
    let object = |action: &str, path: &str| Need::new(action, format!("arn:aws:s3:::{path}"));
    let (bucket, key) = subject.split_once('/').unwrap_or((subject, ""));
    let list = |prefix: &str| Need::new("s3:ListBucket", format!("arn:aws:s3:::{bucket}")).with("s3:prefix", prefix);
    let mut needs = match operation {
        "ListObjectsV2" => return vec![list(also)],
        "GetObject" | "HeadObject" => vec![object("s3:GetObject", subject)],
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            vec![object("s3:PutObject", subject)]
        }
        // A file may have tags, which go with it. Annotations, which S3 would copy as well and ask two rights for, are left
        // out: docs/decisions/0031-annotations-stay-behind.md.
        "CopyObject" => vec![
            object("s3:PutObject", subject),
            object("s3:PutObjectTagging", subject),
            object("s3:GetObject", also),
            object("s3:GetObjectTagging", also),
        ],
        "UploadPartCopy" => vec![object("s3:PutObject", subject), object("s3:GetObject", also)],
        "AbortMultipartUpload" => vec![object("s3:AbortMultipartUpload", subject)],
        "GetObjectTagging" => vec![object("s3:GetObjectTagging", subject)],
        // On the condition of an ETag.
        "DeleteObject" => vec![object("s3:DeleteObject", subject), object("s3:GetObject", subject)],
        // Its keys are in its body. Only archiving deletes many, and only where files arrive.
        "DeleteObjects" => {
            let some = format!("{bucket}/incoming/numbers/some.csv");
            vec![object("s3:DeleteObject", &some), object("s3:GetObject", &some)]
        }
        other => panic!("a function called s3:{other}"),
    };
    if status == 404 {
        // Who may not list is answered 403 where there is nothing.
        needs.push(list(key));
    }
    if let Some(key) = &setting.kms_key {
        let through_s3 = |action| Need::new(action, key).with("kms:ViaService", format!("s3.{REGION}.amazonaws.com"));
        needs.extend(["kms:Decrypt", "kms:GenerateDataKey"].map(through_s3));
    }
    needs
}

fn of_redshift(operation: &str, setting: &Setting) -> Vec<Need> {
    let action = format!("redshift-data:{operation}");
    match operation {
        "ExecuteStatement" | "BatchExecuteStatement" => {
            [vec![Need::new(&action, &setting.warehouse)], setting.credentials.clone()].concat()
        }
        "DescribeStatement" | "GetStatementResult" => vec![Need::new(&action, "*")],
        other => panic!("a function called redshift-data:{other}"),
    }
}

/// What Lambda does with the role of a function, whatever the function does.
pub(crate) fn of_lambda(log_group: &str, on_failure: Option<&str>, setting: &Setting) -> BTreeSet<Need> {
    let logs = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{log_group}:log-stream:x");
    let mut needs =
        BTreeSet::from(["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| Need::new(action, &logs)));
    needs.extend(on_failure.map(|queue| Need::new("sqs:SendMessage", queue)));
    if setting.traces {
        needs.extend(["xray:PutTelemetryRecords", "xray:PutTraceSegments"].map(|action| Need::new(action, "*")));
    }
    needs
}
