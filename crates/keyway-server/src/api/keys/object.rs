//! The key object, with every field that a client of any age requires (contract, A.3).

use keyway_core::budget::{ResetInterval, WindowKind};
use keyway_core::clock::Timestamp;
use keyway_core::key::KeyRecord;
use keyway_core::money::Nanos;
use keyway_core::rate::Figure;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::usd::Usd;

/// An API key. Money is in USD, with up to nine decimals; dates are RFC 3339 in UTC.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeyObject {
    /// SHA-256 of the whole key string, in lower-case hex: the key's public id.
    pub hash: String,
    pub name: String,
    /// The masked key string.
    pub label: String,
    pub disabled: bool,
    /// What may be spent per window; null is unlimited.
    #[schema(value_type = Option<f64>)]
    pub limit: Option<Usd>,
    /// What is left of it, never below zero; null is unlimited.
    #[schema(value_type = Option<f64>)]
    pub limit_remaining: Option<Usd>,
    /// `daily`, `weekly` (from Monday) or `monthly`, at midnight UTC; null never resets.
    pub limit_reset: Option<&'static str>,
    pub include_byok_in_limit: bool,
    /// Requests in any 60 seconds; null is the configuration's default. A field of this gateway's
    /// own, as the next three are.
    pub requests_per_minute: Option<u32>,
    /// Tokens, of prompts and completions, in any 60 seconds; null is the configuration's default.
    pub tokens_per_minute: Option<u32>,
    /// Requests in flight at once; null is the configuration's default.
    pub max_concurrent_requests: Option<u32>,
    /// What becomes of a request that may cost more than is left, unless it says so itself:
    /// `refuse`, or `clamp`, which lowers its `max_tokens` to what can be paid.
    pub on_limit: &'static str,
    /// Whether what is said with it is kept. A field of this gateway's own.
    pub log_content: bool,
    /// Charged to the key, of all time.
    #[schema(value_type = f64)]
    pub usage: Usd,
    /// What requests in flight hold now, apart from `usage`: they turn it into charges, or give it
    /// back. Of the node that answers. A field of this gateway's own.
    #[schema(value_type = f64)]
    pub held: Usd,
    #[schema(value_type = f64)]
    pub usage_daily: Usd,
    #[schema(value_type = f64)]
    pub usage_weekly: Usd,
    #[schema(value_type = f64)]
    pub usage_monthly: Usd,
    /// Spent on the operator's own provider credentials, of all time.
    #[schema(value_type = f64)]
    pub byok_usage: Usd,
    #[schema(value_type = f64)]
    pub byok_usage_daily: Usd,
    #[schema(value_type = f64)]
    pub byok_usage_weekly: Usd,
    #[schema(value_type = f64)]
    pub byok_usage_monthly: Usd,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Null until the first change.
    #[schema(format = DateTime)]
    pub updated_at: Option<String>,
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    pub creator_user_id: Option<String>,
    #[schema(format = Uuid)]
    pub workspace_id: String,
    pub external_user: Option<String>,
    /// When the last charge was made.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
}

/// `{"data": …}`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KeyAnswer {
    pub data: KeyObject,
}

impl From<&KeyRecord> for KeyObject {
    fn from(key: &KeyRecord) -> Self {
        let spent = |kind: WindowKind| Usd(key.spend.windows[kind.index()].spent);
        let byok = |kind: WindowKind| Usd(key.spend.windows[kind.index()].byok);
        Self {
            hash: key.hash.to_string(),
            name: key.name.as_str().to_owned(),
            label: key.label.clone(),
            disabled: key.disabled,
            limit: key.terms.limit.map(Usd),
            limit_remaining: key.limit_remaining().map(Usd),
            limit_reset: key.terms.reset.map(ResetInterval::as_str),
            include_byok_in_limit: key.terms.include_byok_in_limit,
            requests_per_minute: key.rates.requests_per_minute.map(Figure::get),
            tokens_per_minute: key.rates.tokens_per_minute.map(Figure::get),
            max_concurrent_requests: key.rates.max_concurrent_requests.map(Figure::get),
            on_limit: key.on_limit.as_str(),
            log_content: key.log_content,
            usage: spent(WindowKind::Total),
            held: Usd(Nanos::ZERO),
            usage_daily: spent(WindowKind::Day),
            usage_weekly: spent(WindowKind::Week),
            usage_monthly: spent(WindowKind::Month),
            byok_usage: byok(WindowKind::Total),
            byok_usage_daily: byok(WindowKind::Day),
            byok_usage_weekly: byok(WindowKind::Week),
            byok_usage_monthly: byok(WindowKind::Month),
            created_at: key.created_at.to_string(),
            updated_at: text(key.updated_at),
            expires_at: text(key.expires_at),
            creator_user_id: key.creator_user_id.clone(),
            workspace_id: key.workspace.to_string(),
            external_user: key.external_user.clone(),
            last_used_at: text(key.spend.last_used_at),
        }
    }
}

impl KeyObject {
    /// The key with what is in flight on it.
    pub fn of(key: &KeyRecord, app: &App) -> Self {
        Self { held: Usd(app.meter.held(key.account)), ..key.into() }
    }
}

impl KeyAnswer {
    pub fn of(key: &KeyRecord, app: &App) -> Self {
        Self { data: KeyObject::of(key, app) }
    }
}

fn text(moment: Option<Timestamp>) -> Option<String> {
    moment.map(|moment| moment.to_string())
}
