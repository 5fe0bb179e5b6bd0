//! Calls about credentials, which few calls about keys meet.

use super::{hash, text, told};
use crate::clock::Timestamp;
use crate::credential::CredentialPatch;
use crate::credential::envelope::KekVersion;
use crate::id::CredentialId;
use crate::store::Store;
use crate::store::contract::credentials::{openai, sealed};

/// Few, so that calls meet.
pub(super) const CREDENTIALS: u8 = 3;

/// About credentials and what they are sealed under.
#[derive(Clone, Debug)]
pub(super) enum CredentialCall {
    AddKek {
        after: Option<i64>,
    },
    RetireKek {
        version: i64,
    },
    Create {
        id: u8,
        version: i64,
        provider: bool,
        key: Option<u8>,
        sort_order: Option<i64>,
    },
    /// No keys are all of them.
    Update {
        id: u8,
        version: Option<i64>,
        keys: Option<Vec<u8>>,
        disabled: Option<bool>,
    },
    Delete {
        id: u8,
    },
    Rewrap {
        id: u8,
        from: i64,
        to: i64,
    },
}

pub(super) async fn ask(store: &dyn Store, call: CredentialCall, now: Timestamp) -> String {
    let hashes = |key: Option<u8>| key.map(|key| vec![hash(key)]);
    let number = |id: u8| CredentialId::from_bytes([id; 16]);
    match call {
        CredentialCall::AddKek { after } => {
            let fingerprint = [u8::try_from(after.unwrap_or_default()).expect("few"); 32];
            told(store.kek_add(fingerprint, after.map(KekVersion), now).await)
        }
        CredentialCall::RetireKek { version } => told(store.kek_retire(KekVersion(version)).await),
        CredentialCall::Create { id, version, provider, key, sort_order } => {
            let mut new = openai(store, id);
            new.sealed = sealed(KekVersion(version), id);
            new.allowed_keys = hashes(key);
            new.is_last = sort_order.is_none();
            new.conduct.sort_order = sort_order.unwrap_or_default();
            if provider {
                "anthropic".clone_into(&mut new.provider);
            }
            told(store.credential_create(new, now).await)
        }
        CredentialCall::Update { id, version, keys, disabled } => {
            let material = |version| (text(id), sealed(KekVersion(version), id));
            let patch = CredentialPatch {
                disabled,
                allowed_keys: keys.map(|keys| hashes(keys.first().copied())),
                material: version.map(material),
                ..CredentialPatch::default()
            };
            told(store.credential_update(number(id), patch, now).await)
        }
        CredentialCall::Delete { id } => told(store.credential_delete(number(id), now).await),
        CredentialCall::Rewrap { id, from, to } => {
            let wrapped = sealed(KekVersion(to), id).wrapped;
            told(store.credential_rewrap(number(id), KekVersion(from), wrapped).await)
        }
    }
}
