//! The check that follows an unclean stop, beside serving.

use std::path::Path;
use std::thread;

use crate::open::open_reader;

/// Looks for damage in a thread of its own, and logs what it finds.
pub(crate) fn check_in_background(database: &Path) {
    let database = database.to_owned();
    let started = thread::Builder::new().name("keyway-integrity".to_owned()).spawn(move || {
        let found: Result<String, rusqlite::Error> = open_reader(&database)
            .and_then(|reader| reader.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)));
        match found {
            Ok(verdict) if verdict == "ok" => {
                tracing::info!("the store was not closed the last time; it is sound");
            }
            Ok(damage) => tracing::error!(damage, "the store is damaged: restore a backup"),
            Err(error) => tracing::error!(%error, "the store could not be checked"),
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "the store is not checked after an unclean stop");
    }
}
