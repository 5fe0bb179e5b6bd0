//! A new key, its account, its first secret, and what makes its creation happen once.

use keyway_core::budget::ResetInterval;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, KeyId};
use keyway_core::key::{KeyRecord, NewKey, SecretRecord};
use keyway_core::money::Nanos;
use keyway_core::store::{IDEMPOTENCY_SECONDS, Idempotency, KeyCreated, KeyCreation};
use rusqlite::{Connection, Error, OptionalExtension, params};

use crate::rows::{figure, kind_name};

/// Outlived idempotency rows that one creation takes away; more than it adds, so they do not pile up.
const PRUNED_MAX: i64 = 16;

pub(crate) fn create(
    connection: &Connection,
    creation: &KeyCreation,
    now: Timestamp,
) -> Result<KeyCreated, Error> {
    if let Some(idempotency) = &creation.idempotency {
        prune(connection, idempotency, now)?;
        if let Some(earlier) = replay(connection, idempotency)? {
            return Ok(earlier);
        }
    }
    if creation.key.is_past(now) {
        return Ok(KeyCreated::AlreadyExpired);
    }
    let key = insert(connection, &creation.key, &creation.secret, now)?;
    if let Some(idempotency) = &creation.idempotency {
        remember(connection, idempotency, key.id, now)?;
    }
    Ok(KeyCreated::Created(key))
}

/// Makes the key if there never was one of its kind.
pub(crate) fn bootstrap(
    connection: &Connection,
    creation: &KeyCreation,
    now: Timestamp,
) -> Result<bool, Error> {
    let known: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM api_key WHERE kind = 'management')",
        [],
        |row| row.get(0),
    )?;
    if !known {
        insert(connection, &creation.key, &creation.secret, now)?;
    }
    Ok(!known)
}

fn insert(
    connection: &Connection,
    key: &NewKey,
    secret: &SecretRecord,
    now: Timestamp,
) -> Result<KeyRecord, Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO account (kind, limit_nanos, reset, include_byok_in_limit)
         VALUES ('key', ?1, ?2, ?3)",
    )?;
    statement.execute(params![
        key.terms.limit.map(Nanos::get),
        key.terms.reset.map(ResetInterval::as_str),
        key.terms.include_byok_in_limit,
    ])?;
    let account = AccountId(connection.last_insert_rowid());
    let mut statement = connection.prepare_cached(
        "INSERT INTO api_key (account_id, kind, workspace, hash, label, name, creator_user_id,
                              external_user, created_at, expires_at, requests_per_minute,
                              tokens_per_minute, max_concurrent_requests, on_limit, log_content)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    statement.execute(params![
        account.0,
        kind_name(key.kind),
        key.workspace.0.as_bytes(),
        secret.hash.as_bytes(),
        secret.label,
        key.name.as_str(),
        key.creator_user_id,
        key.external_user,
        now.as_micros(),
        key.expires_at.map(Timestamp::as_micros),
        figure(key.rates.requests_per_minute),
        figure(key.rates.tokens_per_minute),
        figure(key.rates.max_concurrent_requests),
        key.on_limit.as_str(),
        key.log_content,
    ])?;
    let id = KeyId(connection.last_insert_rowid());
    insert_secret(connection, id, secret)?;
    Ok(key.record(id, account, secret, now))
}

pub(super) fn insert_secret(
    connection: &Connection,
    key: KeyId,
    secret: &SecretRecord,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO key_secret (hash, key_id, tag, label, minted, valid_until)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    statement.execute(params![
        secret.hash.as_bytes(),
        key.0,
        secret.tag.as_bytes(),
        secret.label,
        secret.minted,
        secret.valid_until.map(Timestamp::as_micros),
    ])?;
    Ok(())
}

/// Takes away rows that outlived their day: this creation's own, so that it counts as new, and a few
/// of the others.
fn prune(connection: &Connection, idempotency: &Idempotency, now: Timestamp) -> Result<(), Error> {
    let oldest = now.plus_seconds(-IDEMPOTENCY_SECONDS).as_micros();
    let mut own = connection.prepare_cached(
        "DELETE FROM idempotency WHERE actor = ?1 AND key = ?2 AND created_at <= ?3",
    )?;
    own.execute(params![idempotency.actor.0, idempotency.key, oldest])?;
    let mut others = connection.prepare_cached(
        "DELETE FROM idempotency WHERE (actor, key) IN
           (SELECT actor, key FROM idempotency WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)",
    )?;
    others.execute(params![oldest, PRUNED_MAX])?;
    Ok(())
}

fn replay(connection: &Connection, idempotency: &Idempotency) -> Result<Option<KeyCreated>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT i.body, i.salt, i.answer, k.deleted_at IS NOT NULL
         FROM idempotency AS i JOIN api_key AS k ON k.id = i.key_id
         WHERE i.actor = ?1 AND i.key = ?2",
    )?;
    let found = statement.query_row(params![idempotency.actor.0, idempotency.key], |row| {
        let (body, deleted): ([u8; 32], bool) = (row.get(0)?, row.get(3)?);
        Ok(if body != idempotency.body {
            KeyCreated::BodyDiffers
        } else if deleted {
            KeyCreated::KeyDeleted
        } else {
            KeyCreated::Replayed { salt: row.get(1)?, answer: row.get(2)? }
        })
    });
    found.optional()
}

fn remember(
    connection: &Connection,
    idempotency: &Idempotency,
    key: KeyId,
    now: Timestamp,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO idempotency (actor, key, body, salt, answer, key_id, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    statement.execute(params![
        idempotency.actor.0,
        idempotency.key,
        idempotency.body,
        idempotency.salt,
        idempotency.answer,
        key.0,
        now.as_micros(),
    ])?;
    Ok(())
}
