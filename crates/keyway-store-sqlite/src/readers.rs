//! The readers: a few connections that see what is committed and never wait for the writer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_core::store::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::{closed, store_error};
use crate::open::open_reader;

const READERS: usize = 4;
/// How long one look may take; a search over everything ends here.
const READ_TIME_MAX: Duration = Duration::from_secs(2);
/// SQLite's steps between two looks at the time.
const STEPS: i32 = 10_000;

#[derive(Debug)]
pub(crate) struct Readers {
    connections: Arc<Mutex<Vec<Connection>>>,
    /// One permit a connection; closed with the store.
    room: Semaphore,
}

impl Readers {
    pub(crate) fn open(database: &Path) -> Result<Self, rusqlite::Error> {
        let connections: Result<Vec<_>, _> = (0..READERS).map(|_| open_reader(database)).collect();
        Ok(Self { connections: Arc::new(Mutex::new(connections?)), room: Semaphore::new(READERS) })
    }

    /// Runs `work` in one read transaction, in a thread that may block.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
        T: Send + 'static,
    {
        let _permit = self.room.acquire().await.map_err(|_| closed())?;
        let pool = Arc::clone(&self.connections);
        let read = tokio::task::spawn_blocking(move || {
            let taken = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = taken.ok_or_else(closed)?;
            let outcome = bounded(&mut connection, work);
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            outcome.map_err(|error| store_error(&error))
        });
        read.await.map_err(|error| StoreError::Broken(format!("a reader ended: {error}")))?
    }

    /// No look begins any more.
    pub(crate) fn close(&self) {
        self.room.close();
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn bounded<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
) -> Result<T, rusqlite::Error> {
    let until = Instant::now() + READ_TIME_MAX;
    connection.progress_handler(STEPS, Some(move || Instant::now() > until))?;
    let transaction = connection.transaction()?;
    let outcome = work(&transaction)?;
    transaction.finish()?;
    Ok(outcome)
}
