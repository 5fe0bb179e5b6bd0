//! Identifiers. Each kind is a type of its own, so that one cannot stand where another belongs.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use uuid::Uuid;
use uuid::fmt::Simple;

use crate::clock::Timestamp;

/// An API key's number inside the store; stays the same when its secret is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub i64);

/// The number of anything that carries a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

impl AccountId {
    /// The whole installation's; there from the beginning.
    pub const INSTALLATION: Self = Self(0);
    /// The default workspace's, unlimited; there from the beginning. A change to a credential is one to
    /// its workspace.
    pub const WORKSPACE: Self = Self(-1);
}

/// One run of a node. A later one of the same node puts an end to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

/// One history of a store. A fail-over that may have lost what was committed last begins another. Every
/// number that the store gives out in it is larger than this one, and of no other history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeline(pub i64);

/// A workspace: the group of keys that a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkspaceId(pub Uuid);

impl WorkspaceId {
    /// A new one, of 16 random bytes.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid())
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for WorkspaceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError)
    }
}

/// A version 7 UUID: what is made together lies together.
fn by_time(now: Timestamp, random: &[u8; 10]) -> Uuid {
    let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid()
}

/// What a request's id begins with outside.
const GENERATION_PREFIX: &str = "gen-";

/// One metered request, `gen-…` outside. Ordered by time, so that rows made together lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(Uuid);

impl GenerationId {
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        Self(by_time(now, &random))
    }

    /// Less than every id of a request that is admitted at `moment` or later, and more than those of
    /// earlier milliseconds.
    pub fn first_at(moment: Timestamp) -> Self {
        let mut bytes = *by_time(moment, &[0; 10]).as_bytes();
        bytes[6..].fill(0);
        Self::from_bytes(bytes)
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; GENERATION_PREFIX.len() + Simple::LENGTH];
        let (prefix, digits) = text.split_at_mut(GENERATION_PREFIX.len());
        prefix.copy_from_slice(GENERATION_PREFIX.as_bytes());
        self.0.simple().encode_lower(digits);
        f.write_str(str::from_utf8(&text).expect("it is ASCII"))
    }
}

impl FromStr for GenerationId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.strip_prefix(GENERATION_PREFIX).ok_or(ParseIdError)?;
        Uuid::try_parse(id).map(Self).map_err(|_| ParseIdError)
    }
}

/// One addition to the installation's credits: the same one happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditId(pub [u8; 16]);

impl CreditId {
    /// What was spent before anything was added.
    pub const OPENING: Self = Self([0; 16]);
}

/// A provider's credential. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(Uuid);

impl CredentialId {
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        Self(by_time(now, &random))
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for CredentialId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError)
    }
}

/// A key's public id: SHA-256 of the whole secret, 64 lower-case hex digits outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

impl FromStr for KeyHash {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ParseIdError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn hex_digit(digit: u8) -> Result<u8, ParseIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(ParseIdError),
    }
}

/// The text is not an identifier of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of this kind")]
pub struct ParseIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_lower_case_hex_of_sha_256() {
        let hash = KeyHash::of("abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text.to_uppercase().parse::<KeyHash>(), Err(ParseIdError));
        assert_eq!("ba78".parse::<KeyHash>(), Err(ParseIdError));
        assert_eq!("é".repeat(32).parse::<KeyHash>(), Err(ParseIdError));
    }

    #[test]
    fn ids_of_requests_are_told_apart_by_their_moment() {
        let at = |micros: i64| Timestamp::from_micros(1_780_000_000_000_000 + micros);
        let first = GenerationId::first_at(at(0));
        for random in [0, 255] {
            assert!(GenerationId::new(at(-1_000), [random; 10]) < first);
            assert!(GenerationId::new(at(0), [random; 10]) > first);
        }
    }

    #[test]
    fn generation_ids_read_back_and_sort_by_time() {
        let early = GenerationId::new(Timestamp::from_micros(1_000_000), [9; 10]);
        let late = GenerationId::new(Timestamp::from_micros(2_000_000), [1; 10]);
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
    }
}
