//! What a file's head says: whether COPY will read of it what its producer meant.
//!
//! Pure. Refuses only what certainly cannot be loaded, and otherwise says how it is packed; in doubt a head is fine, and the
//! warehouse has its say. Work and memory are bounded, whatever the head unpacks to.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use crate::config::{Compression, FileFormat, Reading, Target};

/// The most that is unpacked of a head.
const UNPACKED_AT_MOST: usize = 64 << 10;

/// The fewest bytes of text that say how lines end, where no end of a line is among them and the file goes on.
const LONG_ENOUGH: usize = 4 << 10;

/// What a feed's files should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) target: &'a Target,
    /// How COPY would be told that this file is packed.
    pub(super) compression: Option<Compression>,
}

/// What a head shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing against it.
    Fine,
    /// It is packed like this, and not as its name or the feed says.
    Packed(Option<Compression>),
    /// It cannot be loaded, and why.
    Unfit(String),
}

/// Judges the first bytes of a file; `whole`: they are all of it.
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
    let content = match packed {
        Some(Compression::Gzip) => unpacked(head, whole),
        // What these hold is not looked at: nothing here unpacks them.
        Some(_) => None,
        None => Some((head.to_vec(), whole)),
    };
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
        // What is no text is damaged, and the warehouse, or the look into the whole file, says so.
        (None, Some((content, _))) if !is_text(&content) => Found::Fine,
        (packed, _) => Found::Packed(packed),
    }
}

/// Judges the last bytes of a columnar file.
pub(super) fn judge_tail(format: FileFormat, tail: &[u8]) -> Found {
    // "PARE" ends files whose footer is encrypted. Source: Apache Parquet, "File format" and "Parquet modular encryption".
    if format != FileFormat::Parquet || tail.ends_with(b"PAR1") || tail.ends_with(b"PARE") {
        return Found::Fine;
    }
    Found::Unfit(
        "it has no Parquet footer: it is cut off, or no Parquet file. Its last four bytes should be PAR1".to_owned(),
    )
}

/// Whether a whole text holds no row: nothing behind the lines that COPY ignores.
pub(super) fn is_without_rows(expected: Expected<'_>, head: &[u8]) -> bool {
    let content = match packing(head) {
        Some(Compression::Gzip) => unpacked(head, true).filter(|(_, whole)| *whole).map(|(content, _)| content),
        Some(_) => None,
        None => Some(head.to_vec()),
    };
    content.is_some_and(|content| rows_of(expected, &content) == Some(0))
}

/// How many lines of a text COPY would take for rows, as far as that can be counted simply.
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
    // The third byte is the method, of which there is one, and the fourth has three bits that are never set.
    let gzip = head.starts_with(&[0x1f, 0x8b, 8]) && head.get(3).is_none_or(|flags| flags & 0xe0 == 0);
    // The first block, or the end where there is none.
    let bzip2 = head.starts_with(b"BZh")
        && head.get(3).is_some_and(|level| (b'1'..=b'9').contains(level))
        && head
            .get(4..10)
            .is_some_and(|mark| mark == b"\x31\x41\x59\x26\x53\x59" || mark == b"\x17\x72\x45\x38\x50\x90");
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

/// What packs files in a way that COPY does not know. All of these have a NUL among their first bytes, which no text has.
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

/// The beginning of what a gzip holds, and whether that is all of it; `None` where it cannot be unpacked.
fn unpacked(head: &[u8], whole: bool) -> Option<(Vec<u8>, bool)> {
    let mut decoder = MultiGzDecoder::new(Start { bytes: Vec::new(), more: false });
    let written = decoder.write_all(head);
    let ended = decoder.try_finish();
    let start = std::mem::take(decoder.get_mut());
    let full = start.bytes.len() >= UNPACKED_AT_MOST || start.more;
    if !full && (written.is_err() || (whole && ended.is_err())) {
        // Damaged, or cut off: that is for who looks into the whole file.
        return None;
    }
    Some((start.bytes, whole && !full))
}

/// Keeps the first bytes, and then asks for no more.
#[derive(Default)]
struct Start {
    bytes: Vec<u8>,
    more: bool,
}

impl Write for Start {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = UNPACKED_AT_MOST - self.bytes.len();
        if room == 0 {
            self.more |= !bytes.is_empty();
            return Err(io::Error::other("more than is wanted"));
        }
        let taken = bytes.len().min(room);
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
