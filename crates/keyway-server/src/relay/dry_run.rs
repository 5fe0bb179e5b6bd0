//! `POST /api/v1/chat/completions?dry_run=true`: what would become of a request, and why.

use axum::Json;
use axum::response::{IntoResponse, Response};
use keyway_core::budget::ResetInterval;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::id::AccountId;
use keyway_core::key::KeyRecord;
use keyway_core::ledger::{Refusal, Standing};
use keyway_core::money::Nanos;
use keyway_core::routing::Plan;
use keyway_core::store::AccountRecord;
use keyway_providers::chat::ChatRequest;
use serde::Serialize;
use utoipa::ToSchema;

use super::bound::Bound;
use super::clamp::{Wish, max_tokens, shorten};
use super::meter::path;
use super::rate_refusal::rate_refusal;
use super::refusal::{REQUEST, limit_source, refusal};
use super::rolling;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::usd::Usd;

const DRY_RUN: &str = "dry_run";

/// `{"data": …}`
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunAnswer {
    data: DryRun,
}

/// What a request would reserve at this moment. Nothing is sent, and nothing reserved.
#[derive(Debug, Serialize, ToSchema)]
struct DryRun {
    /// Whether it would be admitted at once.
    admitted: bool,
    /// What it would reserve: the most that it may cost, or of one that is `rolling` the most that its
    /// beginning may.
    #[schema(value_type = f64)]
    reserves: Usd,
    /// Whether it would be admitted without the most that it may cost, and ended where its budget does.
    rolling: bool,
    /// The most tokens that each answer may have, lowered where the request says so.
    max_tokens: u64,
    /// What has to afford it.
    budgets: Vec<DryRunBudget>,
    /// The status of the refusal; only where it would not be admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The message of the refusal; only where it would not be admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// A budget at this moment. Money is in USD.
#[derive(Debug, Serialize, ToSchema)]
struct DryRunBudget {
    /// `installation_budget`: what all keys together may spend. `key_limit`: the key's own limit.
    /// `request`: what `X-Keyway-Max-Cost` says.
    limit_source: &'static str,
    /// Null is unlimited.
    #[schema(value_type = Option<f64>)]
    limit: Option<Usd>,
    limit_reset: Option<&'static str>,
    #[schema(format = DateTime)]
    resets_at: Option<String>,
    #[schema(value_type = f64)]
    spent: Usd,
    /// Held by requests in flight, and kept ready by other nodes.
    #[schema(value_type = f64)]
    held: Usd,
    /// What could be reserved at once; null is unlimited.
    #[schema(value_type = Option<f64>)]
    available: Option<Usd>,
}

/// Whether the request is only a question. A value that says nothing is refused: the request must
/// not be sent by mistake.
pub(super) fn is_asked(query: &Query) -> Result<bool, Error> {
    if query.has(DRY_RUN) && query.get(DRY_RUN).is_none() {
        return Err(Error::invalid(DRY_RUN, "must be true or false"));
    }
    Ok(query.boolean(DRY_RUN)?.unwrap_or(false))
}

/// Tells what would become of `request`.
pub(super) async fn answer(
    app: &App,
    caller: &KeyRecord,
    plan: &Plan,
    mut request: ChatRequest,
    bound: Bound,
    wish: &Wish,
) -> Result<Response, ApiError> {
    // What is spent is not in the keyring: it is read when it is asked for.
    let key = app.store.key_get(caller.kind, caller.hash, app.clock.now()).await?;
    let gone = || Error::new(ErrorKind::Unauthenticated, "User not found.");
    let key = key.ok_or_else(gone)?;
    let (mut bound, mut error) = match wish.fit(&mut request, plan, bound) {
        Ok(bound) => (bound, None),
        Err(error) => (bound, Some(error)),
    };
    if error.is_none() {
        let (tokens, now) = (bound.tokens(), app.clock.now());
        error = app.rates.refusal(&key, tokens).map(|it| rate_refusal(it, tokens, now));
    }
    let accounts = accounts(app, &key).await?;
    let mut refused = first_refusal(app, &accounts, bound.cost);
    while let (Some(refusal), true, true) = (refused, wish.clamps, error.is_none())
        && let Some(shorter) = shorten(&mut request, plan, &bound, refusal.available())
    {
        bound = shorter;
        refused = first_refusal(app, &accounts, bound.cost);
    }
    let mut reserves = bound.cost;
    let may_roll = error.is_none() && rolling::may_roll(app, &request, plan, wish);
    let slice = refused.filter(|_| may_roll).and_then(|it| rolling::first_slice(&bound, &it));
    if let Some(slice) = slice {
        reserves = slice;
        refused = first_refusal(app, &accounts, slice);
    }
    if let (Some(refused), None) = (&refused, &error) {
        error = Some(refusal(refused, &bound, &key, app));
    }
    let standings = accounts.iter().map(|(id, account)| {
        DryRunBudget::of_account(*id, &app.meter.would_admit(*id, account, reserves).standing)
    });
    let mut budgets: Vec<_> = standings.collect();
    budgets.extend(wish.ceiling.map(DryRunBudget::of_request));
    let data = DryRun {
        admitted: error.is_none(),
        reserves: Usd(reserves),
        rolling: slice.is_some(),
        max_tokens: max_tokens(&request, plan),
        budgets,
        status: error.as_ref().map(|error| error.status().as_u16()),
        message: error.as_ref().map(|error| error.message().to_owned()),
    };
    Ok(Json(DryRunAnswer { data }).into_response())
}

/// The accounts of the key's path, as they stand now. That of the installation only where it has a
/// budget: nobody has to afford anything of it otherwise.
async fn accounts(app: &App, key: &KeyRecord) -> Result<Vec<(AccountId, AccountRecord)>, ApiError> {
    let mut accounts = Vec::new();
    for id in path(key) {
        let found = app.store.account_get(id, app.clock.now()).await?;
        let known = found.filter(|it| id == key.account || it.state.terms.limit.is_some());
        accounts.extend(known.map(|account| (id, account)));
    }
    Ok(accounts)
}

fn first_refusal(
    app: &App,
    accounts: &[(AccountId, AccountRecord)],
    bound: Nanos,
) -> Option<Refusal> {
    accounts.iter().find_map(|(id, account)| app.meter.would_admit(*id, account, bound).refusal)
}

impl DryRunBudget {
    fn of_account(id: AccountId, standing: &Standing) -> Self {
        Self {
            limit_source: limit_source(id),
            limit: standing.limit.map(Usd),
            limit_reset: standing.reset.map(ResetInterval::as_str),
            resets_at: standing.resets_at.map(|at| at.to_string()),
            spent: Usd(standing.spent),
            held: Usd(standing.held),
            available: standing.available().map(Usd),
        }
    }

    /// A ceiling is for one request: nothing else spends of it.
    fn of_request(ceiling: Nanos) -> Self {
        Self {
            limit_source: REQUEST,
            limit: Some(Usd(ceiling)),
            limit_reset: None,
            resets_at: None,
            spent: Usd(Nanos::ZERO),
            held: Usd(Nanos::ZERO),
            available: Some(Usd(ceiling)),
        }
    }
}
