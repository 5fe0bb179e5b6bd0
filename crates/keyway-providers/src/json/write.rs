//! JSON written field by field, where a tree would only be made to be written.

use keyway_core::money::Nanos;
use serde::Serialize;
use serde_json::Value;

use super::scan::{Node, says_itself};

/// An object that is being written.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

/// Writes one value.
pub(crate) fn value(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("a JSON value can be written into memory");
}

/// Writes a string.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    // Most need nothing escaped.
    if says_itself(text) { quoted(out, text) } else { value(out, &text) }
}

/// Writes a string in which nothing has to be escaped.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Writes a value of a tree.
pub(crate) fn tree(out: &mut Vec<u8>, tree: &Value) {
    match tree {
        Value::String(string) => text(out, string),
        other => value(out, other),
    }
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Begins a field. `key` is ours, so that nothing in it has to be escaped. Its value comes next.
    #[inline]
    pub(crate) fn key(&mut self, key: &'static str) -> &mut Vec<u8> {
        self.next();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(crate) fn put(&mut self, key: &'static str, it: &impl Serialize) {
        value(self.key(key), it);
    }

    /// Writes a field with a word of ours, in which nothing has to be escaped.
    pub(crate) fn word(&mut self, key: &'static str, word: &'static str) {
        quoted(self.key(key), word);
    }

    /// Writes a field with a string.
    pub(crate) fn text(&mut self, key: &'static str, it: &str) {
        text(self.key(key), it);
    }

    #[inline]
    pub(crate) fn text_or_null(&mut self, key: &'static str, it: Option<&str>) {
        match it {
            Some(it) => self.text(key, it),
            None => self.copy_or_null(key, None),
        }
    }

    /// Writes a field with an amount in USD.
    pub(crate) fn amount(&mut self, key: &'static str, amount: Nanos) {
        self.key(key).extend_from_slice(amount.text().as_bytes());
    }

    /// Writes a field with a value that stands elsewhere.
    pub(crate) fn copy_or_null(&mut self, key: &'static str, value: Option<Node<'_>>) {
        let value = value.map_or("null", Node::raw);
        self.key(key).extend_from_slice(value.as_bytes());
    }

    /// Writes a field as it stands elsewhere.
    pub(crate) fn copy(&mut self, key: Node<'_>, value: Node<'_>) {
        self.next();
        self.out.extend_from_slice(key.raw_to(value).as_bytes());
    }

    /// Writes the fields of an object as they stand there, of which `stays` says so.
    #[inline]
    pub(crate) fn copy_where(
        &mut self,
        object: Option<Node<'_>>,
        stays: impl Fn(Node<'_>, Node<'_>) -> bool,
    ) {
        let Some(object) = object else { return };
        for (key, value) in object.entries() {
            if stays(key, value) {
                self.copy(key, value);
            }
        }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    fn next(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }
}
