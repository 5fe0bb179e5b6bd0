//! Envelope encryption: each credential under a data key of its own, and that under the key-encryption
//! key, which lies outside of the store.
//!
//! XChaCha20-Poly1305, whose nonces are long enough to be drawn at random. What is authenticated beside
//! each text is the place that it belongs to, so that nothing can be moved into another row or column.
//! A new key-encryption key takes the place of the old one by wrapping the data keys anew; the material
//! is not touched.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::id::CredentialId;
use crate::secret::KeySecret;

/// Bytes of a key-encryption key.
pub const KEK_BYTES: usize = 32;
const DATA_KEY_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Bytes of a wrapped data key: a nonce, the key, what authenticates it.
pub const WRAPPED_BYTES: usize = NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES;
/// Random bytes that wrapping a data key takes,
pub const WRAP_ENTROPY_BYTES: usize = NONCE_BYTES;
/// and that sealing a credential does.
pub const SEAL_ENTROPY_BYTES: usize = DATA_KEY_BYTES + 2 * NONCE_BYTES;

/// The number of a key-encryption key: each takes the place of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekVersion(pub i64);

/// What all data keys are wrapped under. Never stored beside what it wraps.
#[derive(Clone)]
pub struct KeyEncryptionKey {
    key: Zeroizing<[u8; KEK_BYTES]>,
    fingerprint: [u8; 32],
}

impl KeyEncryptionKey {
    pub fn new(key: &[u8; KEK_BYTES]) -> Self {
        let root = Hkdf::<Sha256>::new(Some(b"keyway key-encryption key v1"), key);
        let derive = |purpose: &str| {
            let mut key = Zeroizing::new([0; 32]);
            root.expand(purpose.as_bytes(), key.as_mut()).expect("32 bytes are a valid length");
            key
        };
        let fingerprint = Sha256::digest(derive("fingerprint").as_ref()).into();
        Self { key: derive("data keys"), fingerprint }
    }

    /// Tells two keys apart without telling anything about them. The store holds it.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Seals `material` as that of the credential `id`. `version` is this key's number.
    pub fn seal(
        &self,
        version: KekVersion,
        id: CredentialId,
        material: &KeySecret,
        entropy: &[u8; SEAL_ENTROPY_BYTES],
    ) -> Sealed {
        let (data_key, nonces) = entropy.split_at(DATA_KEY_BYTES);
        let (wrap_nonce, nonce) = nonces.split_at(NONCE_BYTES);
        let data_key: Zeroizing<[u8; DATA_KEY_BYTES]> = Zeroizing::new(fixed(data_key));
        let wrapped = self.wrap(version, id, &data_key, &fixed(wrap_nonce));
        let text = material.expose().as_bytes();
        let material = encrypt(&data_key, &fixed(nonce), text, &material_place(id));
        Sealed { wrapped, material }
    }

    /// What was sealed as the material of the credential `id`.
    pub fn open(&self, id: CredentialId, sealed: &Sealed) -> Result<KeySecret, NotOpened> {
        let data_key = self.unwrap(id, &sealed.wrapped)?;
        let text = decrypt(&data_key, &sealed.material, &material_place(id))?;
        std::str::from_utf8(&text).map(KeySecret::from_presented).map_err(|_| NotOpened)
    }

    /// Wraps the data key of the credential `id` under `next`, whose number is `version`.
    pub fn rewrap(
        &self,
        next: &Self,
        version: KekVersion,
        id: CredentialId,
        wrapped: &WrappedKey,
        entropy: &[u8; WRAP_ENTROPY_BYTES],
    ) -> Result<WrappedKey, NotOpened> {
        let data_key = self.unwrap(id, wrapped)?;
        Ok(next.wrap(version, id, &data_key, entropy))
    }

    fn wrap(
        &self,
        version: KekVersion,
        id: CredentialId,
        data_key: &[u8; DATA_KEY_BYTES],
        nonce: &[u8; NONCE_BYTES],
    ) -> WrappedKey {
        let text = encrypt(&self.key, nonce, data_key, &data_key_place(id, version));
        WrappedKey { version, text: fixed(&text) }
    }

    fn unwrap(
        &self,
        id: CredentialId,
        wrapped: &WrappedKey,
    ) -> Result<Zeroizing<[u8; DATA_KEY_BYTES]>, NotOpened> {
        let place = data_key_place(id, wrapped.version);
        let text = decrypt(&self.key, &wrapped.text, &place)?;
        text.as_slice().try_into().map(Zeroizing::new).map_err(|_| NotOpened)
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey([redacted])")
    }
}

/// A data key under the key-encryption key of this version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WrappedKey {
    pub version: KekVersion,
    pub text: [u8; WRAPPED_BYTES],
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WrappedKey").field(&self.version).finish()
    }
}

/// A credential's material as the store has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    pub wrapped: WrappedKey,
    pub material: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealed").field(&self.wrapped.version).finish()
    }
}

/// It was sealed under another key, for another place, or was changed since. Which of them, nobody can
/// tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was sealed under another key or for another place, or was changed since")]
pub struct NotOpened;

fn data_key_place(id: CredentialId, version: KekVersion) -> String {
    format!("credential|{id}|data_key|{}", version.0)
}

/// Other material comes with another data key, so that this needs no version.
fn material_place(id: CredentialId) -> String {
    format!("credential|{id}|material")
}

/// The nonce, and behind it the text.
pub(crate) fn encrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    text: &[u8],
    place: &str,
) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let payload = Payload { msg: text, aad: place.as_bytes() };
    let text =
        cipher.encrypt(&XNonce::from(*nonce), payload).expect("a text that fits into memory");
    [nonce.as_slice(), &text].concat()
}

pub(crate) fn decrypt(
    key: &[u8; 32],
    text: &[u8],
    place: &str,
) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    let (nonce, text) = text.split_first_chunk::<NONCE_BYTES>().ok_or(NotOpened)?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let payload = Payload { msg: text, aad: place.as_bytes() };
    let text = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| NotOpened)?;
    Ok(Zeroizing::new(text))
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the lengths are constants that fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: KekVersion = KekVersion(1);

    fn id(byte: u8) -> CredentialId {
        CredentialId::from_bytes([byte; 16])
    }

    fn kek(byte: u8) -> KeyEncryptionKey {
        KeyEncryptionKey::new(&[byte; KEK_BYTES])
    }

    fn sealed(byte: u8) -> Sealed {
        let material = KeySecret::from_presented("sk-canary-0123456789");
        kek(1).seal(FIRST, id(byte), &material, &[byte; SEAL_ENTROPY_BYTES])
    }

    #[test]
    fn what_was_sealed_is_opened_and_cannot_be_read() {
        let sealed = sealed(1);
        let opened = kek(1).open(id(1), &sealed).expect("opened");
        assert_eq!(opened.expose(), "sk-canary-0123456789");
        let bytes = [sealed.wrapped.text.as_slice(), &sealed.material].concat();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
        assert!(!format!("{sealed:?} {:?}", kek(1)).contains("canary"));
    }

    #[test]
    fn another_key_and_another_place_open_nothing() {
        let (one, other) = (sealed(1), sealed(2));
        assert_eq!(kek(2).open(id(1), &one).err(), Some(NotOpened));
        assert_eq!(kek(1).open(id(2), &one).err(), Some(NotOpened), "the row was moved");
        let swapped = Sealed { wrapped: other.wrapped, ..one.clone() };
        assert_eq!(kek(1).open(id(1), &swapped).err(), Some(NotOpened), "the column was");
        let version = KekVersion(2);
        let wrapped = WrappedKey { version, ..one.wrapped };
        let renumbered = Sealed { wrapped, ..one };
        assert_eq!(kek(1).open(id(1), &renumbered).err(), Some(NotOpened));
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let whole = sealed(1);
        for at in 0..WRAPPED_BYTES {
            let mut changed = whole.clone();
            changed.wrapped.text[at] ^= 1;
            assert!(kek(1).open(id(1), &changed).is_err(), "data key, byte {at}");
        }
        for at in 0..whole.material.len() {
            let mut changed = whole.clone();
            changed.material[at] ^= 1;
            assert!(kek(1).open(id(1), &changed).is_err(), "material, byte {at}");
            changed.material.truncate(at);
            assert!(kek(1).open(id(1), &changed).is_err(), "material, cut at {at}");
        }
    }

    #[test]
    fn a_new_key_takes_the_place_of_the_old_one() {
        let (before, second) = (sealed(1), KekVersion(2));
        let wrapped = kek(1).rewrap(&kek(2), second, id(1), &before.wrapped, &[9; 24]);
        let after = Sealed { wrapped: wrapped.expect("opened"), ..before.clone() };
        assert_eq!(after.material, before.material);
        assert_eq!(kek(2).open(id(1), &after).expect("opened").expose(), "sk-canary-0123456789");
        assert_eq!(kek(1).open(id(1), &after).err(), Some(NotOpened));
        assert!(kek(3).rewrap(&kek(2), second, id(1), &before.wrapped, &[9; 24]).is_err());
        assert_ne!(kek(1).fingerprint(), kek(2).fingerprint());
    }

    /// The published example of the cipher (draft-irtf-cfrg-xchacha-03, A.3.1): that ours is the one
    /// that everybody else has.
    #[test]
    fn the_cipher_is_the_published_one() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + u8::try_from(at).expect("small"));
        let nonce: [u8; 24] = std::array::from_fn(|at| 0x40 + u8::try_from(at).expect("small"));
        let text =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                     the future, sunscreen would be it.";
        let cipher = XChaCha20Poly1305::new(&Key::from(key));
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let payload = Payload { msg: text, aad: &aad };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).expect("short");
        assert_eq!(sealed[..4], [0xbd, 0x6d, 0x17, 0x9d]);
        let tag = [0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78];
        assert_eq!(sealed[text.len()..text.len() + 13], tag);
    }
}
