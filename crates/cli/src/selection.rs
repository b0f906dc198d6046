//! Which files of a feed a command is about: `--match` and `--since`.

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp, civil::Date};
use sluice_core::config::Pattern;
use sluice_operator::redrive::Options;

use crate::failure::Failure;

/// The arguments that choose files.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only files whose path under the feed's prefix matches, as in the feed's include: * also matches /
    #[arg(long = "match", value_name = "GLOB")]
    matching: Option<String>,
    /// Only files that came there since: a duration back from now (2h, 7d) or a time (2026-11-01, 2026-11-01T12:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

impl Selection {
    /// The options for a run over these files.
    pub(crate) fn options(&self, now: Timestamp) -> Result<Options, Failure> {
        let wrong = |error| Failure::misused(format!("--match: {error}"));
        let matching = self.matching.as_deref().map(Pattern::new).transpose().map_err(wrong)?;
        let since = self.since.as_deref().map(|text| since(text, now)).transpose()?;
        Ok(Options { matching, since, ..Options::default() })
    }

    /// The selection as it was typed.
    pub(crate) fn words(&self) -> String {
        let word = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{name} {value:?}"));
        let words: Vec<String> =
            [word("match", &self.matching), word("since", &self.since)].into_iter().flatten().collect();
        if words.is_empty() { "all files".to_owned() } else { words.join(" ") }
    }
}

/// A time, or a duration back from now.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let ago = || {
        let span: Span = text.parse().ok()?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        duration.is_positive().then(|| now.checked_sub(duration).ok()).flatten()
    };
    // jiff also reads a day from a time, and ignores the rest.
    let is_day = text.len() == "2026-11-01".len();
    let day = || text.parse::<Date>().ok().filter(|_| is_day)?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    text.parse::<Timestamp>().ok().or_else(day).or_else(ago).ok_or_else(|| {
        Failure::misused(format!(
            "--since is {text:?}: write a duration such as 2h or 7d, a day such as 2026-11-01 (UTC), or a time with its \
             offset such as 2026-11-01T12:00:00Z"
        ))
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("2h" => Some("2026-11-23T10:00:00Z".to_owned()); "hours")]
    #[test_case("7d" => Some("2026-11-16T12:00:00Z".to_owned()); "days")]
    #[test_case("1h 30m" => Some("2026-11-23T10:30:00Z".to_owned()); "two units")]
    #[test_case("2026-11-01" => Some("2026-11-01T00:00:00Z".to_owned()); "a day")]
    #[test_case("2026-11-01T12:00:00+02:00" => Some("2026-11-01T10:00:00Z".to_owned()); "a time")]
    #[test_case("2026-11-01T12:00:00" => None; "a time without an offset")]
    #[test_case("-2h" => None; "in the future")]
    #[test_case("2 moons" => None; "no unit")]
    #[test_case("1mo" => None; "a unit of no length")]
    #[test_case("" => None; "nothing")]
    fn since_is_a_time(text: &str) -> Option<String> {
        let noon = Timestamp::constant(1_795_435_200, 0);
        assert_eq!(noon.to_string(), "2026-11-23T12:00:00Z");
        since(text, noon).ok().map(|since| since.to_string())
    }
}
