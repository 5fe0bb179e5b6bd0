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
    pool: Arc<Pool>,
    /// One permit a connection; closed with the store.
    room: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn open(database: &Path) -> Result<Self, rusqlite::Error> {
        let connections: Result<Vec<_>, _> = (0..READERS).map(|_| open_reader(database)).collect();
        let pool = Arc::new(Pool(Mutex::new(connections?)));
        Ok(Self { pool, room: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs `work` in one read transaction, in a thread that may block.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
        T: Send + 'static,
    {
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(|_| closed())?;
        let pool = Arc::clone(&self.pool);
        let read = tokio::task::spawn_blocking(move || {
            // Who asked may be gone by now; the permit stays as long as the connection is out.
            let _permit = permit;
            let mut borrowed = Borrowed { connection: pool.take(), pool: &pool };
            let connection = borrowed.connection.as_mut().ok_or_else(closed)?;
            bounded(connection, work).map_err(|error| store_error(&error))
        });
        read.await.map_err(|error| StoreError::Broken(format!("a reader ended: {error}")))?
    }

    /// No look begins any more; those that have begun are waited for.
    pub(crate) async fn close(&self) {
        let everyone = u32::try_from(READERS).expect("they are few");
        if let Ok(permits) = self.room.acquire_many(everyone).await {
            self.pool.clear();
            self.room.close();
            permits.forget();
        }
    }
}

/// Connections that nobody reads from at the moment.
#[derive(Debug)]
struct Pool(Mutex<Vec<Connection>>);

impl Pool {
    fn take(&self) -> Option<Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, connection: Connection) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Goes back where it came from, after a panic too.
struct Borrowed<'a> {
    connection: Option<Connection>,
    pool: &'a Pool,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.put(connection);
        }
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc::sync_channel;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn readers() -> (Readers, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("keyway.db");
        let connection = Connection::open(&database).expect("a database");
        connection.execute_batch("CREATE TABLE one (value INTEGER)").expect("writable");
        (Readers::open(&database).expect("connections"), directory)
    }

    fn count(connection: &Connection) -> Result<i64, rusqlite::Error> {
        connection.query_row("SELECT count(*) FROM one", [], |row| row.get(0))
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_keeps_its_place_until_it_is_over() {
        let (readers, _directory) = readers();
        let (go, wait) = sync_channel::<()>(0);
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..READERS {
            let wait = Arc::clone(&wait);
            let abandoned = readers.read(move |_| {
                // Ends when the sender is gone.
                let _ = wait.lock().unwrap_or_else(PoisonError::into_inner).recv();
                Ok(())
            });
            let mut context = Context::from_waker(Waker::noop());
            assert_eq!(pin!(abandoned).poll(&mut context), Poll::Pending);
        }
        assert_eq!(readers.room.available_permits(), 0);
        drop(go);
        assert_eq!(readers.read(count).await, Ok(0));
    }

    #[tokio::test]
    async fn a_panic_costs_no_connection() {
        let (readers, _directory) = readers();
        for _ in 0..=READERS {
            let broken: Result<(), _> = readers.read(|_| panic!("on purpose")).await;
            assert!(matches!(broken, Err(StoreError::Broken(_))), "{broken:?}");
        }
        assert_eq!(readers.read(count).await, Ok(0));
    }

    #[tokio::test]
    async fn a_look_that_takes_too_long_is_given_up() {
        let (readers, _directory) = readers();
        let forever = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                       SELECT count(*) FROM n";
        let answer = readers.read(|db| db.query_row(forever, [], |row| row.get::<_, i64>(0)));
        let answer = answer.await;
        assert!(matches!(answer, Err(StoreError::TooLong(_))), "{answer:?}");
        assert_eq!(readers.read(count).await, Ok(0));
    }
}
