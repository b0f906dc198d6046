//! Exact sums of decimal numbers, so that two ways of adding the same numbers cannot differ by rounding.
//!
//! Never rounds: it refuses a number that it cannot hold exactly.

use std::fmt;
use std::str::FromStr;

/// How many digits after the point are held. The example data have 16.
const SCALE: i32 = 18;

/// A decimal number, held as a multiple of 10^-18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decimal(i128);

/// The text is not a decimal number, or has too many digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number of at most 18 digits on either side of the point")]
pub(crate) struct NotDecimal;

impl From<i64> for Decimal {
    fn from(whole: i64) -> Self {
        Self(i128::from(whole) * 10_i128.pow(SCALE.unsigned_abs()))
    }
}

impl Decimal {
    /// The sum, or `None` if it is too large to hold: above about 10^20.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

/// Reads `12`, `-0.5`, `1e3`.
impl FromStr for Decimal {
    type Err = NotDecimal;

    fn from_str(text: &str) -> Result<Self, NotDecimal> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse().map_err(|_| NotDecimal)?),
            None => (text, 0_i32),
        };
        let (negative, digits) = match digits.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, digits.strip_prefix('+').unwrap_or(digits)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(NotDecimal);
        }
        let fraction = fraction.trim_end_matches('0');
        let length = i32::try_from(fraction.len()).map_err(|_| NotDecimal)?;
        let power = exponent.checked_sub(length).and_then(|power| power.checked_add(SCALE)).ok_or(NotDecimal)?;
        let mut value: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or(NotDecimal)?;
            value = value.checked_mul(10).and_then(|value| value.checked_add(digit.into())).ok_or(NotDecimal)?;
        }
        let value = scaled(value, power).ok_or(NotDecimal)?;
        Ok(Self(if negative { -value } else { value }))
    }
}

/// `value` times 10 to the `power`, if that is whole and not too large.
fn scaled(value: i128, power: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    if power >= 0 {
        return value.checked_mul(factor);
    }
    (value % factor == 0).then_some(value / factor)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u128.pow(SCALE.unsigned_abs());
        let (whole, fraction) = (self.0.unsigned_abs() / unit, self.0.unsigned_abs() % unit);
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}")?;
        if fraction > 0 {
            let digits = format!("{fraction:018}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("0", "0")]
    #[test_case("-0.50", "-0.5"; "a fraction below zero")]
    #[test_case("+12.0", "12"; "a plus sign")]
    #[test_case("1e3", "1000"; "an exponent")]
    #[test_case("1012.3", "1012.3")]
    #[test_case("125e-2", "1.25"; "an exponent below zero")]
    #[test_case(".5", "0.5"; "no whole part")]
    #[test_case("10.357019999999999", "10.357019999999999"; "sixteen digits")]
    #[test_case("0.000000000000000001", "0.000000000000000001"; "the smallest")]
    #[test_case("0e99", "0"; "zero with an exponent")]
    fn reads_and_writes(text: &str, expected: &str) {
        assert_eq!(text.parse::<Decimal>().unwrap().to_string(), expected);
    }

    #[test_case("")]
    #[test_case("-")]
    #[test_case(".")]
    #[test_case("9E"; "a carrier")]
    #[test_case("1.2.3")]
    #[test_case("0x1")]
    #[test_case("1 ")]
    #[test_case("nan")]
    #[test_case("0.0000000000000000001"; "too fine")]
    #[test_case("1e40"; "too large")]
    #[test_case("1e-99999999999"; "an exponent that is too large")]
    #[test_case("1e-2147483648"; "the smallest exponent")]
    fn refuses(text: &str) {
        assert_eq!(text.parse::<Decimal>(), Err(NotDecimal));
    }

    #[test]
    fn adds_exactly() {
        let tenth: Decimal = "0.1".parse().unwrap();
        let sum = (0..10).try_fold(Decimal::default(), |sum, _| sum.plus(tenth));
        assert_eq!(sum, Some(Decimal::from(1)));
    }
}
