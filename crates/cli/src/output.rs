//! How commands print: colours only on a terminal, one JSON value a line for programs, and numbers as people read them.
//!
//! A reader that goes away is not an error: what can no longer be printed is dropped. Text from others goes through
//! [`Foreign`] where it enters a line, and nothing that controls a terminal ever gets past here.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Map, Value};
use sluice_core::text::escaped;

mod foreign;
pub(crate) mod progress;

pub(crate) use foreign::{Foreign, Lines};

/// A heading.
pub(crate) const BOLD: Style = Style::new().bold();
/// Something that matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Something that is as it should be.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
/// Something that is wrong.
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
/// Files on their way.
pub(crate) const BLUE: Style = AnsiColor::Cyan.on_default();

/// Prints a line to standard output, from a format and its arguments as in `println!`.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::output::line(format_args!($($text)*))
    };
}
pub(crate) use say;

/// Prints a line to standard output.
pub(crate) fn line(text: impl Display) {
    _ = writeln!(anstream::stdout().lock(), "{}", foreign::Styled(text));
}

/// Prints a line to standard error. A command's progress goes there, and its answer to standard output.
pub(crate) fn note(text: impl Display) {
    _ = writeln!(anstream::stderr().lock(), "{}", foreign::Styled(text));
}

/// Clears the terminal before something is shown again, if standard output is a terminal.
pub(crate) fn clear() {
    let mut out = anstream::stdout().lock();
    if out.is_terminal() {
        _ = write!(out, "\x1b[2J\x1b[H");
    }
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        line(escaped(&text));
    }
}

/// Prints one JSON object that has the fields of all these objects.
pub(crate) fn json_of(objects: impl IntoIterator<Item = Value>) {
    let fields = |object| match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    json(&objects.into_iter().flat_map(fields).collect::<Map<_, _>>());
}

/// Whether standard error, where progress is shown, is a terminal.
pub(crate) fn watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A number with its thousands separated: `80,789`.
pub(crate) fn thousands(number: impl Display) -> String {
    let number = number.to_string();
    let end = number.find('.').unwrap_or(number.len());
    let begin = usize::from(number.starts_with('-'));
    let mut text = String::with_capacity(number.len() + number.len() / 3);
    for (at, digit) in number.char_indices() {
        if at > begin && at < end && (end - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes in a few digits: `2.0 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut whole = bytes;
    let mut rest = 0;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        match (whole, unit) {
            (..1000, "B") => return format!("{whole} B"),
            (..1000, _) => return format!("{whole}.{} {unit}", rest / 100),
            _ => (whole, rest) = (whole / 1000, whole % 1000),
        }
    }
    format!("{whole}.{} PB", rest / 100)
}

/// A duration in a few digits: `2.31 s`, `870 ms`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        0..1000 => format!("{} ms", duration.as_millis()),
        1000..100_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{} s", duration.as_secs()),
    }
}

/// A number of things: `1 file`, `2 files`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {thing}{end}", thousands(number))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("0", "0")]
    #[test_case("999", "999")]
    #[test_case("80789", "80,789")]
    #[test_case("-1000", "-1,000"; "below zero")]
    #[test_case("-100", "-100"; "a short one below zero")]
    #[test_case("1234567.12345", "1,234,567.12345"; "with decimals")]
    fn thousands_are_apart(number: &str, expected: &str) {
        assert_eq!(thousands(number), expected);
    }

    #[test_case(0, "0 B")]
    #[test_case(999, "999 B")]
    #[test_case(1_000, "1.0 kB")]
    #[test_case(2_039_054, "2.0 MB")]
    #[test_case(999_999, "999.9 kB")]
    #[test_case(u64::MAX, "18446.7 PB")]
    fn bytes_are_short(number: u64, expected: &str) {
        assert_eq!(bytes(number), expected);
    }

    #[test_case(870, "870 ms")]
    #[test_case(2_314, "2.31 s")]
    #[test_case(250_000, "250 s")]
    fn durations_are_short(millis: u64, expected: &str) {
        assert_eq!(duration(Duration::from_millis(millis)), expected);
    }
}
