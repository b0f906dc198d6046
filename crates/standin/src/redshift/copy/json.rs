//! JSON: objects one after another, whose names are columns, or whose values are found by paths.
//!
//! Never turns a number into a double: its digits go to the column as they are written.

use super::super::error::SqlError;
use super::columns::{Kind, Target};
use super::files::{NO_SUCH_KEY, unreadable};
use super::parse::JsonPaths;
use super::record::{Fault, Fields, Flow, Record};
use crate::source::Source;

mod scan;

use scan::{Scanner, Value};

/// Where each column finds its value.
#[derive(Debug)]
pub(crate) struct Paths {
    columns: Vec<(Vec<Step>, bool)>,
    ignore_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

/// The paths that `paths` stands for, one for each column of `target`.
pub(crate) fn paths(source: &dyn Source, paths: &JsonPaths, target: &Target) -> Result<Paths, SqlError> {
    let written = match paths {
        JsonPaths::Auto | JsonPaths::AutoIgnoreCase | JsonPaths::NoShred => {
            target.columns.iter().map(|column| vec![Step::Name(column.name.clone())]).collect()
        }
        JsonPaths::File { bucket, key } => from_file(source, bucket, key, target.columns.len())?,
    };
    let columns =
        written.into_iter().zip(&target.columns).map(|(path, column)| (path, column.kind == Kind::Super)).collect();
    Ok(Paths { columns, ignore_case: *paths == JsonPaths::AutoIgnoreCase })
}

fn from_file(source: &dyn Source, bucket: &str, key: &str, columns: usize) -> Result<Vec<Vec<Step>>, SqlError> {
    #[derive(serde::Deserialize)]
    struct File {
        jsonpaths: Vec<String>,
    }
    let object = source.read(bucket, key).map_err(|error| unreadable(key, &error))?;
    let object = object.ok_or_else(|| SqlError::new(NO_SUCH_KEY))?;
    let file: File = serde_json::from_slice(&object.body)
        .map_err(|error| SqlError::new(format!("Invalid JSONPath file s3://{bucket}/{key}: {error}")))?;
    if file.jsonpaths.len() != columns {
        let count = file.jsonpaths.len();
        return Err(SqlError::new(format!(
            "Number of jsonpaths and the number of columns should match. JSONPath size: {count}, Number of columns in table or column list: {columns}"
        )));
    }
    let wrong = |path: &String| SqlError::new(format!("Invalid JSONPath format: {path}"));
    file.jsonpaths.iter().map(|path| steps(path).ok_or_else(|| wrong(path))).collect()
}

/// `$['a']['b'][0]` or `$.a.b[0]`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(Step::Name(name.get(..end).filter(|name| !name.is_empty())?.to_owned()));
            rest = &name[end..];
        } else {
            let inside = rest.strip_prefix('[')?;
            let end = inside.find(']')?;
            let word = &inside[..end];
            let quoted = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
            steps.push(match quoted.or_else(|| word.strip_prefix('"').and_then(|word| word.strip_suffix('"'))) {
                Some(name) => Step::Name(name.to_owned()),
                None => Step::Index(word.parse().ok()?),
            });
            rest = &inside[end + 1..];
        }
    }
    Some(steps)
}

/// Hands every value of `data` to `take`. The answer: how many lines there were.
pub(crate) fn read(data: &[u8], paths: &Paths, take: &mut dyn FnMut(Record<'_>) -> Flow) -> u64 {
    let mut scanner = Scanner::new(data);
    let mut fields = Fields::default();
    while let Some(begun) = scanner.next_value() {
        let line = scanner.line();
        fields.clear();
        let value = scanner.value();
        let raw = &data[begun..scanner.at()];
        let fault = match value {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => fill(&value, paths, &mut fields).err(),
            Ok(_) => Some(Fault::new(1216, "Invalid JSON: an object or an array is expected")),
            Err(reason) => {
                scanner.next_line();
                Some(Fault {
                    code: 1216,
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
        match path.iter().try_fold(value, |value, step| step_into(value, step, paths.ignore_case)) {
            None | Some(Value::Null) => fields.end_null(),
            Some(Value::String(raw)) if !as_json => {
                let text: String = serde_json::from_slice(raw)
                    .map_err(|error| Fault::new(1216, format!("Invalid JSON string: {error}")))?;
                fields.extend(text.as_bytes());
                fields.end(0);
            }
            Some(value) => {
                fields.extend(value.raw());
                fields.end(0);
            }
        }
    }
    Ok(())
}

fn step_into<'v, 'd>(value: &'v Value<'d>, step: &Step, ignore_case: bool) -> Option<&'v Value<'d>> {
    match (value, step) {
        (Value::Object(object), Step::Name(name)) => {
            let same = |key: &str| key == name || (ignore_case && key.eq_ignore_ascii_case(name));
            object.members.iter().rev().find(|(key, _)| same(key)).map(|(_, value)| value)
        }
        (Value::Array(array), Step::Index(index)) => array.items.get(*index),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn auto(names: &[&str], ignore_case: bool) -> Paths {
        Paths { columns: names.iter().map(|name| (vec![Step::Name((*name).to_owned())], false)).collect(), ignore_case }
    }

    fn all(data: &str, paths: &Paths) -> Vec<(u64, Vec<Option<String>>, Option<i32>)> {
        let mut found = Vec::new();
        read(data.as_bytes(), paths, &mut |record| {
            let field = |index| {
                (!record.fields.is_null(index)).then(|| String::from_utf8_lossy(record.fields.get(index)).into_owned())
            };
            found.push((
                record.line,
                (0..record.fields.len()).map(field).collect(),
                record.fault.map(|fault| fault.code),
            ));
            Flow::Continue
        });
        found
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| (*value != "NULL").then(|| (*value).to_owned())).collect()
    }

    #[test]
    fn objects_follow_one_another() {
        let data = "{\"a\": 1.50, \"b\": \"x\\n\\u00e9\"} {\"b\": {\"c\": [1]}, \"z\": 0}\n\n{\"a\": null}";
        let found = all(data, &auto(&["a", "b"], false));
        assert_eq!(
            found,
            [
                (1, some(&["1.50", "x\né"]), None),
                (1, some(&["NULL", "{\"c\": [1]}"]), None),
                (3, some(&["NULL", "NULL"]), None)
            ]
        );
    }

    #[test]
    fn names_are_compared_as_they_are_unless_told_otherwise() {
        assert_eq!(all("{\"A\": 1}", &auto(&["a"], false))[0].1, some(&["NULL"]));
        assert_eq!(all("{\"A\": 1}", &auto(&["a"], true))[0].1, some(&["1"]));
    }

    #[test]
    fn a_broken_line_spoils_only_itself() {
        let found = all("{\"a\": 1\n{\"a\": 2}\n{\"a\": }\n{\"a\": 3}\n", &auto(&["a"], false));
        let faults: Vec<_> = found.iter().map(|(line, _, fault)| (*line, *fault)).collect();
        assert_eq!(faults, [(1, Some(1216)), (3, Some(1216)), (4, None)]);
    }

    #[test_case("$['a']['b'][0]", &[Step::Name("a".to_owned()), Step::Name("b".to_owned()), Step::Index(0)]; "brackets")]
    #[test_case("$.a.b[0]", &[Step::Name("a".to_owned()), Step::Name("b".to_owned()), Step::Index(0)]; "dots")]
    #[test_case("$", &[]; "the whole")]
    fn json_paths(path: &str, expected: &[Step]) {
        assert_eq!(steps(path).as_deref(), Some(expected));
    }
}
