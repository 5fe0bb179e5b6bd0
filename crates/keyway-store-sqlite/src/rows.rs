//! Rows and domain values.

use keyway_core::budget::{ResetInterval, WindowKind};
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, KeyHash, KeyId, WorkspaceId};
use keyway_core::key::{
    KeyKind, KeyName, KeyRecord, KeySpend, OnLimit, SecretRecord, Terms, WindowSpend,
};
use keyway_core::ledger::AccountState;
use keyway_core::money::Nanos;
use keyway_core::rate::{Figure, RateLimits};
use keyway_core::secret::Tag;
use keyway_core::store::WindowBalance;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row, params};
use uuid::Uuid;

/// What [`key`] reads, in its order, from [`KEY`].
pub(crate) const KEY_COLUMNS: &str = "k.id, k.account_id, k.kind, k.workspace, k.hash, k.label, k.name, \
     k.disabled, a.limit_nanos, a.reset, a.include_byok_in_limit, k.creator_user_id, \
     k.external_user, k.created_at, k.updated_at, k.expires_at, k.requests_per_minute, \
     k.tokens_per_minute, k.max_concurrent_requests, k.on_limit, k.log_content";

/// Keys with their accounts.
pub(crate) const KEY: &str = "api_key AS k JOIN account AS a ON a.id = k.account_id";

/// What [`state`] reads, in its order, from [`ACCOUNT`].
pub(crate) const STATE_COLUMNS: &str = "a.limit_nanos, a.reset, a.include_byok_in_limit, \
     coalesce(k.disabled = 0 AND k.deleted_at IS NULL, 1)";

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

/// A key without its spend, which [`spend`] adds.
pub(crate) fn key(row: &Row<'_>) -> Result<KeyRecord, Error> {
    let kind = match row.get_ref(2)?.as_str().map_err(|_| broken(2, "kind"))? {
        "management" => KeyKind::Management,
        "inference" => KeyKind::Inference,
        _ => return Err(broken(2, "kind")),
    };
    let (name, on_limit): (String, String) = (row.get(6)?, row.get(19)?);
    Ok(KeyRecord {
        id: KeyId(row.get(0)?),
        account: AccountId(row.get(1)?),
        kind,
        workspace: WorkspaceId(Uuid::from_bytes(row.get(3)?)),
        hash: KeyHash::from_bytes(row.get(4)?),
        label: row.get(5)?,
        name: KeyName::new(&name).map_err(|_| broken(6, "name"))?,
        disabled: row.get(7)?,
        terms: terms(row, [8, 9, 10])?,
        rates: rates(row, [16, 17, 18])?,
        on_limit: OnLimit::parse(&on_limit).ok_or_else(|| broken(19, "on_limit"))?,
        log_content: row.get(20)?,
        creator_user_id: row.get(11)?,
        external_user: row.get(12)?,
        created_at: moment(row, 13)?,
        updated_at: optional_moment(row, 14)?,
        expires_at: optional_moment(row, 15)?,
        spend: KeySpend::default(),
    })
}

/// Limit, reset, and whether BYOK counts, in these columns.
pub(crate) fn terms(row: &Row<'_>, columns: [usize; 3]) -> Result<Terms, Error> {
    let [limit, reset, byok] = columns;
    let interval: Option<String> = row.get(reset)?;
    let interval =
        interval.map(|text| ResetInterval::parse(&text).ok_or_else(|| broken(reset, "reset")));
    Ok(Terms {
        limit: row.get::<_, Option<i64>>(limit)?.map(Nanos::new),
        reset: interval.transpose()?,
        include_byok_in_limit: row.get(byok)?,
    })
}

/// The state of an account: limit, reset, whether BYOK counts, whether it is open, from a column on.
pub(crate) fn state(row: &Row<'_>, first: usize) -> Result<AccountState, Error> {
    let terms = terms(row, [first, first + 1, first + 2])?;
    Ok(AccountState { terms, open: row.get(first + 3)? })
}

/// The rate limits in these columns.
fn rates(row: &Row<'_>, columns: [usize; 3]) -> Result<RateLimits, Error> {
    let figure = |column: usize| -> Result<Option<Figure>, Error> {
        let stored: Option<i64> = row.get(column)?;
        let figure =
            |figure| Figure::new(figure).ok_or_else(|| broken(column, "figure of a rate limit"));
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

/// The kind of window in this column.
pub(crate) fn window_kind(row: &Row<'_>, column: usize) -> Result<WindowKind, Error> {
    let number: i64 = row.get(column)?;
    let kind = WindowKind::ALL.into_iter().find(|kind| window_number(*kind) == number);
    kind.ok_or_else(|| broken(column, "kind of window"))
}

pub(crate) fn secret(row: &Row<'_>) -> Result<SecretRecord, Error> {
    Ok(SecretRecord {
        hash: KeyHash::from_bytes(row.get(0)?),
        tag: Tag::from_bytes(row.get(1)?),
        label: row.get(2)?,
        minted: row.get(3)?,
        valid_until: optional_moment(row, 4)?,
    })
}

pub(crate) fn moment(row: &Row<'_>, column: usize) -> Result<Timestamp, Error> {
    row.get(column).map(Timestamp::from_micros)
}

pub(crate) fn optional_moment(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

/// The newest window of each kind that the account has a charge in, and when the last was made.
pub(crate) fn newest_windows(
    connection: &Connection,
    account: AccountId,
) -> Result<([WindowBalance; 4], Option<Timestamp>), Error> {
    let mut statement = connection.prepare_cached(
        "SELECT starts_at, spent_nanos, byok_nanos, last_at FROM account_window
         WHERE account_id = ?1 AND kind = ?2 ORDER BY starts_at DESC LIMIT 1",
    )?;
    let mut windows = [WindowBalance::default(); 4];
    let mut last_at = None;
    for kind in WindowKind::ALL {
        let mut rows = statement.query(params![account.0, window_number(kind)])?;
        if let Some(row) = rows.next()? {
            windows[kind.index()] = WindowBalance {
                starts_at: moment(row, 0)?,
                spend: WindowSpend {
                    spent: Nanos::new(row.get(1)?),
                    byok: Nanos::new(row.get(2)?),
                },
            };
            if kind == WindowKind::Total {
                last_at = Some(moment(row, 3)?);
            }
        }
    }
    Ok((windows, last_at))
}

/// What was spent in the windows that are open at `now`. One that began later is open still: the
/// clock went back, and a window that ended never opens again.
pub(crate) fn spend(
    connection: &Connection,
    account: AccountId,
    now: Timestamp,
) -> Result<KeySpend, Error> {
    let (newest, last_used_at) = newest_windows(connection, account)?;
    let mut windows = [WindowSpend::default(); 4];
    for kind in WindowKind::ALL {
        let window = newest[kind.index()];
        if window.starts_at >= kind.starts_at(now) {
            windows[kind.index()] = window.spend;
        }
    }
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(sum(outstanding_nanos), 0) FROM lease WHERE account_id = ?1",
    )?;
    let leased = statement.query_row([account.0], |row| row.get(0)).map(Nanos::new)?;
    Ok(KeySpend { windows, leased, last_used_at })
}

/// A value that the schema's checks do not let in.
pub(crate) fn broken(column: usize, what: &str) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, format!("a broken {what}").into())
}
