//! What was said in a request, sealed for the store: under a key that follows from the installation's
//! secret, so that a copy of the store alone says nothing.
//!
//! There is no key of its own for each, as credentials have: contents are many and stay for days, and
//! none has to be wrapped anew when the key-encryption key is. What is authenticated beside each is the
//! request and the key that it belongs to.

use std::fmt;

use zeroize::Zeroizing;

use crate::credential::envelope::{NONCE_BYTES, NotOpened, decrypt, encrypt};
use crate::id::{GenerationId, KeyId};

/// Random bytes that sealing takes.
pub const SEAL_ENTROPY_BYTES: usize = NONCE_BYTES;

/// What contents are sealed under.
#[derive(Clone)]
pub struct ContentKey(Zeroizing<[u8; 32]>);

impl ContentKey {
    pub(crate) const fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Seals `text` as what was said in a request of `key`.
    pub fn seal(
        &self,
        generation: GenerationId,
        key: KeyId,
        text: &[u8],
        entropy: &[u8; SEAL_ENTROPY_BYTES],
    ) -> Content {
        let sealed = encrypt(&self.0, entropy, text, &place(generation, key));
        Content { generation, key, sealed }
    }

    /// What was sealed.
    ///
    /// # Errors
    /// Where it was sealed under another secret, or for another request or key.
    pub fn open(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        decrypt(&self.0, &content.sealed, &place(content.generation, content.key))
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey([redacted])")
    }
}

fn place(generation: GenerationId, key: KeyId) -> String {
    format!("content|{generation}|{}", key.0)
}

/// What was said in a request, as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub generation: GenerationId,
    pub key: KeyId,
    pub sealed: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::secret::InstallationSecret;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

    fn key(byte: u8) -> ContentKey {
        InstallationSecret::new(&[byte; 32]).content_key()
    }

    #[test]
    fn contents_open_where_they_belong_and_nowhere_else() {
        let id = GenerationId::new(NOW, [1; 10]);
        let content = key(1).seal(id, KeyId(7), b"canary", &[9; SEAL_ENTROPY_BYTES]);
        assert!(!content.sealed.windows(6).any(|it| it == b"canary"));
        assert_eq!(key(1).open(&content).expect("its own").as_slice(), b"canary");
        let elsewhere = GenerationId::new(NOW, [2; 10]);
        let mut torn = content.clone();
        *torn.sealed.last_mut().expect("bytes") ^= 1;
        for (key, content) in [
            (key(2), content.clone()),
            (key(1), Content { key: KeyId(8), ..content.clone() }),
            (key(1), Content { generation: elsewhere, ..content.clone() }),
            (key(1), Content { sealed: Vec::new(), ..content.clone() }),
            (key(1), torn),
        ] {
            assert!(key.open(&content).is_err(), "{content:?}");
        }
    }
}
