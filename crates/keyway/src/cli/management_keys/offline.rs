//! A management key made in the store itself, for who has none left.

use std::path::Path;

use keyway_core::clock::{Clock, Timestamp};
use keyway_core::key::{KeyName, KeyRecord, NewKey, SecretRecord};
use keyway_core::secret::{InstallationSecret, KeyPrefix, KeySecret};
use keyway_core::store::{KeyCreated, KeyCreation, Store, StoreError};
use keyway_server::api::keys::object::KeyObject;
use keyway_server::clock::SystemClock;
use keyway_server::config::{Config, Durability};
use keyway_server::entropy::random;
use keyway_store_sqlite::Holder;
use serde_json::json;

use super::create::StoreArgs;
use crate::cli::client::Answer;
use crate::cli::installation::{self, Installation};
use crate::cli::{CliError, config};

/// Makes a management key, and answers as the API does. Refuses while a gateway holds the directory.
pub(crate) async fn create(name: &str, args: &StoreArgs) -> Result<Answer, CliError> {
    let name = KeyName::new(name).map_err(|error| CliError::Usage(format!("--name {error}")))?;
    let config = configuration(args.config.as_deref())?;
    let now = SystemClock.now();
    let new = NewManagementKey { name, prefix: config.keys.prefix, now };
    let configured = config.store.url.as_ref().map(KeySecret::expose);
    let created = if let Some(url) = args.store_url.as_deref().or(configured) {
        let (secrets, store) = installation::open_shared(url, now).await?;
        let created = new.create_in(&store, &secrets.installation).await;
        store.close();
        created
    } else {
        let Installation { secrets, store } =
            installation::open(&args.data_dir, Holder::Command, Durability::Flush, now)?;
        let created = new.create_in(&store, &secrets.installation).await;
        store.close().await;
        created
    };
    let (key, secret) = created?;
    let body = json!({"data": KeyObject::from(&key), "key": secret.expose()});
    Ok(Answer { text: body.to_string(), body })
}

struct NewManagementKey {
    name: KeyName,
    prefix: KeyPrefix,
    now: Timestamp,
}

impl NewManagementKey {
    async fn create_in(
        self,
        store: &dyn Store,
        installation: &InstallationSecret,
    ) -> Result<(KeyRecord, KeySecret), CliError> {
        let secret = KeySecret::mint(&self.prefix, &random());
        let creation = KeyCreation {
            key: NewKey::management(self.name, store.default_workspace()),
            secret: SecretRecord::minted(&secret, installation),
            idempotency: None,
        };
        let created = store.key_create(creation, self.now).await;
        match created.map_err(|error: StoreError| CliError::failed(error.to_string()))? {
            KeyCreated::Created(key) => Ok((key, secret)),
            other => Err(CliError::failed(format!("a plain creation was answered {other:?}"))),
        }
    }
}

/// What the gateway goes by. Its providers' credentials play no part here, and may not be known
/// where this runs.
fn configuration(named: Option<&Path>) -> Result<Config, CliError> {
    let variable = |name: &str| std::env::var(name).ok();
    config::load_with(named, &|name| variable(name).or_else(|| Some("not-needed".to_owned())))
}
