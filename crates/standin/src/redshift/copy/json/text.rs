//! Decodes a JSON string.
//!
//! Never validates it: bytes that are not UTF-8 stay, and half a surrogate pair becomes bytes that are not UTF-8. The
//! column refuses or replaces them.

/// Decodes `raw`, a well-formed string with its quotes.
pub(crate) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut rest = &raw[1..raw.len() - 1];
    let mut text = Vec::with_capacity(rest.len());
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let (point, length) = escaped(rest);
        push(point, &mut text);
        rest = &rest[length..];
    }
    text.extend_from_slice(rest);
    text
}

/// The code point of an escape, and the escape's length after its backslash.
fn escaped(rest: &[u8]) -> (u32, usize) {
    let point = match rest[0] {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => 0x0a,
        b'r' => 0x0d,
        b't' => 0x09,
        b'u' => return unicode(rest),
        other => u32::from(other),
    };
    (point, 1)
}

fn unicode(rest: &[u8]) -> (u32, usize) {
    let unit = |digits: &[u8]| {
        digits.iter().fold(0, |number, digit| number * 16 + char::from(*digit).to_digit(16).unwrap_or_default())
    };
    let first = unit(&rest[1..5]);
    let second = match &rest[5..] {
        [b'\\', b'u', digits @ ..] if digits.len() >= 4 => unit(&digits[..4]),
        _ => 0,
    };
    match (first, second) {
        (0xd800..=0xdbff, 0xdc00..=0xdfff) => (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 11),
        _ => (first, 5),
    }
}

/// Writes a code point in UTF-8's scheme, even a surrogate, which UTF-8 does not allow.
pub(crate) fn push(point: u32, text: &mut Vec<u8>) {
    if let Some(character) = char::from_u32(point) {
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return;
    }
    let continuation = |shift: u32| 0x80 | u8::try_from(point >> shift & 0x3f).unwrap_or_default();
    text.extend_from_slice(&[
        0xe0 | u8::try_from(point >> 12 & 0xf).unwrap_or_default(),
        continuation(6),
        continuation(0),
    ]);
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(r#""plain""#, b"plain"; "as it is")]
    #[test_case(r#""a\"\\\/\b\f\n\r\t""#, b"a\"\\/\x08\x0c\n\r\t"; "short escapes")]
    #[test_case(r#""\u00e9\u20AC\u0000""#, "é€\0".as_bytes(); "code points")]
    #[test_case(r#""\ud83d\ude80!""#, "🚀!".as_bytes(); "pair")]
    #[test_case(r#""\ud83dx\ude80""#, b"\xed\xa0\xbdx\xed\xba\x80"; "halves")]
    fn strings(raw: &str, expected: &[u8]) {
        assert_eq!(unescape(raw.as_bytes()), expected);
    }
}
