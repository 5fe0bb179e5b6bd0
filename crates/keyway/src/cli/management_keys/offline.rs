//! A management key made on the data directory itself, for who has none left.

use std::path::Path;

use keyway_core::clock::{Clock, Timestamp};
use keyway_core::key::{KeyName, KeyRecord, NewKey, SecretRecord};
use keyway_core::secret::{KeyPrefix, KeySecret};
use keyway_core::store::{KeyCreated, KeyCreation, Store, StoreError};
use keyway_server::api::keys::object::KeyObject;
use keyway_server::clock::SystemClock;
use keyway_server::config::Durability;
use keyway_server::entropy::random;
use serde_json::json;

use crate::cli::client::Answer;
use crate::cli::installation::{self, Installation};
use crate::cli::{CliError, config};

/// Makes a management key, and answers as the API does. Refuses while a gateway holds the directory.
pub(crate) async fn create(
    name: &str,
    data_dir: &Path,
    config: Option<&Path>,
) -> Result<Answer, CliError> {
    let name = KeyName::new(name).map_err(|error| CliError::Usage(format!("--name {error}")))?;
    let prefix = prefix(config)?;
    let now = SystemClock.now();
    let installation = installation::open(data_dir, Durability::Flush, now)?;
    let created = create_in(&installation, name, &prefix, now).await;
    installation.store.close().await;
    let (key, secret) = created?;
    let body = json!({"data": KeyObject::from(&key), "key": secret.expose()});
    Ok(Answer { text: body.to_string(), body })
}

async fn create_in(
    Installation { secret: installation, store }: &Installation,
    name: KeyName,
    prefix: &KeyPrefix,
    now: Timestamp,
) -> Result<(KeyRecord, KeySecret), CliError> {
    let secret = KeySecret::mint(prefix, &random());
    let creation = KeyCreation {
        key: NewKey::management(name, store.default_workspace()),
        secret: SecretRecord::minted(&secret, installation),
        idempotency: None,
    };
    let created = store.key_create(creation, now).await;
    match created.map_err(|error: StoreError| CliError::failed(error.to_string()))? {
        KeyCreated::Created(key) => Ok((key, secret)),
        other => Err(CliError::failed(format!("a plain creation was answered {other:?}"))),
    }
}

/// The prefix that the gateway will look for. Its providers' credentials play no part here, and may
/// not be known where this runs.
fn prefix(named: Option<&Path>) -> Result<KeyPrefix, CliError> {
    let config = config::load_with(named, &|_| Some("not-needed".to_owned()))?;
    Ok(config.keys.prefix)
}
