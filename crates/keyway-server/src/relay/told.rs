//! What a client is told of how its request was routed, where it asks (`X-OpenRouter-Metadata`).

use http::{HeaderMap, HeaderName};
use keyway_core::ledger::Tried;
use keyway_core::routing::{Attempt, Plan};
use serde_json::{Value, json};

use crate::app::App;

/// The header, and its older name.
static HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("x-openrouter-metadata"),
    HeaderName::from_static("x-openrouter-experimental-metadata"),
];

/// The model as the client named it, where it wants to be told.
pub(super) fn asked(headers: &HeaderMap, model: &str) -> Option<String> {
    let enabled = |name: &HeaderName| headers.get(name).is_some_and(|it| it == "enabled");
    HEADERS.iter().any(enabled).then(|| model.to_owned())
}

/// The plan, which of its endpoints answered, and what became of those before it.
pub(super) fn routing(
    app: &App,
    requested: &str,
    plan: &Plan,
    chosen: &Attempt,
    failed: &[Tried],
) -> Value {
    let name = |attempt: &Attempt| app.provider_name(&attempt.endpoint().provider);
    let available: Vec<Value> = plan
        .attempts()
        .iter()
        .map(|it| json!({"provider": name(it), "model": it.model().id, "selected": it == chosen}))
        .collect();
    let tried = |provider: String, model: &str, status: u16| json!({"provider": provider, "model": model, "status": status});
    let failed = failed
        .iter()
        .map(|it| tried(app.provider_name(&it.provider), &it.model, it.status.unwrap_or(502)));
    let answered = tried(name(chosen), &chosen.model().id, 200);
    let attempts: Vec<Value> = failed.chain([answered]).collect();
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
