//! Which providers of the catalogue are there: those whose environment variable is set.

use std::collections::HashSet;

use keyway_core::catalogue::Model;
use keyway_core::secret::KeySecret;
use keyway_providers::dialect::Dialect;
use keyway_providers::openai::Quirks;

use super::Edition;
use super::cloud::Found;
use super::providers::{self, KnownProvider};
use crate::config::{Config, ProviderConfig, Timeouts, base_url, credential};

/// The port of a provider at the operator's whose variable does not say one.
const LOCAL_PORT: &str = "11434";

/// Adds to `config` the providers that `env` switches on, with their models of `edition`.
///
/// What the configuration says of a provider or a model of the same name stands. A variable that
/// cannot be used is told among the warnings.
pub fn switch_on(config: &mut Config, edition: &Edition, env: &dyn Fn(&str) -> Option<String>) {
    let mut on = HashSet::new();
    for known in providers::all() {
        match provider(&known, env) {
            None => {}
            Some(Ok(provider)) => {
                if !config.providers.iter().any(|it| it.slug == provider.slug) {
                    config.providers.push(provider);
                }
                on.insert(known.slug);
            }
            Some(Err(problem)) => config.warnings.push(problem),
        }
    }
    if on.is_empty() {
        return;
    }
    config.catalogue_day = Some(edition.head().day.clone());
    let configured: HashSet<String> = config.models.iter().map(|model| model.id.clone()).collect();
    let models = edition.models().into_iter().filter(|model| !configured.contains(&model.id));
    config.models.extend(models.filter_map(|model| at(model, &on)));
}

/// The model at the providers that are `on`; `None` where there is none of them.
fn at(mut model: Model, on: &HashSet<String>) -> Option<Model> {
    model.endpoints.retain(|endpoint| on.contains(&endpoint.provider));
    let longest = model.endpoints.iter().filter_map(|endpoint| endpoint.traits.context_length);
    model.context_length = longest.max()?;
    let longest = model.endpoints.iter().filter_map(|it| it.traits.max_completion_tokens);
    model.max_completion_tokens = longest.max()?;
    Some(model)
}

/// The provider as its variables switch it on; `None` where they do not. An error is for the operator and
/// never says what a variable holds.
fn provider(
    known: &KnownProvider,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<Result<ProviderConfig, String>> {
    let quirks = Quirks::named(&known.slug)
        .unwrap_or_else(|| Quirks::at(known.base_url.as_deref().unwrap_or_default()));
    let dialect = Dialect::parse(&known.dialect, quirks);
    let found = match (known.cloud, dialect) {
        (Some(cloud), Some(dialect)) => cloud.find(dialect, env)?.map(Switched::from),
        _ => by_variable(known, env)?,
    };
    let problem = |problem: String| format!("{problem}; {} stays off", known.slug);
    let Some(dialect) = dialect else {
        return Some(Err(problem(format!("the dialect \"{}\" is not spoken", known.dialect))));
    };
    Some(found.map_err(problem).map(|Switched { base_url, api_key, allow_private }| {
        ProviderConfig {
            slug: known.slug.clone(),
            name: known.name.clone(),
            dialect,
            base_url,
            api_key,
            token_url: None,
            allow_private,
            timeouts: Timeouts::default(),
            abort_stops_billing: false,
            trust_provider_cost: known.trust_provider_cost,
            pass_traceparent: false,
            http2: true,
            requests_max: None,
        }
    }))
}

/// Where a provider is, and with what it is asked.
struct Switched {
    base_url: String,
    api_key: Option<KeySecret>,
    allow_private: bool,
}

impl From<Found> for Switched {
    fn from(Found { base_url, api_key }: Found) -> Self {
        Self { base_url, api_key: Some(api_key), allow_private: false }
    }
}

fn by_variable(
    known: &KnownProvider,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<Result<Switched, String>> {
    let set = |name: &Option<String>| {
        let name = name.as_ref()?;
        env(name).filter(|value| !value.trim().is_empty()).map(|value| (name.clone(), value))
    };
    let host = set(&known.host_variable);
    let (variable, _) = host.clone().or_else(|| set(&known.variable))?;
    // Who says where a server of theirs is, means it.
    let allow_private = host.is_some();
    let base_url = match host {
        Some((_, host)) => address(&host),
        None => Ok(known.base_url.clone()?),
    };
    let api_key = known.variable.as_ref().map(|name| credential(name, env)).transpose();
    let found =
        base_url.and_then(|base_url| Ok(Switched { base_url, api_key: api_key?, allow_private }));
    Some(found.map_err(|problem| format!("{variable}: {problem}")))
}

/// Where `OLLAMA_HOST` says that a server is: an address or a host, with or without a port.
fn address(host: &str) -> Result<String, String> {
    let host = host.trim().trim_end_matches('/');
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    // Where a server listens everywhere, it is reached here.
    let rest = rest.replacen("0.0.0.0", "127.0.0.1", 1);
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = if has_port || scheme == "https" { String::new() } else { format!(":{LOCAL_PORT}") };
    base_url(&format!("{scheme}://{rest}{port}/v1"))
}
