//! A SUPER value: valid JSON, within Redshift's limits, written compactly as Redshift shows it.
//!
//! Never changes a value: its numbers, its escapes and the order of its members stay the same.
//!
//! Source: Amazon Redshift Database Developer Guide, "Limitations" of SUPER.

use super::json::scan::{Scanner, Value};
use super::record::Fault;

/// The largest SUPER value, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// The longest string in it, in bytes; longer ones need a setting of the database.
const LONGEST_STRING: usize = 65_535;

/// The JSON in `field`, compact.
pub(crate) fn compact(field: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut scanner = Scanner::new(field);
    let value = match scanner.next_value() {
        Some(_) => scanner.value(),
        None => Err("unexpected end"),
    };
    let value = value.map_err(|reason| invalid(reason, scanner.at()))?;
    if scanner.next_value().is_some() {
        return Err(invalid("something follows", scanner.at()));
    }
    let mut out = Vec::with_capacity(field.len());
    write(&value, &mut out)?;
    if out.len() > LARGEST {
        return Err(Fault::new(1224, format!("SUPER value exceeds the max size of {LARGEST} bytes")));
    }
    Ok(out)
}

fn invalid(reason: &str, position: usize) -> Fault {
    Fault { code: 1224, message: format!("Invalid JSON value for a SUPER column: {reason}"), position }
}

fn write(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        Value::Null | Value::Plain(_) => out.extend_from_slice(value.raw()),
        Value::String(raw) => string(raw, out)?,
        Value::Array(array) => {
            for (index, item) in array.items.iter().enumerate() {
                out.push(if index == 0 { b'[' } else { b',' });
                write(item, out)?;
            }
            out.extend_from_slice(if array.items.is_empty() { b"[]" } else { b"]" });
        }
        Value::Object(object) => {
            for (index, member) in object.members.iter().enumerate() {
                out.push(if index == 0 { b'{' } else { b',' });
                string(member.raw_name, out)?;
                out.push(b':');
                write(&member.value, out)?;
            }
            out.extend_from_slice(if object.members.is_empty() { b"{}" } else { b"}" });
        }
    }
    Ok(())
}

fn string(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    // An escape is never shorter than its character.
    if raw.len() - 2 > LONGEST_STRING && super::json::text::unescape(raw).len() > LONGEST_STRING {
        return Err(Fault::new(1224, "String value exceeds the max size of 65535 bytes"));
    }
    out.extend_from_slice(raw);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn compacted(json: &str) -> Result<String, String> {
        compact(json.as_bytes()).map(|out| String::from_utf8(out).unwrap()).map_err(|fault| fault.message)
    }

    #[test_case(r#" {"a": [1, 2.50, {"b" : null}], "c d":"e  f"} "#, r#"{"a":[1,2.50,{"b":null}],"c d":"e  f"}"#; "blanks go")]
    #[test_case(r#"{"s":"a\u0000b"}"#, r#"{"s":"a\u0000b"}"#; "nul stays")]
    #[test_case(r#"["\ud800", "é"]"#, r#"["\ud800","é"]"#; "other escapes stay")]
    #[test_case("[ ]", "[]"; "nothing in brackets")]
    #[test_case("{ }", "{}"; "nothing in braces")]
    #[test_case("1e400", "1e400"; "a number is its digits")]
    #[test_case("\"x\"", "\"x\""; "a string")]
    fn json_without_blanks(json: &str, expected: &str) {
        assert_eq!(compacted(json).as_deref(), Ok(expected));
    }

    #[test_case("", "unexpected end"; "nothing")]
    #[test_case("{", "unexpected end"; "no end")]
    #[test_case("abc", "unexpected character"; "no json")]
    #[test_case("1 2", "something follows"; "two values")]
    #[test_case("{\"a\":1,}", "expected a name"; "comma too many")]
    #[test_case("\"a\tb\"", "a control character in a string"; "raw tab")]
    #[test_case(r#""\q""#, "an escape that there is not"; "escape")]
    #[test_case(r#""\u12""#, "an escape that there is not"; "short escape")]
    fn what_is_no_json(json: &str, reason: &str) {
        assert_eq!(compacted(json), Err(format!("Invalid JSON value for a SUPER column: {reason}")));
    }

    #[test]
    fn the_limits_of_redshift() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(compacted(&nested(1000)).is_ok());
        assert!(compacted(&nested(1001)).unwrap_err().ends_with("nested too deeply"));
        let long = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert!(compacted(&long(65_535)).is_ok());
        assert_eq!(compacted(&long(65_536)).unwrap_err(), "String value exceeds the max size of 65535 bytes");
        assert!(compacted(&format!("\"{}\"", "\\n".repeat(65_535))).is_ok(), "escapes are one byte each");
        let many = |count: usize| format!("[{}]", vec![long(65_533); count].join(","));
        assert!(compacted(&many(255)).is_ok());
        assert!(compacted(&many(257)).unwrap_err().starts_with("SUPER value exceeds the max size of"));
    }
}
