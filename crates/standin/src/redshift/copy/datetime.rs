//! Dates and times in Redshift's formats: by pattern, recognised automatically, or as seconds since 1970.
//!
//! Never accepts a day that does not exist.

mod formats;
mod parts;

use super::columns::Kind;
use super::parse::Options;
use super::record::Fault;
use formats::{pattern, recognise};
use parts::{Cursor, Parts};

const DEFAULT_DATE: &str = "YYYY-MM-DD";
const DEFAULT_TIME: &str = "YYYY-MM-DD HH:MI:SS";

/// Rewrites `field` as PostgreSQL reads it.
pub(crate) fn convert(kind: Kind, field: &str, options: &Options) -> Result<String, Fault> {
    let field = field.trim();
    match kind {
        Kind::Date => date(field, options.date_format.as_deref()),
        Kind::Time | Kind::TimeTz => time(field, kind == Kind::TimeTz),
        _ => timestamp(field, options.time_format.as_deref(), kind == Kind::TimestampTz),
    }
}

fn date(field: &str, format: Option<&str>) -> Result<String, Fault> {
    let parts = match format {
        Some("auto") => recognise(field),
        format => pattern(field, format.unwrap_or(DEFAULT_DATE), false),
    };
    let text = parts.and_then(|parts| parts.date());
    let shown = format.unwrap_or(DEFAULT_DATE);
    text.ok_or_else(|| {
        if shown == DEFAULT_DATE && field.len() < 10 {
            return Fault::new(1205, "Invalid Date Format - length must be 10 or more");
        }
        Fault::new(1205, format!("Invalid date format or value [{shown}]"))
    })
}

fn timestamp(field: &str, format: Option<&str>, zoned: bool) -> Result<String, Fault> {
    let parts = match format {
        Some("epochsecs") => return epoch(field, 1),
        Some("epochmillisecs") => return epoch(field, 1000),
        Some("auto") => recognise(field),
        format => pattern(field, format.unwrap_or(DEFAULT_TIME), zoned && format.is_none()).or_else(|| {
            // In the default format, a day without a time is midnight.
            format.is_none().then(|| pattern(field, DEFAULT_DATE, false)).flatten()
        }),
    };
    let text = parts.and_then(|parts| parts.timestamp(zoned));
    let shown = format.map_or_else(|| "YYYY-MM-DD HH24:MI:SS".to_owned(), str::to_owned);
    text.ok_or_else(|| Fault::new(1206, format!("Invalid timestamp format or value [{shown}]")))
}

fn time(field: &str, zoned: bool) -> Result<String, Fault> {
    let mut cursor = Cursor { text: field, parts: Parts::default() };
    let wrong = || Fault::new(1206, "Invalid time format or value [HH24:MI:SS]");
    cursor.clock().ok_or_else(wrong)?;
    cursor.zone();
    if !cursor.text.is_empty() {
        return Err(wrong());
    }
    let zone = if zoned { cursor.parts.zone.clone() } else { String::new() };
    cursor.parts.clock_text().map(|text| text + &zone).ok_or_else(wrong)
}

fn epoch(field: &str, per_second: i64) -> Result<String, Fault> {
    let wrong = || {
        Fault::new(
            1206,
            format!(
                "Invalid timestamp format or value [{}]",
                if per_second == 1 { "epochsecs" } else { "epochmillisecs" }
            ),
        )
    };
    let (whole, fraction) = field.split_once('.').unwrap_or((field, ""));
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let fraction: i64 =
        if fraction.is_empty() { 0 } else { format!("{fraction:0<6}")[..6].parse().map_err(|_| wrong())? };
    let fraction = if field.starts_with('-') { -fraction } else { fraction };
    let micros = whole
        .checked_mul(1_000_000 / per_second)
        .and_then(|micros| micros.checked_add(fraction / per_second))
        .ok_or_else(wrong)?;
    let time = jiff::Timestamp::from_microsecond(micros).map_err(|_| wrong())?;
    Ok(time.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn dates(field: &str, format: Option<&str>) -> Result<String, String> {
        let options = Options { date_format: format.map(str::to_owned), ..Options::default() };
        convert(Kind::Date, field, &options).map_err(|fault| format!("{} {}", fault.code, fault.message))
    }

    fn times(field: &str, format: Option<&str>, kind: Kind) -> Result<String, String> {
        let options = Options { time_format: format.map(str::to_owned), ..Options::default() };
        convert(kind, field, &options).map_err(|fault| format!("{} {}", fault.code, fault.message))
    }

    #[test_case("2013-02-28", None, "2013-02-28"; "default")]
    #[test_case("Jan-01-1999", Some("MON-DD-YYYY"), "1999-01-01"; "month by name")]
    #[test_case("1/2/99", Some("MM/DD/YY"), "1999-01-02"; "short year")]
    #[test_case("20130228", Some("auto"), "2013-02-28"; "compact")]
    #[test_case("28.02.2013", Some("auto"), "2013-02-28"; "dots")]
    #[test_case("02/28/2013", Some("auto"), "2013-02-28"; "slashes")]
    #[test_case("28-Feb-2013", Some("auto"), "2013-02-28"; "day first, month by name")]
    #[test_case("Feb 28, 2013", Some("auto"), "2013-02-28"; "month first, by name")]
    fn days(field: &str, format: Option<&str>, expected: &str) {
        assert_eq!(dates(field, format).as_deref(), Ok(expected));
    }

    #[test_case("2013", None, "1205 Invalid Date Format - length must be 10 or more"; "short")]
    #[test_case("2013-02-30", None, "1205 Invalid date format or value [YYYY-MM-DD]"; "no such day")]
    #[test_case("02/28/2013", None, "1205 Invalid date format or value [YYYY-MM-DD]"; "another format")]
    fn wrong_days(field: &str, format: Option<&str>, expected: &str) {
        assert_eq!(dates(field, format), Err(expected.to_owned()));
    }

    #[test_case("2013-01-01 10:00:00", None, "2013-01-01 10:00:00"; "default")]
    #[test_case("2013-01-01 10:00:00.123", None, "2013-01-01 10:00:00.123"; "fraction")]
    #[test_case("2013-01-01", None, "2013-01-01 00:00:00"; "midnight")]
    #[test_case("2013-01-01T10:00:00Z", Some("auto"), "2013-01-01 10:00:00"; "iso")]
    #[test_case("01/31/2013 01:02 PM", Some("MM/DD/YYYY HH12:MI AM"), "2013-01-31 13:02:00"; "pattern with half days")]
    #[test_case("1357034400", Some("epochsecs"), "2013-01-01T10:00:00Z"; "seconds")]
    #[test_case("1357034400123", Some("epochmillisecs"), "2013-01-01T10:00:00.123Z"; "milliseconds")]
    fn moments(field: &str, format: Option<&str>, expected: &str) {
        assert_eq!(times(field, format, Kind::Timestamp).as_deref(), Ok(expected));
    }

    #[test_case("2013-01-01 10:00:00+02", None, "2013-01-01 10:00:00+02"; "default with zone")]
    #[test_case("2013-01-01 10:00:00", None, "2013-01-01 10:00:00+00"; "no zone is UTC")]
    #[test_case("2013-01-01T10:00:00-08:00", Some("auto"), "2013-01-01 10:00:00-08:00"; "iso")]
    fn moments_with_zones(field: &str, format: Option<&str>, expected: &str) {
        assert_eq!(times(field, format, Kind::TimestampTz).as_deref(), Ok(expected));
    }

    #[test_case("2013-01-01T10:00:00Z", None, "1206 Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"; "iso needs auto")]
    #[test_case("2013-01-01 25:00:00", Some("auto"), "1206 Invalid timestamp format or value [auto]"; "no such hour")]
    #[test_case("soon", Some("epochsecs"), "1206 Invalid timestamp format or value [epochsecs]"; "no number")]
    fn wrong_moments(field: &str, format: Option<&str>, expected: &str) {
        assert_eq!(times(field, format, Kind::Timestamp), Err(expected.to_owned()));
    }
}
