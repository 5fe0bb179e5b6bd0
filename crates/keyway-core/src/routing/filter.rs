//! Which endpoints a request may not use at all, and why.

use super::preferences::{MaxPrice, Needs, Preferences, names, names_itself};
use super::{Attempt, Candidate, Variant};
use crate::catalogue::{DataCollection, Endpoint};
use crate::money::Rate;
use crate::pricing::Kind;

/// What stands against an endpoint, in the order in which it is looked at: the last of several
/// endpoints' reasons is what was missing to the one that came nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exclusion {
    /// It is none of the model's variant.
    Variant,
    /// It serves a tier that the request did not ask for.
    ServiceTier,
    /// Others may not be trained on its model.
    Distillation,
    /// The request's `ignore` names it.
    Ignored,
    /// The request's `only` does not.
    NotInOnly,
    /// The request's `order` does not, and fallbacks are not allowed.
    NotInOrder,
    Training,
    Retention,
    Quantization,
    Price,
    /// Nobody knows its price, and the request is limited.
    UnknownPrice,
    /// It is said not to support tools.
    Tools,
    Parameters,
    /// It cannot say as much as it is asked for.
    MaxTokens,
}

/// Fields that are heeded where nobody said otherwise.
const USUAL_PARAMETERS: [&str; 4] = ["max_tokens", "stop", "temperature", "top_p"];
/// Fields that an endpoint had better know, even where that is not required.
const SOFT_PARAMETERS: [&str; 4] = ["tools", "tool_choice", "response_format", "verbosity"];

/// The most that a model's endpoints can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    max_tokens: u64,
    context_length: u64,
}

impl Reach {
    /// Of the endpoints that serve the same model as `attempt`.
    pub(super) fn of(attempt: &Attempt, candidates: &[Candidate]) -> Self {
        let same = || {
            candidates.iter().map(|it| &it.attempt).filter(|it| it.model().id == attempt.model().id)
        };
        Self {
            max_tokens: same().map(Attempt::max_completion_tokens).max().unwrap_or(0),
            context_length: same().map(Attempt::context_length).max().unwrap_or(0),
        }
    }
}

/// What stands against a candidate; `None` lets it through.
pub(super) fn exclusion(
    candidate: &Candidate,
    reach: Reach,
    preferences: &Preferences,
    needs: &Needs,
) -> Option<Exclusion> {
    let attempt = &candidate.attempt;
    let endpoint = attempt.endpoint();
    let traits = &endpoint.traits;
    let named = |slugs: &[String]| slugs.iter().any(|slug| names(slug, endpoint));
    if candidate.variant.is_some_and(|variant| !variant.admits(attempt, reach.context_length)) {
        return Some(Exclusion::Variant);
    }
    if !serves_tier(candidate, preferences, needs) {
        return Some(Exclusion::ServiceTier);
    }
    if preferences.distillable && !attempt.model().distillable {
        return Some(Exclusion::Distillation);
    }
    if named(&preferences.ignore) {
        return Some(Exclusion::Ignored);
    }
    if preferences.only.as_deref().is_some_and(|only| !named(only)) {
        return Some(Exclusion::NotInOnly);
    }
    if !preferences.allow_fallbacks && !preferences.order.is_empty() && !named(&preferences.order) {
        return Some(Exclusion::NotInOrder);
    }
    if preferences.data_collection == DataCollection::Deny
        && traits.data_collection != DataCollection::Deny
    {
        return Some(Exclusion::Training);
    }
    if preferences.zdr && !traits.zdr {
        return Some(Exclusion::Retention);
    }
    if !preferences.quantizations.is_empty()
        && !preferences.quantizations.contains(&traits.quantization)
    {
        return Some(Exclusion::Quantization);
    }
    if is_too_dear(attempt, preferences, needs) {
        return Some(Exclusion::Price);
    }
    if needs.known_price && endpoint.pricing.is_none() {
        return Some(Exclusion::UnknownPrice);
    }
    lacks(attempt, reach, preferences, needs)
}

/// What the endpoint cannot do.
fn lacks(
    attempt: &Attempt,
    reach: Reach,
    preferences: &Preferences,
    needs: &Needs,
) -> Option<Exclusion> {
    let endpoint = attempt.endpoint();
    let denies = |parameter| {
        endpoint.traits.supported_parameters.is_some() && !supports(endpoint, parameter)
    };
    if needs.parameters.contains(&"tools") && denies("tools") {
        return Some(Exclusion::Tools);
    }
    if preferences.require_parameters && !needs.parameters.iter().all(|it| supports(endpoint, it)) {
        return Some(Exclusion::Parameters);
    }
    // A request for more than any endpoint can say is held to the most of them.
    let wanted = needs.max_tokens.unwrap_or(0).min(reach.max_tokens);
    (attempt.max_completion_tokens() < wanted).then_some(Exclusion::MaxTokens)
}

fn serves_tier(candidate: &Candidate, preferences: &Preferences, needs: &Needs) -> bool {
    let endpoint = candidate.attempt.endpoint();
    let Some(tier) = &endpoint.traits.service_tier else { return true };
    let only = preferences.only.as_deref().unwrap_or_default();
    needs.service_tier.as_ref() == Some(tier)
        || candidate.variant.and_then(Variant::tier) == Some(tier.as_str())
        || names_itself(&preferences.order, endpoint)
        || names_itself(only, endpoint)
}

/// By the price that the request would pay at worst, in whichever tier and at whatever hour.
fn is_too_dear(attempt: &Attempt, preferences: &Preferences, needs: &Needs) -> bool {
    let most = preferences.max_price;
    let Some(pricing) = &attempt.endpoint().pricing else { return most != MaxPrice::default() };
    let prompt_tokens = needs.prompt_tokens.min(attempt.context_length());
    let token = |kind| pricing.dearest(kind, prompt_tokens);
    let exceeds = |most: Option<Rate>, price: Rate| most.is_some_and(|most| price > most);
    exceeds(most.prompt, token(Kind::Prompt))
        || exceeds(most.completion, token(Kind::Completion))
        || exceeds(most.audio, token(Kind::Audio))
        || exceeds(most.request, pricing.request.less(pricing.discount))
        || exceeds(most.image, pricing.image.less(pricing.discount))
}

fn supports(endpoint: &Endpoint, parameter: &str) -> bool {
    match &endpoint.traits.supported_parameters {
        Some(supported) => supported.iter().any(|it| it == parameter),
        None => USUAL_PARAMETERS.contains(&parameter),
    }
}

/// Whether the endpoint is known to heed what the request had better be heeded in.
pub(super) fn is_apt(endpoint: &Endpoint, needs: &Needs) -> bool {
    let soft = needs.parameters.iter().filter(|it| SOFT_PARAMETERS.contains(it));
    soft.into_iter().all(|parameter| supports(endpoint, parameter))
}
