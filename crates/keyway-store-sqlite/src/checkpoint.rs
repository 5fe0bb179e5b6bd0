//! Keeps the WAL small: what it holds is moved into the database while the writer goes on.

use rusqlite::Connection;

/// Pages that wait in the WAL (4 MiB) from which on they are moved, as far as readers let.
const PAGES_DUE: i64 = 1_024;
/// Pages in the WAL (64 MiB) from which on the writer waits for readers, so that it can be emptied.
const PAGES_MAX: i64 = 16 * PAGES_DUE;

#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// Where to wait for readers next; put off where a reader outlasted the wait.
    empty_at: i64,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { empty_at: PAGES_MAX }
    }
}

impl Checkpoints {
    /// To be called after every commit.
    pub(crate) fn after_commit(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let wal = look(connection, "NOOP")?;
        if wal.pages - wal.moved < PAGES_DUE && wal.pages < self.empty_at {
            return Ok(());
        }
        let wal = look(connection, "PASSIVE")?;
        if wal.pages < self.empty_at {
            return Ok(());
        }
        let wal = look(connection, "TRUNCATE")?;
        self.empty_at = if wal.is_blocked { wal.pages + PAGES_MAX } else { PAGES_MAX };
        Ok(())
    }
}

struct Wal {
    is_blocked: bool,
    pages: i64,
    moved: i64,
}

fn look(connection: &Connection, mode: &str) -> Result<Wal, rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| {
        Ok(Wal { is_blocked: row.get(0)?, pages: row.get(1)?, moved: row.get(2)? })
    })
}
