//! The first start: the key that everything else is managed with.

use keyway_core::clock::Timestamp;
use keyway_core::key::{KeyKind, KeyName, NewKey, SecretRecord};
use keyway_core::secret::{InstallationSecret, KeyPrefix, KeySecret};
use keyway_core::store::{KeyCreation, KeyPage, KeyQuery, KeySort, PageStart, Store, StoreError};
use keyway_server::entropy::random;

use super::CliError;

/// Taken as the first management key, at the first start.
pub(crate) const BOOTSTRAP_VARIABLE: &str = "KEYWAY_BOOTSTRAP_MANAGEMENT_KEY";

const NAME: &str = "First management key";

/// Whether this was the first start, and what came of it.
pub(crate) enum FirstKey {
    /// A key was made: this is the only time that it is shown.
    Made(KeySecret),
    /// The operator brought one, or there was one.
    Known,
}

/// Makes the first management key, or takes the one that the environment brings.
pub(crate) async fn first_key(
    store: &dyn Store,
    prefix: &KeyPrefix,
    secret: &InstallationSecret,
    now: Timestamp,
) -> Result<FirstKey, CliError> {
    let failed = |error: StoreError| CliError::failed(error.to_string());
    if has_management_key(store, now).await.map_err(failed)? {
        return Ok(FirstKey::Known);
    }
    let brought = brought_key()?;
    let minted = KeySecret::mint(prefix, &random());
    let record = match &brought {
        Some(key) => SecretRecord::brought(key, secret),
        None => SecretRecord::minted(&minted, secret),
    };
    let name = KeyName::new(NAME).map_err(|error| CliError::failed(error.to_string()))?;
    let key = NewKey::management(name, store.default_workspace());
    let creation = KeyCreation { key, secret: record, idempotency: None };
    let made = store.key_bootstrap(creation, now).await.map_err(failed)?;
    Ok(if made && brought.is_none() { FirstKey::Made(minted) } else { FirstKey::Known })
}

/// The last management key cannot be revoked, so an installation that has none is new.
async fn has_management_key(store: &dyn Store, now: Timestamp) -> Result<bool, StoreError> {
    let query = KeyQuery {
        kind: KeyKind::Management,
        workspace: store.default_workspace(),
        include_disabled: true,
        include_expired: true,
        contains: None,
        sort: KeySort::Newest,
        start: PageStart::Offset(0),
        limit: 1,
    };
    let page = store.key_list(query, now).await?;
    Ok(matches!(page, KeyPage::Keys(keys) if !keys.is_empty()))
}

fn brought_key() -> Result<Option<KeySecret>, CliError> {
    let Some(value) = std::env::var_os(BOOTSTRAP_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let printable = |text: &&str| text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    let fits = |text: &&str| (32..=256).contains(&text.len());
    match value.to_str().filter(fits).filter(printable) {
        Some(text) => Ok(Some(KeySecret::from_presented(text))),
        None => Err(CliError::failed(format!(
            "{BOOTSTRAP_VARIABLE} must have 32 to 256 printable ASCII characters without spaces"
        ))),
    }
}

/// What a newcomer sees: the key, once, and what to do with it.
pub(crate) fn welcome(key: &KeySecret, url: &str) -> String {
    let keyway = std::env::args().next().unwrap_or_else(|| "keyway".to_owned());
    let at = if url == "http://127.0.0.1:8787" { String::new() } else { format!(" --url {url}") };
    format!(
        r#"A new installation. This is its management key, shown this once:

  export KEYWAY_MANAGEMENT_KEY={key}

Make a key that may spend one cent, and spend it, in another terminal:

  KEY=$({keyway} keys create --name first --limit 0.01 --quiet{at})

  curl {url}/api/v1/chat/completions -H "Authorization: Bearer $KEY" \
    -d '{{"model": "keyway/echo", "messages": [{{"role": "user", "content": "Hello"}}]}}'

  {keyway} keys list{at}
"#,
        key = key.expose()
    )
}
