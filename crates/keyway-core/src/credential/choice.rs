//! Which credentials a request may present to a provider, and in what order (contract, B.5).

use super::CredentialRecord;
use crate::key::KeyRecord;

/// What a request may present to one provider: prioritized credentials, the shared one, fallbacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'a, T> {
    /// Before every shared credential, of whatever provider.
    pub prioritized: Vec<&'a T>,
    /// Whether the provider's shared credential may be presented.
    pub shared: bool,
    /// When all else has failed.
    pub fallback: Vec<&'a T>,
}

/// Chooses among `credentials`, each with its `record`, which are in the order in which they are tried. A shared credential is
/// left out where one that applies is required, and wherever any of the provider's says that it is for
/// brought credentials only.
pub fn choose<'a, T>(
    credentials: &'a [T],
    record: impl Fn(&T) -> &CredentialRecord,
    provider: &str,
    model: &str,
    key: &KeyRecord,
) -> Choice<'a, T> {
    let mut choice = Choice { prioritized: Vec::new(), shared: true, fallback: Vec::new() };
    for credential in credentials {
        let record = record(credential);
        if record.provider != provider || record.conduct.disabled {
            continue;
        }
        choice.shared &= !record.conduct.is_byok_only;
        if !record.applies(model, key) {
            continue;
        }
        choice.shared &= !record.conduct.is_required;
        if record.conduct.is_fallback {
            choice.fallback.push(credential);
        } else {
            choice.prioritized.push(credential);
        }
    }
    choice
}

impl CredentialRecord {
    /// Whether requests of `key` for `model` may use it, unless it is disabled.
    pub fn applies(&self, model: &str, key: &KeyRecord) -> bool {
        let models = self.conduct.allowed_models.as_ref();
        let users = self.conduct.allowed_users.as_ref();
        let user = key.creator_user_id.as_ref();
        self.workspace == key.workspace
            && models.is_none_or(|models| models.iter().any(|it| it == model))
            && users.is_none_or(|users| user.is_some_and(|user| users.contains(user)))
            && self.allowed_keys.as_ref().is_none_or(|keys| keys.iter().any(|it| it.id == key.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::credential::envelope::{KekVersion, Sealed, WRAPPED_BYTES, WrappedKey};
    use crate::credential::{AllowedKey, Conduct};
    use crate::id::{AccountId, CredentialId, KeyHash, KeyId, WorkspaceId};
    use crate::key::{KeyName, NewKey, SecretRecord};
    use crate::secret::{InstallationSecret, KeySecret};

    fn workspace(byte: u8) -> WorkspaceId {
        WorkspaceId::from_random([byte; 16])
    }

    fn key() -> KeyRecord {
        let secret = KeySecret::from_presented("key");
        let secret = SecretRecord::minted(&secret, &InstallationSecret::new(&[1; 32]));
        let name = KeyName::new("key").expect("a name");
        let key = NewKey {
            creator_user_id: Some("ann".to_owned()),
            ..NewKey::management(name, workspace(1))
        };
        key.record(KeyId(7), AccountId(7), &secret, Timestamp::default())
    }

    fn credential(byte: u8, conduct: Conduct) -> CredentialRecord {
        let wrapped = WrappedKey { version: KekVersion(1), text: [0; WRAPPED_BYTES] };
        CredentialRecord {
            id: CredentialId::from_bytes([byte; 16]),
            workspace: workspace(1),
            provider: "openai".to_owned(),
            name: None,
            conduct,
            allowed_keys: None,
            label: "...".to_owned(),
            sealed: Sealed { wrapped, material: Vec::new() },
            created_at: Timestamp::default(),
        }
    }

    /// The numbers of what is prioritized, whether the shared one may be used, those of fallbacks.
    fn chosen(credentials: &[CredentialRecord]) -> (Vec<u8>, bool, Vec<u8>) {
        let choice = choose(credentials, |it| it, "openai", "a/one", &key());
        let numbers = |chosen: &[&CredentialRecord]| {
            chosen.iter().map(|it| it.id.as_bytes()[0]).collect::<Vec<_>>()
        };
        (numbers(&choice.prioritized), choice.shared, numbers(&choice.fallback))
    }

    #[test]
    fn prioritized_ones_come_before_the_shared_one_and_fallbacks_behind() {
        let fallback = Conduct { is_fallback: true, ..Conduct::default() };
        let disabled = Conduct { disabled: true, is_byok_only: true, ..Conduct::default() };
        let credentials = [
            credential(1, fallback.clone()),
            credential(2, Conduct::default()),
            credential(3, disabled),
            credential(4, Conduct::default()),
            credential(5, fallback),
            CredentialRecord { provider: "other".to_owned(), ..credential(6, Conduct::default()) },
        ];
        assert_eq!(chosen(&credentials), (vec![2, 4], true, vec![1, 5]));
        assert_eq!(chosen(&[]), (vec![], true, vec![]));
    }

    #[test]
    fn filters_are_by_model_user_key_and_workspace() {
        let of = |conduct| credential(1, conduct);
        let list = |text: &str| Some(vec![text.to_owned()]);
        let models = |text| Conduct { allowed_models: list(text), ..Conduct::default() };
        let users = |text| Conduct { allowed_users: list(text), ..Conduct::default() };
        let keys = |id| {
            let allowed = AllowedKey { id: KeyId(id), hash: KeyHash::of("any") };
            CredentialRecord { allowed_keys: Some(vec![allowed]), ..of(Conduct::default()) }
        };
        let elsewhere = CredentialRecord { workspace: workspace(2), ..of(Conduct::default()) };
        for (credential, applies) in [
            (of(models("a/one")), true),
            (of(models("a/two")), false),
            (of(users("ann")), true),
            (of(users("bob")), false),
            (keys(7), true),
            (keys(8), false),
            (elsewhere, false),
        ] {
            assert_eq!(
                chosen(std::slice::from_ref(&credential)).0.len(),
                usize::from(applies),
                "{credential:?}"
            );
        }
    }

    #[test]
    fn a_required_one_keeps_the_shared_one_out_where_it_applies() {
        let required = |model: &str| {
            let allowed_models = Some(vec![model.to_owned()]);
            credential(1, Conduct { is_required: true, allowed_models, ..Conduct::default() })
        };
        assert_eq!(chosen(&[required("a/one")]), (vec![1], false, vec![]));
        assert_eq!(chosen(&[required("a/two")]), (vec![], true, vec![]));
        let mut only = required("a/two");
        only.conduct.is_byok_only = true;
        assert_eq!(chosen(&[only]), (vec![], false, vec![]), "for the whole provider");
    }
}
