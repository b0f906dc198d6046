//! Converts the encodings of text files to UTF-8.
//!
//! Never refuses a character: half a surrogate pair becomes bytes that are not UTF-8, and the column refuses or
//! replaces them.
//!
//! Source: Amazon Redshift Database Developer Guide, "Data conversion parameters", ENCODING.

use bytes::Bytes;

use super::json::text::push;
use super::parse::Encoding;
use super::record::Fault;

const LITTLE: &[u8] = &[0xff, 0xfe];
const BIG: &[u8] = &[0xfe, 0xff];

/// `data` in UTF-8. Documented: a file in a different encoding is skipped with an error.
pub(super) fn decode(data: Bytes, encoding: Encoding) -> Result<Bytes, Fault> {
    let units: fn([u8; 2]) -> u16 = match (encoding, data.get(..2)) {
        (_, None) if data.is_empty() => return Ok(data),
        (Encoding::Utf8, Some(LITTLE | BIG)) => return Err(another()),
        (Encoding::Utf8, _) => return Ok(data),
        (Encoding::Latin1, _) => return Ok(latin1(&data)),
        (Encoding::Utf16, Some(LITTLE)) | (Encoding::Utf16Le, _) => u16::from_le_bytes,
        (Encoding::Utf16, Some(BIG)) | (Encoding::Utf16Be, _) => u16::from_be_bytes,
        (Encoding::Utf16, _) => return Err(another()),
    };
    if !data.len().is_multiple_of(2) {
        return Err(another());
    }
    let mut units: Vec<u16> = data.chunks_exact(2).map(|pair| units([pair[0], pair[1]])).collect();
    if units.first() == Some(&0xfeff) {
        units.remove(0);
    }
    Ok(utf16(&units))
}

/// "Encoding of the file is not the same as that specified in the COPY command."
fn another() -> Fault {
    Fault::new(1221, "Encoding of the file is not the same as that specified in the COPY command")
}

fn latin1(data: &Bytes) -> Bytes {
    if data.is_ascii() {
        return data.clone();
    }
    data.iter().map(|byte| char::from(*byte)).collect::<String>().into()
}

fn utf16(units: &[u16]) -> Bytes {
    let mut text = Vec::with_capacity(units.len() * 2);
    for character in char::decode_utf16(units.iter().copied()) {
        let point = character.map_or_else(|half| u32::from(half.unpaired_surrogate()), u32::from);
        push(point, &mut text);
    }
    text.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(Encoding::Utf8, "é".as_bytes(), "é".as_bytes(); "utf 8")]
    #[test_case(Encoding::Latin1, b"caf\xe9\x85", "caf\u{e9}\u{85}".as_bytes(); "latin 1")]
    #[test_case(Encoding::Latin1, b"cafe", b"cafe"; "ascii is latin 1")]
    #[test_case(Encoding::Utf16, b"\xff\xfe\xe9\0,\0", "é,".as_bytes(); "marked as little endian")]
    #[test_case(Encoding::Utf16, b"\xfe\xff\0\xe9\0,", "é,".as_bytes(); "marked as big endian")]
    #[test_case(Encoding::Utf16Le, b"\xe9\0,\0", "é,".as_bytes(); "little endian")]
    #[test_case(Encoding::Utf16Le, b"\xff\xfe\xe9\0", "é".as_bytes(); "little endian, marked")]
    #[test_case(Encoding::Utf16Be, b"\0\xe9\0,", "é,".as_bytes(); "big endian")]
    #[test_case(Encoding::Utf16Be, b"\xd8\x3d\xde\x80", "🚀".as_bytes(); "pair")]
    #[test_case(Encoding::Utf16Be, b"\xd8\x3d\0x", b"\xed\xa0\xbdx"; "half of a pair")]
    #[test_case(Encoding::Utf16, b"", b""; "nothing")]
    fn decoded(encoding: Encoding, data: &'static [u8], expected: &[u8]) {
        assert_eq!(decode(Bytes::from_static(data), encoding).unwrap(), expected);
    }

    #[test_case(Encoding::Utf8, b"\xff\xfea\0"; "utf 16 for utf 8")]
    #[test_case(Encoding::Utf16, b"a\0b\0"; "no mark")]
    #[test_case(Encoding::Utf16Le, b"abc"; "half a character")]
    fn another_encoding(encoding: Encoding, data: &'static [u8]) {
        assert_eq!(decode(Bytes::from_static(data), encoding).unwrap_err().code, 1221);
    }
}
