//! What clients were told, as it is noted into the recording.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use keyway_core::id::{GenerationId, KeyHash};

/// One thing that a client was told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// That the gateway listens: its management key is there.
    Ready,
    /// That the key of this hash is there, with this number in its name, or a later one.
    Key(KeyHash, u64),
    /// Nothing yet: that the key of this hash is about to be deleted.
    Leaving(KeyHash),
    /// That it was deleted.
    Deleted(KeyHash),
    /// The first byte of an answer.
    Begun(GenerationId),
    /// A whole answer, with what it cost in nano-dollars.
    Charged(GenerationId, i64),
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => write!(f, "ready"),
            Self::Key(hash, revision) => write!(f, "key {hash} {revision}"),
            Self::Leaving(hash) => write!(f, "leaving {hash}"),
            Self::Deleted(hash) => write!(f, "deleted {hash}"),
            Self::Begun(id) => write!(f, "begun {id}"),
            Self::Charged(id, nanos) => write!(f, "charged {id} {nanos}"),
        }
    }
}

/// All that clients were told by some moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// Not told, but known: the store had been one of the first version.
    pub(super) upgraded: bool,
    pub(super) ready: bool,
    pub(super) keys: BTreeMap<KeyHash, u64>,
    pub(super) leaving: BTreeSet<KeyHash>,
    pub(super) deleted: BTreeSet<KeyHash>,
    pub(super) begun: BTreeSet<GenerationId>,
    pub(super) charged: BTreeMap<GenerationId, i64>,
}

impl Standing {
    /// Takes in a note.
    pub(super) fn hear(&mut self, note: &str) {
        let words: Vec<&str> = note.split(' ').collect();
        let hash = || words[1].parse().expect("a hash");
        let id = || words[1].parse().expect("an id");
        match words[0] {
            "ready" => self.ready = true,
            "key" => drop(self.keys.insert(hash(), words[2].parse().expect("a revision"))),
            "leaving" => drop(self.leaving.insert(hash())),
            "deleted" => drop(self.deleted.insert(hash())),
            "begun" => drop(self.begun.insert(id())),
            "charged" => drop(self.charged.insert(id(), words[2].parse().expect("an amount"))),
            other => panic!("nobody notes this: {other}"),
        }
    }
}
