//! Reads the fields of one TOML table, each as the type it must have, and reports what is unknown, missing or of
//! another type.
//!
//! Never decides what a value means. Serde's derive would say less: it stops at the first error and loses the path.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::problem::{Report, Spot, did_you_mean, shown};

/// A table whose fields are all known.
#[derive(Debug)]
pub struct Section<'d> {
    /// The table's own place.
    pub spot: Spot,
    table: &'d DeTable<'d>,
}

/// Fields of another table, and where that is.
pub type Place<'p> = (&'p [&'p str], &'p str);

/// Where a field belongs that is unknown where it stands.
#[must_use]
pub fn right_place(name: &str, known: &[&str], elsewhere: &[Place<'_>]) -> String {
    let place = elsewhere.iter().find(|(fields, _)| fields.contains(&name));
    place.map_or_else(|| did_you_mean(name, known), |(_, place)| format!("write it {place}"))
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// Where it stands.
    pub spot: Spot,
    /// What stands there.
    pub value: T,
}

impl<T> Entry<T> {
    /// The same place with another value.
    pub fn with<U>(&self, value: U) -> Entry<U> {
        Entry { spot: self.spot.clone(), value }
    }
}

impl<'d> Section<'d> {
    /// The document itself.
    pub(super) fn root(table: &'d DeTable<'d>) -> Self {
        Self { spot: Spot { path: String::new(), span: 0..0 }, table }
    }

    /// Reports each field that is not in `known`. A field of `elsewhere` is sent where it belongs: in TOML, what stands
    /// below a table's header belongs to that table.
    pub fn only(&self, known: &[&str], elsewhere: &[Place<'_>], report: &mut Report<'_>) {
        for name in self.names().filter(|name| !known.contains(&name.value)) {
            report.add(&name.spot, "unknown field", right_place(name.value, known, elsewhere));
        }
    }

    /// The names that the text has in this table.
    pub fn names(&self) -> impl Iterator<Item = Entry<&'d str>> {
        self.table.keys().map(|name| Entry { spot: self.spot_of(name), value: name.get_ref().as_ref() })
    }

    /// Whether the text has this field.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// The field's value, whatever its type.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Entry<&'d DeValue<'d>>> {
        let (key, value) = self.table.get_key_value(name)?;
        Some(Entry { spot: self.spot_of(key), value: value.get_ref() })
    }

    /// A field of text.
    pub fn text(&self, name: &str, report: &mut Report<'_>) -> Option<Entry<&'d str>> {
        let entry = self.value(name)?;
        entry.value.as_str().map(|text| entry.with(text)).or_else(|| mistyped(&entry, "a text in quotes", report))
    }

    /// A field of text that must be there; `example` shows what it looks like.
    pub fn needed(&self, name: &str, example: &str, report: &mut Report<'_>) -> Option<Entry<&'d str>> {
        if !self.has(name) {
            report.add(&self.spot_at(name), "missing", format!("write {name} = {example}"));
        }
        self.text(name, report)
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str, report: &mut Report<'_>) -> Option<Entry<bool>> {
        let entry = self.value(name)?;
        entry.value.as_bool().map(|flag| entry.with(flag)).or_else(|| mistyped(&entry, "true or false", report))
    }

    /// A whole number.
    pub fn whole(&self, name: &str, report: &mut Report<'_>) -> Option<Entry<i64>> {
        let entry = self.value(name)?;
        let whole = entry.value.as_integer().and_then(integer);
        whole.map(|whole| entry.with(whole)).or_else(|| mistyped(&entry, "a whole number", report))
    }

    /// A whole number in a range.
    pub fn count<T>(&self, name: &str, range: RangeInclusive<T>, report: &mut Report<'_>) -> Option<Entry<T>>
    where
        T: TryFrom<i64> + PartialOrd + Copy + Display,
    {
        let number = self.whole(name, report)?;
        let count = T::try_from(number.value).ok().filter(|count| range.contains(count));
        if count.is_none() {
            let remedy = format!("write {} to {}", range.start(), range.end());
            report.add(&number.spot, format!("{} is out of range", number.value), remedy);
        }
        count.map(|count| number.with(count))
    }

    /// A list of texts; empty where there is none.
    pub fn texts(&self, name: &str, report: &mut Report<'_>) -> Vec<Entry<&'d str>> {
        let Some(entry) = self.value(name) else { return Vec::new() };
        let Some(items) = entry.value.as_array() else {
            return mistyped(&entry, "a list of texts, such as [\"…\", \"…\"]", report).unwrap_or_default();
        };
        let item = |(index, item): (usize, &'d Spanned<DeValue<'d>>)| {
            let path = format!("{}[{index}]", entry.spot.path);
            let item = Entry { spot: Spot { path, span: item.span() }, value: item.get_ref() };
            item.value.as_str().map(|text| item.with(text)).or_else(|| mistyped(&item, "a text in quotes", report))
        };
        items.iter().enumerate().filter_map(item).collect()
    }

    /// A table of its own.
    pub fn section(&self, name: &str, report: &mut Report<'_>) -> Option<Section<'d>> {
        let entry = self.value(name)?;
        let Some(table) = entry.value.as_table() else {
            return mistyped(&entry, &format!("a table: [{}]", entry.spot.path), report);
        };
        Some(Section { spot: entry.spot, table })
    }

    /// A list of tables, each called by its `name` where it has one.
    pub fn sections(&self, name: &str, report: &mut Report<'_>) -> Vec<Section<'d>> {
        let Some(entry) = self.value(name) else { return Vec::new() };
        let expected = format!("a table for each, under [[{name}]]");
        let Some(items) = entry.value.as_array() else {
            return mistyped(&entry, &expected, report).unwrap_or_default();
        };
        let item = |(index, item): (usize, &'d Spanned<DeValue<'d>>)| {
            let table = item.get_ref().as_table();
            let called = table.and_then(|table| table.get("name")?.get_ref().as_str()).filter(|name| !name.is_empty());
            let called = called.map_or_else(|| format!("#{}", index + 1), |name| name.escape_debug().to_string());
            let spot = Spot { path: format!("{}[{called}]", entry.spot.path), span: item.span() };
            let Some(table) = table else {
                return mistyped(&Entry { spot, value: item.get_ref() }, &expected, report);
            };
            Some(Section { spot, table })
        };
        items.iter().enumerate().filter_map(item).collect()
    }

    /// The place of a field that may not be there: its own, or else its table's.
    #[must_use]
    pub fn spot_at(&self, name: &str) -> Spot {
        let span = self.table.get_key_value(name).map_or_else(|| self.spot.span.clone(), |(key, _)| key.span());
        Spot { path: self.path_of(name), span }
    }

    fn spot_of(&self, name: &Spanned<std::borrow::Cow<'_, str>>) -> Spot {
        Spot { path: self.path_of(name.get_ref()), span: name.span() }
    }

    fn path_of(&self, name: &str) -> String {
        // A quoted TOML key may have any characters; a path stays on one line.
        let name = name.escape_debug();
        if self.spot.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.spot.path) }
    }
}

/// One of a few words.
pub fn read_word<T: Copy>(
    section: &Section<'_>,
    field: &str,
    words: &[(&str, T)],
    report: &mut Report<'_>,
) -> Option<T> {
    let text = section.text(field, report)?;
    let found = words.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        report.add(&text.spot, format!("{} is not known here", shown(text.value)), did_you_mean(text.value, &known));
    }
    found.map(|(_, value)| *value)
}

/// Reports a value of another type than `expected`.
pub fn mistyped<T>(entry: &Entry<&DeValue<'_>>, expected: &str, report: &mut Report<'_>) -> Option<T> {
    let what = match entry.value {
        DeValue::Integer(_) => "a number out of place",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false out of place",
        DeValue::String(_) => "a text out of place",
        DeValue::Datetime(_) => "a date or time out of place",
        DeValue::Array(_) => "a list out of place",
        DeValue::Table(_) => "a table out of place",
    };
    report.add(&entry.spot, what, format!("write {expected}"));
    None
}

/// The number, where it fits into 64 bits.
#[must_use]
pub fn integer(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
