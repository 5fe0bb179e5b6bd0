//! Key-encryption keys, as far as the store knows them.

use keyway_core::clock::Timestamp;
use keyway_core::credential::envelope::KekVersion;
use keyway_core::store::KekRecord;
use rusqlite::{Connection, Error, params};

pub(crate) fn list(connection: &Connection) -> Result<Vec<KekRecord>, Error> {
    let sql = "SELECT version, fingerprint FROM key_encryption_key ORDER BY version";
    let mut statement = connection.prepare_cached(sql)?;
    let record = |row: &rusqlite::Row<'_>| {
        Ok(KekRecord { version: KekVersion(row.get(0)?), fingerprint: row.get(1)? })
    };
    statement.query_map([], record)?.collect()
}

pub(crate) fn add(
    connection: &Connection,
    fingerprint: [u8; 32],
    after: Option<KekVersion>,
    now: Timestamp,
) -> Result<Option<KekRecord>, Error> {
    let record =
        KekRecord { version: KekVersion(after.map_or(1, |after| after.0 + 1)), fingerprint };
    let newest = list(connection)?.pop();
    if newest == Some(record) {
        return Ok(Some(record));
    }
    if newest.map(|newest| newest.version) != after {
        return Ok(None);
    }
    let sql =
        "INSERT INTO key_encryption_key (version, fingerprint, created_at) VALUES (?1, ?2, ?3)";
    connection.execute(sql, params![record.version.0, fingerprint, now.as_micros()])?;
    Ok(Some(record))
}

pub(crate) fn retire(connection: &Connection, version: KekVersion) -> Result<bool, Error> {
    connection.execute(
        "DELETE FROM key_encryption_key
         WHERE version = ?1 AND version < (SELECT max(version) FROM key_encryption_key)
           AND NOT EXISTS (SELECT 1 FROM credential WHERE kek_version = ?1)",
        [version.0],
    )?;
    Ok(list(connection)?.iter().all(|kek| kek.version != version))
}
