//! Keeps the WAL small: what it holds is moved into the database beside the writer, which goes on. The
//! disk's flushes would keep everybody waiting who is to be charged.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

/// Pages that wait in the WAL (4 MiB) from which on they are moved, as far as readers let.
const PAGES_DUE: i64 = 1_024;
/// Pages in the WAL (16 MiB) from which on the writer waits for readers, so that it can begin the WAL
/// anew: while there is always more to come, not all of it is ever moved.
const PAGES_MAX: i64 = 4 * PAGES_DUE;
/// How often the mover goes over what came while it moved, before the writer begins anew: the disk's
/// flush of that little is quick, and it is the writer who waits for it then.
const CATCHES: usize = 2;
/// Marks and charges between two looks at the WAL; each adds a few pages to it. Other calls may add many.
const ENTRIES_DUE: usize = 64;

/// Tells the mover when to look, and begins the WAL anew. Only one of both is at it at a time.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    mover: Mover,
    /// Marks and charges that were committed since the last look.
    entries: usize,
    /// Where to wait for readers next; put off where a reader outlasted the wait.
    renew_at: i64,
}

/// A thread that moves pages when it is told to, and says how far it came.
#[derive(Debug)]
struct Mover {
    /// With the number of pages from which on the WAL is begun anew next.
    due: SyncSender<i64>,
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
        Ok(Self { mover: Mover::start(connection)?, entries: 0, renew_at: PAGES_MAX })
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
        if self.mover.is_moving {
            match self.mover.came()? {
                // At once, before there is more to move again.
                Some(wal) if wal.pages >= self.renew_at => self.renew(connection)?,
                Some(_) => {}
                None => return Ok(()),
            }
        }
        if calls > 0 || self.entries >= ENTRIES_DUE {
            self.entries = 0;
            self.mover.move_on(self.renew_at);
        }
        Ok(())
    }

    fn renew(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let wal = look(connection, "RESTART")?;
        self.renew_at = if wal.is_blocked { wal.pages + PAGES_MAX } else { PAGES_MAX };
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
            while let Ok(renew_at) = dues.recv()
                && look.send(advance(&connection, renew_at)).is_ok()
            {}
        })?;
        Ok(Self { due, looked, is_moving: false, thread })
    }

    fn move_on(&mut self, renew_at: i64) {
        self.is_moving = self.due.try_send(renew_at).is_ok();
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

fn advance(connection: &Connection, renew_at: i64) -> Result<Wal, rusqlite::Error> {
    let mut wal = look(connection, "NOOP")?;
    if wal.pages - wal.moved >= PAGES_DUE {
        wal = look(connection, "PASSIVE")?;
    }
    if wal.pages >= renew_at {
        for _ in 0..CATCHES {
            wal = look(connection, "PASSIVE")?;
        }
    }
    Ok(wal)
}

fn look(connection: &Connection, mode: &str) -> Result<Wal, rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| {
        Ok(Wal { is_blocked: row.get(0)?, pages: row.get(1)?, moved: row.get(2)? })
    })
}
