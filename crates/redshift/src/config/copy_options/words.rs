//! Checks of the texts that options take. Each returns the text for COPY, or `None`.
//!
//! Never quotes: that is for the renderer of the statement.

/// `auto`, `auto ignorecase`, `noshred`, or where a jsonpaths file is.
pub(super) fn json(text: &str) -> Option<String> {
    if text == "noshred" { Some(text.to_owned()) } else { avro(text) }
}

/// `auto`, `auto ignorecase`, or where a jsonpaths file is.
pub(super) fn avro(text: &str) -> Option<String> {
    let object = text.strip_prefix("s3://").and_then(|path| path.split_once('/'));
    let object = object.is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty() && !key.ends_with('/'));
    taken(text, object || matches!(text, "auto" | "auto ignorecase"))
}

/// `label:width` pairs, comma-separated.
pub(super) fn fixed_width(text: &str) -> Option<String> {
    let pair = |pair: &str| {
        pair.rsplit_once(':').is_some_and(|(label, width)| {
            !label.trim().is_empty() && width.trim().parse::<u32>().is_ok_and(|width| width > 0)
        })
    };
    taken(text, text.split(',').all(pair))
}

/// One character or a few. `\t` and octal `\001`, as SQL has them, become the characters that they mean: the
/// statement's literal holds these as they are. Anything else that begins with a backslash could mean two things.
pub(super) fn delimiter(text: &str) -> Option<String> {
    let decoded = match text.strip_prefix('\\') {
        None | Some("") => text.to_owned(),
        Some("t") => "\t".to_owned(),
        Some(digits) => octal(digits)?.to_string(),
    };
    taken(&decoded, (1..=8).contains(&decoded.chars().count()) && !ends_a_line(&decoded))
}

/// The ASCII character of three octal digits.
fn octal(digits: &str) -> Option<char> {
    let octal = digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let code = octal.then(|| u8::from_str_radix(digits, 8).ok()).flatten()?;
    code.is_ascii().then_some(char::from(code))
}

/// One ASCII character.
pub(super) fn character(text: &str) -> Option<String> {
    taken(text, text.len() == 1 && text.is_ascii() && !ends_a_line(text))
}

/// A format of dates or times. COPY reads it; here it is only a short line.
pub(super) fn format(text: &str) -> Option<String> {
    taken(text, !text.trim().is_empty() && text.len() <= 200 && !text.contains(char::is_control))
}

/// A text that means NULL. It may be empty, but COPY keeps line ends for itself.
pub(super) fn null(text: &str) -> Option<String> {
    taken(text, text.len() <= 1024 && !ends_a_line(text) && text != "\\n")
}

/// A Region's name.
pub(super) fn region(text: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    taken(text, text.split('-').count() >= 3 && text.len() <= 32 && text.chars().all(legal))
}

/// The text, where it is legal. No option takes a NUL.
fn taken(text: &str, legal: bool) -> Option<String> {
    (legal && !text.contains('\0')).then(|| text.to_owned())
}

fn ends_a_line(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("auto", true; "auto")]
    #[test_case("auto ignorecase", true; "without case")]
    #[test_case("noshred", true; "whole")]
    #[test_case("s3://bucket/paths.json", true; "jsonpaths")]
    #[test_case("s3://bucket", false; "no key")]
    #[test_case("s3://bucket/folder/", false; "folder")]
    #[test_case("AUTO", false; "COPY's words are lower case")]
    fn json_argument(text: &str, legal: bool) {
        assert_eq!(json(text).is_some(), legal);
    }

    #[test_case("|" => Some("|".into()); "one")]
    #[test_case("|~|" => Some("|~|".into()); "several")]
    #[test_case("\t" => Some("\t".into()); "tab")]
    #[test_case("\\t" => Some("\t".into()); "tab in SQL's way")]
    #[test_case("\\001" => Some("\u{1}".into()); "octal")]
    #[test_case("\\000" => None; "octal NUL")]
    #[test_case("\\377" => None; "octal beyond ASCII")]
    #[test_case("\\" => Some("\\".into()); "backslash")]
    #[test_case("\\|" => None; "backslash before another character")]
    #[test_case("\n" => None; "line feed")]
    #[test_case("" => None; "empty")]
    fn delimiters(text: &str) -> Option<String> {
        delimiter(text)
    }

    #[test_case("a:1,b:20", true; "two columns")]
    #[test_case("1:3, 2:4", true; "numbers as labels")]
    #[test_case("a:0", false; "no width")]
    #[test_case("a", false; "no pair")]
    #[test_case("a:1,", false; "ends in a comma")]
    fn widths(text: &str, legal: bool) {
        assert_eq!(fixed_width(text).is_some(), legal);
    }

    #[test_case("", true; "empty")]
    #[test_case("\\N", true; "the default")]
    #[test_case("\\n", false; "line feed in SQL's way")]
    #[test_case("\u{0}", false; "NUL")]
    fn nulls(text: &str, legal: bool) {
        assert_eq!(null(text).is_some(), legal);
    }
}
