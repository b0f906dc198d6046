//! Translates the answers of `DescribeStatement` and `GetStatementResult` into the types of `sluice_redshift`.

use std::time::Duration;

use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::primitives::DateTime;
use aws_sdk_redshiftdata::types::{Field, StatementStatusString, StatusString, SubStatementData};
use jiff::Timestamp;
use sluice_redshift::{Description, Part, Status};

pub(super) fn describe(answer: &DescribeStatementOutput) -> Description {
    Description {
        status: status(answer.status().map(StatusString::as_str)),
        error: answer.error().map(str::to_owned),
        created_at: answer.created_at().and_then(timestamp),
        updated_at: answer.updated_at().and_then(timestamp),
        duration: Duration::from_nanos(answer.duration().try_into().unwrap_or_default()),
        pid: positive(answer.redshift_pid()),
        query_id: positive(answer.redshift_query_id()),
        rows: answer.result_rows().try_into().ok(),
        parts: answer.sub_statements().iter().map(part).collect(),
    }
}

fn part(part: &SubStatementData) -> Part {
    Part {
        status: status(part.status().map(StatementStatusString::as_str)),
        error: part.error().map(str::to_owned),
        query_id: positive(part.redshift_query_id()),
        rows: part.result_rows().try_into().ok(),
    }
}

/// A status that this version does not know counts as running.
fn status(status: Option<&str>) -> Status {
    match status {
        Some("FINISHED") => Status::Finished,
        Some("FAILED") => Status::Failed,
        Some("ABORTED") => Status::Aborted,
        _ => Status::Running,
    }
}

/// The id, unless it is 0 or -1: they stand for no id.
fn positive(id: i64) -> Option<i64> {
    (id > 0).then_some(id)
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// A value as text; `None` for NULL.
pub(super) fn text(field: Field) -> Option<String> {
    match field {
        Field::StringValue(text) => Some(text),
        Field::LongValue(number) => Some(number.to_string()),
        Field::DoubleValue(number) => Some(number.to_string()),
        Field::BooleanValue(truth) => Some(truth.to_string()),
        Field::BlobValue(bytes) => Some(String::from_utf8_lossy(bytes.as_ref()).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(Some("FINISHED") => Status::Finished)]
    #[test_case(Some("FAILED") => Status::Failed)]
    #[test_case(Some("ABORTED") => Status::Aborted)]
    #[test_case(Some("SUBMITTED") => Status::Running)]
    #[test_case(Some("PICKED") => Status::Running)]
    #[test_case(Some("STARTED") => Status::Running)]
    #[test_case(Some("SOMETHING_NEW") => Status::Running)]
    #[test_case(None => Status::Running)]
    fn only_an_end_is_an_end(text: Option<&str>) -> Status {
        status(text)
    }

    #[test_case(Field::IsNull(true) => None)]
    #[test_case(Field::StringValue(String::new()) => Some(String::new()); "an empty text is not null")]
    #[test_case(Field::LongValue(-7) => Some("-7".to_owned()))]
    #[test_case(Field::BooleanValue(false) => Some("false".to_owned()))]
    fn values_are_text(field: Field) -> Option<String> {
        text(field)
    }
}
