//! Keeps the WAL small: what it holds is moved into the database while the writer goes on.

use rusqlite::Connection;

/// Pages that wait in the WAL (4 MiB) from which on they are moved, as far as readers let.
const PAGES_DUE: i64 = 1_024;
/// Pages in the WAL (64 MiB) from which on the writer waits for readers, so that it can be emptied.
const PAGES_MAX: i64 = 16 * PAGES_DUE;
/// Marks and charges between two looks at the WAL; each adds a few pages to it. Other calls may add many.
const ENTRIES_DUE: usize = 64;

#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// Marks and charges that were committed since the last look.
    entries: usize,
    /// Where to wait for readers next; put off where a reader outlasted the wait.
    empty_at: i64,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { entries: 0, empty_at: PAGES_MAX }
    }
}

impl Checkpoints {
    /// To be called after every commit, with the numbers of marks and charges, and of other calls in it.
    pub(crate) fn after_commit(
        &mut self,
        connection: &Connection,
        entries: usize,
        calls: usize,
    ) -> Result<(), rusqlite::Error> {
        self.entries += entries;
        if calls == 0 && self.entries < ENTRIES_DUE {
            return Ok(());
        }
        self.entries = 0;
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
