//! What a file's head shows: whether COPY will read from it what its producer meant.
//!
//! Pure. Never refuses in doubt: only what certainly cannot be loaded is unfit, and the warehouse judges the rest. Work
//! and memory are bounded for any head.

use std::io::{ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use crate::config::{Compression, FileFormat, Reading, Target};

/// The most bytes that are unpacked of a head.
const UNPACKED_AT_MOST: usize = 64 << 10;

/// A text of so many bytes without a line feed ends its lines in another way, even if the file goes on.
const LONG_ENOUGH: usize = 4 << 10;

/// What a feed's files should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) target: &'a Target,
    /// How this file is packed, by its name or the feed.
    pub(super) compression: Option<Compression>,
}

/// What a head shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing against it.
    Fine,
    /// It is packed in this way, and not as its name or the feed says.
    Packed(Option<Compression>),
    /// It cannot be loaded, and why.
    Unfit(String),
}

/// Judges the first bytes of a file. `whole`: they are all of it.
pub(super) fn judge(expected: Expected<'_>, head: &[u8], whole: bool) -> Found {
    if head.is_empty() || expected.target.files.format.is_columnar() {
        return Found::Fine;
    }
    if let Some(archive) = archive(head) {
        return Found::Unfit(format!(
            "this is {archive}, which COPY cannot unpack: write the files packed singly, as gzip or Zstandard"
        ));
    }
    let packed = packing(head);
    let content = content(head, whole);
    if let Some((content, whole)) = &content {
        if packed.is_some() && packing(content).is_some() {
            return Found::Unfit(
                "it is packed twice, and COPY unpacks once: have the producer pack it once".to_owned(),
            );
        }
        if let Some(why) = unfit(expected, content, *whole) {
            return Found::Unfit(why);
        }
    }
    if packed == expected.compression {
        return Found::Fine;
    }
    match (packed, content) {
        // It is damaged if it is no text. The warehouse, or the look into the whole file, reports that.
        (None, Some((content, _))) if !is_text(&content) => Found::Fine,
        (packed, _) => Found::Packed(packed),
    }
}

/// Judges the last bytes of a columnar file.
pub(super) fn judge_tail(format: FileFormat, tail: &[u8]) -> Found {
    // "PARE" ends files whose footer is encrypted. Source: Apache Parquet, "File format" and "Parquet modular
    // encryption".
    if format != FileFormat::Parquet || tail.ends_with(b"PAR1") || tail.ends_with(b"PARE") {
        return Found::Fine;
    }
    Found::Unfit(
        "it has no Parquet footer: it is cut off, or no Parquet file. Its last four bytes should be PAR1".to_owned(),
    )
}

/// Whether a whole file holds no row: nothing behind the lines that COPY ignores.
pub(super) fn is_without_rows(expected: Expected<'_>, head: &[u8]) -> bool {
    content(head, true).is_some_and(|(content, whole)| whole && rows_of(expected, &content) == Some(0))
}

/// How many lines of a text COPY would take for rows. `None` where it is not simple to count.
fn rows_of(expected: Expected<'_>, content: &[u8]) -> Option<usize> {
    let files = &expected.target.files;
    match files.format {
        FileFormat::Json => content.iter().all(u8::is_ascii_whitespace).then_some(0),
        FileFormat::Csv | FileFormat::Delimited | FileFormat::FixedWidth if files.utf8 => {
            let lines = content.split(|byte| *byte == b'\n').collect::<Vec<_>>();
            let last_is_empty = lines.last().is_some_and(|line| line.is_empty());
            Some((lines.len() - usize::from(last_is_empty)).saturating_sub(files.header_lines))
        }
        _ => None,
    }
}

/// How the bytes are packed, by their first ones.
///
/// Sources: RFC 1952, 2.3; RFC 8878, 3.1.1; the file formats of bzip2 and lzop.
fn packing(head: &[u8]) -> Option<Compression> {
    // The third byte is the only method. Three bits of the fourth are never set.
    let gzip = head.starts_with(&[0x1f, 0x8b, 8]) && head.get(3).is_none_or(|flags| flags & 0xe0 == 0);
    // After the level comes the mark of the first block, or that of the end where there is no block.
    let bzip2 = matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', mark @ ..]
        if mark.starts_with(b"\x31\x41\x59\x26\x53\x59") || mark.starts_with(b"\x17\x72\x45\x38\x50\x90"));
    if gzip {
        Some(Compression::Gzip)
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Some(Compression::Zstd)
    } else if bzip2 {
        Some(Compression::Bzip2)
    } else if head.starts_with(b"\x89LZO\0\r\n\x1a\n") {
        Some(Compression::Lzop)
    } else {
        None
    }
}

/// A format that COPY cannot unpack. Each of these has a NUL among its first bytes, which no text has.
fn archive(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"PK\x03\x04") && head.get(5) == Some(&0) {
        Some("a zip archive")
    } else if head.starts_with(b"\xfd7zXZ\0") {
        Some("an xz file")
    } else if head.starts_with(b"7z\xbc\xaf\x27\x1c\0") {
        Some("a 7z archive")
    } else {
        None
    }
}

/// Why no option of COPY loads this text, if that is certain.
fn unfit(expected: Expected<'_>, content: &[u8], whole: bool) -> Option<String> {
    let Target { kind, files, .. } = expected.target;
    if files.format == FileFormat::Avro {
        return None;
    }
    if files.utf8 && (content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff])) {
        return Some(format!(
            "it begins with a byte order mark of UTF-16, and the feed's files are UTF-8: write encoding = \"utf16\" \
             under [feed.{kind}.options] if all of them are UTF-16"
        ));
    }
    if files.format == FileFormat::Json {
        let first = content.strip_prefix(UTF8_MARK).unwrap_or(content).iter().find(|byte| !byte.is_ascii_whitespace());
        let array = files.objects && first == Some(&b'[');
        return array.then(|| {
            "it is a JSON array, and COPY takes objects one after another: write one object a line, without the brackets \
             and the commas between"
                .to_owned()
        });
    }
    let ended = (whole || content.len() >= LONG_ENOUGH) && files.utf8;
    (ended && ends_lines_with_cr(files, content)).then(|| {
        "its lines end in CR alone, which COPY does not take for the end of a line: end them in LF, or CR and LF"
            .to_owned()
    })
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether there are carriage returns that are no part of a quoted field, and no line feed at all.
fn ends_lines_with_cr(files: &Reading, content: &[u8]) -> bool {
    if content.contains(&b'\n') {
        return false;
    }
    let (quote, mut quoted, mut ends) = (files.quote, false, 0);
    for (at, byte) in content.iter().enumerate() {
        if Some(*byte) == quote {
            quoted = !quoted;
        } else if *byte == b'\r' && !quoted && at + 1 < content.len() {
            ends += 1;
        }
    }
    ends > 0
}

/// Whether bytes could be a text: UTF-8 but for what is cut off at the end, and no NUL.
fn is_text(bytes: &[u8]) -> bool {
    let cut = |error: std::str::Utf8Error| error.error_len().is_none();
    !bytes.contains(&0) && std::str::from_utf8(bytes).map_or_else(cut, |_| true)
}

/// The beginning of a head's content, unpacked where it is a gzip, and whether that is all of it. `None` where it
/// cannot be unpacked here.
fn content(head: &[u8], whole: bool) -> Option<(Vec<u8>, bool)> {
    match packing(head) {
        Some(Compression::Gzip) => unpacked(head, whole),
        Some(_) => None,
        None => Some((head.to_vec(), whole)),
    }
}

/// The same for a gzip.
fn unpacked(head: &[u8], whole: bool) -> Option<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let mut decoder = MultiGzDecoder::new(head).take(UNPACKED_AT_MOST as u64);
    let read = decoder.read_to_end(&mut bytes);
    let full = bytes.len() >= UNPACKED_AT_MOST;
    match read {
        // Cut off, as every head is that is not all of its file.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && !whole => Some((bytes, false)),
        // A damaged file is for the look into the whole of it.
        Err(_) if !full => None,
        _ => Some((bytes, whole && !full)),
    }
}

#[cfg(test)]
mod tests;
