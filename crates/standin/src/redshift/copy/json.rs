//! JSON: a sequence of objects, read by column names or by paths.
//!
//! Never turns a number into a double: the column gets its digits as written. Never accepts what Redshift refuses: an
//! array in place of an object, an element that does not exist.

mod paths;
pub(super) mod scan;
pub(super) mod text;

use super::convert::end_at_nul;
use super::parse::Options;
use super::record::{Fault, Fields, Flow, Record};
use paths::Step;
pub(crate) use paths::{Paths, paths};
use scan::{Scanner, Value};

/// "Input line is not valid." Which code goes with the two texts below is inferred.
const NOT_VALID: i32 = 1216;
/// Seen: awslabs/aws-lambda-redshift-loader#113, for a file that is one array.
const NO_OBJECT: &str = "Invalid JSONPath format: Member is not an object.";
/// Source: Amazon Redshift Database Developer Guide, "Data format parameters", `JSONPath` expressions.
const NO_ELEMENT: &str = "Invalid JSONPath format: Not an array or index out of range.";

/// Passes every value of `data` after the header to `take`, each with the number of its last line, or of its first line
/// if the value has no end. Returns the number of lines.
pub(crate) fn read(data: &[u8], paths: &Paths, options: &Options, take: &mut dyn FnMut(Record<'_>) -> Flow) -> u64 {
    let mut scanner = Scanner::new(data);
    scanner.skip_lines(options.ignore_header);
    let mut fields = Fields::default();
    while let Some(begun) = scanner.next_value() {
        fields.clear();
        let begun_in = scanner.line();
        let value = scanner.value();
        let line = if value.is_ok() { scanner.line() } else { begun_in };
        let raw = &data[begun..scanner.at()];
        let fault = match value {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => fill(&value, paths, &mut fields).err(),
            Ok(_) => Some(Fault::new(NOT_VALID, "Invalid JSON: an object or an array is expected")),
            Err(reason) => {
                scanner.next_line();
                Some(Fault {
                    code: NOT_VALID,
                    message: format!("Invalid JSON: {reason}"),
                    position: scanner.at().saturating_sub(begun),
                })
            }
        };
        if take(Record { line, raw, fields: &fields, fault }) == Flow::Stop {
            break;
        }
    }
    scanner.line()
}

fn fill(value: &Value<'_>, paths: &Paths, fields: &mut Fields) -> Result<(), Fault> {
    for (path, as_json) in &paths.columns {
        let filled = find(value, path, paths.ignore_case).and_then(|found| field(found, *as_json, fields));
        if filled.is_err() {
            // Records which column failed.
            fields.end(0);
        }
        filled?;
    }
    Ok(())
}

fn field(found: Option<&Value<'_>>, as_json: bool, fields: &mut Fields) -> Result<(), Fault> {
    match found {
        None | Some(Value::Null) => {
            fields.end_null();
            return Ok(());
        }
        Some(Value::String(raw)) if !as_json => fields.extend(end_at_nul(&text::unescape(raw))?),
        Some(value) => fields.extend(value.raw()),
    }
    fields.end(0);
    Ok(())
}

/// The value at the end of the path. Documented: a missing member is null, a missing element is an error. Inferred: a
/// member of null is null, a member of anything else that is not an object is an error.
fn find<'v, 'd>(root: &'v Value<'d>, path: &[Step], ignore_case: bool) -> Result<Option<&'v Value<'d>>, Fault> {
    let refused = |text: &str| Err(Fault::new(NOT_VALID, text));
    let mut value = root;
    for (at, step) in path.iter().enumerate() {
        let next = match (value, step) {
            (Value::Object(object), Step::Name(name)) => {
                let same = |key: &str| key == name || (ignore_case && key.eq_ignore_ascii_case(name));
                object.members.iter().rev().find(|member| same(&member.name)).map(|member| &member.value)
            }
            (Value::Array(array), Step::Index(index)) => match array.items.get(*index) {
                None => return refused(NO_ELEMENT),
                found => found,
            },
            (Value::Null, Step::Name(_)) => None,
            (_, Step::Name(_)) => return refused(NO_OBJECT),
            (_, Step::Index(_)) => return refused(NO_ELEMENT),
        };
        value = match next {
            Some(next) => next,
            None if path[at..].iter().any(|step| matches!(step, Step::Index(_))) => return refused(NO_ELEMENT),
            None => return Ok(None),
        };
    }
    Ok(Some(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
