//! An error's text in its parts: the head, which says what the error is, its code, and its context.
//!
//! Pure. Never says what a text means, and never takes a later part for an earlier one: a quoted value, key or name may
//! contain the words of any other error.

/// The most characters that are read: a longer text quotes something.
const LONGEST: usize = 2000;

/// The heads of Spectrum's errors about a scan. The two exceptions are from before 2021.
const SCANS: [&str; 3] = ["spectrum scan error", "s3 query exception (fetch)", "s3 query exception (execute)"];

/// An error's text, in lower case and with single blanks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Everything before the detail.
    head: String,
    /// The warehouse's own code, if the detail begins with one.
    pub(super) code: Option<i64>,
    /// What the detail says the error is about.
    context: String,
}

/// What a known text says. `*` stands for any quoted text, and `~` for one without a blank or a quote in it. At the
/// end, `*` stands for everything that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// The whole head.
    Head(&'static str),
    /// S3's own code, in a head that begins with `S3ServiceException:`.
    S3(&'static str),
    /// The same about the manifest's object.
    Manifest(&'static str),
    /// The whole context, in a text whose head says that Spectrum failed to scan.
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
        // The Data API adds this: *seen*.
        let text = match text.rsplit_once(" [errorid: ") {
            Some((text, id)) if id.ends_with(']') && !id.contains(' ') => text,
            _ => text,
        };
        let (head, detail) = text.split_once(" detail:").unwrap_or((text, ""));
        let (code, context) = block(head, detail);
        Self { head: head.to_owned(), code, context: context.to_owned() }
    }

    /// The parts of a message about a file in a system view: *seen*, `Spectrum Scan Error. …`.
    pub(super) fn noted(code: Option<i64>, message: &str) -> Self {
        let Self { head, .. } = Self::parse(message);
        let context = head.strip_prefix("spectrum scan error.").unwrap_or(&head).trim_start().to_owned();
        Self { head: SCANS[0].to_owned(), code, context }
    }

    /// Whether it says these words.
    pub(super) fn says(&self, words: Words) -> bool {
        match words {
            Words::Head(pattern) => fits(&pattern.to_ascii_lowercase(), &self.head),
            Words::S3(code) => self.is_of_s3("s3serviceexception:", code),
            Words::Manifest(code) => self.is_of_s3("problem reading manifest file - s3serviceexception:", code),
            Words::Scan(pattern) => {
                let context = self.context.strip_prefix("task failed due to an internal error. ");
                let context = context.unwrap_or(&self.context);
                SCANS.contains(&self.head.as_str()) && fits(&pattern.to_ascii_lowercase(), context)
            }
        }
    }

    /// Whether the head begins with `begins` and has this S3 code. The last code counts, since a message comes before
    /// it.
    fn is_of_s3(&self, begins: &str, code: &str) -> bool {
        let said = self.head.strip_prefix(begins).and_then(|rest| rest.rsplit_once(",error "));
        said.is_some_and(|(_, said)| {
            said.chars().take_while(char::is_ascii_alphanumeric).eq(code.to_ascii_lowercase().chars())
        })
    }
}

/// Which statement of a batch failed, counted from 0, and its own text. `Query #3 failed with …` counts from 1.
pub(super) fn numbered(text: &str) -> Option<(usize, &str)> {
    let start = text.get(..7).filter(|start| start.eq_ignore_ascii_case("query #"))?;
    let (number, rest) = text[start.len()..].split_once(" failed with ")?;
    Some((number.parse::<usize>().ok()?.checked_sub(1)?, rest))
}

/// Code and context of a detail. A detail is a block of labels between rules: its first label repeats the head, or it
/// begins with the code. Any other detail is a context alone.
fn block<'d>(head: &str, detail: &'d str) -> (Option<i64>, &'d str) {
    let detail = detail.trim_start_matches(['-', ' ']);
    let labels = ["error:", "amazon redshift error:"].into_iter().find_map(|label| detail.strip_prefix(label));
    let labels = labels.map(str::trim_start).and_then(|rest| match rest.strip_prefix(head) {
        Some(rest) => Some(rest.trim_start()),
        // The last one before the context: an error may contain an HTTP code.
        None => rest.split(" context:").next()?.rfind(" code: ").map(|at| &rest[at + 1..]),
    });
    let Some(rest) = labels.unwrap_or(detail).strip_prefix("code:").map(str::trim_start) else {
        return (None, detail);
    };
    let (digits, rest) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
    let context = rest.trim_start().strip_prefix("context:").unwrap_or_default();
    (digits.parse().ok(), context.trim_start())
}

/// Whether a text fits a pattern of [`Words`].
fn fits(pattern: &str, text: &str) -> bool {
    let Some(at) = pattern.find(['*', '~']) else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(&pattern[..at]) else {
        return false;
    };
    let (any, pattern) = (pattern[at..].starts_with('*'), &pattern[at + 1..]);
    if any && pattern.is_empty() {
        return true;
    }
    let end = if any { text.len() } else { text.find([' ', '\'', '"']).unwrap_or(text.len()) };
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
