//! A new key, its account, its first secret, and what makes its creation happen once.

use deadpool_postgres::Transaction;
use keyway_core::budget::ResetInterval;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, KeyId};
use keyway_core::key::{KeyRecord, NewKey, SecretRecord};
use keyway_core::money::Nanos;
use keyway_core::store::{IDEMPOTENCY_SECONDS, Idempotency, KeyCreated, KeyCreation};

use super::find::find;
use crate::error::{Failure, broken};
use crate::rows::{figure, kind_name};

/// Outlived idempotency rows that one creation takes away; more than it adds, so they do not pile up.
const PRUNED_MAX: i64 = 16;

/// `again`: an earlier try may have done it.
pub(crate) async fn create(
    tx: &Transaction<'_>,
    creation: &KeyCreation,
    now: Timestamp,
    again: bool,
) -> Result<KeyCreated, Failure> {
    if let Some(idempotency) = &creation.idempotency {
        // Creations are made one after the other: two with one Idempotency-Key see each other.
        tx.query_one("SELECT 1 FROM installation FOR UPDATE", &[]).await?;
        prune(tx, idempotency, now).await?;
        if let Some(earlier) = replay(tx, idempotency).await? {
            return Ok(earlier);
        }
    } else if again
        && let Some(done) = find(tx, creation.key.kind, creation.secret.hash, now).await?
    {
        return Ok(KeyCreated::Created(done));
    }
    if creation.key.is_past(now) {
        return Ok(KeyCreated::AlreadyExpired);
    }
    let key = insert(tx, &creation.key, &creation.secret, now).await?;
    if let Some(idempotency) = &creation.idempotency {
        remember(tx, idempotency, key.id, now).await?;
    }
    Ok(KeyCreated::Created(key))
}

/// Makes the key if there never was one of its kind. `again`: an earlier try may have done it.
pub(crate) async fn bootstrap(
    tx: &Transaction<'_>,
    creation: &KeyCreation,
    now: Timestamp,
    again: bool,
) -> Result<bool, Failure> {
    // Of nodes that start together one makes it.
    tx.query_one("SELECT 1 FROM installation FOR UPDATE", &[]).await?;
    if again && find(tx, creation.key.kind, creation.secret.hash, now).await?.is_some() {
        return Ok(true);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM api_key WHERE kind = 'management')";
    let known: bool = tx.query_one(sql, &[]).await?.get(0);
    if !known {
        insert(tx, &creation.key, &creation.secret, now).await?;
    }
    Ok(!known)
}

/// Numbers come from a row that is locked until the commit, so that their order is that of the commits.
async fn insert(
    tx: &Transaction<'_>,
    key: &NewKey,
    secret: &SecretRecord,
    now: Timestamp,
) -> Result<KeyRecord, Failure> {
    let sql = "UPDATE installation SET keys = keys + 1 RETURNING keys";
    let number: i64 = tx.query_one(sql, &[]).await?.get(0);
    let (id, account) = (KeyId(number), AccountId(number));
    tx.execute(
        "INSERT INTO account (id, kind, limit_nanos, reset, include_byok_in_limit)
         VALUES ($1, 'key', $2, $3, $4)",
        &[
            &account.0,
            &key.terms.limit.map(Nanos::get),
            &key.terms.reset.map(ResetInterval::as_str),
            &key.terms.include_byok_in_limit,
        ],
    )
    .await?;
    let (workspace, hash): (&[u8], &[u8]) = (key.workspace.0.as_bytes(), secret.hash.as_bytes());
    tx.execute(
        "INSERT INTO api_key (id, account_id, kind, workspace, hash, label, name, creator_user_id,
                              external_user, created_at, expires_at, requests_per_minute,
                              tokens_per_minute, max_concurrent_requests, on_limit, log_content)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        &[
            &id.0,
            &account.0,
            &kind_name(key.kind),
            &workspace,
            &hash,
            &secret.label,
            &key.name.as_str(),
            &key.creator_user_id,
            &key.external_user,
            &now.as_micros(),
            &key.expires_at.map(Timestamp::as_micros),
            &figure(key.rates.requests_per_minute),
            &figure(key.rates.tokens_per_minute),
            &figure(key.rates.max_concurrent_requests),
            &key.on_limit.as_str(),
            &key.log_content,
        ],
    )
    .await?;
    insert_secret(tx, id, secret).await?;
    Ok(key.record(id, account, secret, now))
}

pub(super) async fn insert_secret(
    tx: &Transaction<'_>,
    key: KeyId,
    secret: &SecretRecord,
) -> Result<(), Failure> {
    let (hash, tag): (&[u8], &[u8]) = (secret.hash.as_bytes(), secret.tag.as_bytes());
    tx.execute(
        "INSERT INTO key_secret (hash, key_id, tag, label, minted, valid_until)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            &hash,
            &key.0,
            &tag,
            &secret.label,
            &secret.minted,
            &secret.valid_until.map(Timestamp::as_micros),
        ],
    )
    .await?;
    Ok(())
}

/// Takes away rows that outlived their day: this creation's own, so that it counts as new, and a few
/// of the others.
async fn prune(
    tx: &Transaction<'_>,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<(), Failure> {
    let oldest = now.plus_seconds(-IDEMPOTENCY_SECONDS).as_micros();
    let key: &[u8] = &idempotency.key;
    tx.execute(
        "DELETE FROM idempotency WHERE actor = $1 AND key = $2 AND created_at <= $3",
        &[&idempotency.actor.0, &key, &oldest],
    )
    .await?;
    tx.execute(
        "DELETE FROM idempotency WHERE (actor, key) IN
           (SELECT actor, key FROM idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT $2)",
        &[&oldest, &PRUNED_MAX],
    )
    .await?;
    Ok(())
}

async fn replay(
    tx: &Transaction<'_>,
    idempotency: &Idempotency,
) -> Result<Option<KeyCreated>, Failure> {
    let key: &[u8] = &idempotency.key;
    let found = tx
        .query_opt(
            "SELECT i.body, i.salt, i.answer, k.deleted_at IS NOT NULL
             FROM idempotency AS i JOIN api_key AS k ON k.id = i.key_id
             WHERE i.actor = $1 AND i.key = $2",
            &[&idempotency.actor.0, &key],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let (body, salt, deleted): (&[u8], &[u8], bool) = (row.get(0), row.get(1), row.get(3));
    Ok(Some(if body != idempotency.body {
        KeyCreated::BodyDiffers
    } else if deleted {
        KeyCreated::KeyDeleted
    } else {
        let salt = salt.try_into().map_err(|_| broken("salt"))?;
        KeyCreated::Replayed { salt, answer: row.get(2) }
    }))
}

async fn remember(
    tx: &Transaction<'_>,
    idempotency: &Idempotency,
    made: KeyId,
    now: Timestamp,
) -> Result<(), Failure> {
    let (key, body, salt): (&[u8], &[u8], &[u8]) =
        (&idempotency.key, &idempotency.body, &idempotency.salt);
    tx.execute(
        "INSERT INTO idempotency (actor, key, body, salt, answer, key_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[&idempotency.actor.0, &key, &body, &salt, &idempotency.answer, &made.0, &now.as_micros()],
    )
    .await?;
    Ok(())
}
