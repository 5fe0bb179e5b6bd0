//! A credential and its row.

use keyway_core::credential::envelope::{KekVersion, Sealed, WrappedKey};
use keyway_core::credential::{AllowedKey, Conduct, CredentialRecord};
use keyway_core::id::{CredentialId, KeyHash, KeyId, WorkspaceId};
use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::rows::{broken, moment};

/// What [`record`] reads, in its order.
const COLUMNS: &str = "id, workspace, provider, label, name, disabled, is_fallback, is_required, \
     is_byok_only, allowed_models, allowed_users, allowed_keys, sort_order, created_at, \
     kek_version, data_key, material";

pub(crate) fn list(connection: &Connection) -> Result<Vec<CredentialRecord>, Error> {
    let order = "ORDER BY provider, sort_order, id";
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM credential {order}"))?;
    let records: Result<Vec<_>, Error> = statement.query_map([], record)?.collect();
    records?.into_iter().map(|record| with_hashes(connection, record)).collect()
}

pub(super) fn find(
    connection: &Connection,
    id: CredentialId,
) -> Result<Option<CredentialRecord>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM credential WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([id.as_bytes()], record).optional()?;
    found.map(|record| with_hashes(connection, record)).transpose()
}

pub(super) fn insert(connection: &Connection, record: &CredentialRecord) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO credential ({COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
    );
    write(connection, &sql, record)
}

/// Writes all that may change of a record.
pub(super) fn replace(connection: &Connection, record: &CredentialRecord) -> Result<(), Error> {
    let sql = "UPDATE credential SET workspace = ?2, provider = ?3, label = ?4, name = ?5,
                 disabled = ?6, is_fallback = ?7, is_required = ?8, is_byok_only = ?9,
                 allowed_models = ?10, allowed_users = ?11, allowed_keys = ?12, sort_order = ?13,
                 created_at = ?14, kek_version = ?15, data_key = ?16, material = ?17
               WHERE id = ?1";
    write(connection, sql, record)
}

fn write(connection: &Connection, sql: &str, record: &CredentialRecord) -> Result<(), Error> {
    let CredentialRecord { conduct, sealed, .. } = record;
    let keys = record.allowed_keys.as_ref();
    let keys = keys.map(|keys| keys.iter().flat_map(|key| key.id.0.to_be_bytes()).collect());
    connection.prepare_cached(sql)?.execute(params![
        record.id.as_bytes(),
        record.workspace.0.as_bytes(),
        record.provider,
        record.label,
        record.name,
        conduct.disabled,
        conduct.is_fallback,
        conduct.is_required,
        conduct.is_byok_only,
        lines(conduct.allowed_models.as_ref()),
        lines(conduct.allowed_users.as_ref()),
        keys as Option<Vec<u8>>,
        conduct.sort_order,
        record.created_at.as_micros(),
        sealed.wrapped.version.0,
        sealed.wrapped.text,
        sealed.material,
    ])?;
    Ok(())
}

/// The hashes of its keys are looked up apart.
fn record(row: &Row<'_>) -> Result<CredentialRecord, Error> {
    let keys: Option<Vec<u8>> = row.get(11)?;
    let key = |id: &[u8; 8]| AllowedKey {
        id: KeyId(i64::from_be_bytes(*id)),
        hash: KeyHash::from_bytes([0; 32]),
    };
    Ok(CredentialRecord {
        id: CredentialId::from_bytes(row.get(0)?),
        workspace: WorkspaceId(Uuid::from_bytes(row.get(1)?)),
        provider: row.get(2)?,
        label: row.get(3)?,
        name: row.get(4)?,
        conduct: Conduct {
            disabled: row.get(5)?,
            is_fallback: row.get(6)?,
            is_required: row.get(7)?,
            is_byok_only: row.get(8)?,
            allowed_models: list_of(row.get(9)?),
            allowed_users: list_of(row.get(10)?),
            sort_order: row.get(12)?,
        },
        allowed_keys: keys.map(|keys| keys.as_chunks().0.iter().map(key).collect()),
        created_at: moment(row, 13)?,
        sealed: Sealed {
            wrapped: WrappedKey { version: KekVersion(row.get(14)?), text: row.get(15)? },
            material: row.get(16)?,
        },
    })
}

/// Keys may have been rotated since it was written.
fn with_hashes(
    connection: &Connection,
    mut record: CredentialRecord,
) -> Result<CredentialRecord, Error> {
    let mut statement = connection.prepare_cached("SELECT hash FROM api_key WHERE id = ?1")?;
    for key in record.allowed_keys.iter_mut().flatten() {
        let hash = statement.query_row([key.id.0], |row| row.get(0)).optional()?;
        key.hash = KeyHash::from_bytes(hash.ok_or_else(|| broken(11, "list of keys"))?);
    }
    Ok(record)
}

/// Entries have no control characters, and none is empty.
fn lines(entries: Option<&Vec<String>>) -> Option<String> {
    entries.map(|entries| entries.join("\n"))
}

fn list_of(lines: Option<String>) -> Option<Vec<String>> {
    lines.map(|lines| lines.lines().map(str::to_owned).collect())
}
