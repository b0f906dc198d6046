//! CSV as Redshift reads it: quotes only at the edges of a field, doubled inside it; anything else is error 1214.
//!
//! Never repairs a line: a lenient reader would load what Redshift refuses.

use super::parse::Options;
use super::record::{Fault, Fields, Flow, Record};

/// Passes every line of `data` after the header to `take`. Returns the number of lines.
pub(crate) fn read(data: &[u8], options: &Options, mut take: impl FnMut(Record<'_>) -> Flow) -> u64 {
    let delimiter = options.delimiter.unwrap_or(b',');
    let mut fields = Fields::default();
    let mut at = 0;
    let mut line = 0;
    while at < data.len() {
        let begun_at = line + 1;
        let cut = record(&data[at..], delimiter, options.quote, &mut fields);
        line += cut.lines;
        let raw = trim_end(&data[at..at + cut.length]);
        at += cut.length;
        let blank = raw.is_empty();
        if begun_at <= options.ignore_header || (blank && options.ignore_blank_lines) {
            continue;
        }
        if take(Record { line: begun_at, raw, fields: &fields, fault: cut.fault }) == Flow::Stop {
            break;
        }
    }
    line
}

struct Cut {
    length: usize,
    lines: u64,
    fault: Option<Fault>,
}

fn record(data: &[u8], delimiter: u8, quote: u8, fields: &mut Fields) -> Cut {
    fields.clear();
    let mut at = 0;
    let mut lines = 1;
    loop {
        let begun = at;
        let padding = blanks(&data[at..], delimiter);
        let in_quotes = data.get(at + padding) == Some(&quote);
        if in_quotes {
            at += padding;
            match quoted(&data[at..], quote, fields) {
                Ok((length, newlines)) => {
                    at += length;
                    at += blanks(&data[at..], delimiter);
                    lines += newlines;
                }
                // Without a closing quote, the rest of the file belongs to the field. Only this line is refused.
                Err(()) => return broken(data, 0, begun, fields),
            }
        } else {
            let length = data[at..]
                .iter()
                .position(|byte| *byte == delimiter || *byte == b'\n' || *byte == quote)
                .unwrap_or(data.len() - at);
            fields.extend(&data[at..at + length]);
            at += length;
        }
        match data.get(at) {
            Some(byte) if *byte == delimiter => {
                fields.end(begun);
                at += 1;
            }
            None => {
                end_last(fields, begun, in_quotes);
                return Cut { length: at, lines, fault: None };
            }
            Some(b'\n') => {
                end_last(fields, begun, in_quotes);
                return Cut { length: at + 1, lines, fault: None };
            }
            Some(b'\r') if data.get(at + 1) == Some(&b'\n') => {
                fields.end(begun);
                return Cut { length: at + 2, lines, fault: None };
            }
            Some(_) => return broken(data, at, begun, fields),
        }
    }
}

/// "When a field is enclosed in quotation marks, white space between the delimiters and the quotation mark characters
/// is ignored. If the delimiter is a white space character, such as a tab, the delimiter isn't treated as white space."
/// Source: Amazon Redshift Database Developer Guide, "Data format parameters", CSV.
fn blanks(data: &[u8], delimiter: u8) -> usize {
    data.iter().take_while(|byte| matches!(byte, b' ' | b'\t') && **byte != delimiter).count()
}

/// If a line ends in `\r\n`, its last field has the `\r`, unless the field was quoted.
fn end_last(fields: &mut Fields, begun: usize, in_quotes: bool) {
    if !in_quotes && fields.current().last() == Some(&b'\r') {
        fields.pop();
    }
    fields.end(begun);
}

/// Reads a quoted field, from its opening quote through its closing one. Returns its length and the number of newlines
/// in it.
fn quoted(data: &[u8], quote: u8, fields: &mut Fields) -> Result<(usize, u64), ()> {
    let mut at = 1;
    let mut newlines = 0;
    loop {
        let length = data[at..].iter().position(|byte| *byte == quote || *byte == b'\n').ok_or(())?;
        fields.extend(&data[at..at + length]);
        at += length;
        if data[at] == b'\n' {
            fields.push(b'\n');
            newlines += 1;
            at += 1;
        } else if data.get(at + 1) == Some(&quote) {
            fields.push(quote);
            at += 2;
        } else {
            return Ok((at + 1, newlines));
        }
    }
}

fn broken(data: &[u8], at: usize, begun: usize, fields: &mut Fields) -> Cut {
    fields.end(begun);
    let length = data[at..].iter().position(|byte| *byte == b'\n').map_or(data.len(), |end| at + end + 1);
    let lines = newlines(&data[..length]).max(1);
    Cut { length, lines, fault: Some(Fault::new(1214, "Invalid quote formatting for CSV")) }
}

/// The number of newlines.
pub(crate) fn newlines(data: &[u8]) -> u64 {
    data.split(|byte| *byte == b'\n').skip(1).count() as u64
}

/// A line without its line ending.
pub(crate) fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
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

    #[test_case("a,b\nc,d\n", &[&["a", "b"], &["c", "d"]]; "plain")]
    #[test_case("a,b\r\nc,d", &[&["a", "b"], &["c", "d"]]; "windows, and no newline at the end")]
    #[test_case("\"a,\"\"x\"\"\",\"\"\r\n", &[&["a,\"x\"", ""]]; "quotes")]
    #[test_case(",\n", &[&["", ""]]; "empty fields")]
    #[test_case("\"a\nb\",c\n", &[&["a\nb", "c"]]; "a newline inside quotes")]
    #[test_case(" \"a\" ,\t\"b\" \r\n\" c \"", &[&["a", "b"], &[" c "]]; "white space around quotes")]
    #[test_case(" a , b \n", &[&[" a ", " b "]]; "white space without quotes")]
    #[test_case("é,\"ü\"\n", &[&["é", "ü"]]; "several bytes")]
    fn lines_are_cut(data: &str, expected: &[&[&str]]) {
        let found: Vec<Vec<String>> = all(data, &Options::default()).into_iter().map(|(_, fields, _)| fields).collect();
        assert_eq!(found, expected);
    }

    #[test_case("a\"b,c\nd,e\n"; "a quote inside a field")]
    #[test_case("\"a\"b,c\nd,e\n"; "text after the closing quote")]
    #[test_case("\"a,c\nd,e\n"; "no closing quote")]
    fn wrong_quotes_spoil_their_line_only(data: &str) {
        let found = all(data, &Options::default());
        assert_eq!(found[0].2, Some(1214));
        assert_eq!(found[1], (2, vec!["d".to_owned(), "e".to_owned()], None));
    }

    #[test]
    fn a_tab_that_is_the_delimiter_is_no_white_space() {
        let options = Options { delimiter: Some(b'\t'), ..Options::default() };
        assert_eq!(all("\"a\"\t\t \"b\"\n", &options)[0].1, ["a", "", "b"]);
    }

    #[test]
    fn lines_are_counted_with_header_blank_lines_and_newlines_inside_quotes() {
        let options = Options { ignore_header: 1, ignore_blank_lines: true, ..Options::default() };
        let lines: Vec<u64> = all("h\n\"a\nb\"\n\nc\n", &options).into_iter().map(|(line, ..)| line).collect();
        assert_eq!(lines, [2, 5]);
    }
}
