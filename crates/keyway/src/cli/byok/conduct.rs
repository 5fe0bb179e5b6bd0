//! What `keyway byok add` and `update` say alike: when a credential is used, and for whom.

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::CliError;
use crate::cli::client::Gateway;
use crate::cli::target::{self, Collection};

#[derive(Debug, Args)]
pub(super) struct Conduct {
    /// Try it when all else has failed, rather than before it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fallback: Option<bool>,
    /// Keep the gateway's own credential out wherever this one may be used
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    required: Option<bool>,
    /// Keep the gateway's own credential out for the whole provider
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    only: Option<bool>,
    /// Its place among the provider's credentials, which are tried in ascending order
    #[arg(long, value_name = "N")]
    sort_order: Option<u32>,
    /// A model that it is used for; all of them where none is named. May be repeated
    #[arg(long = "model", value_name = "ID")]
    models: Vec<String>,
    /// The hash of an inference key that may use it, or its first digits; all may where none is named. May be
    /// repeated
    #[arg(long = "for-key", value_name = "HASH")]
    keys: Vec<String>,
    /// Whom a key was made for that may use it; everybody where none is named. May be repeated
    #[arg(long = "for-user", value_name = "ID")]
    users: Vec<String>,
}

impl Conduct {
    /// What the flags are called.
    pub(super) const FIELDS: [&str; 7] =
        ["fallback", "required", "only", "sort_order", "models", "keys", "users"];

    /// Adds what was said to the body of a call.
    pub(super) async fn say(
        &self,
        body: &mut Map<String, Value>,
        gateway: &Gateway,
    ) -> Result<(), CliError> {
        for (field, flag) in [
            ("is_fallback", self.fallback),
            ("is_required", self.required),
            ("is_byok_only", self.only),
        ] {
            if let Some(flag) = flag {
                body.insert(field.into(), flag.into());
            }
        }
        if let Some(place) = self.sort_order {
            body.insert("sort_order".into(), place.into());
        }
        let mut hashes = Vec::new();
        for key in &self.keys {
            hashes.push(target::hash(gateway, Collection::Keys, key).await?);
        }
        for (field, allowed) in [
            ("allowed_models", &self.models),
            ("allowed_api_key_hashes", &hashes),
            ("allowed_user_ids", &self.users),
        ] {
            if !allowed.is_empty() {
                body.insert(field.into(), allowed.as_slice().into());
            }
        }
        Ok(())
    }
}
