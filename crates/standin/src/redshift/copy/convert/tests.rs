//! Values and faults of every type.

use test_case::test_case;

use super::*;

fn with(kind: Kind, field: &[u8], options: &Options) -> Result<String, (i32, String)> {
    let column = Column { name: "c".to_owned(), kind, not_null: false, identity: false };
    let mut out = Vec::new();
    convert(&column, Some(field), options, &mut out).map_err(|fault| (fault.code, fault.message))?;
    Ok(String::from_utf8(out).unwrap())
}

fn plain(kind: Kind, field: &str) -> Result<String, (i32, String)> {
    with(kind, field.as_bytes(), &Options::default())
}

const fn numeric(precision: u32, scale: u32) -> Kind {
    Kind::Decimal { precision, scale }
}

#[test_case(Kind::Short, "-32768", "-32768"; "least short")]
#[test_case(Kind::Integer, " 12 ", "12"; "blanks around a number")]
#[test_case(Kind::Long, "+9223372036854775807", "+9223372036854775807"; "greatest long")]
#[test_case(Kind::Integer, "", "\\N"; "an empty number is null")]
#[test_case(Kind::Integer, "  ", "\\N"; "a blank number is null")]
#[test_case(Kind::Varchar(5), "", ""; "an empty string is not null")]
#[test_case(Kind::Varchar(5), "\\N", "\\N"; "the default null string")]
#[test_case(Kind::Varchar(9), "a\\b\tc", "a\\\\b\\tc"; "escaped for postgres")]
#[test_case(numeric(8, 2), "20.259", "20.25"; "cut off")]
#[test_case(numeric(8, 2), "-.5", "-0.5"; "no whole part")]
#[test_case(numeric(4, 2), "0012.3", "12.3"; "zeros in front")]
#[test_case(numeric(3, 0), "999.9", "999"; "no scale")]
#[test_case(numeric(19, 0), "9223372036854775807", "9223372036854775807"; "the most in 8 bytes")]
#[test_case(numeric(19, 18), "-9.223372036854775807", "-9.223372036854775807"; "the least, behind a point")]
#[test_case(numeric(38, 0), "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"; "the most in 16 bytes")]
#[test_case(numeric(38, 37), "-9.9999999999999999999999999999999999999", "-9.9999999999999999999999999999999999999"; "the least in 16 bytes")]
#[test_case(Kind::Double, "1e-3", "1e-3"; "exponent")]
#[test_case(Kind::Real, "3.4028235e38", "3.4028235e38"; "greatest real, rounded up")]
#[test_case(Kind::Real, "-1.17549435e-38", "-1.17549435e-38"; "least real, rounded down")]
#[test_case(Kind::Real, "-0e-50", "-0e-50"; "zero is zero")]
#[test_case(Kind::Real, "NaN", "NaN"; "no number")]
#[test_case(Kind::Double, "1.7976931348623157e308", "1.7976931348623157e308"; "greatest double")]
#[test_case(Kind::Double, "2.2250738585072014e-308", "2.2250738585072014e-308"; "least double")]
#[test_case(Kind::Double, "0.000", "0.000"; "zero")]
#[test_case(Kind::Double, "-Infinity", "-Infinity"; "without end")]
#[test_case(Kind::Boolean, "Yes", "t"; "yes")]
#[test_case(Kind::Boolean, "0", "f"; "zero is false")]
#[test_case(Kind::Char(3), "ab    ", "ab "; "blanks that do not fit a char")]
#[test_case(Kind::Varchar(2), "é", "é"; "two bytes fit")]
#[test_case(Kind::Varchar(3), "\u{ffff}", "\u{ffff}"; "no character, but utf 8")]
#[test_case(Kind::Super, "{\"a\": [1]}", "{\"a\":[1]}"; "json")]
fn values(kind: Kind, field: &str, expected: &str) {
    assert_eq!(plain(kind, field).as_deref(), Ok(expected));
}

#[test_case(Kind::Integer, "a", 1207, "Invalid digit, Value 'a', Pos 0, Type: Integer"; "letter")]
#[test_case(Kind::Integer, "12.5", 1207, "Invalid digit, Value '.', Pos 2, Type: Integer"; "point")]
#[test_case(Kind::Short, "32768", 1222, "Overflow (Short valid range -32768 to 32767)"; "short")]
#[test_case(Kind::Long, "9223372036854775808", 1222, "Overflow (Long valid range -9223372036854775808 to 9223372036854775807)"; "long")]
#[test_case(numeric(4, 2), "123.4", 1222, "Overflow for NUMERIC(4,2)"; "numeric")]
#[test_case(numeric(19, 0), "9223372036854775808", 1222, "Overflow for NUMERIC(19,0)"; "more than 8 bytes")]
#[test_case(numeric(19, 18), "9.3", 1222, "Overflow for NUMERIC(19,18)"; "more than 8 bytes behind a point")]
#[test_case(numeric(38, 0), "100000000000000000000000000000000000000", 1222, "Overflow for NUMERIC(38,0)"; "more than 16 bytes")]
#[test_case(numeric(4, 2), "1.2.3", 1209, "Invalid digit, Value '.', Pos 3, Type: Decimal"; "two points")]
#[test_case(Kind::Double, "1,5", 1208, "Invalid digit, Value ',', Pos 1, Type: Double"; "comma")]
#[test_case(Kind::Real, "1e-50", 1204, "Underflow for type Float"; "too small for a real")]
#[test_case(Kind::Real, "-0.00000000000000000000000000000000000000000000001", 1204, "Underflow for type Float"; "too small without exponent")]
#[test_case(Kind::Real, "1e-40", 1204, "Underflow for type Float"; "not normal")]
#[test_case(Kind::Real, "1e39", 1204, "Overflow for type Float"; "too large for a real")]
#[test_case(Kind::Double, "1e-400", 1204, "Underflow for type Double"; "too small for a double")]
#[test_case(Kind::Double, "4.9e-324", 1204, "Underflow for type Double"; "not a normal double")]
#[test_case(Kind::Double, "-1e309", 1204, "Overflow for type Double"; "too large for a double")]
#[test_case(Kind::Boolean, "maybe", 1210, "Unknown boolean format"; "boolean")]
#[test_case(Kind::Varchar(1), "é", 1204, "String length exceeds DDL length"; "bytes count, not characters")]
#[test_case(Kind::Char(9), "é", 1220, "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: c3 a9"; "char")]
#[test_case(Kind::Super, "{", 1224, "Invalid JSON value for a SUPER column: unexpected end"; "json")]
fn faults(kind: Kind, field: &str, code: i32, message: &str) {
    assert_eq!(plain(kind, field), Err((code, message.to_owned())));
}

#[test_case(b"a\xa4b", "a4", 3; "begins none")]
#[test_case(b"\xff", "ff", 3; "never a byte")]
#[test_case(b"a\xe2\x82", "e2 82", 2; "the string ends")]
#[test_case(b"\xe2\x82z", "e2 82 7a", 4; "something else follows")]
#[test_case(b"\xed\xa0\x80", "ed a0 80", 5; "surrogate")]
#[test_case(b"\xf4\x90\x80\x80", "f4 90 80 80", 8; "beyond the last code point")]
#[test_case(b"\xf8\x88\x80\x80\x80", "f8 88 80 80 80", 1; "five bytes")]
#[test_case(b"\xc0\x80", "c0 80", 9; "longer than it has to be")]
fn what_is_no_utf_8_is_told_with_its_number(field: &[u8], sequence: &str, error: u8) {
    let refused = with(Kind::Varchar(9), field, &Options::default()).unwrap_err();
    let text = "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence:";
    assert_eq!(refused, (1220, format!("{text} {sequence} (error {error})")));
    assert_eq!(with(Kind::Super, field, &Options::default()).unwrap_err().0, 1220);
}

#[test_case(b"a\xa4b\xe2\x82", "a?b??"; "no utf 8")]
#[test_case("x\u{ffff}y".as_bytes(), "x???y"; "last of its plane")]
#[test_case("\u{fffe}\u{fdd0}\u{10ffff}".as_bytes(), "??????????"; "other code points that are none")]
#[test_case("\u{fffd}\u{fdcf}é".as_bytes(), "\u{fffd}\u{fdcf}é"; "characters stay")]
#[test_case(b"\xed\xa0\x80", "???"; "surrogate")]
fn invalid_characters_are_replaced_byte_by_byte(field: &[u8], expected: &str) {
    let options = Options { accept_inv_chars: Some(b'?'), ..Options::default() };
    assert_eq!(with(Kind::Varchar(20), field, &options).as_deref(), Ok(expected));
}

#[test]
fn options_change_what_is_loaded() {
    let default = Options::default();
    let truncate = Options { truncate_columns: true, ..default.clone() };
    assert_eq!(with(Kind::Varchar(4), "aéé".as_bytes(), &truncate).as_deref(), Ok("aé"));
    let empty = Options { empty_as_null: true, ..default.clone() };
    assert_eq!(with(Kind::Varchar(4), b"", &empty).as_deref(), Ok("\\N"));
    let blanks = Options { blanks_as_null: true, ..default.clone() };
    assert_eq!(with(Kind::Varchar(4), b"  ", &blanks).as_deref(), Ok("\\N"));
    assert_eq!(with(Kind::Varchar(4), b"", &blanks).as_deref(), Ok(""));
    let trim = Options { trim_blanks: true, ..default.clone() };
    assert_eq!(with(Kind::Varchar(4), b"ab    ", &trim).as_deref(), Ok("ab"));
    let round = Options { round_dec: true, ..default.clone() };
    assert_eq!(with(numeric(4, 2), b"20.255", &round).as_deref(), Ok("20.26"));
    assert_eq!(with(numeric(4, 2), b"9.995", &round).as_deref(), Ok("10.00"));
    let nul = Options { null_as: vec![0], ..default };
    assert_eq!(with(Kind::Varchar(4), b"\0", &nul).as_deref(), Ok("\\N"));
    assert_eq!(with(Kind::Varchar(4), b"a\0", &nul).unwrap_err().0, 1218);
}

#[test]
fn a_string_of_json_ends_at_its_first_nul() {
    assert_eq!(end_at_nul(b"hello\0 world"), Ok(&b"hello"[..]));
    assert_eq!(end_at_nul(b"plain"), Ok(&b"plain"[..]));
    assert_eq!(end_at_nul(b"\0"), Ok(&b""[..]));
    let fault = end_at_nul(b"\0x").unwrap_err();
    assert_eq!((fault.code, fault.message.as_str()), (1218, "Invalid null byte - field longer than 1 byte"));
}

#[test]
fn null_in_a_column_that_must_not_be() {
    let column = Column { name: "c".to_owned(), kind: Kind::Integer, not_null: true, identity: false };
    let fault = convert(&column, None, &Options::default(), &mut Vec::new()).unwrap_err();
    assert_eq!((fault.code, fault.message.as_str()), (1213, "Missing data for not-null field"));
}
