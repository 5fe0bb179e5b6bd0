//! The credential object, with every field that a client of any age requires (contract, D.3).

use keyway_core::credential::CredentialRecord;
use serde::Serialize;
use utoipa::ToSchema;

/// A provider's credential. The credential itself is never shown again.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct CredentialObject {
    #[schema(format = Uuid)]
    pub id: String,
    /// The provider's slug.
    pub provider: String,
    /// The masked credential.
    pub label: String,
    pub name: Option<String>,
    pub disabled: bool,
    /// Tried when all else has failed, rather than before it.
    pub is_fallback: bool,
    /// Where it may be used, the gateway's own credential for the provider is not.
    pub is_required: bool,
    /// The gateway's own credential for the provider is used for nothing.
    pub is_byok_only: bool,
    /// Credentials of one provider are tried in ascending order.
    pub sort_order: i64,
    /// Ids of models; null is every one.
    pub allowed_models: Option<Vec<String>>,
    /// Hashes of the inference keys that may use it; null is every one.
    pub allowed_api_key_hashes: Option<Vec<String>>,
    /// Whom a key was made for (its `creator_user_id`); null is everybody.
    pub allowed_user_ids: Option<Vec<String>>,
    /// Null: whether the provider keeps data is the configuration's to say.
    pub declared_zdr: Option<bool>,
    pub declared_region: Option<String>,
    #[schema(format = Uuid)]
    pub workspace_id: String,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// `{"data": …}`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CredentialAnswer {
    pub data: CredentialObject,
}

impl From<&CredentialRecord> for CredentialObject {
    fn from(credential: &CredentialRecord) -> Self {
        let conduct = &credential.conduct;
        let keys = credential.allowed_keys.as_ref();
        Self {
            id: credential.id.to_string(),
            provider: credential.provider.clone(),
            label: credential.label.clone(),
            name: credential.name.clone(),
            disabled: conduct.disabled,
            is_fallback: conduct.is_fallback,
            is_required: conduct.is_required,
            is_byok_only: conduct.is_byok_only,
            sort_order: conduct.sort_order,
            allowed_models: conduct.allowed_models.clone(),
            allowed_api_key_hashes: keys
                .map(|keys| keys.iter().map(|key| key.hash.to_string()).collect()),
            allowed_user_ids: conduct.allowed_users.clone(),
            declared_zdr: None,
            declared_region: None,
            workspace_id: credential.workspace.to_string(),
            created_at: credential.created_at.to_string(),
        }
    }
}
