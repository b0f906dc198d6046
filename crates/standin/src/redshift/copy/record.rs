//! One line of a file, cut into fields, and what can be wrong with it.
//!
//! Never converts a value.

/// What is wrong with a line or a field, in the terms of Redshift's load errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: i32,
    pub(crate) message: String,
    /// The offset within the field.
    pub(crate) position: usize,
}

impl Fault {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), position: 0 }
    }
}

/// The fields of one line, in one buffer that is reused for the next line.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`, and where it began in the line.
    ends: Vec<(usize, usize)>,
    /// Fields that are null by their syntax: a null or a missing name in JSON.
    nulls: Vec<bool>,
}

impl Fields {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.nulls.clear();
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the field that began at `position` of its line.
    pub(crate) fn end(&mut self, position: usize) {
        self.ends.push((self.bytes.len(), position));
        self.nulls.push(false);
    }

    pub(crate) fn end_null(&mut self) {
        self.ends.push((self.bytes.len(), 0));
        self.nulls.push(true);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let begin = if index == 0 { 0 } else { self.ends[index - 1].0 };
        &self.bytes[begin..self.ends[index].0]
    }

    pub(crate) fn is_null(&self, index: usize) -> bool {
        self.nulls[index]
    }

    pub(crate) fn position(&self, index: usize) -> usize {
        self.ends[index].1
    }

    /// Removes the last byte.
    pub(crate) fn pop(&mut self) {
        self.bytes.pop();
    }

    /// The bytes of the field that is being written.
    pub(crate) fn current(&self) -> &[u8] {
        &self.bytes[self.ends.last().map_or(0, |(end, _)| *end)..]
    }
}

/// One line.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// Counted from 1, including the header.
    pub(crate) line: u64,
    pub(crate) raw: &'a [u8],
    pub(crate) fields: &'a Fields,
    /// The line could not be cut into fields.
    pub(crate) fault: Option<Fault>,
}

/// Whether to continue reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Stop,
}
