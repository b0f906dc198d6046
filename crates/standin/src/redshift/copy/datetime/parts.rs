//! A date and a time of day, read piece by piece.
//!
//! Never accepts a day that does not exist.

use jiff::civil::Date;

/// The parts found in a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) year: i32,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) fraction: String,
    pub(super) afternoon: Option<bool>,
    pub(super) zone: String,
}

impl Parts {
    pub(super) fn day_of(&self) -> Option<Date> {
        let number = |value: u32| i8::try_from(value).ok();
        Date::new(i16::try_from(self.year).ok()?, number(self.month)?, number(self.day)?).ok()
    }

    pub(super) fn date(&self) -> Option<String> {
        self.day_of().map(|day| day.to_string())
    }

    pub(super) fn clock_text(&self) -> Option<String> {
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

    pub(super) fn timestamp(&self, zoned: bool) -> Option<String> {
        let zone = match (zoned, self.zone.as_str()) {
            (false, _) => "",
            (true, "") => "+00",
            (true, zone) => zone,
        };
        Some(format!("{} {}{zone}", self.date()?, self.clock_text()?))
    }
}

/// The rest of a field, and the parts found so far.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) parts: Parts,
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
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self.text.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.text.split_at_checked(length)?;
        let value = digits.parse().ok().filter(|_| length >= least)?;
        self.text = rest;
        Some(value)
    }

    pub(super) fn take(&mut self, prefix: &str) -> bool {
        match self.text.strip_prefix(prefix) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn month_name(&mut self) -> Option<u32> {
        let length = self.text.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = self.text[..length].to_ascii_lowercase();
        let month = MONTHS.iter().position(|month| word.len() >= 3 && (month[..3] == word || *month == word))?;
        self.text = &self.text[length..];
        u32::try_from(month + 1).ok()
    }

    pub(super) fn fraction(&mut self) {
        if self.text.starts_with('.') && self.text[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let length = self.text[1..].bytes().take_while(u8::is_ascii_digit).count();
            self.parts.fraction = self.text[1..=length].to_owned();
            self.text = &self.text[length + 1..];
        }
    }

    /// `HH:MI[:SS[.ffffff]] [AM|PM]`.
    pub(super) fn clock(&mut self) -> Option<()> {
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

    pub(super) fn half_day(&mut self) {
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
    pub(super) fn zone(&mut self) {
        let rest = self.text.trim_start();
        if let Some(after) = ["Z", "z", "UTC", "GMT"].iter().find_map(|zone| rest.strip_prefix(zone)) {
            self.parts.zone.push_str("+00");
            self.text = after;
        } else if rest.starts_with(['+', '-']) {
            let length = rest.bytes().skip(1).take_while(|byte| byte.is_ascii_digit() || *byte == b':').count() + 1;
            if (2..=6).contains(&length) {
                self.parts.zone = rest[..length].to_owned();
                self.text = &rest[length..];
            }
        }
    }

    pub(super) fn finish(self) -> Option<Parts> {
        self.text.trim().is_empty().then_some(self.parts)
    }
}
