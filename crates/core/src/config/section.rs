//! Reads the fields of one TOML table, each as the type it must have, and reports what is unknown, missing or of
//! another type.
//!
//! Never decides what a value means. Serde's derive would report less: it stops at the first error and loses the path.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::problem::{Report, Spot, did_you_mean, shown};

/// A table whose fields are all known.
#[derive(Debug)]
pub struct Section<'d> {
    /// The table's own place.
    pub spot: Spot,
    table: &'d DeTable<'d>,
}

/// Fields of another table, and where that table is.
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

    fn of(table: Entry<&'d DeTable<'d>>) -> Self {
        Self { spot: table.spot, table: table.value }
    }

    /// Reports each field that is not in `known`. For a field of `elsewhere` the report names the right table: in TOML,
    /// what stands below a table's header belongs to that table.
    pub fn only(&self, known: &[&str], elsewhere: &[Place<'_>], report: &mut Report<'_>) {
        for name in self.names().filter(|name| !known.contains(&name.value)) {
            report.add(&name.spot, "unknown field", right_place(name.value, known, elsewhere));
        }
    }

    /// The names that the text has in this table.
    pub fn names(&self) -> impl Iterator<Item = Entry<&'d str>> {
        self.table.keys().map(|name| Entry { spot: self.spot_at(name.get_ref()), value: name.get_ref().as_ref() })
    }

    /// Whether the text has this field.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// The field's value, whatever its type.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Entry<&'d DeValue<'d>>> {
        let value = self.table.get(name)?.get_ref();
        Some(Entry { spot: self.spot_at(name), value })
    }

    /// A field of text.
    pub fn text(&self, name: &str, report: &mut Report<'_>) -> Option<Entry<&'d str>> {
        typed(&self.value(name)?, DeValue::as_str, "a text in quotes", report)
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
        typed(&self.value(name)?, DeValue::as_bool, "true or false", report)
    }

    /// A whole number.
    pub fn whole(&self, name: &str, report: &mut Report<'_>) -> Option<Entry<i64>> {
        typed(&self.value(name)?, |value| value.as_integer().and_then(integer), "a whole number", report)
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
        let Some(list) = self.list(name, "a list of texts, such as [\"…\", \"…\"]", report) else {
            return Vec::new();
        };
        let item = |(index, item): (usize, &'d Spanned<DeValue<'d>>)| {
            let spot = Spot { path: format!("{}[{index}]", list.spot.path), span: item.span() };
            typed(&Entry { spot, value: item.get_ref() }, DeValue::as_str, "a text in quotes", report)
        };
        list.value.iter().enumerate().filter_map(item).collect()
    }

    /// A table of its own.
    pub fn section(&self, name: &str, report: &mut Report<'_>) -> Option<Section<'d>> {
        let entry = self.value(name)?;
        let expected = format!("a table: [{}]", entry.spot.path);
        typed(&entry, DeValue::as_table, &expected, report).map(Section::of)
    }

    /// A list of tables, each called by its `name` where it has one.
    pub fn sections(&self, name: &str, report: &mut Report<'_>) -> Vec<Section<'d>> {
        let expected = format!("a table for each, under [[{name}]]");
        let Some(list) = self.list(name, &expected, report) else { return Vec::new() };
        let item = |(index, item): (usize, &'d Spanned<DeValue<'d>>)| {
            let name = item.get_ref().as_table().and_then(|table| table.get("name")?.get_ref().as_str());
            let name = name.filter(|name| !name.is_empty()).map(|name| name.escape_debug().to_string());
            let name = name.unwrap_or_else(|| format!("#{}", index + 1));
            let spot = Spot { path: format!("{}[{name}]", list.spot.path), span: item.span() };
            typed(&Entry { spot, value: item.get_ref() }, DeValue::as_table, &expected, report).map(Section::of)
        };
        list.value.iter().enumerate().filter_map(item).collect()
    }

    fn list(&self, name: &str, expected: &str, report: &mut Report<'_>) -> Option<Entry<&'d DeArray<'d>>> {
        typed(&self.value(name)?, DeValue::as_array, expected, report)
    }

    /// The place of a field, or else of its table.
    #[must_use]
    pub fn spot_at(&self, name: &str) -> Spot {
        let span = self.table.get_key_value(name).map_or_else(|| self.spot.span.clone(), |(key, _)| key.span());
        // A quoted TOML key may have any characters; a path stays on one line.
        let name = name.escape_debug();
        let path = if self.spot.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.spot.path) };
        Spot { path, span }
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

/// The entry as the type that `read` reads, or a report that it is of another type.
fn typed<'d, T>(
    entry: &Entry<&'d DeValue<'d>>,
    read: impl Fn(&'d DeValue<'d>) -> Option<T>,
    expected: &str,
    report: &mut Report<'_>,
) -> Option<Entry<T>> {
    read(entry.value).map(|value| entry.with(value)).or_else(|| mistyped(entry, expected, report))
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
