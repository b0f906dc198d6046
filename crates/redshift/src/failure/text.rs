//! Text: an error's text in its parts: what it says it is, its code, and what it was about.
//!
//! Pure. Never says what a text means, and never takes what stands in a later part for an earlier one: a value, a key or a
//! name is quoted in any words, and those may be any other error's.

/// The most characters that are read: what is longer quotes something.
const LONGEST: usize = 2000;

/// What both begin with that Spectrum says of a scan; the older one is from before 2021.
const SCANS: [&str; 3] = ["spectrum scan error", "s3 query exception (fetch)", "s3 query exception (execute)"];

/// An error's text, in lower case and with single blanks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// What it says it is: all that stands before the detail.
    head: String,
    /// The warehouse's own code, where the detail begins with one.
    pub(super) code: Option<i64>,
    /// What it was about, as the detail says.
    context: String,
}

/// What a known text says. `*` stands for anything that is quoted, `~` for anything without a blank or a quote in it. At
/// the end of words, `*` is whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// The head of the text, whole.
    Head(&'static str),
    /// S3's own code, in a head that begins with `S3ServiceException:`.
    S3(&'static str),
    /// The same, of the manifest's object.
    Manifest(&'static str),
    /// The context's first words, where the head says that Spectrum failed to scan.
    Scan(&'static str),
}

impl Text {
    /// The parts of an error's text, with or without `Query #3 failed with ERROR:` before it.
    pub(super) fn parse(text: &str) -> Self {
        let text: String = text.chars().take(LONGEST).collect();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        let text = numbered(&text).map_or(text.as_str(), |(_, rest)| rest);
        let severity = ["error:", "fatal:"].into_iter().find_map(|severity| text.strip_prefix(severity));
        let text = severity.unwrap_or(text).trim_start();
        // The Data API's own addition: *seen*.
        let text = match text.rsplit_once(" [errorid: ") {
            Some((text, id)) if id.ends_with(']') && !id.contains(' ') => text,
            _ => text,
        };
        let (head, detail) = text.split_once(" detail:").unwrap_or((text, ""));
        let (code, context) = block(head, detail);
        Self { head: head.to_owned(), code, context: context.to_owned() }
    }

    /// The parts of what a system view notes about a file: *seen*, `Spectrum Scan Error. …`.
    pub(super) fn noted(code: Option<i64>, message: &str) -> Self {
        let Self { head, .. } = Self::parse(message);
        let context = head.strip_prefix("spectrum scan error.").unwrap_or(&head).trim_start().to_owned();
        Self { head: SCANS[0].to_owned(), code, context }
    }

    /// Whether it says these words.
    pub(super) fn says(&self, words: Words) -> bool {
        match words {
            Words::Head(pattern) => fits(&pattern.to_ascii_lowercase(), &self.head),
            Words::S3(code) => self.s3("s3serviceexception:") == Some(code.to_ascii_lowercase()),
            Words::Manifest(code) => {
                self.s3("problem reading manifest file - s3serviceexception:") == Some(code.to_ascii_lowercase())
            }
            Words::Scan(pattern) => {
                let context = self.context.strip_prefix("task failed due to an internal error. ");
                SCANS.contains(&self.head.as_str())
                    && fits(&pattern.to_ascii_lowercase(), context.unwrap_or(&self.context))
            }
        }
    }

    /// S3's own code: the last one, since a message comes before it.
    fn s3(&self, begins: &str) -> Option<String> {
        let (_, code) = self.head.strip_prefix(begins)?.rsplit_once(",error ")?;
        Some(code.chars().take_while(char::is_ascii_alphanumeric).collect())
    }
}

/// Which statement of a batch failed, from 0, and its own text: `Query #3 failed with …` counts from 1.
pub(super) fn numbered(text: &str) -> Option<(usize, &str)> {
    let start = text.get(..7).filter(|start| start.eq_ignore_ascii_case("query #"))?;
    let (number, rest) = text[start.len()..].split_once(" failed with ")?;
    Some((number.parse::<usize>().ok()?.checked_sub(1)?, rest))
}

/// Code and context of a detail. It is a block of labels between rules, of which the first says the head again, or begins
/// with its code; what begins otherwise is a context alone.
fn block<'d>(head: &str, detail: &'d str) -> (Option<i64>, &'d str) {
    let detail = detail.trim_start_matches(['-', ' ']);
    let labels = ["error:", "amazon redshift error:"].into_iter().find_map(|label| detail.strip_prefix(label));
    let labels = labels.map(str::trim_start).and_then(|rest| match rest.strip_prefix(head) {
        Some(rest) => Some(rest.trim_start()),
        // The last one before the context: an error may bear a code of HTTP's.
        None => rest.split(" context:").next()?.rfind(" code: ").map(|at| &rest[at + 1..]),
    });
    let Some(rest) = labels.unwrap_or(detail).strip_prefix("code:").map(str::trim_start) else {
        return (None, detail);
    };
    let (digits, rest) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
    let context = rest.trim_start().strip_prefix("context:").unwrap_or_default();
    (digits.parse().ok(), context.trim_start())
}

/// Whether a text is what the pattern says.
fn fits(pattern: &str, text: &str) -> bool {
    let Some(at) = pattern.find(['*', '~']) else {
        return pattern == text;
    };
    let (Some(text), any, pattern) =
        (text.strip_prefix(&pattern[..at]), pattern.as_bytes()[at] == b'*', &pattern[at + 1..])
    else {
        return false;
    };
    if any && pattern.is_empty() {
        return true;
    }
    let end = if any { None } else { text.find([' ', '\'', '"']) };
    let end = end.unwrap_or(text.len());
    (0..=end).filter(|at| text.is_char_boundary(*at)).any(|at| fits(pattern, &text[at..]))
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |pattern: &str| pattern.replace(['*', '~'], "…");
        match self {
            Self::Head(pattern) => f.write_str(&shown(pattern)),
            Self::S3(code) => write!(f, "S3ServiceException:…,Error {code}"),
            Self::Manifest(code) => write!(f, "Problem reading manifest file - S3ServiceException:…,Error {code}"),
            Self::Scan(pattern) => write!(f, "Spectrum Scan Error, context: {}", shown(pattern)),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("ERROR: deadlock detected", "deadlock detected", None, ""; "a head alone")]
    #[test_case("Query #4 failed with ERROR: 1023\n  DETAIL:  Serializable isolation", "1023", None, "serializable isolation"; "a batch's")]
    #[test_case("ERROR: Spectrum Scan Error DETAIL: code: 15007 context: File 'x' has", "spectrum scan error", Some(15007), "file 'x' has"; "on one line")]
    #[test_case("Spectrum Scan Error Detail: \n----- \nerror: Spectrum Scan Error code: \n  15007 context: File query:\n  1", "spectrum scan error", Some(15007), "file query: 1"; "a published one")]
    #[test_case("Disk Full\n  Detail: \n  ---\n  error:  Disk Full\n  code:      1016\n  context:   node: 3\n", "disk full", Some(1016), "node: 3"; "a block")]
    #[test_case("No such file or directory\nDETAIL:\n---\nAmazon Redshift error:  The specified key does not exist\ncode:      2\ncontext:   S3 key being read :", "no such file or directory", Some(2), "s3 key being read :"; "an older block")]
    #[test_case("deadlock detected [ErrorId: 1-68f7ff75-672e60d16356d0f719974665]", "deadlock detected", None, ""; "with an id")]
    #[test_case("x\n Detail: S3 key being read : s3://b/code: 9001", "x", None, "s3 key being read : s3://b/code: 9001"; "a key that says a code")]
    #[test_case("x DETAIL: error: Forbidden: HTTP response error code: 403 code: 15001 context: y", "x", Some(15001), "y"; "a code within the error")]
    fn parts(text: &str, head: &str, code: Option<i64>, context: &str) {
        assert_eq!(Text::parse(text), Text { head: head.to_owned(), code, context: context.to_owned() });
    }

    #[test]
    fn the_number_is_the_texts_own() {
        assert_eq!(numbered("Query #4 failed with ERROR: x"), Some((3, "ERROR: x")));
        assert_eq!(numbered("ERROR: s3://b/Query #4 failed with x"), None);
        assert_eq!(numbered("Query #0 failed with x"), None);
    }

    #[test_case("relation * does not exist", "relation \"a b\" does not exist" => true)]
    #[test_case("relation * does not exist", "relation a does not exist, and more" => false)]
    #[test_case("file '~' has*", "file 'https://x' has more" => true)]
    #[test_case("file '~' has*", "file 'x' timed out: 'y' has" => false; "no quote is passed over")]
    #[test_case("file '~' has*", "file 'x y' has" => false; "nor a blank")]
    fn patterns(pattern: &str, text: &str) -> bool {
        fits(pattern, text)
    }
}
