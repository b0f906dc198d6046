//! Cuts JSON text into values that are still text.
//!
//! Never copies or converts a value; it decodes only names. It finds every syntax error, so later code need not check
//! again. It does not check that the text is UTF-8.

use std::borrow::Cow;

use super::super::csv::newlines;

/// Source: Amazon Redshift Database Developer Guide, "Limitations" of SUPER.
const DEEPEST: usize = 1000;

/// A value, as it was written.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Null,
    /// With its quotes.
    String(&'a [u8]),
    /// A number, `true` or `false`.
    Plain(&'a [u8]),
    Object(Object<'a>),
    Array(Array<'a>),
}

#[derive(Debug)]
pub(crate) struct Object<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) members: Vec<Member<'a>>,
}

#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    /// With its quotes.
    pub(crate) raw_name: &'a [u8],
    pub(crate) value: Value<'a>,
}

#[derive(Debug)]
pub(crate) struct Array<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) items: Vec<Value<'a>>,
}

impl<'a> Value<'a> {
    pub(crate) fn raw(&self) -> &'a [u8] {
        match self {
            Self::Null => b"null",
            Self::String(raw) | Self::Plain(raw) => raw,
            Self::Object(object) => object.raw,
            Self::Array(array) => array.raw,
        }
    }
}

/// A position in a text of several values.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    data: &'a [u8],
    at: usize,
    /// The line number at `counted`.
    line: u64,
    counted: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, line: 1, counted: 0 }
    }

    /// Skips this many lines.
    pub(crate) fn skip_lines(&mut self, lines: u64) {
        (0..lines).for_each(|_| self.next_line());
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The line number of the current position, from 1.
    pub(crate) fn line(&mut self) -> u64 {
        self.line += newlines(&self.data[self.counted..self.at]);
        self.counted = self.at;
        self.line
    }

    /// Where the next value begins, or `None` at the end.
    pub(crate) fn next_value(&mut self) -> Option<usize> {
        self.space();
        (self.at < self.data.len()).then_some(self.at)
    }

    pub(crate) fn next_line(&mut self) {
        let rest = &self.data[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    }

    pub(crate) fn value(&mut self) -> Result<Value<'a>, &'static str> {
        self.nested(0)
    }

    fn nested(&mut self, depth: usize) -> Result<Value<'a>, &'static str> {
        self.space();
        match self.data.get(self.at) {
            None => Err("unexpected end"),
            Some(b'{' | b'[') if depth >= DEEPEST => Err("nested too deeply"),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(_) => self.plain(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, &'static str> {
        let begun = self.at;
        let mut members = Vec::new();
        self.at += 1;
        self.space();
        while !self.take(b'}') {
            if !members.is_empty() && !self.take(b',') {
                return Err("expected ',' or '}'");
            }
            self.space();
            if self.data.get(self.at) != Some(&b'"') {
                return Err(if self.at < self.data.len() { "expected a name" } else { "unexpected end" });
            }
            let raw_name = self.string()?;
            let name = decoded(raw_name)?;
            self.space();
            if !self.take(b':') {
                return Err("expected ':'");
            }
            members.push(Member { name, raw_name, value: self.nested(depth + 1)? });
            self.space();
        }
        Ok(Value::Object(Object { raw: &self.data[begun..self.at], members }))
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, &'static str> {
        let begun = self.at;
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        while !self.take(b']') {
            if !items.is_empty() && !self.take(b',') {
                return Err("expected ',' or ']'");
            }
            items.push(self.nested(depth + 1)?);
            self.space();
        }
        Ok(Value::Array(Array { raw: &self.data[begun..self.at], items }))
    }

    fn string(&mut self) -> Result<&'a [u8], &'static str> {
        let begun = self.at;
        self.at += 1;
        loop {
            match self.data.get(self.at) {
                // A newline inside a string is not JSON, and the next line may be valid.
                None | Some(b'\n') => return Err("a string without end"),
                Some(b'\\') => self.escape()?,
                Some(0..0x20) => return Err("a control character in a string"),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.data[begun..self.at]);
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        let rest = &self.data[self.at + 1..];
        let length = match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 1,
            [b'u', digits @ ..] if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) => 5,
            _ => return Err("an escape that there is not"),
        };
        self.at += 1 + length;
        Ok(())
    }

    fn plain(&mut self) -> Result<Value<'a>, &'static str> {
        let rest = &self.data[self.at..];
        let length = rest
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')))
            .unwrap_or(rest.len());
        let raw = &rest[..length];
        let valid = serde_json::from_slice::<serde::de::IgnoredAny>(raw).is_ok();
        if !valid {
            return Err("unexpected character");
        }
        self.at += length;
        Ok(if raw == b"null" { Value::Null } else { Value::Plain(raw) })
    }

    fn space(&mut self) {
        while self.data.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.data.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }
}

fn decoded(raw: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    let inside = &raw[1..raw.len() - 1];
    if inside.contains(&b'\\') {
        return serde_json::from_slice::<String>(raw).map(Cow::Owned).map_err(|_| "a name that is not valid");
    }
    std::str::from_utf8(inside).map(Cow::Borrowed).map_err(|_| "a name that is not valid UTF-8")
}
