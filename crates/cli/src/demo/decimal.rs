//! Exact decimal numbers, so that two ways of adding the same numbers cannot differ by rounding.
//!
//! Never rounds, and never reads a number that would be costly to add: a text such as `1e999999999` is not a number
//! here.

use bigdecimal::BigDecimal;

/// How many digits a number may have after the point. The example data have 16.
const PLACES: i64 = 18;
/// How many zeros may stand between a number's last other digit and the point.
const ZEROS: i64 = 20;
/// How many digits a number may have in all.
const DIGITS: u64 = 38;

/// Reads `12`, `-0.5`, `1e3`. `None` if the text is not such a number, or one with too many digits.
pub(crate) fn read(text: &str) -> Option<BigDecimal> {
    let number: BigDecimal = text.parse().ok()?;
    // `normalized` overflows with the largest exponents.
    if text.contains('_') || number.fractional_digit_count().unsigned_abs() > 1000 {
        return None;
    }
    let number = number.normalized();
    let fits = (-ZEROS..=PLACES).contains(&number.fractional_digit_count()) && number.digits() <= DIGITS;
    fits.then_some(number)
}

/// Writes a number without an exponent, and without zeros at its end.
pub(crate) fn plain(number: &BigDecimal) -> String {
    number.normalized().to_plain_string()
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
        assert_eq!(plain(&read(text).unwrap()), expected);
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
        assert_eq!(read(text), None);
    }

    #[test]
    fn adds_exactly() {
        let tenth = read("0.1").unwrap();
        let sum = (0..10).fold(BigDecimal::default(), |sum, _| sum + &tenth);
        assert_eq!(sum, BigDecimal::from(1));
    }
}
