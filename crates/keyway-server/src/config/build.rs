//! Makes typed values of a document, and checks what spans several fields.
//!
//! A function answers `None` where something that it needs is missing or wrong; that was reported
//! by then. The others go on, so that one run finds all mistakes.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use keyway_core::budget::ResetInterval;
use keyway_core::catalogue::{About, Endpoint, Modality, Model};
use keyway_core::credential::Fee;
use keyway_core::key::Terms;
use keyway_core::money::Nanos;
use keyway_core::rate::{Figure, RateLimits};
use keyway_core::secret::{KeyPrefix, KeySecret};
use keyway_providers::dialect::Dialect;
use keyway_providers::openai::Quirks;

use super::address::address;
use super::metrics::metrics;
use super::mistake::{Place, Report};
use super::server::server;
use super::traces::traces;
use super::traits::traits;
use super::view::View;
use super::{
    ByokConfig, Config, ContentConfig, CreditsConfig, Durability, KeysConfig, ProviderConfig,
    RoutingConfig, StoreConfig, pricing, rules, secret, timeouts,
};
use crate::contents::Redaction;

/// Of a secret that is written out.
const ADVICE: &str =
    "stands in the configuration itself; \"env:NAME\" or \"file:PATH\" keeps it out";

pub(super) fn config(
    root: View<'_>,
    origin: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<Config> {
    let place = Place::default();
    let providers = root.list("providers", &place);
    let models = root.list("models", &place);
    unique(&providers, "slug", report);
    unique(&models, "id", report);

    let folder = origin.parent().unwrap_or(Path::new(""));
    let models: Vec<_> =
        models.iter().map(|(view, at)| model(*view, at, &providers, report)).collect();
    let providers: Vec<_> =
        providers.iter().map(|(view, at)| provider(*view, at, folder, env, report)).collect();
    let store = store(root, folder, env, report);
    Some(Config {
        server: server(root)?,
        store: store?,
        budget: budget(root)?,
        byok: byok(root)?,
        credits: credits(root),
        content: content(root)?,
        metrics: metrics(root)?,
        traces: traces(root)?,
        keys: keys(root)?,
        limits: limits(root),
        routing: routing(root),
        providers: providers.into_iter().collect::<Option<_>>()?,
        models: models.into_iter().collect::<Option<_>>()?,
        catalogue_day: None,
        warnings: Vec::new(),
    })
}

fn store(
    root: View<'_>,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<StoreConfig> {
    let Some(section) = root.section("store") else { return Some(StoreConfig::default()) };
    let place = root.place("store", &Place::default());
    let url = section
        .text("url")
        .map(|source| store_url(source, &section.place("url", &place), folder, env, report));
    Some(StoreConfig {
        url: match url {
            Some(read) => Some(read?),
            None => None,
        },
        durability: match section.text("durability") {
            Some(word) => Durability::parse(word)?,
            None => Durability::default(),
        },
    })
}

fn store_url(
    source: &str,
    place: &Place,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<KeySecret> {
    let found = read(source, place, &secret::STORE_URL, folder, env, report)?;
    let url = found.secret.expose();
    if !rules::is_store_url(url) {
        let allowed = rules::STORE_URL_SOURCE.allowed;
        report.wrong(place, "is not the URL of a PostgreSQL database", allowed);
        return None;
    }
    if found.literal && rules::has_password(url) {
        report.warn(place, ADVICE);
    }
    Some(found.secret)
}

/// Without a section the installation is unlimited.
fn budget(root: View<'_>) -> Option<Terms> {
    let Some(section) = root.section("budget") else { return Some(Terms::default()) };
    let reset = match section.text("reset") {
        Some(word) => Some(ResetInterval::parse(word)?),
        None => None,
    };
    let limit = Nanos::parse_limit(section.text("limit")?).ok()?;
    Some(Terms { limit: Some(limit), reset, ..Terms::default() })
}

fn byok(root: View<'_>) -> Option<ByokConfig> {
    match root.section("byok").and_then(|section| section.text("fee_percent")) {
        Some(percent) => Fee::parse(percent).map(|fee| ByokConfig { fee }),
        None => Some(ByokConfig::default()),
    }
}

fn credits(root: View<'_>) -> CreditsConfig {
    let flag = root.section("credits").and_then(|section| section.flag("inference_keys"));
    CreditsConfig { inference_keys: flag.unwrap_or(false) }
}

fn content(root: View<'_>) -> Option<ContentConfig> {
    let Some(section) = root.section("content") else { return Some(ContentConfig::default()) };
    let default = ContentConfig::default();
    let patterns = section.texts("redact").unwrap_or_default();
    let patterns = patterns.iter().map(|text| rules::pattern(text).ok());
    let days = section.count("retention_days").and_then(|days| u32::try_from(days).ok());
    let bytes = section.count("max_bytes").and_then(|bytes| usize::try_from(bytes).ok());
    Some(ContentConfig {
        allowed: section.flag("allowed").unwrap_or(default.allowed),
        retention_days: days.unwrap_or(default.retention_days),
        bytes_max: bytes.unwrap_or(default.bytes_max),
        redaction: Redaction::with(patterns.collect::<Option<_>>()?),
    })
}

fn routing(root: View<'_>) -> RoutingConfig {
    let section = root.section("routing");
    RoutingConfig { hedge_after: section.and_then(|section| section.duration("hedge_after")) }
}

fn keys(root: View<'_>) -> Option<KeysConfig> {
    match root.section("keys").and_then(|section| section.text("prefix")) {
        Some(prefix) => KeyPrefix::new(prefix).map(|prefix| KeysConfig { prefix }),
        None => Some(KeysConfig::default()),
    }
}

/// A figure that is out of range was reported by its field's check.
fn limits(root: View<'_>) -> RateLimits {
    let section = root.section("limits");
    let figure = |name| section?.count(name).and_then(|count| Figure::new(count.try_into().ok()?));
    RateLimits {
        requests_per_minute: figure("requests_per_minute"),
        tokens_per_minute: figure("tokens_per_minute"),
        max_concurrent_requests: figure("max_concurrent_requests"),
    }
}

fn provider(
    view: View<'_>,
    place: &Place,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<ProviderConfig> {
    let purpose = match view.text("dialect") {
        Some("vertex" | "vertex-anthropic") => &secret::ACCOUNT,
        _ => &secret::CREDENTIAL,
    };
    let api_key = view.text("api_key").map(|source| {
        credential(source, purpose, &view.place("api_key", place), folder, env, report)
    });
    let base_url = address(view, place, report);
    let slug = view.text("slug")?;
    let base_url = base_url?;
    let quirks = match view.text("quirks") {
        Some(name) => Quirks::named(name)?,
        None => Quirks::at(&base_url),
    };
    Some(ProviderConfig {
        slug: slug.to_owned(),
        name: view.text("name").unwrap_or(slug).to_owned(),
        dialect: Dialect::parse(view.text("dialect")?, quirks)?,
        base_url,
        api_key: match api_key {
            Some(read) => Some(read?),
            None => None,
        },
        token_url: match view.text("token_url") {
            Some(url) => Some(rules::base_url(url).ok()?),
            None => None,
        },
        allow_private: view.flag("allow_private").unwrap_or(false),
        timeouts: timeouts::timeouts(view),
        abort_stops_billing: view.flag("abort_stops_billing").unwrap_or(false),
        trust_provider_cost: view.flag("trust_provider_cost").unwrap_or(false),
        pass_traceparent: view.flag("pass_traceparent").unwrap_or(false),
        http2: view.flag("http2").unwrap_or(true),
        requests_max: match view.count("requests_max") {
            Some(count) => Some(usize::try_from(count).ok()?),
            None => None,
        },
    })
}

fn credential(
    source: &str,
    purpose: &secret::Purpose,
    place: &Place,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<KeySecret> {
    let found = read(source, place, purpose, folder, env, report)?;
    if found.literal {
        report.warn(place, ADVICE);
    }
    Some(found.secret)
}

fn read(
    source: &str,
    place: &Place,
    purpose: &secret::Purpose,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<secret::Found> {
    // Such a text was reported by its rule.
    if source.chars().any(char::is_control) {
        return None;
    }
    let found = secret::read(source, purpose, folder, env);
    found.map_err(|wrong| report.wrong(place, &wrong.problem, wrong.allowed)).ok()
}

fn model(
    view: View<'_>,
    place: &Place,
    providers: &[(View<'_>, Place)],
    report: &mut Report<'_>,
) -> Option<Model> {
    let endpoints: Vec<_> = view
        .list("endpoints", place)
        .iter()
        .map(|(view, place)| endpoint(*view, place, providers, report))
        .collect();
    let context_length = view.count("context_length");
    let max_completion_tokens = view.count("max_completion_tokens").or(context_length);
    if let (Some(context), Some(completion)) = (context_length, max_completion_tokens)
        && (1..completion).contains(&context)
    {
        let place = view.place("max_completion_tokens", place);
        report.wrong(&place, "is larger than context_length", &format!("1 to {context}"));
    }
    let id = view.text("id")?;
    Some(Model {
        id: id.to_owned(),
        name: view.text("name").unwrap_or(id).to_owned(),
        context_length: context_length?,
        max_completion_tokens: max_completion_tokens?,
        distillable: view.flag("distillable").unwrap_or(false),
        about: about(view)?,
        endpoints: endpoints.into_iter().collect::<Option<_>>()?,
    })
}

/// Words that are none were reported.
fn about(view: View<'_>) -> Option<About> {
    let modalities = |name| match view.texts(name) {
        Some(words) => words.iter().map(|word| Modality::parse(word)).collect(),
        None => Some(vec![Modality::Text]),
    };
    Some(About {
        input_modalities: modalities("input_modalities")?,
        output_modalities: modalities("output_modalities")?,
        expiration_date: view.text("expiration_date").map(str::to_owned),
    })
}

fn endpoint(
    view: View<'_>,
    place: &Place,
    providers: &[(View<'_>, Place)],
    report: &mut Report<'_>,
) -> Option<Endpoint> {
    let provider = view.text("provider")?;
    let serving = providers.iter().map(|(view, _)| *view);
    let serving = { serving }.find(|view| view.text("slug") == Some(provider));
    if serving.is_none() {
        let slugs = providers.iter().filter_map(|(view, _)| view.text("slug"));
        let known: BTreeSet<_> = slugs.filter(|slug| (rules::SLUG.check)(slug).is_ok()).collect();
        let allowed = if known.is_empty() {
            "the slug of a provider in this file".to_owned()
        } else {
            format!("the slug of a provider: {}", known.into_iter().collect::<Vec<_>>().join(", "))
        };
        let place = view.place("provider", place);
        report.missing(&place, "names a provider that is not configured", &allowed);
    }
    let pricing = view
        .section("pricing")
        .map(|pricing| pricing::build(pricing, &view.place("pricing", place), report));
    Some(Endpoint {
        provider: provider.to_owned(),
        upstream_model: view.text("upstream_model")?.to_owned(),
        pricing: match pricing {
            Some(built) => Some(built?),
            None => None,
        },
        traits: traits(view, place, serving, report)?,
        patience: timeouts::patience(view, place, serving, report),
    })
}

/// Reports entries whose field `name` says what an earlier entry's says.
fn unique(entries: &[(View<'_>, Place)], name: &str, report: &mut Report<'_>) {
    let mut first: HashMap<&str, Place> = HashMap::new();
    for (view, place) in entries {
        let Some(text) = view.text(name) else { continue };
        let place = view.place(name, place);
        if let Some(earlier) = first.get(text) {
            let line = report.line_of(earlier);
            let problem = format!("is the same as {} in line {line}", earlier.path);
            report.wrong(&place, &problem, "one that no other entry has");
        } else {
            first.insert(text, place);
        }
    }
}
