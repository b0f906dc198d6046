//! Converts one value of a Parquet file: checked for its column, written as PostgreSQL's COPY reads it.
//!
//! Never knows files or rows. See [`super`] for the meaning of *seen* and the other marks.
//!
//! One file, because it is one conversion for each type, and half of it is their tests.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span};
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};

use super::super::columns::{Column, Kind};
use super::super::convert;
use super::super::parse::Options;
use super::refusal::Fault;
use super::schema::How;

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Value,
    Null,
}

/// The longest string in a SUPER, in bytes. *Seen*.
const SUPER_STRING: usize = 65_535;
/// The Julian day of 1970-01-01.
const EPOCH: i64 = 2_440_588;
const DAY: i128 = 86_400;

/// A value of any physical type.
pub(super) trait Value {
    /// Writes the value to `out`. The schema has already accepted its type.
    fn write(&self, how: How, column: &Column, options: &Options, out: &mut Vec<u8>) -> Result<Written, Fault>;
}

impl Value for bool {
    fn write(&self, how: How, _: &Column, _: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
        let text = match (how, self) {
            (How::Super, value) => value.to_string(),
            (_, true) => "t".to_owned(),
            (_, false) => "f".to_owned(),
        };
        Ok(written(&text, out))
    }
}

impl Value for i32 {
    fn write(&self, how: How, column: &Column, options: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
        match how {
            How::Date => date(i64::from(*self)).map(|text| written(&text, out)),
            How::Decimal(scale) => decimal(i128::from(*self), scale, column, options, out),
            // Numbers that SMALLINT cannot hold: *inferred*.
            How::Plain => checked(column.kind, self.to_string().as_bytes(), options, out),
            _ => Ok(written(&self.to_string(), out)),
        }
    }
}

impl Value for i64 {
    fn write(&self, how: How, column: &Column, options: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
        match how {
            How::Timestamp(unit) => timestamp(column, i128::from(*self), unit).map(|text| written(&text, out)),
            How::Decimal(scale) => decimal(i128::from(*self), scale, column, options, out),
            _ => Ok(written(&self.to_string(), out)),
        }
    }
}

impl Value for Int96 {
    fn write(&self, _: How, column: &Column, _: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
        let data = self.data();
        let (low, high, day) = (i128::from(data[0]), i128::from(data[1]), i64::from(data[2]));
        let since = i128::from(day - EPOCH) * DAY * 1_000_000_000 + (high << 32) + low;
        timestamp(column, since, 1_000_000_000).map(|text| written(&text, out))
    }
}

impl Value for f32 {
    fn write(&self, how: How, _: &Column, _: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
        Ok(float(&self.to_string(), self.is_finite(), how, out))
    }
}

impl Value for f64 {
    fn write(&self, how: How, _: &Column, _: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
        Ok(float(&self.to_string(), self.is_finite(), how, out))
    }
}

impl Value for ByteArray {
    fn write(&self, how: How, column: &Column, options: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
        match how {
            How::Decimal(scale) => decimal(unscaled(self.data())?, scale, column, options, out),
            How::Super => string(self.data(), out),
            _ => checked(column.kind, self.data(), options, out),
        }
    }
}

impl Value for FixedLenByteArray {
    fn write(&self, how: How, column: &Column, options: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
        ByteArray::from(self.data().to_vec()).write(how, column, options, out)
    }
}

fn written(text: &str, out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(text.as_bytes());
    Written::Value
}

/// Checks a value as the other formats do, except for null strings: a string here is never null.
fn checked(kind: Kind, field: &[u8], options: &Options, out: &mut Vec<u8>) -> Result<Written, Fault> {
    match (convert::value(kind, field, options, out), kind) {
        (Ok(()), _) => Ok(Written::Value),
        (Err(fault), Kind::Char(limit) | Kind::Varchar(limit)) if fault.code == convert::TOO_LONG => {
            Err(Fault::TooLong { limit, length: field.len() })
        }
        (Err(fault), _) => Err(Fault::Value(fault.message)),
    }
}

/// JSON cannot write numbers that are not finite. That SUPER stores null for them is *inferred*.
fn float(text: &str, finite: bool, how: How, out: &mut Vec<u8>) -> Written {
    if how == How::Super && !finite { Written::Null } else { written(text, out) }
}

/// The number in big-endian two's complement bytes.
fn unscaled(bytes: &[u8]) -> Result<i128, Fault> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let sign = if negative { 0xff } else { 0 };
    let mut whole = [sign; 16];
    let extra = bytes.len().saturating_sub(whole.len());
    if bytes[..extra].iter().any(|byte| *byte != sign) {
        return Err(Fault::Value("Decimal value of more than 38 digits".to_owned()));
    }
    let kept = &bytes[extra..];
    let begin = whole.len() - kept.len();
    whole[begin..].copy_from_slice(kept);
    Ok(i128::from_be_bytes(whole))
}

fn decimal(
    unscaled: i128,
    scale: u32,
    column: &Column,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<Written, Fault> {
    let scale = scale as usize;
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    // The number may have more digits than its own type allows: *inferred*.
    checked(column.kind, format!("{sign}{whole}.{fraction}").as_bytes(), options, out)
}

fn date(days: i64) -> Result<String, Fault> {
    civil(days).map(|date| format!("{}{}", year_first(date), era(date)))
}

/// UTC, whether the file says so or not (*inferred*). Digits below a microsecond are cut off (*inferred*).
fn timestamp(column: &Column, since: i128, unit: u32) -> Result<String, Fault> {
    let unit = i128::from(unit);
    let (seconds, fraction) = (since.div_euclid(unit), since.rem_euclid(unit));
    let days = i64::try_from(seconds.div_euclid(DAY)).map_err(|_| out_of_range())?;
    let second = i64::try_from(seconds.rem_euclid(DAY)).unwrap_or_default();
    let date = civil(days)?;
    let time = DateTime::from_parts(date, Time::midnight())
        .checked_add(SignedDuration::from_secs(second))
        .map_err(|_| out_of_range())?;
    let micros = fraction * 1_000_000 / unit;
    let zone = if column.kind == Kind::TimestampTz { "+00" } else { "" };
    Ok(format!("{} {}.{micros:06}{zone}{}", year_first(date), time.time().strftime("%H:%M:%S"), era(date)))
}

fn civil(days: i64) -> Result<Date, Fault> {
    let epoch = Date::constant(1970, 1, 1);
    let days = Span::new().try_days(days).map_err(|_| out_of_range())?;
    epoch.checked_add(days).map_err(|_| out_of_range())
}

/// PostgreSQL counts the years BC from 1 and has no year 0.
fn year_first(date: Date) -> String {
    let year = if date.year() > 0 { date.year() } else { 1 - date.year() };
    format!("{year:04}-{:02}-{:02}", date.month(), date.day())
}

fn era(date: Date) -> &'static str {
    if date.year() > 0 { "" } else { " BC" }
}

fn out_of_range() -> Fault {
    Fault::Value("Date or timestamp value out of range".to_owned())
}

/// In a SUPER a string stays a string, whatever it contains: *inferred* from the error about its length.
fn string(bytes: &[u8], out: &mut Vec<u8>) -> Result<Written, Fault> {
    if bytes.len() > SUPER_STRING {
        return Err(Fault::TooLongForSuper);
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Fault::Value("String contains invalid or unsupported UTF8 codepoints".to_owned()))?;
    convert::escape(serde_json::Value::from(text).to_string().as_bytes(), out);
    Ok(Written::Value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn column(kind: Kind) -> Column {
        Column { name: "c".to_owned(), kind, not_null: false, identity: false }
    }

    fn text(value: &impl Value, how: How, kind: Kind) -> Result<String, Fault> {
        let mut out = Vec::new();
        let written = value.write(how, &column(kind), &Options::default(), &mut out)?;
        assert_eq!(written, Written::Value);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test_case(-32768, Ok("-32768"))]
    #[test_case(32768, Err("Overflow (Short valid range -32768 to 32767)"))]
    fn a_smallint_has_two_bytes_although_the_file_has_four(value: i32, expected: Result<&str, &str>) {
        let found = text(&value, How::Plain, Kind::Short);
        assert_eq!(found, expected.map(str::to_owned).map_err(|message| Fault::Value(message.to_owned())));
    }

    #[test_case(0, "1970-01-01")]
    #[test_case(-1, "1969-12-31")]
    #[test_case(-719_162, "0001-01-01")]
    #[test_case(-719_163, "0001-12-31 BC"; "the year before 1")]
    #[test_case(2_932_896, "9999-12-31")]
    fn dates(days: i32, expected: &str) {
        assert_eq!(text(&days, How::Date, Kind::Date).as_deref(), Ok(expected));
    }

    #[test]
    fn a_date_that_nobody_can_write() {
        let error = Fault::Value("Date or timestamp value out of range".to_owned());
        assert_eq!(text(&i32::MAX, How::Date, Kind::Date), Err(error.clone()));
        assert_eq!(text(&i64::MIN, How::Timestamp(1_000), Kind::Timestamp), Err(error));
    }

    #[test_case(0, 1_000, "1970-01-01 00:00:00.000000")]
    #[test_case(-1, 1_000, "1969-12-31 23:59:59.999000"; "a millisecond before")]
    #[test_case(-1, 1_000_000, "1969-12-31 23:59:59.999999"; "a microsecond before")]
    #[test_case(-1, 1_000_000_000, "1969-12-31 23:59:59.999999"; "a nanosecond before")]
    #[test_case(1_999, 1_000_000_000, "1970-01-01 00:00:00.000001"; "cut off")]
    #[test_case(253_402_300_799_999, 1_000, "9999-12-31 23:59:59.999000"; "the end of time")]
    #[test_case(-62_135_596_800_001, 1_000, "0001-12-31 23:59:59.999000 BC"; "before its beginning")]
    fn timestamps(since: i64, unit: u32, expected: &str) {
        assert_eq!(text(&since, How::Timestamp(unit), Kind::Timestamp).as_deref(), Ok(expected));
    }

    #[test]
    fn a_timestamp_with_a_zone_is_in_utc() {
        let found = text(&0_i64, How::Timestamp(1_000), Kind::TimestampTz);
        assert_eq!(found.as_deref(), Ok("1970-01-01 00:00:00.000000+00"));
    }

    #[test]
    fn int96_counts_julian_days_and_nanoseconds() {
        let mut value = Int96::new();
        let nanoseconds = 86_399_999_999_999_u64;
        value.set_data((nanoseconds & 0xffff_ffff) as u32, (nanoseconds >> 32) as u32, 2_440_587);
        let found = text(&value, How::Timestamp(1_000_000_000), Kind::Timestamp);
        assert_eq!(found.as_deref(), Ok("1969-12-31 23:59:59.999999"));
    }

    #[test_case(&[0x00], "0.00")]
    #[test_case(&[0xff], "-0.01")]
    #[test_case(&[0x04, 0xd2], "12.34")]
    #[test_case(&[0xfb, 0x2e], "-12.34")]
    #[test_case(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x04, 0xd2], "12.34"; "zeros in front")]
    #[test_case(&[], "0.00"; "no byte at all")]
    fn decimals_in_bytes(bytes: &[u8], expected: &str) {
        let kind = Kind::Decimal { precision: 6, scale: 2 };
        assert_eq!(text(&ByteArray::from(bytes.to_vec()), How::Decimal(2), kind).as_deref(), Ok(expected));
        let fixed = FixedLenByteArray::from(ByteArray::from(bytes.to_vec()));
        assert_eq!(text(&fixed, How::Decimal(2), kind).as_deref(), Ok(expected));
    }

    #[test]
    fn decimals_in_numbers() {
        let kind = Kind::Decimal { precision: 6, scale: 2 };
        assert_eq!(text(&-5_i32, How::Decimal(2), kind).as_deref(), Ok("-0.05"));
        assert_eq!(text(&999_999_i64, How::Decimal(2), kind).as_deref(), Ok("9999.99"));
        let over = Fault::Value("Overflow for NUMERIC(6,2)".to_owned());
        assert_eq!(text(&1_000_000_i64, How::Decimal(2), kind), Err(over));
        assert_eq!(text(&7_i64, How::Decimal(0), Kind::Decimal { precision: 6, scale: 0 }).as_deref(), Ok("7"));
        assert!(text(&ByteArray::from(vec![1; 17]), How::Decimal(2), kind).is_err());
        let (kind, most) = (Kind::Decimal { precision: 38, scale: 0 }, 10_i128.pow(38) - 1);
        let found = text(&ByteArray::from((-most).to_be_bytes().to_vec()), How::Decimal(0), kind);
        assert_eq!(found, Ok(format!("-{most}")));
    }

    #[test]
    fn strings_are_measured_in_bytes_and_are_never_null() {
        let string = |text: &str| ByteArray::from(text.as_bytes().to_vec());
        assert_eq!(text(&string("é\t"), How::Plain, Kind::Varchar(3)).as_deref(), Ok("é\\t"));
        let long = Fault::TooLong { limit: 3, length: 4 };
        assert_eq!(text(&string("éé"), How::Plain, Kind::Varchar(3)), Err(long.clone()));
        assert_eq!(text(&string("abcd"), How::Plain, Kind::Char(3)), Err(long));
        assert_eq!(text(&string("\\N"), How::Plain, Kind::Varchar(3)).as_deref(), Ok("\\\\N"));
        assert_eq!(text(&string(""), How::Plain, Kind::Varchar(3)).as_deref(), Ok(""));
        assert!(matches!(text(&string("é"), How::Plain, Kind::Char(3)), Err(Fault::Value(_))));
    }

    #[test]
    fn what_is_no_utf_8_is_refused_or_replaced_byte_by_byte() {
        let value = ByteArray::from(b"a\xe2\x82".to_vec());
        let refused = text(&value, How::Plain, Kind::Varchar(3)).unwrap_err();
        assert!(matches!(&refused, Fault::Value(message) if message.contains("e2 82")), "{refused:?}");
        let options = Options { accept_inv_chars: Some(b'^'), ..Options::default() };
        let mut out = Vec::new();
        value.write(How::Plain, &column(Kind::Varchar(3)), &options, &mut out).unwrap();
        assert_eq!(out, b"a^^");
    }

    #[test]
    fn scalars_in_a_super() {
        assert_eq!(text(&true, How::Super, Kind::Super).as_deref(), Ok("true"));
        assert_eq!(text(&-7_i64, How::Super, Kind::Super).as_deref(), Ok("-7"));
        assert_eq!(text(&0.5_f32, How::Super, Kind::Super).as_deref(), Ok("0.5"));
        let string = ByteArray::from(b"{\"a\"}".to_vec());
        assert_eq!(text(&string, How::Super, Kind::Super).as_deref(), Ok(r#""{\\"a\\"}""#));
        let long = ByteArray::from(vec![b'x'; SUPER_STRING + 1]);
        assert_eq!(text(&long, How::Super, Kind::Super), Err(Fault::TooLongForSuper));
        let nothing = f64::NAN.write(How::Super, &column(Kind::Super), &Options::default(), &mut Vec::new());
        assert_eq!(nothing, Ok(Written::Null));
        assert_eq!(text(&f64::NAN, How::Plain, Kind::Double).as_deref(), Ok("NaN"));
    }
}
