//! Fixed-width text: each field has a fixed number of characters.
//!
//! Never removes blanks unless `TRIMBLANKS` says so: they pad a number, but belong to a string.
//!
//! Source: Amazon Redshift Database Developer Guide, "Data format parameters", FIXEDWIDTH, and "Loading fixed-width
//! data from Amazon S3".

use super::csv::trim_end;
use super::parse::Options;
use super::record::{Fault, Fields, Flow, Record};

/// Passes every line of `data` after the header to `take`. Returns the number of lines.
pub(crate) fn read(data: &[u8], widths: &[usize], options: &Options, mut take: impl FnMut(Record<'_>) -> Flow) -> u64 {
    let mut fields = Fields::default();
    let mut line = 0;
    for raw in data.split_inclusive(|byte| *byte == b'\n').map(trim_end) {
        line += 1;
        if line <= options.ignore_header || (raw.is_empty() && options.ignore_blank_lines) {
            continue;
        }
        let fault = cut(raw, widths, &mut fields);
        if take(Record { line, raw, fields: &fields, fault }) == Flow::Stop {
            break;
        }
    }
    line
}

/// The last field may be shorter than its width. Text after it counts as one extra column.
fn cut(raw: &[u8], widths: &[usize], fields: &mut Fields) -> Option<Fault> {
    fields.clear();
    let mut at = 0;
    for width in widths {
        if at >= raw.len() {
            break;
        }
        let length = characters(&raw[at..], *width);
        fields.extend(&raw[at..at + length]);
        fields.end(at);
        at += length;
    }
    (at < raw.len()).then(|| Fault { code: 1202, message: "Extra column(s) found".to_owned(), position: at })
}

/// The number of bytes in the first `count` characters. A byte that begins no character counts as one.
fn characters(bytes: &[u8], count: usize) -> usize {
    let begins = |byte: &u8| *byte & 0xc0 != 0x80;
    let mut starts = bytes.iter().enumerate().filter(|(at, byte)| *at == 0 || begins(byte));
    starts.nth(count).map_or(bytes.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn all(data: &str, widths: &[usize], options: &Options) -> Vec<(u64, Vec<String>, Option<i32>)> {
        let mut found = Vec::new();
        read(data.as_bytes(), widths, options, |record| {
            let field = |index| String::from_utf8_lossy(record.fields.get(index)).into_owned();
            let fields = (0..record.fields.len()).map(field).collect();
            found.push((record.line, fields, record.fault.map(|fault| fault.code)));
            Flow::Continue
        });
        found
    }

    #[test]
    fn the_sample_of_the_guide() {
        let data = "1  Toyota Park              Bridgeview  IL0\n5  Gillette Stadium         Foxborough  MA68756\n";
        let found = all(data, &[3, 25, 12, 2, 6], &Options::default());
        assert_eq!(found[0].1, ["1  ", "Toyota Park              ", "Bridgeview  ", "IL", "0"]);
        assert_eq!(found[1].1[4], "68756");
    }

    #[test_case("ééab\r\n", &["éé", "ab"], None; "characters, not bytes")]
    #[test_case("abcde", &["ab", "cd"], Some(1202); "too long")]
    #[test_case("ab", &["ab"], None; "too short")]
    #[test_case("abc", &["ab", "c"], None; "short in its last field")]
    fn lines(data: &str, expected: &[&str], fault: Option<i32>) {
        let (_, fields, found) = all(data, &[2, 2], &Options::default()).remove(0);
        assert_eq!(fields, expected);
        assert_eq!(found, fault);
    }

    #[test]
    fn headers_and_blank_lines_count() {
        let options = Options { ignore_header: 1, ignore_blank_lines: true, ..Options::default() };
        let lines: Vec<u64> = all("h\n\nab\n", &[1, 1], &options).into_iter().map(|(line, ..)| line).collect();
        assert_eq!(lines, [3]);
    }
}
