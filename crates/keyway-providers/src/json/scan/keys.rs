//! That no key of an object stands twice: most differ in what is seen at once.

use std::collections::HashSet;
use std::iter;

use super::super::NUMBER;
use super::{Node, Scanner};

/// Keys of an object that are compared with each other; of more a set is made.
const KEYS_COMPARED_MAX: usize = 16;

impl Scanner {
    const fn node(&self, at: usize) -> Node<'_> {
        Node { of: &self.it, at }
    }

    /// The keys of the last object, whose first one is at `first`.
    fn keys(&self, first: usize) -> impl Iterator<Item = Node<'_>> {
        let key = |at: usize| (at < self.it.places.len()).then(|| self.node(at));
        iter::successors(key(first), move |it| key(it.next()))
    }

    /// No key stands twice in the object, and none is one that serde_json takes for itself.
    pub(super) fn check_keys(&self, first: usize) -> Option<()> {
        let mut marks = mark(NUMBER.as_bytes());
        for (number, key) in self.keys(first).enumerate() {
            if number == KEYS_COMPARED_MAX {
                return self.check_many_keys(first);
            }
            let mark = key.mark();
            // Few have the mark of another, and only those are compared.
            if marks & mark != 0 {
                self.check_key(first, key)?;
            }
            marks |= mark;
        }
        Some(())
    }

    /// The same of one key, and of those before it.
    #[cold]
    fn check_key(&self, first: usize, key: Node<'_>) -> Option<()> {
        let mut earlier = self.keys(first).take_while(|it| it.at < key.at);
        (!key.is(NUMBER) && earlier.all(|it| !it.equals(key))).then_some(())
    }

    /// The same of all keys, where they are more than are to be compared with each other.
    fn check_many_keys(&self, first: usize) -> Option<()> {
        let mut seen = HashSet::new();
        let mut keys = self.keys(first).filter_map(Node::as_str);
        keys.all(|key| key != NUMBER && seen.insert(key)).then_some(())
    }
}

/// A bit that a key has in common with itself, and with few others.
pub(super) const fn mark(key: &[u8]) -> u64 {
    match key {
        [first, .., last] => 1 << ((key.len() + *first as usize + 9 * *last as usize) % 64),
        _ => 1,
    }
}
