//! Which key a command is about.

use std::fmt::Write;

use keyway_core::id::KeyHash;
use serde_json::Value;

use super::CliError;
use super::client::Gateway;
use super::key_object::KeyObject;

/// Fewest digits of a hash that name a key.
const DIGITS_MIN: usize = 6;
/// Keys on a page of the list.
const PAGE_KEYS: usize = 1_000;
/// Pages that are searched for the first digits of a hash.
const PAGES_MAX: usize = 1_000;
/// Candidates that a message lists.
const CANDIDATES_SHOWN: usize = 10;
const ALLOWED: &str = "the hash of a key, or at least its first 6 digits";

/// The two kinds of keys, where the API keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    Keys,
    ManagementKeys,
}

impl Collection {
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Keys => "/keys",
            Self::ManagementKeys => "/management-keys",
        }
    }

    /// The page behind the key `after`.
    fn page(self, after: Option<&str>) -> String {
        match (self, after) {
            (Self::ManagementKeys, _) => self.path().to_owned(),
            (Self::Keys, after) => {
                let after = after.map(|hash| format!("&after={hash}")).unwrap_or_default();
                let all = "include_disabled=true&include_expired=true";
                format!("{}?{all}&limit={PAGE_KEYS}{after}", self.path())
            }
        }
    }
}

/// The route of the key that `text` names: by its hash, or by enough of the hash's first digits.
pub(crate) async fn path(
    gateway: &Gateway,
    collection: Collection,
    text: &str,
) -> Result<String, CliError> {
    let hash = hash(gateway, collection, text).await?;
    Ok(format!("{}/{hash}", collection.path()))
}

/// The hash of the key that `text` names.
pub(crate) async fn hash(
    gateway: &Gateway,
    collection: Collection,
    text: &str,
) -> Result<String, CliError> {
    let digits = digits(text)?;
    if digits.parse::<KeyHash>().is_ok() {
        return Ok(digits);
    }
    let mut candidates: Vec<Value> = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut page = gateway.get(&collection.page(after.as_deref())).await?.body;
        let keys = page["data"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let last = keys.last().map(|key| KeyObject(key).hash().to_owned());
        let complete = keys.len() < PAGE_KEYS || collection == Collection::ManagementKeys;
        candidates
            .extend(keys.into_iter().filter(|key| KeyObject(key).hash().starts_with(&digits)));
        if complete {
            return choose(&digits, &candidates);
        }
        after = last;
    }
    let searched = PAGES_MAX * PAGE_KEYS;
    Err(CliError::failed(format!("there are more than {searched} keys; give the whole hash")))
}

/// What may stand for a key. The text is not repeated: it may be a key string.
fn digits(text: &str) -> Result<String, CliError> {
    let digits = text.to_ascii_lowercase();
    if (DIGITS_MIN..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(digits);
    }
    let long = text.len() > DIGITS_MIN;
    let warning = if long { "; a key string does not belong on a command line" } else { "" };
    Err(CliError::Usage(format!("this names no key; allowed: {ALLOWED}{warning}")))
}

fn choose(digits: &str, candidates: &[Value]) -> Result<String, CliError> {
    match candidates {
        [] => Err(CliError::failed(format!("there is no key whose hash begins with {digits}"))),
        [key] => {
            let hash: KeyHash = KeyObject(key)
                .hash()
                .parse()
                .map_err(|_| CliError::failed("the gateway's list holds a hash that is none"))?;
            Ok(hash.to_string())
        }
        several => {
            let mut message =
                format!("{} keys have a hash that begins with {digits}:", several.len());
            for key in several.iter().take(CANDIDATES_SHOWN).map(KeyObject) {
                let _ = write!(message, "\n  {}  {}", key.text("hash"), key.text("name"));
            }
            if several.len() > CANDIDATES_SHOWN {
                message.push_str("\n  ...");
            }
            Err(CliError::failed(message))
        }
    }
}
