//! Content: what the functions themselves read of a file that the warehouse refuses: whether its gzip is whole, and the
//! one line that an error is about.
//!
//! Reads only after the warehouse has refused a batch for its content. It is help, and never a step of the protocol:
//! what cannot be read is left to the warehouse's own message. Memory and work are bounded for any file.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use futures_util::{StreamExt, stream};

use crate::config::Compression;
use crate::object::{File, Key};
use crate::ports::{Objects, PortError};

/// How many bytes of a file are read, and held, at once.
const PART: u64 = 1 << 20;
/// How many files are read at once.
const READS_AT_ONCE: usize = 8;
/// The most bytes read of all files of a batch, the smallest first: some seconds of a small function's time.
const STORED_AT_MOST: u64 = 256 << 20;
/// The most bytes that one file may unpack to. A larger one is left to the warehouse.
const UNPACKED_AT_MOST: u64 = 1 << 30;
/// The most bytes read of a file to find a line.
const LINE_WITHIN: u64 = 16 << 20;
/// The most bytes of a line that are kept: 256 characters of UTF-8.
const LINE_BYTES: usize = 4 * 256;
/// The first two bytes of every gzip. Source: RFC 1952, 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Those of the files that cannot be unpacked, where they should be gzip, with what is wrong with them.
///
/// A file that is empty, too large, gone, replaced or unreadable is not judged. Nor is what follows a whole gzip.
pub async fn damaged(
    objects: &impl Objects,
    compression: Option<Compression>,
    files: &[File],
) -> Vec<(Key, &'static str)> {
    if compression != Some(Compression::Gzip) {
        return Vec::new();
    }
    let mut files: Vec<&File> = files.iter().filter(|file| file.size > 0).collect();
    files.sort_unstable_by_key(|file| file.size);
    let mut left = STORED_AT_MOST;
    let within = files.into_iter().map_while(|file| {
        left = left.checked_sub(file.size)?;
        Some(file.clone())
    });
    let looks = stream::iter(within.collect::<Vec<_>>()).map(async |file| (damage(objects, &file).await, file));
    let looks: Vec<_> = looks.buffered(READS_AT_ONCE).collect().await;
    let found = looks.into_iter().filter_map(|(look, file)| match look {
        Ok(damage) => Some((file.key, damage?)),
        Err(error) => {
            tracing::debug!(key = %file.key, %error, "a file could not be looked into; the warehouse will tell");
            None
        }
    });
    found.collect()
}

/// What is wrong with one gzip.
async fn damage(objects: &impl Objects, file: &File) -> Result<Option<&'static str>, PortError> {
    let mut unpacking = MultiGzDecoder::new(Sink { left: UNPACKED_AT_MOST, line: None });
    let mut from = 0;
    while from < file.size {
        let Some(part) = objects.read(file, from, PART).await?.filter(|part| !part.bytes.is_empty()) else {
            return Ok(None);
        };
        let part = part.bytes;
        if from == 0 && !part.starts_with(&GZIP) {
            return Ok(Some("the file is not a gzip: it does not begin with the bytes 1f 8b"));
        }
        from += u64::try_from(part.len()).unwrap_or(u64::MAX);
        if let Err(error) = unpacking.write_all(&part) {
            return Ok(is_damage(&error).then_some(DAMAGED));
        }
    }
    let cut_off = unpacking.try_finish().is_err_and(|error| is_damage(&error));
    Ok(cut_off.then_some("the gzip is cut off, or not what was packed: its end is missing"))
}

const DAMAGED: &str = "the gzip is damaged: it cannot be unpacked, or its checksum is not that of its content";

/// The line with this number, from 1, without its end. `None` where it is not found cheaply.
pub async fn line(
    objects: &impl Objects,
    compression: Option<Compression>,
    file: &File,
    number: u64,
) -> Option<String> {
    if !matches!(compression, None | Some(Compression::Gzip)) {
        return None;
    }
    let line = Line { before: number.checked_sub(1)?, bytes: Vec::new(), complete: false };
    let mut sink = Sink { left: UNPACKED_AT_MOST, line: Some(line) };
    let mut unpacking: Box<dyn Write + Send + '_> = match compression {
        Some(_) => Box::new(MultiGzDecoder::new(&mut sink)),
        None => Box::new(&mut sink),
    };
    let mut from = 0;
    while from < file.size.min(LINE_WITHIN) {
        let part = objects.read(file, from, PART).await.ok()?.map(|part| part.bytes).filter(|part| !part.is_empty())?;
        from += u64::try_from(part.len()).unwrap_or(u64::MAX);
        match unpacking.write_all(&part) {
            Ok(()) => {}
            Err(error) if is_damage(&error) => return None,
            Err(_) => break,
        }
    }
    // The decoder gives the sink what it still holds.
    drop(unpacking);
    let line = sink.line.filter(|line| line.before == 0)?;
    let text = String::from_utf8_lossy(&line.bytes).trim_end_matches('\r').chars().take(256).collect::<String>();
    (!text.is_empty()).then_some(text)
}

/// Whether an error of a decoder is about the gzip. Not if the sink has enough, nor if other data follows a whole gzip.
fn is_damage(error: &io::Error) -> bool {
    let enough = matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::WriteZero);
    !enough && !error.to_string().contains("header")
}

/// Takes the unpacked bytes: counts them, and keeps one line.
struct Sink {
    left: u64,
    line: Option<Line>,
}

struct Line {
    /// How many line ends come before it.
    before: u64,
    bytes: Vec<u8>,
    complete: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let number = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(number).ok_or_else(|| io::Error::other("more than is wanted"))?;
        if self.line.as_mut().is_some_and(|line| line.take(bytes)) {
            return Err(io::Error::other("the line is complete"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Line {
    /// Takes more of the file; answers whether the line is complete.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        // After an error a decoder offers the same bytes again.
        if self.complete {
            return true;
        }
        while self.before > 0 {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                return false;
            };
            self.before -= 1;
            bytes = &bytes[end + 1..];
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let rest = &bytes[..end.unwrap_or(bytes.len())];
        let room = LINE_BYTES - self.bytes.len();
        self.bytes.extend_from_slice(&rest[..rest.len().min(room)]);
        self.complete = end.is_some() || self.bytes.len() == LINE_BYTES;
        self.complete
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use flate2::write::GzEncoder;
    use test_case::test_case;

    use super::*;
    use crate::testing::{ManualClock, MemoryObjects};

    fn packed(name: &str) -> Option<Compression> {
        name.strip_suffix(".gz").map(|_| Compression::Gzip)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Text that does not become much smaller, over more than one part.
    fn large() -> Vec<u8> {
        let mut state = 1_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24).to_be_bytes()[3]
        };
        (0..3_000_000).map(|_| byte()).collect()
    }

    fn changed(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
        bytes[at] ^= 0x55;
        bytes
    }

    #[test_case("a.gz", gzip(b"1,x\n") => None; "whole")]
    #[test_case("a.gz", [gzip(b"1,x\n"), gzip(b"2,x\n")].concat() => None; "two in one")]
    #[test_case("a.gz", [gzip(b"1,x\n"), vec![0; 100]].concat() => None; "followed by zeros")]
    #[test_case("a.gz", vec![] => None; "empty")]
    #[test_case("a.csv", b"1,x\n".to_vec() => None; "no gzip, and not called one")]
    #[test_case("a.gz", gzip(&large()) => None; "large and whole")]
    #[test_case("a.gz", b"1,x\n".to_vec() => Some("not a gzip"); "plain")]
    #[test_case("a.gz", b"\x1f".to_vec() => Some("not a gzip"); "one byte")]
    #[test_case("a.gz", gzip(b"1,x\n")[..2].to_vec() => Some("end is missing"); "only the first bytes")]
    #[test_case("a.gz", gzip(b"1,x\n")[..14].to_vec() => Some("end is missing"); "cut in its content")]
    #[test_case("a.gz", gzip(b"1,x\n")[..20].to_vec() => Some("end is missing"); "cut in its checksum")]
    #[test_case("a.gz", gzip(&large())[..2_000_000].to_vec() => Some("end is missing"); "large and cut")]
    #[test_case("a.gz", changed(gzip(b"1,x\n"), 18) => Some("end is missing"); "another checksum")]
    #[tokio::test]
    async fn damage_is_seen(name: &str, body: Vec<u8>) -> Option<&'static str> {
        let bucket = MemoryObjects::new(&ManualClock::default());
        let file = bucket.drop_file(&format!("incoming/f/{name}"), body);
        let damaged = damaged(&bucket, packed(name), std::slice::from_ref(&file)).await;
        let (_, text) = damaged.first()?;
        ["not a gzip", "end is missing", "damaged"].into_iter().find(|words| text.contains(words))
    }

    #[tokio::test]
    async fn a_version_that_was_replaced_is_not_judged() {
        let bucket = MemoryObjects::new(&ManualClock::default());
        let file = bucket.drop_file("incoming/f/a.gz", "no gzip");
        bucket.drop_file("incoming/f/a.gz", "no gzip either");
        assert_eq!(damaged(&bucket, Some(Compression::Gzip), std::slice::from_ref(&file)).await, []);
        assert_eq!(line(&bucket, None, &file, 1).await, None);
    }

    #[test_case("a.csv", b"one\ntwo\r\nthree".to_vec(), 2 => Some("two".to_owned()); "in the middle")]
    #[test_case("a.csv", b"one\ntwo\r\nthree".to_vec(), 3 => Some("three".to_owned()); "the last")]
    #[test_case("a.csv", b"one\ntwo\r\nthree".to_vec(), 4 => None; "behind the last")]
    #[test_case("a.csv", b"one\n".to_vec(), 0 => None; "no line has the number 0")]
    #[test_case("a.csv", b"\xff\xfe,x\n".to_vec(), 1 => Some("\u{fffd}\u{fffd},x".to_owned()); "not UTF-8")]
    #[test_case("a.csv", "é".repeat(5000).into_bytes(), 1 => Some("é".repeat(256)); "long")]
    #[test_case("a.gz", gzip(b"one\ntwo\nthree\n"), 2 => Some("two".to_owned()); "packed")]
    #[test_case("a.gz", gzip(b"one\ntwo"), 2 => Some("two".to_owned()); "packed, the last")]
    #[test_case("a.gz", b"one\ntwo".to_vec(), 2 => None; "not packed as it says")]
    #[tokio::test]
    async fn lines(name: &str, body: Vec<u8>, number: u64) -> Option<String> {
        let bucket = MemoryObjects::new(&ManualClock::default());
        let file = bucket.drop_file(&format!("incoming/f/{name}"), body);
        line(&bucket, packed(name), &file, number).await
    }
}
