//! The writer: one thread, one connection, one commit for all that is waiting.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keyway_core::ledger::{AnswerMark, Settlement};
use keyway_core::store::{Commits, Observer, Settled, StoreError, Writing};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::answers::Asker;
use crate::batch::{Batch, Call, Entry, Work};
use crate::checkpoint::Checkpoints;
use crate::error::{closed, is_failed_flush, store_error};
use crate::health::Health;
use crate::lock::DirectoryLock;
use crate::open::OpenError;

/// Calls that may wait to be written; further ones wait to be queued.
const QUEUE_MAX: usize = 4_096;
/// Calls in one transaction.
const BATCH_MAX: usize = 512;

/// How long calls gather before a commit where several shared the last one, so that more share this one
/// and less is written for each: what PostgreSQL calls `commit_delay`. Who is alone waits for nobody.
const GATHERING: Duration = Duration::from_micros(200);

/// Opens the database for writing once more.
pub(crate) type Reopen = Box<dyn Fn() -> Result<Connection, OpenError> + Send>;

/// Hands calls to the writer's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    commits: Arc<Commits>,
}

enum Message {
    Entry(Entry),
    Call(Box<dyn Call>),
    /// Write what is queued, then end.
    Close(oneshot::Sender<()>),
}

struct Asked<F, T> {
    verb: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Call for Asked<F, T>
where
    F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let Some(verb) = self.verb.take() else { return Ok(()) };
        match verb(connection) {
            Ok(value) => {
                self.outcome = Some(Ok(value));
                Ok(())
            }
            Err(error) => {
                self.outcome = Some(Err(store_error(&error)));
                Err(error)
            }
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let unanswered =
            || StoreError::Unavailable("the transaction did not get this far".to_owned());
        let outcome = match committed {
            Ok(()) => self.outcome.unwrap_or_else(|| Err(unanswered())),
            Err(error) => Err(error),
        };
        // Who asked may be gone; what is written stays written.
        let _ = self.answer.send(outcome);
    }
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        checkpoints: Checkpoints,
        reopen: Reopen,
        lock: DirectoryLock,
        health: Arc<Health>,
    ) -> Result<(Self, JoinHandle<()>), std::io::Error> {
        let (queue, calls) = mpsc::channel(QUEUE_MAX);
        let commits = Arc::<Commits>::default();
        let thread = Thread {
            connection,
            reopen,
            lock,
            calls,
            health,
            commits: Arc::clone(&commits),
            checkpoints,
        };
        let handle =
            thread::Builder::new().name("keyway-writer".to_owned()).spawn(move || thread.run())?;
        Ok((Self { queue, commits }, handle))
    }

    /// Runs `work` in a transaction, together with whatever else is waiting. Durable when answered.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
        T: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let call = Asked { verb: Some(work), outcome: None, answer };
        self.queue.send(Message::Call(Box::new(call))).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    pub(crate) async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError> {
        self.enter(Work::Mark(mark)).await.map(drop)
    }

    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.enter(Work::Settle(settlement)).await
    }

    async fn enter(&self, work: Work) -> Result<Settled, StoreError> {
        let (asker, answered) = Asker::new();
        self.queue.send(Message::Entry(Entry { work, asker })).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Transactions committed so far.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.count()
    }

    /// Writes what is queued and ends the thread.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

impl Writing for Writer {
    fn observe(&self, observer: Arc<dyn Observer>) {
        self.commits.observe(observer);
    }

    fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

/// The order of the fields is that of their end: the directory is given back last.
struct Thread {
    connection: Connection,
    reopen: Reopen,
    lock: DirectoryLock,
    calls: mpsc::Receiver<Message>,
    health: Arc<Health>,
    commits: Arc<Commits>,
    checkpoints: Checkpoints,
}

impl Thread {
    fn run(mut self) {
        let mut messages = Vec::with_capacity(BATCH_MAX);
        let mut batch = Batch::default();
        let mut shared = false;
        while self.calls.blocking_recv_many(&mut messages, BATCH_MAX) > 0 {
            if shared {
                self.gather(&mut messages);
            }
            shared = messages.len() > 1;
            let closing = sort(&mut messages, &mut batch);
            if !batch.is_empty() {
                self.write(&mut batch);
            }
            if let Some(done) = closing {
                let lock = self.end();
                // Everything is closed before anybody is told.
                drop(lock);
                let _ = done.send(());
                return;
            }
        }
    }

    /// Lets more calls come.
    fn gather(&mut self, messages: &mut Vec<Message>) {
        thread::sleep(GATHERING);
        while messages.len() < BATCH_MAX
            && let Ok(message) = self.calls.try_recv()
        {
            messages.push(message);
        }
    }

    fn write(&mut self, batch: &mut Batch) {
        if !self.connection.is_autocommit() {
            self.open_anew();
        }
        let began = self.commits.is_observed().then(Instant::now);
        let outcome = batch.transact(&self.connection);
        match &outcome {
            Ok(_) => {
                let count = batch.entries.len() + batch.calls.len();
                self.commits.add(count, began.map(|began| began.elapsed()));
                self.health.succeeded();
            }
            Err(error) => self.give_up(error),
        }
        let (is_committed, entries, calls) =
            (outcome.is_ok(), batch.entries.len(), batch.calls.len());
        batch.answer(outcome.map_err(|error| match store_error(&error) {
            // Whatever it was, nothing of the transaction is there, and it may be tried again.
            StoreError::Broken(why) | StoreError::TooLong(why) | StoreError::Unavailable(why) => {
                StoreError::Unavailable(why)
            }
            StoreError::Fenced => StoreError::Fenced,
        }));
        if is_committed {
            self.checkpoint(entries, calls);
        }
    }

    fn give_up(&mut self, error: &rusqlite::Error) {
        if is_failed_flush(error) {
            tracing::error!(%error, "the disk failed to flush: what it has is unknown. Ending; start again");
            std::process::abort();
        }
        self.health.failed(error);
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::debug!(%error, "a failed transaction could not be rolled back");
            self.open_anew();
        }
    }

    /// A connection that is stuck in a transaction is given up, and the transaction with it. Where no
    /// other is to be had yet, the next call tries again.
    fn open_anew(&mut self) {
        match (self.reopen)() {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::debug!(%error, "the store could not be opened anew"),
        }
    }

    fn checkpoint(&mut self, entries: usize, calls: usize) {
        if let Err(error) = self.checkpoints.after_commit(&self.connection, entries, calls) {
            if is_failed_flush(&error) {
                self.give_up(&error);
            }
            tracing::debug!(%error, "the WAL could not be moved into the database; it will be later");
        }
    }

    /// Closes everything but the directory.
    fn end(self) -> DirectoryLock {
        let Self { connection, checkpoints, lock, .. } = self;
        let ended = checkpoints.end().and_then(|()| {
            connection.execute_batch(
                "UPDATE installation SET clean = 1; PRAGMA wal_checkpoint(TRUNCATE);",
            )
        });
        if let Err(error) = ended {
            tracing::warn!(%error, "the store could not be closed cleanly; the next start checks it");
        }
        lock
    }
}

/// Sorts messages into what is written first and what after it. None behind the one to close is taken.
fn sort(messages: &mut Vec<Message>, batch: &mut Batch) -> Option<oneshot::Sender<()>> {
    for message in messages.drain(..) {
        match message {
            Message::Entry(entry) => batch.entries.push(entry),
            Message::Call(call) => batch.calls.push(call),
            Message::Close(done) => return Some(done),
        }
    }
    None
}
