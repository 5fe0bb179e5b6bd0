//! Rows and domain values.

use keyway_core::budget::{ResetInterval, WindowKind};
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, KeyHash, KeyId, WorkspaceId};
use keyway_core::key::{KeyKind, KeyName, KeyRecord, KeySpend, OnLimit, SecretRecord, Terms};
use keyway_core::ledger::AccountState;
use keyway_core::money::Nanos;
use keyway_core::rate::{Figure, RateLimits};
use keyway_core::secret::Tag;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::{Failure, broken};

/// What [`key`] reads, in its order, from [`KEY`].
pub(crate) const KEY_COLUMNS: &str = "k.id, k.account_id, k.kind, k.workspace, k.hash, k.label, k.name, \
     k.disabled, a.limit_nanos, a.reset, a.include_byok_in_limit, k.creator_user_id, \
     k.external_user, k.created_at, k.updated_at, k.expires_at, k.requests_per_minute, \
     k.tokens_per_minute, k.max_concurrent_requests, k.on_limit, k.log_content";

/// Keys with their accounts.
pub(crate) const KEY: &str = "api_key AS k JOIN account AS a ON a.id = k.account_id";

/// What [`state`] reads, in its order, from [`ACCOUNT`].
pub(crate) const STATE_COLUMNS: &str = "a.limit_nanos, a.reset, a.include_byok_in_limit, \
     coalesce(NOT k.disabled AND k.deleted_at IS NULL, TRUE)";

/// Accounts, with their keys where they are a key's.
pub(crate) const ACCOUNT: &str = "account AS a LEFT JOIN api_key AS k ON k.account_id = a.id";

/// What [`secret`] reads, in its order.
pub(crate) const SECRET_COLUMNS: &str = "hash, tag, label, minted, valid_until";

pub(crate) const fn kind_name(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Management => "management",
        KeyKind::Inference => "inference",
    }
}

/// What the schema calls a kind of window.
pub(crate) const fn window_number(kind: WindowKind) -> i64 {
    match kind {
        WindowKind::Total => 0,
        WindowKind::Day => 1,
        WindowKind::Week => 2,
        WindowKind::Month => 3,
    }
}

/// The state of an account: limit, reset, whether BYOK counts, whether it is open, from a column on.
pub(crate) fn state(row: &Row, first: usize) -> Result<AccountState, Failure> {
    let terms = terms(row, [first, first + 1, first + 2])?;
    Ok(AccountState { terms, open: row.get(first + 3) })
}

/// The kind of window in this column.
pub(crate) fn window_kind(row: &Row, column: usize) -> Result<WindowKind, Failure> {
    let number: i64 = row.get(column);
    let kind = WindowKind::ALL.into_iter().find(|kind| window_number(*kind) == number);
    kind.ok_or_else(|| broken("kind of window"))
}

/// A key without its spend, which [`spend`] adds.
pub(crate) fn key(row: &Row) -> Result<KeyRecord, Failure> {
    let kind = match row.get(2) {
        "management" => KeyKind::Management,
        "inference" => KeyKind::Inference,
        _ => return Err(broken("kind")),
    };
    Ok(KeyRecord {
        id: KeyId(row.get(0)),
        account: AccountId(row.get(1)),
        kind,
        workspace: WorkspaceId(Uuid::from_bytes(bytes(row, 3)?)),
        hash: KeyHash::from_bytes(bytes(row, 4)?),
        label: row.get(5),
        name: KeyName::new(row.get(6)).map_err(|_| broken("name"))?,
        disabled: row.get(7),
        terms: terms(row, [8, 9, 10])?,
        rates: rates(row, [16, 17, 18])?,
        on_limit: OnLimit::parse(row.get(19)).ok_or_else(|| broken("on_limit"))?,
        log_content: row.get(20),
        creator_user_id: row.get(11),
        external_user: row.get(12),
        created_at: moment(row, 13),
        updated_at: optional_moment(row, 14),
        expires_at: optional_moment(row, 15),
        spend: KeySpend::default(),
    })
}

/// Limit, reset, and whether BYOK counts, in these columns.
pub(crate) fn terms(row: &Row, columns: [usize; 3]) -> Result<Terms, Failure> {
    let [limit, reset, byok] = columns;
    let interval: Option<&str> = row.get(reset);
    let interval = interval.map(|text| ResetInterval::parse(text).ok_or_else(|| broken("reset")));
    Ok(Terms {
        limit: row.get::<_, Option<i64>>(limit).map(Nanos::new),
        reset: interval.transpose()?,
        include_byok_in_limit: row.get(byok),
    })
}

/// The rate limits in these columns.
fn rates(row: &Row, columns: [usize; 3]) -> Result<RateLimits, Failure> {
    let figure = |column: usize| -> Result<Option<Figure>, Failure> {
        let stored: Option<i64> = row.get(column);
        let figure = |figure| Figure::new(figure).ok_or_else(|| broken("figure of a rate limit"));
        stored.map(figure).transpose()
    };
    let [requests, tokens, concurrent] = columns;
    Ok(RateLimits {
        requests_per_minute: figure(requests)?,
        tokens_per_minute: figure(tokens)?,
        max_concurrent_requests: figure(concurrent)?,
    })
}

/// A figure as the store keeps it.
pub(crate) fn figure(figure: Option<Figure>) -> Option<i64> {
    figure.map(|figure| figure.get().into())
}

pub(crate) fn secret(row: &Row) -> Result<SecretRecord, Failure> {
    Ok(SecretRecord {
        hash: KeyHash::from_bytes(bytes(row, 0)?),
        tag: Tag::from_bytes(bytes(row, 1)?),
        label: row.get(2),
        minted: row.get(3),
        valid_until: optional_moment(row, 4),
    })
}

pub(crate) fn bytes<const N: usize>(row: &Row, column: usize) -> Result<[u8; N], Failure> {
    let bytes: &[u8] = row.get(column);
    bytes.try_into().map_err(|_| broken("length"))
}

pub(crate) fn nanos(row: &Row, column: usize) -> Nanos {
    Nanos::new(row.get(column))
}

pub(crate) fn moment(row: &Row, column: usize) -> Timestamp {
    Timestamp::from_micros(row.get(column))
}

pub(crate) fn optional_moment(row: &Row, column: usize) -> Option<Timestamp> {
    row.get::<_, Option<i64>>(column).map(Timestamp::from_micros)
}
