//! Secrets: the strings that clients present, and what is derived from the installation's own.
//!
//! A key string is `<prefix>` + 56 random hex digits + 8 hex digits of CRC-32 over all before them,
//! so that a typing error is told from an unknown key without a look-up. Of a key string the store
//! holds two digests: the public SHA-256 ([`KeyHash`]) and a [`Tag`] keyed with a secret that lies
//! outside of the store, so that who can write the store still cannot make a key.

use std::fmt;
use std::hash::{Hash, Hasher};

use crc::{CRC_32_ISO_HDLC, Crc};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::content::ContentKey;
use crate::credential::envelope::KeyEncryptionKey;
use crate::id::KeyHash;

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// Random bytes in a key string.
pub const KEY_ENTROPY_BYTES: usize = 28;
const CHECKSUM_DIGITS: usize = 8;
/// Hex digits after the prefix: 56 of entropy, 8 of checksum.
const KEY_DIGITS: usize = 2 * KEY_ENTROPY_BYTES + CHECKSUM_DIGITS;
/// Bytes of the salt from which an idempotent creation's key is derived again.
pub const SALT_BYTES: usize = 16;

/// What stands before the digits of every key: `sk-or-v1-` unless configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// 1 to 32 ASCII letters, digits, `-` and `_`.
    pub fn new(prefix: &str) -> Option<Self> {
        let fits = (1..=32).contains(&prefix.len());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (fits && prefix.bytes().all(allowed)).then(|| Self(prefix.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for KeyPrefix {
    fn default() -> Self {
        Self("sk-or-v1-".to_owned())
    }
}

/// A key as its holder presents it. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct KeySecret(Zeroizing<String>);

impl KeySecret {
    /// A key string made of `entropy`.
    pub fn mint(prefix: &KeyPrefix, entropy: &[u8; KEY_ENTROPY_BYTES]) -> Self {
        use fmt::Write as _;
        let mut text = Zeroizing::new(String::with_capacity(prefix.0.len() + KEY_DIGITS));
        text.push_str(&prefix.0);
        for byte in entropy {
            write!(text, "{byte:02x}").expect("a string takes all text");
        }
        let checksum = CHECKSUM.checksum(text.as_bytes());
        write!(text, "{checksum:08x}").expect("a string takes all text");
        Self(text)
    }

    /// A string that somebody presents or configures, whatever its form.
    pub fn from_presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The string itself, for the one answer that carries it and for digests.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// The masked form that lists show: the first 12 characters, `...`, the last 3.
    pub fn label(&self) -> String {
        let characters: Vec<char> = self.0.chars().collect();
        let head: String = characters.iter().take(12).collect();
        let tail: String = characters[characters.len().saturating_sub(3)..].iter().collect();
        format!("{head}...{tail}")
    }

    /// Whether the string has the form of a key that Keyway makes, and if not, how it fails. Any
    /// prefix will do: keys outlive a change of the configured one.
    pub fn check_form(&self) -> Result<(), KeyFormError> {
        let text = self.0.as_str();
        let start =
            text.len().checked_sub(KEY_DIGITS).filter(|start| text.is_char_boundary(*start));
        let (prefix, digits) = text.split_at(start.ok_or(KeyFormError::Shape)?);
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if KeyPrefix::new(prefix).is_none() || !digits.bytes().all(hex) {
            return Err(KeyFormError::Shape);
        }
        let (body, checksum) = text.split_at(text.len() - CHECKSUM_DIGITS);
        let expected = format!("{:08x}", CHECKSUM.checksum(body.as_bytes()));
        if checksum == expected { Ok(()) } else { Err(KeyFormError::Checksum) }
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret([redacted])")
    }
}

/// Why a string cannot be a key of this installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormError {
    /// Another length or alphabet.
    Shape,
    /// The right shape, but a digit is wrong.
    Checksum,
}

/// What a presented key is checked against: HMAC-SHA-256 of the string under the installation's secret.
#[derive(Clone, Copy)]
pub struct Tag([u8; 32]);

impl Tag {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Tag {
    /// Takes the same time wherever the first difference is.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Tag {}

impl Hash for Tag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag([redacted])")
    }
}

/// The installation's 32-byte secret, taken apart into one key per use (HKDF-SHA-256).
pub struct InstallationSecret {
    /// Keyed once: half of what a tag takes is taking the key in. It lives as long as the process.
    tags: Hmac<Sha256>,
    creations: Zeroizing<[u8; 32]>,
    credentials: Zeroizing<[u8; 32]>,
    contents: Zeroizing<[u8; 32]>,
    fingerprint: [u8; 32],
}

impl InstallationSecret {
    pub fn new(secret: &[u8; 32]) -> Self {
        let root = Hkdf::<Sha256>::new(Some(b"keyway installation secret v1"), secret);
        let derive = |purpose: &str| {
            let mut key = Zeroizing::new([0; 32]);
            root.expand(purpose.as_bytes(), key.as_mut()).expect("32 bytes are a valid length");
            key
        };
        Self {
            tags: Hmac::new_from_slice(derive("client key tag").as_ref())
                .expect("any length is a valid key"),
            creations: derive("idempotent creation"),
            credentials: derive("key-encryption key"),
            contents: derive("contents"),
            fingerprint: Sha256::digest(derive("fingerprint").as_ref()).into(),
        }
    }

    /// Tells two secrets apart without telling anything about them. The store holds it.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The digest that a presented key is checked against.
    pub fn tag(&self, secret: &str) -> Tag {
        let mut mac = self.tags.clone();
        mac.update(secret.as_bytes());
        Tag(mac.finalize().into_bytes().into())
    }

    /// What credentials are sealed under where nobody gave a key for that.
    pub fn key_encryption_key(&self) -> KeyEncryptionKey {
        KeyEncryptionKey::new(&self.credentials)
    }

    /// What contents of requests are sealed under.
    pub fn content_key(&self) -> ContentKey {
        ContentKey::new(self.contents.clone())
    }

    /// The key string of an idempotent creation, the same for the same salt.
    pub fn derive_key(&self, prefix: &KeyPrefix, salt: &[u8; SALT_BYTES]) -> KeySecret {
        let root = Hkdf::<Sha256>::new(Some(salt), self.creations.as_ref());
        let mut entropy = Zeroizing::new([0; KEY_ENTROPY_BYTES]);
        root.expand(b"key string", entropy.as_mut()).expect("28 bytes are a valid length");
        KeySecret::mint(prefix, &entropy)
    }
}

impl fmt::Debug for InstallationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minted() -> KeySecret {
        KeySecret::mint(&KeyPrefix::default(), &[0xab; KEY_ENTROPY_BYTES])
    }

    #[test]
    fn a_minted_key_has_the_documented_form() {
        let key = minted();
        assert_eq!(key.expose().len(), 73);
        assert!(key.expose().starts_with("sk-or-v1-abab"));
        assert_eq!(key.check_form(), Ok(()));
        assert_eq!(key.label(), format!("sk-or-v1-aba...{}", &key.expose()[70..]));
        // CRC-32/ISO-HDLC of "123456789" is the check value of its catalogue entry.
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn every_wrong_digit_is_noticed() {
        let key = minted();
        for at in 0..73 {
            let mut text = key.expose().to_owned();
            let replacement = if &text[at..=at] == "0" { "1" } else { "0" };
            text.replace_range(at..=at, replacement);
            let mistyped = KeySecret::from_presented(&text);
            assert_eq!(mistyped.check_form(), Err(KeyFormError::Checksum), "{at}");
        }
        for text in ["", "sk-or-v1-", "sk-other-abc", &key.expose().to_uppercase(), "sk-or-v1-é"] {
            let other = KeySecret::from_presented(text);
            assert_eq!(other.check_form(), Err(KeyFormError::Shape), "{text}");
        }
    }

    #[test]
    fn keys_derived_for_one_use_say_nothing_about_another() {
        let (one, other) = (InstallationSecret::new(&[1; 32]), InstallationSecret::new(&[2; 32]));
        assert_eq!(one.tag("key"), one.tag("key"));
        assert_ne!(one.tag("key"), other.tag("key"));
        assert_ne!(one.fingerprint(), other.fingerprint());
        let (prefix, salt) = (KeyPrefix::default(), [7; SALT_BYTES]);
        assert_eq!(
            one.derive_key(&prefix, &salt).expose(),
            one.derive_key(&prefix, &salt).expose()
        );
        assert_ne!(
            one.derive_key(&prefix, &salt).expose(),
            other.derive_key(&prefix, &salt).expose()
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let secret = InstallationSecret::new(&[1; 32]);
        let printed = format!("{:?} {:?} {:?}", minted(), secret, secret.tag("key"));
        assert!(!printed.contains("abab"), "{printed}");
        assert_eq!(printed.matches("[redacted]").count(), 3);
    }
}
