//! A JSON value to look into, whichever way it is kept.

use std::borrow::Cow;

use serde_json::Value;

use super::scan::Node;

/// A value of a tree, or of a text that was looked through: what is read in both is read once.
pub(crate) trait Json<'a>: Copy {
    /// What an object has at `key`.
    fn get(self, key: &str) -> Option<Self>;
    /// What an object has at each of `keys`.
    fn pick<const N: usize>(self, keys: [&str; N]) -> [Option<Self>; N];
    /// The items of an array; none of anything else.
    fn items(self) -> impl Iterator<Item = Self>;
    fn as_str(self) -> Option<Cow<'a, str>>;
    fn as_u64(self) -> Option<u64>;
}

impl<'a> Json<'a> for &'a Value {
    fn get(self, key: &str) -> Option<Self> {
        self.get(key)
    }

    fn pick<const N: usize>(self, keys: [&str; N]) -> [Option<Self>; N] {
        keys.map(|key| self.get(key))
    }

    fn items(self) -> impl Iterator<Item = Self> {
        self.as_array().into_iter().flatten()
    }

    fn as_str(self) -> Option<Cow<'a, str>> {
        self.as_str().map(Cow::Borrowed)
    }

    fn as_u64(self) -> Option<u64> {
        self.as_u64()
    }
}

impl<'a> Json<'a> for Node<'a> {
    fn get(self, key: &str) -> Option<Self> {
        self.get(key)
    }

    fn pick<const N: usize>(self, keys: [&str; N]) -> [Option<Self>; N] {
        self.pick(keys)
    }

    fn items(self) -> impl Iterator<Item = Self> {
        self.items()
    }

    fn as_str(self) -> Option<Cow<'a, str>> {
        self.as_str()
    }

    fn as_u64(self) -> Option<u64> {
        self.as_u64()
    }
}
