//! Fields that the protocols write differently: numbers and timestamps that may arrive as text.
//!
//! Never validates a value: the operation decides what is allowed.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// A number. NaN and the infinities arrive as text, because JSON cannot write them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| D::Error::custom(format!("{value} is not a number")))
    }
}

impl Number {
    /// The number, if it is whole.
    pub(super) fn whole(self) -> Option<i64> {
        #[allow(clippy::cast_possible_truncation, reason = "checked by the comparison")]
        let whole = self.0 as i64;
        #[allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "whole numbers in this range are exact")]
        let exact = whole as f64 == self.0;
        exact.then_some(whole)
    }
}

/// A timestamp: seconds since 1970, or ISO 8601.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let moment = match &value {
            Value::Number(number) => number.as_f64().and_then(from_seconds),
            Value::String(text) => iso(text),
            _ => None,
        };
        moment.map(Self).ok_or_else(|| D::Error::custom(format!("{value} is not a moment")))
    }
}

fn from_seconds(seconds: f64) -> Option<Timestamp> {
    #[allow(clippy::cast_possible_truncation, reason = "out of range becomes the end of the range, which is refused")]
    let milliseconds = (seconds * 1000.0).round() as i64;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// ISO 8601 as SDKs write it. Without a zone it is UTC.
fn iso(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok()).or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

/// A boolean, which may arrive as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(flag) => Ok(Self(flag)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Self(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Self(false)),
            other => Err(D::Error::custom(format!("{other} is neither true nor false"))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    #[test_case(json!(1.5) => Some(1.5); "a number")]
    #[test_case(json!("1.5") => Some(1.5); "text")]
    #[test_case(json!("many") => None; "no number")]
    #[test_case(json!([1]) => None; "a list")]
    fn a_number_is_read_from(value: Value) -> Option<f64> {
        serde_json::from_value::<Number>(value).ok().map(|number| number.0)
    }

    #[test_case(json!(1.25); "seconds")]
    #[test_case(json!("1970-01-01T00:00:01.25Z"); "iso")]
    #[test_case(json!("1970-01-01T00:00:01.250000+00:00"); "iso with an offset")]
    #[test_case(json!("1970-01-01T00:00:01.25"); "iso without a zone")]
    fn a_moment_is_read_from(value: Value) {
        let moment: Moment = serde_json::from_value(value).unwrap();
        assert_eq!(moment.0.as_millisecond(), 1250);
    }
}
