//! Keeps the WAL small: what it holds is moved into the database beside the writer, which goes on. The
//! disk's flushes would keep everybody waiting who is to be charged.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

/// Pages that wait in the WAL (4 MiB) from which on they are moved, as far as readers let.
const PAGES_DUE: i64 = 1_024;
/// Pages in the WAL (16 MiB) from which on the writer waits for readers and the mover, so that it can be
/// emptied: while there is always more to come it never runs empty by itself.
const PAGES_MAX: i64 = 4 * PAGES_DUE;
/// Marks and charges between two looks at the WAL; each adds a few pages to it. Other calls may add many.
const ENTRIES_DUE: usize = 64;

/// Tells the mover when to look, and empties the WAL where it cannot. Only one of both is at it at a
/// time.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    mover: Mover,
    /// Marks and charges that were committed since the last look.
    entries: usize,
    /// Where to wait for readers next; put off where a reader outlasted the wait.
    empty_at: i64,
}

/// A thread that moves pages when it is told to, and says how far it came.
#[derive(Debug)]
struct Mover {
    due: SyncSender<()>,
    looked: Receiver<Result<Wal, rusqlite::Error>>,
    is_moving: bool,
    thread: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
struct Wal {
    is_blocked: bool,
    pages: i64,
    moved: i64,
}

impl Checkpoints {
    /// Pages are moved over a connection of their own.
    pub(crate) fn start(connection: Connection) -> Result<Self, io::Error> {
        Ok(Self { mover: Mover::start(connection)?, entries: 0, empty_at: PAGES_MAX })
    }

    /// To be called after every commit, with the numbers of marks and charges, and of other calls in it.
    ///
    /// # Errors
    /// Also those of the mover since the last call.
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
        if self.mover.is_moving {
            match self.mover.came()? {
                Some(wal) if wal.pages >= self.empty_at => self.empty(connection)?,
                Some(_) => {}
                None => return Ok(()),
            }
        }
        self.entries = 0;
        self.mover.move_on();
        Ok(())
    }

    fn empty(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let wal = look(connection, "TRUNCATE")?;
        self.empty_at = if wal.is_blocked { wal.pages + PAGES_MAX } else { PAGES_MAX };
        Ok(())
    }

    /// Waits for the mover to end.
    pub(crate) fn end(self) -> Result<(), rusqlite::Error> {
        let Mover { due, looked, is_moving, thread } = self.mover;
        drop(due);
        let last = if is_moving { looked.recv().ok() } else { None };
        let _ = thread.join();
        last.transpose().map(drop)
    }
}

impl Mover {
    fn start(connection: Connection) -> Result<Self, io::Error> {
        let (due, dues) = sync_channel(1);
        let (look, looked) = sync_channel(1);
        let thread = thread::Builder::new().name("keyway-mover".to_owned());
        let thread = thread.spawn(move || {
            while dues.recv().is_ok() && look.send(advance(&connection)).is_ok() {}
        })?;
        Ok(Self { due, looked, is_moving: false, thread })
    }

    fn move_on(&mut self) {
        self.is_moving = self.due.try_send(()).is_ok();
    }

    /// How far it came; `None` where it is still at it.
    fn came(&mut self) -> Result<Option<Wal>, rusqlite::Error> {
        let looked = match self.looked.try_recv() {
            Ok(looked) => looked.map(Some),
            Err(TryRecvError::Empty) => return Ok(None),
            Err(TryRecvError::Disconnected) => Ok(None),
        };
        self.is_moving = false;
        looked
    }
}

fn advance(connection: &Connection) -> Result<Wal, rusqlite::Error> {
    let wal = look(connection, "NOOP")?;
    if wal.pages - wal.moved < PAGES_DUE { Ok(wal) } else { look(connection, "PASSIVE") }
}

fn look(connection: &Connection, mode: &str) -> Result<Wal, rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| {
        Ok(Wal { is_blocked: row.get(0)?, pages: row.get(1)?, moved: row.get(2)? })
    })
}
