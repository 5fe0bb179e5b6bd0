//! What a client is told of how its request was routed, where it asks (`X-OpenRouter-Metadata`).

use http::HeaderMap;
use keyway_core::routing::{Attempt, Plan};
use serde_json::{Value, json};

use super::upstream::Upstream;
use crate::app::App;

/// The header, and its older name.
const HEADERS: [&str; 2] = ["x-openrouter-metadata", "x-openrouter-experimental-metadata"];

/// The model as the client named it, where it wants to be told.
pub(super) fn asked(headers: &HeaderMap, model: &str) -> Option<String> {
    let enabled = |name: &str| headers.get(name).is_some_and(|it| it == "enabled");
    HEADERS.into_iter().any(enabled).then(|| model.to_owned())
}

/// The plan, which of its endpoints answered, and what became of those before it.
pub(super) fn routing(
    app: &App,
    requested: &str,
    plan: &Plan,
    chosen: &Attempt,
    failed: &[(Attempt, Option<u16>)],
) -> Value {
    let name = |attempt: &Attempt| {
        let slug = &attempt.endpoint().provider;
        app.upstreams.get(slug).map_or_else(|| slug.clone(), |it: &Upstream| it.name.clone())
    };
    let available: Vec<Value> = plan
        .attempts()
        .iter()
        .map(|it| json!({"provider": name(it), "model": it.model().id, "selected": it == chosen}))
        .collect();
    let tried = |attempt: &Attempt, status: u16| json!({"provider": name(attempt), "model": attempt.model().id, "status": status});
    let mut attempts: Vec<Value> =
        failed.iter().map(|(attempt, status)| tried(attempt, status.unwrap_or(502))).collect();
    attempts.push(tried(chosen, 200));
    let first = &plan.first().model().id;
    let strategy = match () {
        () if chosen.model().id != *first => "fallback",
        () if requested.split(':').next() != first.split(':').next() => "alias",
        () => "direct",
    };
    json!({
        "requested": requested,
        "strategy": strategy,
        "region": null,
        "summary": format!("available={}, selected={}", available.len(), name(chosen)),
        "attempt": attempts.len(),
        "is_byok": chosen.is_byok(),
        "endpoints": {"total": available.len(), "available": available},
        "attempts": attempts,
    })
}
