//! One value of a text that was looked through.

use std::borrow::Cow;
use std::io;

use serde_json::{Map, Value};

use super::super::written_bytes;
use super::keys::mark;
use super::{Kind, Place, Text};

/// The two marks around a string.
const MARKS_BYTES: usize = 2;

/// One value of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub(super) of: &'a Text,
    pub(super) at: usize,
}

/// Where a value stands in its text, to be found again with [`Text::node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot(pub(super) usize);

impl<'a> Node<'a> {
    pub(crate) const fn spot(self) -> Spot {
        Spot(self.at)
    }

    #[inline]
    fn place(self) -> Place {
        self.of.places[self.at]
    }

    #[inline]
    const fn with(self, at: usize) -> Self {
        Self { at, ..self }
    }

    /// Whether it is one of these values.
    pub(crate) fn is_one_of(self, values: &[Option<Self>]) -> bool {
        values.iter().flatten().any(|it| it.at == self.at)
    }

    /// As it stands in the text.
    pub(crate) fn raw(self) -> &'a str {
        let Place { start, end, .. } = self.place();
        &self.of.json[start as usize..end as usize]
    }

    /// All from it to the end of `last`, which stands behind it.
    pub(crate) fn raw_to(self, last: Self) -> &'a str {
        &self.of.json[self.place().start as usize..last.place().end as usize]
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
        if self.is_number() { self.raw().parse().ok() } else { None }
    }

    #[inline]
    pub(crate) fn as_str(self) -> Option<Cow<'a, str>> {
        let Place { kind, start, end, .. } = self.place();
        match kind {
            Kind::Plain => Some(Cow::Borrowed(&self.of.json[start as usize + 1..end as usize - 1])),
            Kind::Escaped => Some(Cow::Owned(unescaped(self.raw()))),
            _ => None,
        }
    }

    /// Whether it is the string `text`.
    #[inline]
    pub(crate) fn is(self, text: &str) -> bool {
        let Place { kind, start, end, .. } = self.place();
        match kind {
            // Most that are compared differ in their lengths: those need no look at the text.
            Kind::Plain => {
                (end - start) as usize == text.len() + MARKS_BYTES
                    && self.inside() == text.as_bytes()
            }
            Kind::Escaped => self.says(text),
            _ => false,
        }
    }

    /// Whether it says `text` in other words.
    #[cold]
    fn says(self, text: &str) -> bool {
        unescaped(self.raw()) == text
    }

    /// Whether it is a string that `is_it` says.
    #[inline]
    pub(crate) fn is_any(self, is_it: impl Fn(&str) -> bool) -> bool {
        match self.place().kind {
            Kind::Plain => {
                let raw = self.raw();
                is_it(&raw[1..raw.len() - 1])
            }
            Kind::Escaped => is_it(&unescaped(self.raw())),
            _ => false,
        }
    }

    /// Whether it is a string, and the same as another.
    #[inline]
    pub(super) fn equals(self, other: Self) -> bool {
        match (self.place().kind, other.place().kind) {
            (Kind::Plain, Kind::Plain) => self.inside() == other.inside(),
            _ => self.as_str().is_some_and(|text| other.is(&text)),
        }
    }

    /// A bit that every string that [`Node::equals`] it has too, and few others have.
    #[inline]
    pub(super) fn mark(self) -> u64 {
        // What is escaped may be any other.
        if self.place().kind == Kind::Plain { mark(self.inside()) } else { u64::MAX }
    }

    /// The number of the place behind it.
    #[inline]
    pub(super) fn next(self) -> usize {
        self.place().next as usize
    }

    /// What is between the marks of a string. Many are compared, so that nobody looks whether it is text,
    /// as it is.
    #[inline]
    fn inside(self) -> &'a [u8] {
        let Place { start, end, .. } = self.place();
        &self.of.json.as_bytes()[start as usize + 1..end as usize - 1]
    }

    /// The items of an array; none of anything else.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        self.within(Kind::Array)
    }

    /// The keys and values of an object; none of anything else.
    #[inline]
    pub(crate) fn entries(self) -> impl Iterator<Item = (Self, Self)> {
        self.within(Kind::Object).map(|key| (key, key.with(key.at + 1)))
    }

    /// What an object has at `key`.
    #[inline]
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        self.entries().find(|(name, _)| name.is(key)).map(|(_, value)| value)
    }

    /// What an object has at each of `keys`, looked through once.
    #[inline]
    pub(crate) fn pick<const N: usize>(self, keys: [&str; N]) -> [Option<Self>; N] {
        let mut picked = [None; N];
        for (name, value) in self.entries() {
            if let Some(place) = keys.iter().position(|key| name.is(key)) {
                picked[place] = Some(value);
            }
        }
        picked
    }

    /// What stands in a container of this kind, and not in anything in it: of an object its keys.
    #[inline]
    fn within(self, kind: Kind) -> impl Iterator<Item = Self> {
        let end = if self.place().kind == kind { self.next() } else { 0 };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let node = (at < end).then(|| self.with(at))?;
            at = node.next();
            Some(node)
        })
    }

    /// How long it is as it is written by [`Node::write`].
    pub(crate) fn compact_bytes(self) -> u64 {
        let Place { kind, start, end, is_compact, .. } = self.place();
        match kind {
            Kind::Array | Kind::Object if !is_compact => {
                let entries = self.entries().flat_map(|(key, value)| [key, value]);
                let inside = self.items().chain(entries).map(|it| it.compact_bytes() + 1);
                // What is between two is counted for each, and a pair of brackets besides.
                inside.sum::<u64>().max(1) + 1
            }
            Kind::Escaped => written_bytes(&unescaped(self.raw())),
            Kind::Number if !is_compact => {
                u64::from(end - start) + u64::from(lacks_sign(self.raw()))
            }
            _ => u64::from(end - start),
        }
    }

    /// Writes it as a tree of it would be: without blanks, each string as short as it can be.
    pub(crate) fn write(self, out: &mut impl io::Write) -> io::Result<()> {
        let Place { kind, is_compact, .. } = self.place();
        match kind {
            _ if is_compact => out.write_all(self.raw().as_bytes()),
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
            // Most are whole, which are read with less.
            Kind::Number => match self.as_u64() {
                Some(number) => number.into(),
                None => serde_json::from_str(self.raw()).expect("it was scanned"),
            },
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
