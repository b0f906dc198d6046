//! Dates and times in Redshift's formats: by pattern, recognised by themselves, or as seconds since 1970.
//!
//! Never accepts a day that does not exist.

use jiff::civil::Date;

use super::columns::Kind;
use super::parse::Options;
use super::record::Fault;

const DEFAULT_DATE: &str = "YYYY-MM-DD";
const DEFAULT_TIME: &str = "YYYY-MM-DD HH:MI:SS";

/// `field` as PostgreSQL reads it.
pub(crate) fn convert(kind: Kind, field: &str, options: &Options) -> Result<String, Fault> {
    let field = field.trim();
    match kind {
        Kind::Date => date(field, options.date_format.as_deref()),
        Kind::Time | Kind::TimeTz => time(field, kind == Kind::TimeTz),
        _ => timestamp(
            field,
            options.time_format.as_deref(),
            kind == Kind::TimestampTz,
        ),
    }
}

/// What was found in a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts {
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    fraction: String,
    afternoon: Option<bool>,
    zone: String,
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
        format => pattern(
            field,
            format.unwrap_or(DEFAULT_TIME),
            zoned && format.is_none(),
        )
        .or_else(|| {
            // A day without a time is midnight, in the default format.
            format
                .is_none()
                .then(|| pattern(field, DEFAULT_DATE, false))
                .flatten()
        }),
    };
    let text = parts.and_then(|parts| parts.timestamp(zoned));
    let shown = format.map_or_else(|| "YYYY-MM-DD HH24:MI:SS".to_owned(), str::to_owned);
    text.ok_or_else(|| Fault::new(1206, format!("Invalid timestamp format or value [{shown}]")))
}

fn time(field: &str, zoned: bool) -> Result<String, Fault> {
    let mut cursor = Cursor {
        text: field,
        parts: Parts::default(),
    };
    let wrong = || Fault::new(1206, "Invalid time format or value [HH24:MI:SS]");
    cursor.clock().ok_or_else(wrong)?;
    cursor.zone();
    if !cursor.text.is_empty() {
        return Err(wrong());
    }
    let zone = if zoned {
        cursor.parts.zone.clone()
    } else {
        String::new()
    };
    cursor
        .parts
        .clock_text()
        .map(|text| text + &zone)
        .ok_or_else(wrong)
}

fn epoch(field: &str, per_second: i64) -> Result<String, Fault> {
    let wrong = || {
        Fault::new(
            1206,
            format!(
                "Invalid timestamp format or value [{}]",
                if per_second == 1 {
                    "epochsecs"
                } else {
                    "epochmillisecs"
                }
            ),
        )
    };
    let (whole, fraction) = field.split_once('.').unwrap_or((field, ""));
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let fraction: i64 = if fraction.is_empty() {
        0
    } else {
        format!("{fraction:0<6}")[..6]
            .parse()
            .map_err(|_| wrong())?
    };
    let fraction = if field.starts_with('-') {
        -fraction
    } else {
        fraction
    };
    let micros = whole
        .checked_mul(1_000_000 / per_second)
        .and_then(|micros| micros.checked_add(fraction / per_second))
        .ok_or_else(wrong)?;
    let time = jiff::Timestamp::from_microsecond(micros).map_err(|_| wrong())?;
    Ok(time.to_string())
}

impl Parts {
    fn day_of(&self) -> Option<Date> {
        let number = |value: u32| i8::try_from(value).ok();
        Date::new(
            i16::try_from(self.year).ok()?,
            number(self.month)?,
            number(self.day)?,
        )
        .ok()
    }

    fn date(&self) -> Option<String> {
        self.day_of().map(|day| day.to_string())
    }

    fn clock_text(&self) -> Option<String> {
        let hour = match self.afternoon {
            None => self.hour,
            Some(_) if self.hour == 0 || self.hour > 12 => return None,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
        };
        let fits = hour < 24 && self.minute < 60 && self.second < 60;
        let fraction = if self.fraction.is_empty() {
            String::new()
        } else {
            format!(".{}", &self.fraction[..self.fraction.len().min(6)])
        };
        fits.then(|| format!("{hour:02}:{:02}:{:02}{fraction}", self.minute, self.second))
    }

    fn timestamp(&self, zoned: bool) -> Option<String> {
        let zone = match (zoned, self.zone.as_str()) {
            (false, _) => "",
            (true, "") => "+00",
            (true, zone) => zone,
        };
        Some(format!("{} {}{zone}", self.date()?, self.clock_text()?))
    }
}

struct Cursor<'a> {
    text: &'a str,
    parts: Parts,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl Cursor<'_> {
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self
            .text
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let (digits, rest) = self.text.split_at_checked(length)?;
        let value = digits.parse().ok().filter(|_| length >= least)?;
        self.text = rest;
        Some(value)
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.text.strip_prefix(prefix) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    fn month_name(&mut self) -> Option<u32> {
        let length = self
            .text
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        let word = self.text[..length].to_ascii_lowercase();
        let month = MONTHS
            .iter()
            .position(|month| word.len() >= 3 && (month[..3] == word || *month == word))?;
        self.text = &self.text[length..];
        u32::try_from(month + 1).ok()
    }

    fn fraction(&mut self) {
        if self.text.starts_with('.') && self.text[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let length = self.text[1..]
                .bytes()
                .take_while(u8::is_ascii_digit)
                .count();
            self.parts.fraction = self.text[1..=length].to_owned();
            self.text = &self.text[length + 1..];
        }
    }

    /// `HH:MI[:SS[.ffffff]] [AM|PM]`.
    fn clock(&mut self) -> Option<()> {
        self.parts.hour = self.number(1, 2)?;
        if self.take(":") {
            self.parts.minute = self.number(2, 2)?;
            if self.take(":") {
                self.parts.second = self.number(2, 2)?;
                self.fraction();
            }
        } else {
            self.parts.minute = self.number(2, 2)?;
            self.parts.second = self.number(2, 2).unwrap_or(0);
            self.fraction();
        }
        self.half_day();
        Some(())
    }

    fn half_day(&mut self) {
        let rest = self.text.trim_start();
        let afternoon = match rest.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("am") => false,
            Some("pm") => true,
            _ => return,
        };
        self.parts.afternoon = Some(afternoon);
        self.text = &rest[2..];
    }

    /// `Z`, `UTC`, or an offset.
    fn zone(&mut self) {
        let rest = self.text.trim_start();
        if let Some(after) = ["Z", "z", "UTC", "GMT"]
            .iter()
            .find_map(|zone| rest.strip_prefix(zone))
        {
            self.parts.zone = "+00".to_owned();
            self.text = after;
        } else if rest.starts_with(['+', '-']) {
            let length = rest
                .bytes()
                .skip(1)
                .take_while(|byte| byte.is_ascii_digit() || *byte == b':')
                .count()
                + 1;
            if (2..=6).contains(&length) {
                self.parts.zone = rest[..length].to_owned();
                self.text = &rest[length..];
            }
        }
    }

    fn finish(self) -> Option<Parts> {
        self.text.trim().is_empty().then_some(self.parts)
    }
}

/// Reads `field` by a DATEFORMAT or TIMEFORMAT pattern.
fn pattern(field: &str, format: &str, zoned: bool) -> Option<Parts> {
    let mut cursor = Cursor {
        text: field,
        parts: Parts::default(),
    };
    let upper = format.to_ascii_uppercase();
    let mut rest = upper.as_str();
    while !rest.is_empty() {
        rest = element(rest, &mut cursor)?;
    }
    if zoned {
        cursor.zone();
    }
    cursor.finish()
}

/// Reads what the first element of `format` stands for; answers the rest of the format.
fn element<'a>(format: &'a str, cursor: &mut Cursor<'_>) -> Option<&'a str> {
    let names = [
        "YYYY", "YY", "MONTH", "MON", "MM", "DD", "HH24", "HH12", "HH", "MI", "SS", "AM", "PM",
    ];
    let Some(name) = names.iter().find(|name| format.starts_with(**name)) else {
        let separator = format.chars().next()?;
        return cursor
            .take(separator.encode_utf8(&mut [0; 4]))
            .then(|| &format[separator.len_utf8()..]);
    };
    match *name {
        "YYYY" => cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?,
        "YY" => {
            cursor.parts.year = i32::try_from(cursor.number(2, 2)?)
                .ok()
                .map(|year| if year < 70 { year + 2000 } else { year + 1900 })?
        }
        "MONTH" | "MON" => cursor.parts.month = cursor.month_name()?,
        "MM" => cursor.parts.month = cursor.number(1, 2)?,
        "DD" => cursor.parts.day = cursor.number(1, 2)?,
        "HH24" | "HH12" | "HH" => cursor.parts.hour = cursor.number(1, 2)?,
        "MI" => cursor.parts.minute = cursor.number(1, 2)?,
        "SS" => {
            cursor.parts.second = cursor.number(1, 2)?;
            cursor.fraction();
        }
        _ => {
            cursor.half_day();
            cursor.parts.afternoon?;
        }
    }
    Some(&format[name.len()..])
}

/// Reads `field` in any of the formats that `'auto'` recognises.
fn recognise(field: &str) -> Option<Parts> {
    let mut cursor = Cursor {
        text: field,
        parts: Parts::default(),
    };
    auto_date(&mut cursor)?;
    if cursor.take("T") || cursor.take(" ") {
        cursor.text = cursor.text.trim_start();
        cursor.clock()?;
        cursor.zone();
    }
    cursor.finish()
}

fn auto_date(cursor: &mut Cursor<'_>) -> Option<()> {
    if let Some(month) = cursor.month_name() {
        // Mon DD, YYYY
        cursor.parts.month = month;
        separators(cursor);
        cursor.parts.day = cursor.number(1, 2)?;
        separators(cursor);
        cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?;
        return Some(());
    }
    let digits = cursor.text.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        8 => {
            cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?;
            cursor.parts.month = cursor.number(2, 2)?;
            cursor.parts.day = cursor.number(2, 2)?;
        }
        4 => {
            cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?;
            separator(cursor)?;
            cursor.parts.month = cursor.month_name().or_else(|| cursor.number(1, 2))?;
            separator(cursor)?;
            cursor.parts.day = cursor.number(1, 2)?;
        }
        1 | 2 => day_and_month(cursor)?,
        _ => return None,
    }
    Some(())
}

/// `MM/DD/YYYY`, `MM-DD-YYYY`, `DD.MM.YYYY`, `DD-Mon-YYYY`.
fn day_and_month(cursor: &mut Cursor<'_>) -> Option<()> {
    let first = cursor.number(1, 2)?;
    let between = cursor.text.chars().next()?;
    separator(cursor)?;
    if let Some(month) = cursor.month_name() {
        (cursor.parts.day, cursor.parts.month) = (first, month);
    } else {
        let second = cursor.number(1, 2)?;
        (cursor.parts.month, cursor.parts.day) = if between == '.' {
            (second, first)
        } else {
            (first, second)
        };
    }
    separator(cursor)?;
    cursor.parts.year = i32::try_from(cursor.number(4, 4)?).ok()?;
    Some(())
}

fn separator(cursor: &mut Cursor<'_>) -> Option<()> {
    ["-", "/", ".", " "]
        .iter()
        .any(|separator| cursor.take(separator))
        .then_some(())
}

fn separators(cursor: &mut Cursor<'_>) {
    cursor.text = cursor.text.trim_start_matches(['-', '/', '.', ',', ' ']);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn dates(field: &str, format: Option<&str>) -> Result<String, String> {
        let options = Options {
            date_format: format.map(str::to_owned),
            ..Options::default()
        };
        convert(Kind::Date, field, &options)
            .map_err(|fault| format!("{} {}", fault.code, fault.message))
    }

    fn times(field: &str, format: Option<&str>, kind: Kind) -> Result<String, String> {
        let options = Options {
            time_format: format.map(str::to_owned),
            ..Options::default()
        };
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
        assert_eq!(
            times(field, format, Kind::Timestamp).as_deref(),
            Ok(expected)
        );
    }

    #[test_case("2013-01-01 10:00:00+02", None, "2013-01-01 10:00:00+02"; "default with zone")]
    #[test_case("2013-01-01 10:00:00", None, "2013-01-01 10:00:00+00"; "no zone is UTC")]
    #[test_case("2013-01-01T10:00:00-08:00", Some("auto"), "2013-01-01 10:00:00-08:00"; "iso")]
    fn moments_with_zones(field: &str, format: Option<&str>, expected: &str) {
        assert_eq!(
            times(field, format, Kind::TimestampTz).as_deref(),
            Ok(expected)
        );
    }

    #[test_case("2013-01-01T10:00:00Z", None, "1206 Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"; "iso needs auto")]
    #[test_case("2013-01-01 25:00:00", Some("auto"), "1206 Invalid timestamp format or value [auto]"; "no such hour")]
    #[test_case("soon", Some("epochsecs"), "1206 Invalid timestamp format or value [epochsecs]"; "no number")]
    fn wrong_moments(field: &str, format: Option<&str>, expected: &str) {
        assert_eq!(
            times(field, format, Kind::Timestamp),
            Err(expected.to_owned())
        );
    }
}
