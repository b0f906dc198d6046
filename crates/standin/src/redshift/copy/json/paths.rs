//! Where each column finds its value: by its own name, by a path of a jsonpaths file, or in the whole document.
//!
//! Never looks at data.
//!
//! Source: Amazon Redshift Database Developer Guide, "Data format parameters" (JSON, jsonpaths file, `JSONPath`
//! expressions).

use super::super::super::error::SqlError;
use super::super::columns::{Kind, Target};
use super::super::files::{NO_SUCH_KEY, unreadable};
use super::super::parse::JsonPaths;
use crate::source::Source;

/// The path of each column of the table.
#[derive(Debug)]
pub(crate) struct Paths {
    /// The path, and whether the column is a SUPER.
    pub(super) columns: Vec<(Vec<Step>, bool)>,
    pub(super) ignore_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// Resolves `paths`.
pub(crate) fn paths(source: &dyn Source, paths: &JsonPaths, target: &Target) -> Result<Paths, SqlError> {
    let by_name = || target.columns.iter().map(|column| vec![Step::Name(column.name.clone())]).collect();
    let written = match paths {
        JsonPaths::Auto | JsonPaths::AutoIgnoreCase => by_name(),
        JsonPaths::NoShred => whole(target)?,
        // Documented: a file whose object has a different name is ignored.
        JsonPaths::File { bucket, key } => {
            from_file(source, bucket, key, target.columns.len())?.unwrap_or_else(by_name)
        }
    };
    let columns =
        written.into_iter().zip(&target.columns).map(|(path, column)| (path, column.kind == Kind::Super)).collect();
    Ok(Paths { columns, ignore_case: *paths == JsonPaths::AutoIgnoreCase })
}

/// Documented: "a single SUPER data column".
fn whole(target: &Target) -> Result<Vec<Vec<Step>>, SqlError> {
    match target.columns.as_slice() {
        [only] if only.kind == Kind::Super => Ok(vec![Vec::new()]),
        _ => Err(SqlError::own(
            "JSON 'noshred' loads one SUPER column, and there is another number of columns, or another type",
        )),
    }
}

/// The paths of a jsonpaths file; none if its object has a different name.
fn from_file(source: &dyn Source, bucket: &str, key: &str, columns: usize) -> Result<Option<Vec<Vec<Step>>>, SqlError> {
    let object = source.read(bucket, key).map_err(|error| unreadable(key, &error))?;
    let object = object.ok_or_else(|| SqlError::new(NO_SUCH_KEY))?;
    let malformed =
        |reason: &str| SqlError::own(format_args!("the jsonpaths file s3://{bucket}/{key} is not right: {reason}"));
    let content: serde_json::Value =
        serde_json::from_slice(&object.body).map_err(|error| malformed(&error.to_string()))?;
    let object = content.as_object().ok_or_else(|| malformed("one object is expected"))?;
    let Some(paths) = object.get("jsonpaths") else {
        return Ok(None);
    };
    let paths = paths.as_array().ok_or_else(|| malformed("\"jsonpaths\" must be an array"))?;
    if paths.len() != columns {
        let count = paths.len();
        return Err(SqlError::new(format!(
            "Number of jsonpaths and the number of columns should match. JSONPath size: {count}, Number of columns in table or column list: {columns}"
        )));
    }
    let path = |path: &serde_json::Value| {
        let path = path.as_str().filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| malformed("an element that is no string, or an empty one"))?;
        steps(path).ok_or_else(|| SqlError::new(format!("Invalid JSONPath format: {path}")))
    };
    paths.iter().map(path).collect::<Result<_, _>>().map(Some)
}

/// `$['a']['b'][0]` or `$.a.b[0]`, never a mix of both.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    let (mut dots, mut brackets) = (false, false);
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(Step::Name(
                name.get(..end).filter(|name| !name.is_empty() && !name.contains(['\'', ']']))?.to_owned(),
            ));
            rest = &name[end..];
            dots = true;
        } else {
            let inside = rest.strip_prefix('[')?;
            let end = inside.find(']')?;
            let word = &inside[..end];
            let quoted = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
            steps.push(match quoted.or_else(|| word.strip_prefix('"').and_then(|word| word.strip_suffix('"'))) {
                Some(name) => {
                    brackets = true;
                    Step::Name(name.to_owned())
                }
                None => Step::Index(word.parse().ok()?),
            });
            rest = &inside[end + 1..];
        }
    }
    (!(dots && brackets)).then_some(steps)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn name(name: &str) -> Step {
        Step::Name(name.to_owned())
    }

    #[test_case("$['a']['b'][0]", Some(&[name("a"), name("b"), Step::Index(0)]); "brackets")]
    #[test_case("$.a.b[0]", Some(&[name("a"), name("b"), Step::Index(0)]); "dots")]
    #[test_case("$[3]", Some(&[Step::Index(3)]); "an element of an array")]
    #[test_case("$", Some(&[]); "the whole")]
    #[test_case("$.a['b']", None; "mixed")]
    #[test_case("$.a'b", None; "a quote between dots")]
    #[test_case("$[-1]", None; "from the end")]
    #[test_case("$.*", Some(&[name("*")]); "no wildcard, a name")]
    #[test_case("a", None; "no root")]
    fn json_paths(path: &str, expected: Option<&[Step]>) {
        assert_eq!(steps(path).as_deref(), expected);
    }
}
