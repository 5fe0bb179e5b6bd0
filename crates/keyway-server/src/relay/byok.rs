//! Credentials that are not the gateway's own: which of them a request may present, and what that costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use keyway_core::credential::Fee;
use keyway_core::credential::choice::choose;
use keyway_core::error::Error;
use keyway_core::key::KeyRecord;
use keyway_core::money::Nanos;
use keyway_core::pricing::Worst;
use keyway_core::routing::{Attempt, Plan, Presented, Turn};
use keyway_core::secret::KeySecret;
use serde_json::Value;

use super::bound::Bound;
use crate::app::App;
use crate::vault::Held;

/// The credentials that a request brings along, by provider. Never logged, never stored.
const PROVIDER_API_KEYS: HeaderName = HeaderName::from_static("x-provider-api-keys");
const FORM: &str = "must be a JSON object of providers' slugs and their keys, each a string of 1 to 8192 \
                    visible ASCII characters without spaces, as in {\"anthropic\": \"…\"}";
/// Longest header, in bytes.
const HEADER_BYTES_MAX: usize = 16 * 1024;
const KEY_BYTES_MAX: usize = 8 * 1024;

/// Credentials that came with a request, by the provider's slug.
#[derive(Debug, Default)]
pub(super) struct Brought(BTreeMap<String, KeySecret>);

impl Brought {
    /// Those of the request's header. No message repeats them.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let wrong = |why: &str| Error::invalid("X-Provider-API-Keys", why);
        let mut values = headers.get_all(PROVIDER_API_KEYS).iter();
        let Some(value) = values.next() else { return Ok(Self::default()) };
        if values.next().is_some() {
            return Err(wrong("must not be repeated"));
        }
        if value.len() > HEADER_BYTES_MAX {
            return Err(wrong("must not be longer than 16384 bytes"));
        }
        let parsed = keyway_providers::json::parse(value.as_bytes());
        let Ok(Value::Object(object)) = parsed else { return Err(wrong(FORM)) };
        let keys = object.into_iter().map(|(slug, key)| {
            let text = key.as_str().filter(|key| is_key(key))?;
            Some((slug, KeySecret::from_presented(text)))
        });
        keys.collect::<Option<_>>().map(Self).ok_or_else(|| wrong(FORM))
    }

    /// What `attempt` presents: `None` is the gateway's own.
    ///
    /// # Errors
    /// Where the credential was disabled or deleted since the request was planned.
    pub(super) fn presented(
        &self,
        app: &App,
        attempt: &Attempt,
    ) -> Result<Option<KeySecret>, Gone> {
        match attempt.presented() {
            Presented::Shared => Ok(None),
            Presented::Brought => {
                self.0.get(&attempt.endpoint().provider).cloned().map(Some).ok_or(Gone)
            }
            Presented::Kept(id) => {
                let credentials = app.vault.credentials();
                let held = credentials.iter().find(|held| held.record.id == id);
                let usable = held.filter(|held| !held.record.conduct.disabled);
                usable.and_then(|held| held.secret.clone()).map(Some).ok_or(Gone)
            }
        }
    }

    /// Every way in which `key` may try the endpoint of `attempt`, with its turn.
    pub(super) fn turns(
        &self,
        credentials: &[Arc<Held>],
        key: &KeyRecord,
        attempt: &Attempt,
    ) -> Vec<(Attempt, Turn)> {
        let provider = &attempt.endpoint().provider;
        let choice = choose(credentials, |held| &held.record, provider, &attempt.model().id, key);
        let kept =
            |held: &&Arc<Held>| held.secret.as_ref().map(|_| Presented::Kept(held.record.id));
        let brought = self.0.contains_key(provider).then_some(Presented::Brought);
        let prioritized = brought.into_iter().chain(choice.prioritized.iter().filter_map(kept));
        let prioritized = (0..).zip(prioritized).map(|(nth, it)| (it, Turn::Prioritized(nth)));
        let shared = choice.shared.then_some((Presented::Shared, Turn::Shared));
        let fallback = (0..).zip(choice.fallback.iter().filter_map(kept));
        let fallback = fallback.map(|(nth, it)| (it, Turn::Fallback(nth)));
        let turns = prioritized.chain(shared).chain(fallback);
        turns.map(|(presented, turn)| (attempt.presenting(presented), turn)).collect()
    }
}

/// The credential is not there any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone;

fn is_key(text: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

impl Bound {
    /// What the request may take out of budgets, where some of the plan's endpoints are paid by other
    /// credentials than the gateway's: the fee of those, and their list price where a budget on its
    /// path counts it.
    pub(super) fn paid_by(self, plan: &Plan, fee: Fee, counts_byok: bool) -> Self {
        let mut attempts = plan.attempts().iter();
        let list = self.cost;
        let (some, all) = (attempts.clone().any(Attempt::is_byok), attempts.all(Attempt::is_byok));
        let cost = match (some, all) {
            (true, _) if counts_byok => list.saturating_add(fee.of(list)),
            (true, true) => fee.of(list),
            // A fee is at most the list price.
            _ => list,
        };
        Self { cost, ..self }
    }
}

impl Bound {
    /// The bound of the endpoint that answers, by which delivery is authorised: nothing, where its
    /// answer is charged to nobody.
    pub(super) fn of(self, fee: Option<Fee>, counts_byok: bool) -> Self {
        let is_free = fee.is_some_and(Fee::is_none) && !counts_byok;
        if is_free { Self { worst: Worst::default(), ..self } } else { self }
    }
}

/// What an answer that costs `list` is charged, and what of it another credential paid.
pub(super) fn split(fee: Option<Fee>, list: Nanos) -> (Nanos, Option<Nanos>) {
    match fee {
        Some(fee) => (fee.of(list), Some(list)),
        None => (list, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_providers_are_read_and_never_repeated() {
        let of = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            let value = http::HeaderValue::from_bytes(value).expect("a header value");
            headers.insert(PROVIDER_API_KEYS, value);
            Brought::of(&headers)
        };
        let brought = of(br#"{"anthropic": "sk-ant-canary", "openai": "sk-canary"}"#);
        let brought = brought.expect("two keys");
        assert_eq!(brought.0["openai"].expose(), "sk-canary");
        assert!(!format!("{brought:?}").contains("canary"));
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(HEADER_BYTES_MAX));
        for wrong in [
            b"canary".as_slice(),
            br#"["canary"]"#,
            br#"{"a": 7}"#,
            br#"{"a": ""}"#,
            br#"{"a": "can ary"}"#,
            br#"{"a": "1", "a": "2"}"#,
            b"{\"a\": \"\xff\"}",
            long.as_bytes(),
        ] {
            let error = of(wrong).expect_err("wrong").to_string();
            assert!(error.starts_with("X-Provider-API-Keys"), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(Brought::of(&HeaderMap::new()).expect("none").0.is_empty());
    }
}
