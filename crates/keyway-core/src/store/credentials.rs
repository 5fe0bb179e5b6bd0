//! What became of calls about credentials.

use crate::credential::CredentialRecord;
use crate::credential::envelope::KekVersion;
use crate::id::KeyHash;

/// A key-encryption key, as far as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KekRecord {
    pub version: KekVersion,
    pub fingerprint: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is the usual answer, and moved once")]
pub enum CredentialWritten {
    Written(CredentialRecord),
    NotFound,
    /// It is to be for this key, which is none, or no inference key.
    NoSuchKey(KeyHash),
    /// There are [`crate::credential::CREDENTIALS_MAX`] of them.
    TooMany,
    /// It was sealed under a key-encryption key that is not the newest.
    OtherKek,
}
