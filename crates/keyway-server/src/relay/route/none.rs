//! No endpoint is left: which of the request's wishes stands against those that there are.

use std::collections::BTreeSet;

use keyway_core::error::{Error, ErrorKind};
use keyway_core::routing::{Candidate, Exclusion, NoEndpoint, Preferences};

use super::models::Named;
use crate::app::App;
use crate::http::error::ApiError;
use crate::meant::meant;

/// Slugs that differ by more typing errors than this are not proposed.
const TYPING_ERRORS_MAX: usize = 2;

/// A 404 in the contract's words (C.4).
pub(super) fn error(
    app: &App,
    models: &[Named],
    candidates: &[Candidate],
    preferences: &Preferences,
    none: &NoEndpoint,
) -> ApiError {
    let names: Vec<&str> = models.iter().map(|named| named.model.id.as_str()).collect();
    let Some(nearest) = none.nearest() else {
        let message = format!("No endpoints found for {}.", names.join(", "));
        return Error::new(ErrorKind::NotFound, message).into();
    };
    let serving: BTreeSet<&str> =
        candidates.iter().map(|it| it.attempt.endpoint().provider.as_str()).collect();
    let serving: Vec<&str> = serving.into_iter().collect();
    let excluded: BTreeSet<&str> = none.exclusions.iter().map(|it| word(*it)).collect();
    let excluded: Vec<&str> = excluded.into_iter().collect();
    let message = message(app, &names.join(", "), &serving, preferences, nearest);
    ApiError::from(Error::new(ErrorKind::NotFound, message))
        .with_metadata("requested_models", names)
        .with_metadata("available_providers", serving)
        .with_metadata("excluded_by", excluded)
}

fn message(
    app: &App,
    names: &str,
    serving: &[&str],
    preferences: &Preferences,
    nearest: Exclusion,
) -> String {
    let providers = |field: &str, says: &str, slugs: &[String]| {
        format!(
            "No allowed providers are available for the selected model. Providers serving {names}: \
             {}, but your request's provider.{field} preference {says}: {}.{}",
            serving.join(", "),
            slugs.join(", "),
            proposal(app, slugs),
        )
    };
    let only = preferences.only.as_deref().unwrap_or_default();
    match nearest {
        Exclusion::Ignored => providers("ignore", "excludes", &preferences.ignore),
        Exclusion::NotInOnly => providers("only", "permits only", only),
        Exclusion::NotInOrder => providers("order", "permits only", &preferences.order),
        Exclusion::Tools => "No endpoints found that support tool use.".to_owned(),
        Exclusion::Training | Exclusion::Retention => format!(
            "No endpoints available matching your guardrail restrictions and data policy: {} asks \
             for what no provider of {names} is configured to promise.",
            if nearest == Exclusion::Retention {
                "provider.zdr"
            } else {
                "provider.data_collection"
            },
        ),
        Exclusion::Parameters => format!(
            "No endpoints found that can handle the requested parameters: provider.require_parameters \
             is set, and no provider of {names} is configured to support all of them."
        ),
        Exclusion::Price => {
            format!("No endpoints found for {names} within your request's provider.max_price.")
        }
        Exclusion::UnknownPrice => format!(
            "No endpoints found for {names} with a known price. A key with a limit may use no others."
        ),
        Exclusion::Quantization => {
            format!(
                "No endpoints found for {names} with one of your request's provider.quantizations."
            )
        }
        Exclusion::Distillation => format!(
            "No endpoints found for {names} whose text may be distilled, as \
             provider.enforce_distillable_text asks for."
        ),
        Exclusion::Variant => format!("No endpoints found for {names} of the variant asked for."),
        Exclusion::ServiceTier => {
            format!(
                "No endpoints found for {names} outside of service tiers; name one as service_tier."
            )
        }
        Exclusion::MaxTokens => {
            format!("No endpoints found for {names} that can produce as many tokens as max_tokens.")
        }
    }
}

/// The contract's words for what excludes (C.4, `excluded_by`).
const fn word(exclusion: Exclusion) -> &'static str {
    match exclusion {
        Exclusion::Ignored | Exclusion::NotInOnly | Exclusion::NotInOrder => "allowed_providers",
        Exclusion::Training => "data_policy:training",
        Exclusion::Retention => "data_policy:zdr",
        Exclusion::Quantization => "quantization",
        Exclusion::Price => "max_price",
        Exclusion::UnknownPrice => "unknown_price",
        Exclusion::Tools | Exclusion::Parameters => "require_parameters",
        Exclusion::MaxTokens => "context_length",
        Exclusion::Distillation => "distillation",
        Exclusion::Variant => "variant",
        Exclusion::ServiceTier => "service_tier",
    }
}

/// A slug that no provider has, and the one that was meant.
fn proposal(app: &App, slugs: &[String]) -> String {
    let base = |slug: &str| slug.split('/').next().unwrap_or(slug).to_owned();
    let known: Vec<&str> = app.upstreams.keys().map(String::as_str).collect();
    let unknown = slugs.iter().map(|slug| base(slug)).find(|it| !known.contains(&it.as_str()));
    let Some(unknown) = unknown else { return String::new() };
    match meant(&unknown, known, TYPING_ERRORS_MAX) {
        Some(near) => {
            format!(" No provider is called {unknown} here; did you mean {near}?")
        }
        None => format!(" No provider is called {unknown} here."),
    }
}
