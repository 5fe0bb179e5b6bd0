//! Credentials: keys that operators have with providers, and what may be done with each.
//!
//! A credential's material is known to the store only as it is [`envelope::Sealed`].

pub mod choice;
pub mod envelope;
mod fee;

use crate::clock::Timestamp;
use crate::id::{CredentialId, KeyHash, KeyId, WorkspaceId};
use crate::secret::KeySecret;
use envelope::Sealed;

pub use fee::Fee;

/// Credentials of one installation: every node has all of them in memory.
pub const CREDENTIALS_MAX: usize = 1_000;
/// Entries of each list of what a credential may be used for.
pub const ALLOWED_MAX: usize = 100;
/// Characters that a masked credential shows of its beginning and of its end.
const LABEL_HEAD: usize = 3;
const LABEL_TAIL: usize = 4;
/// A shorter credential would be told by what its label shows.
const LABELLED_CHARACTERS_MIN: usize = 16;

/// The inference key that a credential is reserved for: another hash is its own after a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedKey {
    pub id: KeyId,
    /// Of its newest secret.
    pub hash: KeyHash,
}

/// What a credential may be used for, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, in the API too")]
pub struct Conduct {
    pub disabled: bool,
    /// Used when all else has failed, rather than before it.
    pub is_fallback: bool,
    /// Where it may be used, the provider's shared credential is not.
    pub is_required: bool,
    /// The provider's shared credential is used for nothing.
    pub is_byok_only: bool,
    /// Ids of models; `None` is every one.
    pub allowed_models: Option<Vec<String>>,
    /// The users whom a key was made for; `None` is everybody.
    pub allowed_users: Option<Vec<String>>,
    /// Among those of its provider the smallest is tried first.
    pub sort_order: i64,
}

/// A credential to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredential {
    pub id: CredentialId,
    pub workspace: WorkspaceId,
    /// The provider's slug.
    pub provider: String,
    pub name: Option<String>,
    /// Its `sort_order` counts where [`NewCredential::is_last`] does not say otherwise.
    pub conduct: Conduct,
    /// Behind all others of its provider.
    pub is_last: bool,
    /// The only inference keys that may use it, by any of their live hashes; `None` is every one.
    pub allowed_keys: Option<Vec<KeyHash>>,
    pub label: String,
    pub sealed: Sealed,
}

/// A credential as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRecord {
    pub id: CredentialId,
    pub workspace: WorkspaceId,
    pub provider: String,
    pub name: Option<String>,
    pub conduct: Conduct,
    pub allowed_keys: Option<Vec<AllowedKey>>,
    /// The masked material.
    pub label: String,
    pub sealed: Sealed,
    pub created_at: Timestamp,
}

impl NewCredential {
    /// The record that is made of it, where `last` is the last place that its provider's have.
    pub fn record(
        self,
        allowed_keys: Option<Vec<AllowedKey>>,
        last: Option<i64>,
        now: Timestamp,
    ) -> CredentialRecord {
        let next = last.map_or(0, |last| last.saturating_add(1));
        let sort_order = if self.is_last { next } else { self.conduct.sort_order };
        CredentialRecord {
            id: self.id,
            workspace: self.workspace,
            provider: self.provider,
            name: self.name,
            conduct: Conduct { sort_order, ..self.conduct },
            allowed_keys,
            label: self.label,
            sealed: self.sealed,
            created_at: now,
        }
    }
}

/// What is to change of a credential. What is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialPatch {
    pub name: Option<Option<String>>,
    pub disabled: Option<bool>,
    pub is_fallback: Option<bool>,
    pub is_required: Option<bool>,
    pub is_byok_only: Option<bool>,
    pub allowed_models: Option<Option<Vec<String>>>,
    pub allowed_users: Option<Option<Vec<String>>>,
    pub allowed_keys: Option<Option<Vec<KeyHash>>>,
    pub sort_order: Option<i64>,
    /// Other material with its label.
    pub material: Option<(String, Sealed)>,
}

impl CredentialPatch {
    /// Changes all of `record` but for the keys that may use it, which the store has to look up.
    pub fn apply(self, record: &mut CredentialRecord) {
        let conduct = &mut record.conduct;
        set(&mut record.name, self.name);
        set(&mut conduct.disabled, self.disabled);
        set(&mut conduct.is_fallback, self.is_fallback);
        set(&mut conduct.is_required, self.is_required);
        set(&mut conduct.is_byok_only, self.is_byok_only);
        set(&mut conduct.allowed_models, self.allowed_models);
        set(&mut conduct.allowed_users, self.allowed_users);
        set(&mut conduct.sort_order, self.sort_order);
        if let Some((label, sealed)) = self.material {
            record.label = label;
            record.sealed = sealed;
        }
    }
}

fn set<T>(place: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *place = value;
    }
}

/// The masked form that lists show: `sk-...AbCd`. Of a document, such as a service account's, and of
/// what is too short to be masked, it tells nothing.
pub fn label(material: &KeySecret) -> String {
    let text = material.expose().trim();
    let characters: Vec<char> = text.chars().collect();
    if text.starts_with(['{', '[']) {
        return "{...}".to_owned();
    }
    if characters.len() < LABELLED_CHARACTERS_MIN {
        return "...".to_owned();
    }
    let head: String = characters[..LABEL_HEAD].iter().collect();
    let tail: String = characters[characters.len() - LABEL_TAIL..].iter().collect();
    format!("{head}...{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_a_credential_from_others_and_nothing_more() {
        for (material, shown) in [
            ("sk-proj-0123456789AbCd", "sk-...AbCd"),
            ("short-key", "..."),
            ("", "..."),
            (r#"{"type": "service_account", "private_key": "x"}"#, "{...}"),
            ("é-0123456789abcdéfg", "é-0...défg"),
        ] {
            assert_eq!(label(&KeySecret::from_presented(material)), shown);
        }
    }
}
