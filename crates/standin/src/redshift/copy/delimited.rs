//! Delimited text: lines and delimiters, with backslash escapes and removed quotes if COPY asks for them.
//!
//! Never gives quotes or backslashes a meaning without the option for it.

use super::csv::trim_end;
use super::parse::Options;
use super::record::{Fault, Fields, Flow, Record};

/// Passes every line of `data` after the header to `take`. Returns the number of lines.
pub(crate) fn read(data: &[u8], options: &Options, mut take: impl FnMut(Record<'_>) -> Flow) -> u64 {
    let delimiter = options.delimiter.unwrap_or(b'|');
    let mut fields = Fields::default();
    let mut at = 0;
    let mut line = 0;
    while at < data.len() {
        let (length, newlines) = line_length(&data[at..], options.escape);
        let begun_at = line + 1;
        line += newlines;
        let raw = trim_end(&data[at..at + length]);
        at += length;
        if begun_at <= options.ignore_header || (raw.is_empty() && options.ignore_blank_lines) {
            continue;
        }
        let fault = cut(raw, delimiter, options, &mut fields).err();
        if take(Record { line: begun_at, raw, fields: &fields, fault }) == Flow::Stop {
            break;
        }
    }
    line
}

/// The length of a line with its line ending, and the number of its newlines. With `ESCAPE`, a newline after a
/// backslash does not end the line.
fn line_length(data: &[u8], escape: bool) -> (usize, u64) {
    let mut at = 0;
    let mut newlines = 1;
    while let Some(end) = data[at..].iter().position(|byte| *byte == b'\n') {
        at += end + 1;
        let backslashes = data[..at - 1].iter().rev().take_while(|byte| **byte == b'\\').count();
        if !escape || backslashes.is_multiple_of(2) {
            return (at, newlines);
        }
        newlines += 1;
    }
    (data.len(), newlines)
}

fn cut(line: &[u8], delimiter: u8, options: &Options, fields: &mut Fields) -> Result<(), Fault> {
    fields.clear();
    // Documented: with ESCAPE a NUL ends the record, and the rest of the record is cut off.
    let end = line.iter().position(|byte| options.escape && *byte == 0).unwrap_or(line.len());
    let line = &line[..end];
    let mut at = 0;
    loop {
        let begun = at;
        let quote = line.get(at).copied().filter(|byte| options.remove_quotes && matches!(byte, b'"' | b'\''));
        at = match quote {
            Some(quote) => in_quotes(line, at, quote, delimiter, options.escape, fields)?,
            None => bare(line, at, delimiter, options, fields),
        };
        fields.end(begun);
        if at >= line.len() {
            return Ok(());
        }
        at += 1;
    }
}

/// Copies a field up to its delimiter. Returns the delimiter's position.
fn bare(line: &[u8], from: usize, delimiter: u8, options: &Options, fields: &mut Fields) -> usize {
    let mut at = from;
    while at < line.len() && line[at] != delimiter {
        let escaped = options.escape && line[at] == b'\\' && at + 1 < line.len();
        // The default null string is two characters, escaped or not.
        let null =
            escaped && line[at + 1] == b'N' && at == from && line.get(at + 2).is_none_or(|next| *next == delimiter);
        if escaped && !null {
            at += 1;
        }
        fields.push(line[at]);
        at += 1;
    }
    at
}

/// Copies the text between quotes. Returns the position of the delimiter after them.
fn in_quotes(
    line: &[u8],
    from: usize,
    quote: u8,
    delimiter: u8,
    escape: bool,
    fields: &mut Fields,
) -> Result<usize, Fault> {
    let mut at = from + 1;
    while at < line.len() {
        let ends = line[at] == quote && line.get(at + 1).is_none_or(|next| *next == delimiter);
        if ends {
            return Ok(at + 1);
        }
        if escape && line[at] == b'\\' && at + 1 < line.len() {
            at += 1;
        }
        fields.push(line[at]);
        at += 1;
    }
    fields.end(from);
    Err(Fault { code: 1214, message: "Delimited value missing end quote".to_owned(), position: at - from })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn all(data: &str, options: &Options) -> Vec<(u64, Vec<String>, Option<i32>)> {
        let mut found = Vec::new();
        read(data.as_bytes(), options, |record| {
            let fields =
                (0..record.fields.len()).map(|index| String::from_utf8_lossy(record.fields.get(index)).into_owned());
            found.push((record.line, fields.collect(), record.fault.map(|fault| fault.code)));
            Flow::Continue
        });
        found
    }

    #[test_case("1|The quick brown fox\\\njumped\n2| A\\\\B\\\\C\n3| A \\| B\n4| 'A Night\\'s Dream'\n",
        &[&["1", "The quick brown fox\njumped"], &["2", " A\\B\\C"], &["3", " A | B"], &["4", " 'A Night's Dream'"]]; "as documented")]
    #[test_case("\\N|a\n", &[&["\\N", "a"]]; "the null string stays")]
    #[test_case("\\\\N|a\n", &[&["\\N", "a"]]; "escaped null string")]
    fn escape(data: &str, expected: &[&[&str]]) {
        let options = Options { escape: true, ..Options::default() };
        let found: Vec<Vec<String>> = all(data, &options).into_iter().map(|(_, fields, _)| fields).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn with_escape_a_nul_ends_the_record() {
        let options = Options { escape: true, ..Options::default() };
        assert_eq!(all("1|ab\0cd|e\n2|f\n", &options)[0].1, ["1", "ab"]);
        assert_eq!(all("1|ab\0cd\n", &Options::default())[0].1, ["1", "ab\0cd"]);
    }

    #[test]
    fn without_options_nothing_is_special() {
        let found = all("h\n\"a\\|b\"|'c'\r\n", &Options { ignore_header: 1, ..Options::default() });
        assert_eq!(found, [(2, vec!["\"a\\".to_owned(), "b\"".to_owned(), "'c'".to_owned()], None)]);
    }

    #[test]
    fn quotes_are_removed_and_have_to_end() {
        let options = Options { remove_quotes: true, ..Options::default() };
        assert_eq!(all("\"a|b\"|'c'\n", &options), [(1, vec!["a|b".to_owned(), "c".to_owned()], None)]);
        assert_eq!(all("\"a|b\n", &options)[0].2, Some(1214));
    }
}
