//! Files of JSON, read by names and by paths.

use test_case::test_case;

use super::*;

fn auto(names: &[&str], ignore_case: bool) -> Paths {
    Paths { columns: names.iter().map(|name| (vec![Step::Name((*name).to_owned())], false)).collect(), ignore_case }
}

/// The line, the fields (none for null), and the error.
type Found = (u64, Vec<Option<String>>, Option<String>);

fn with(data: &str, paths: &Paths, options: &Options) -> Vec<Found> {
    let mut found = Vec::new();
    read(data.as_bytes(), paths, options, &mut |record| {
        let field = |index| {
            (!record.fields.is_null(index)).then(|| String::from_utf8_lossy(record.fields.get(index)).into_owned())
        };
        let fields = (0..record.fields.len()).map(field).collect();
        found.push((record.line, fields, record.fault.map(|fault| fault.message)));
        Flow::Continue
    });
    found
}

fn all(data: &str, paths: &Paths) -> Vec<Found> {
    with(data, paths, &Options::default())
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
    let faults: Vec<_> = found.iter().map(|(line, _, fault)| (*line, fault.is_some())).collect();
    assert_eq!(faults, [(1, true), (3, true), (4, false)]);
}

#[test]
fn the_line_is_the_last_of_the_object_and_headers_count() {
    let options = Options { ignore_header: 2, ..Options::default() };
    let found = with("# not\n# json\n{\"a\":\n[1]\n}\n{\"a\": 2}", &auto(&["a"], false), &options);
    assert_eq!(found, [(5, some(&["[1]"]), None), (6, some(&["2"]), None)]);
}

#[test_case("[{\"a\":1},{\"a\":2}]", false; "an array of objects")]
#[test_case("[]", false; "nothing in it")]
#[test_case("[1, 2]\n", true; "ignoring case")]
fn an_array_is_no_row_of_names(data: &str, ignore_case: bool) {
    let found = all(data, &auto(&["a"], ignore_case));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].2.as_deref(), Some("Invalid JSONPath format: Member is not an object."));
}

#[test_case("1"; "number")]
#[test_case("\"text\""; "string")]
#[test_case("null"; "null")]
fn what_is_neither_object_nor_array_is_refused(data: &str) {
    let said = all(data, &auto(&["a"], false))[0].2.clone();
    assert_eq!(said.as_deref(), Some("Invalid JSON: an object or an array is expected"));
}

fn at(path: &[Step]) -> Paths {
    Paths { columns: vec![(path.to_vec(), false)], ignore_case: false }
}

fn name(name: &str) -> Step {
    Step::Name(name.to_owned())
}

#[test_case("[7, 8]", &[Step::Index(1)], Ok("8"); "an element of an array")]
#[test_case("[7]", &[Step::Index(1)], Err(NO_ELEMENT); "an element that is not there")]
#[test_case("{\"a\": [1]}", &[name("a"), Step::Index(0)], Ok("1"); "deeper")]
#[test_case("{\"a\": 5}", &[name("a"), Step::Index(0)], Err(NO_ELEMENT); "no array")]
#[test_case("{\"b\": 5}", &[name("a"), Step::Index(0)], Err(NO_ELEMENT); "an array that is not there")]
#[test_case("{\"b\": 5}", &[name("a"), name("b")], Ok("NULL"); "a member of what is not there")]
#[test_case("{\"a\": null}", &[name("a"), name("b")], Ok("NULL"); "a member of null")]
#[test_case("{\"a\": 5}", &[name("a"), name("b")], Err(NO_OBJECT); "a member of a number")]
#[test_case("[1, [2]]", &[], Ok("[1, [2]]"); "the whole")]
fn paths_lead_to_values_or_say_why_not(data: &str, path: &[Step], expected: Result<&str, &str>) {
    let (_, fields, fault) = all(data, &at(path)).remove(0);
    match expected {
        Ok(value) => assert_eq!((fields, fault), (some(&[value]), None)),
        Err(text) => assert_eq!(fault.as_deref(), Some(text)),
    }
}

#[test_case(r#"{"a":"hello\u0000 world"}"#, Ok("hello"); "cut")]
#[test_case(r#"{"a":"\u0000"}"#, Ok(""); "nothing but nul")]
#[test_case(r#"{"a":"\u0000x"}"#, Err("Invalid null byte - field longer than 1 byte"); "in front")]
fn a_nul_ends_a_string(data: &str, expected: Result<&str, &str>) {
    let (_, fields, fault) = all(data, &auto(&["a"], false)).remove(0);
    match expected {
        Ok(value) => assert_eq!((fields, fault), (some(&[value]), None)),
        Err(text) => assert_eq!(fault.as_deref(), Some(text)),
    }
}
