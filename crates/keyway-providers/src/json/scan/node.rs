//! One value of a text that was looked through.

use std::borrow::Cow;
use std::io;

use serde_json::{Map, Value};

use super::super::written_bytes;
use super::{Kind, Place};

/// One value of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub(super) text: &'a str,
    pub(super) places: &'a [Place],
    pub(super) at: usize,
}

impl<'a> Node<'a> {
    fn place(self) -> Place {
        self.places[self.at]
    }

    const fn with(self, at: usize) -> Self {
        Self { at, ..self }
    }

    /// As it stands in the text.
    pub(crate) fn raw(self) -> &'a str {
        let Place { start, end, .. } = self.place();
        &self.text[start as usize..end as usize]
    }

    pub(crate) fn is_null(self) -> bool {
        self.place().kind == Kind::Null
    }

    pub(crate) fn is_object(self) -> bool {
        self.place().kind == Kind::Object
    }

    pub(crate) fn is_array(self) -> bool {
        self.place().kind == Kind::Array
    }

    pub(crate) fn is_number(self) -> bool {
        self.place().kind == Kind::Number
    }

    pub(crate) fn is_string(self) -> bool {
        matches!(self.place().kind, Kind::Plain | Kind::Escaped)
    }

    /// A whole number that is written as one.
    pub(crate) fn as_u64(self) -> Option<u64> {
        self.raw().parse().ok().filter(|_| self.is_number())
    }

    pub(crate) fn as_str(self) -> Option<Cow<'a, str>> {
        let raw = self.raw();
        match self.place().kind {
            Kind::Plain => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
            Kind::Escaped => Some(Cow::Owned(unescaped(raw))),
            _ => None,
        }
    }

    /// Whether it is the string `text`.
    pub(crate) fn is(self, text: &str) -> bool {
        match self.place().kind {
            Kind::Plain => self.inside() == text.as_bytes(),
            Kind::Escaped => unescaped(self.raw()) == text,
            _ => false,
        }
    }

    /// Whether it is a string, and the same as another.
    pub(super) fn equals(self, other: Self) -> bool {
        match (self.place().kind, other.place().kind) {
            (Kind::Plain, Kind::Plain) => self.inside() == other.inside(),
            _ => self.as_str().is_some_and(|text| other.is(&text)),
        }
    }

    /// What is between the marks of a string. Many are compared, so that nobody looks whether it is text,
    /// as it is.
    fn inside(self) -> &'a [u8] {
        let Place { start, end, .. } = self.place();
        &self.text.as_bytes()[start as usize + 1..end as usize - 1]
    }

    /// The items of an array; none of anything else.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let is_array = self.is_array();
        self.within().filter(move |_| is_array)
    }

    /// The keys and values of an object; none of anything else.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Self, Self)> {
        let end = if self.is_object() { self.place().next as usize } else { 0 };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let (key, value) = (self.with(at), self.with(at + 1));
            let is_in = at < end;
            if is_in {
                at = value.place().next as usize;
            }
            is_in.then_some((key, value))
        })
    }

    /// What an object has at `key`.
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        self.entries().find(|(name, _)| name.is(key)).map(|(_, value)| value)
    }

    /// What stands in it, and not in anything in it.
    fn within(self) -> impl Iterator<Item = Self> {
        let (mut at, end) = (self.at + 1, self.place().next as usize);
        std::iter::from_fn(move || {
            let node = (at < end).then(|| self.with(at))?;
            at = node.place().next as usize;
            Some(node)
        })
    }

    /// How long it is as it is written by [`Node::write`].
    pub(crate) fn compact_bytes(self) -> u64 {
        let Place { kind, start, end, .. } = self.place();
        match kind {
            Kind::Array | Kind::Object => {
                let inside: u64 = self.within().map(|it| it.compact_bytes() + 1).sum();
                // What is between two is counted for each, and a pair of brackets besides.
                inside.max(1) + 1
            }
            Kind::Escaped => written_bytes(&unescaped(self.raw())),
            Kind::Number => u64::from(end - start) + u64::from(lacks_sign(self.raw())),
            _ => u64::from(end - start),
        }
    }

    /// Writes it as a tree of it would be: without blanks, each string as short as it can be.
    pub(crate) fn write(self, out: &mut impl io::Write) -> io::Result<()> {
        match self.place().kind {
            Kind::Array => {
                out.write_all(b"[")?;
                for (number, item) in self.items().enumerate() {
                    out.write_all(if number > 0 { b"," } else { b"" })?;
                    item.write(out)?;
                }
                out.write_all(b"]")
            }
            Kind::Object => {
                out.write_all(b"{")?;
                for (number, (key, value)) in self.entries().enumerate() {
                    out.write_all(if number > 0 { b"," } else { b"" })?;
                    key.write(out)?;
                    out.write_all(b":")?;
                    value.write(out)?;
                }
                out.write_all(b"}")
            }
            Kind::Escaped | Kind::Number => Ok(serde_json::to_writer(out, &self.to_value())?),
            _ => out.write_all(self.raw().as_bytes()),
        }
    }

    /// The same as a tree.
    pub(crate) fn to_value(self) -> Value {
        match self.place().kind {
            Kind::Null => Value::Null,
            Kind::False => Value::Bool(false),
            Kind::True => Value::Bool(true),
            Kind::Number => serde_json::from_str(self.raw()).expect("it was scanned"),
            Kind::Plain | Kind::Escaped => self.as_str().unwrap_or_default().into_owned().into(),
            Kind::Array => Value::Array(self.items().map(Node::to_value).collect()),
            Kind::Object => Value::Object(self.to_map()),
        }
    }

    /// An object as a tree; an empty one of anything else.
    pub(crate) fn to_map(self) -> Map<String, Value> {
        let entry =
            |(key, value): (Self, Self)| Some((key.as_str()?.into_owned(), value.to_value()));
        self.entries().filter_map(entry).collect()
    }
}

/// Whether a number has an exponent without a sign, which is written with one.
fn lacks_sign(number: &str) -> bool {
    let exponent = number.find(['e', 'E']).map(|at| &number[at + 1..]);
    exponent.is_some_and(|it| it.starts_with(|first: char| first.is_ascii_digit()))
}

fn unescaped(raw: &str) -> String {
    serde_json::from_str(raw).expect("it was scanned")
}
