//! Amounts as people write them: bytes (`"4GiB"`) and durations (`"4h"`).
//!
//! Never guesses a unit, except that a plain number of bytes is bytes.

use std::time::Duration;

/// Bytes of each unit. Powers of 1024 have the `i`, as IEC 80000-13 writes them.
const UNITS: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1000),
    ("mb", 1000 * 1000),
    ("gb", 1000 * 1000 * 1000),
    ("tb", 1000 * 1000 * 1000 * 1000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Reads a size such as `512MiB`, `100 MB` or `1048576`.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let scale = if unit.is_empty() { 1 } else { UNITS.iter().find(|(name, _)| *name == unit)?.1 };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// Reads a duration such as `4h`, `90m` or `1h 30m`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    // A number alone would be read as seconds by some and as minutes by others.
    let text = text.trim();
    if text.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse::<jiff::SignedDuration>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("4GiB" => Some(4 << 30); "binary")]
    #[test_case("100MB" => Some(100_000_000); "decimal")]
    #[test_case("512 mib" => Some(512 << 20); "space and case")]
    #[test_case("17" => Some(17); "plain")]
    #[test_case("17B" => Some(17); "bytes")]
    #[test_case("" => None; "empty")]
    #[test_case("GiB" => None; "no number")]
    #[test_case("4G" => None; "half a unit")]
    #[test_case("1.5GiB" => None; "fraction")]
    #[test_case("-1" => None; "negative")]
    #[test_case("99999999TiB" => None; "too large")]
    #[test_case("٣MB" => None; "other digits")]
    fn sizes(text: &str) -> Option<u64> {
        bytes(text)
    }

    #[test_case("4h" => Some(4 * 3600); "hours")]
    #[test_case("90m" => Some(90 * 60); "minutes")]
    #[test_case("1h 30m" => Some(90 * 60); "both")]
    #[test_case("45s" => Some(45); "seconds")]
    #[test_case("4" => None; "no unit")]
    #[test_case("-4h" => None; "negative")]
    #[test_case("soon" => None; "words")]
    #[test_case("99999999999999999999h" => None; "too long")]
    fn durations(text: &str) -> Option<u64> {
        duration(text).map(|duration| duration.as_secs())
    }
}
