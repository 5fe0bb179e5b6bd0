//! What is written in one transaction.
//!
//! Marks and charges come first. None of them reads sums, so these are added up beside them and each is
//! written once; the other calls, which may read them, come after that.

use std::collections::BTreeMap;
use std::slice;

use keyway_core::id::Epoch;
use keyway_core::ledger::{AnswerMark, Bookings, Metered, Settlement};
use keyway_core::store::{Settled, StoreError};
use rusqlite::{Connection, Error};

use crate::answers::{self, Answer, Asker};
use crate::entries::Entries;
use crate::error::{is_failed_flush, store_error};
use crate::{bookings, ledger, nodes};

/// A mark or a charge that waits to be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) work: Work,
    pub(crate) asker: Asker,
}

#[derive(Debug)]
pub(crate) enum Work {
    Mark(AnswerMark),
    Settle(Settlement),
}

/// Any other call on its way through a transaction.
pub(crate) trait Call: Send {
    /// Does the work; an error undoes this call alone.
    fn run(&mut self, connection: &Connection) -> Result<(), Error>;
    /// Answers, now that it is known what became of the transaction.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) calls: Vec<Box<dyn Call>>,
}

/// What became of the entries of a batch that was committed, in their order.
pub(crate) struct Written(Vec<Answer>);

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.calls.is_empty()
    }

    /// Writes it all in one transaction; an error is that of the whole.
    pub(crate) fn transact(&mut self, connection: &Connection) -> Result<Written, Error> {
        execute(connection, "BEGIN IMMEDIATE")?;
        let written = write(connection, &self.entries)?;
        for call in &mut self.calls {
            // It keeps its own error for its answer.
            let _ = alone(connection, || call.run(connection))?;
        }
        execute(connection, "COMMIT")?;
        Ok(Written(written))
    }

    /// Tells everybody, now that it is known what became of the transaction.
    pub(crate) fn answer(&mut self, outcome: Result<Written, StoreError>) {
        let (written, committed) = match outcome {
            Ok(Written(written)) => (written, Ok(())),
            Err(error) => (vec![Err(error.clone()); self.entries.len()], Err(error)),
        };
        answers::tell(self.entries.drain(..).map(|entry| entry.asker).zip(written));
        for call in self.calls.drain(..) {
            call.answer(committed.clone());
        }
    }
}

impl Work {
    fn request(&self) -> &Metered {
        match self {
            Self::Mark(mark) => &mark.request,
            Self::Settle(settlement) => &settlement.request,
        }
    }

    fn write<'s>(
        &'s self,
        rows: &mut Entries<'_>,
        bookings: &mut Bookings<'s>,
    ) -> Result<Settled, Error> {
        match self {
            Self::Mark(mark) => rows.mark(mark).map(|()| Settled::Applied),
            Self::Settle(settlement) => ledger::settle(rows, settlement, bookings),
        }
    }
}

/// Without savepoints, until one entry shows that it takes the others down with it. Nothing else is in
/// the transaction yet.
fn write(connection: &Connection, entries: &[Entry]) -> Result<Vec<Answer>, Error> {
    match write_all(connection, entries) {
        Err(error) if !undoes_all(connection, &error) => {
            execute(connection, "ROLLBACK")?;
            execute(connection, "BEGIN IMMEDIATE")?;
            write_each(connection, entries)
        }
        written => written,
    }
}

fn write_all(connection: &Connection, entries: &[Entry]) -> Result<Vec<Answer>, Error> {
    let mut live = BTreeMap::<Epoch, bool>::new();
    let mut rows = Entries::of(connection);
    let mut bookings = Bookings::default();
    let mut answers = Vec::with_capacity(entries.len());
    for Entry { work, .. } in entries {
        let epoch = work.request().epoch;
        let is_live = match live.get(&epoch) {
            Some(is_live) => *is_live,
            None => nodes::is_live(connection, epoch)?,
        };
        live.insert(epoch, is_live);
        answers.push(if is_live {
            Ok(work.write(&mut rows, &mut bookings)?)
        } else {
            Err(StoreError::Fenced)
        });
    }
    bookings::write(connection, &bookings)?;
    Ok(answers)
}

/// Writes one after the other, with its sums, and undoes one alone where it fails by its own fault.
fn write_each(connection: &Connection, entries: &[Entry]) -> Result<Vec<Answer>, Error> {
    let mut answers = Vec::with_capacity(entries.len());
    for entry in entries {
        let written = alone(connection, || write_all(connection, slice::from_ref(entry)))?;
        match written {
            Ok(written) => answers.extend(written),
            Err(error) => answers.push(Err(store_error(&error))),
        }
    }
    Ok(answers)
}

/// Does some work so that an error of it undoes this work alone. Fails where the error is one that the
/// whole transaction fails by.
fn alone<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<Result<T, Error>, Error> {
    execute(connection, "SAVEPOINT call")?;
    let outcome = work();
    if let Err(error) = outcome {
        if undoes_all(connection, &error) {
            return Err(error);
        }
        execute(connection, "ROLLBACK TO call")?;
        execute(connection, "RELEASE call")?;
        return Ok(Err(error));
    }
    execute(connection, "RELEASE call")?;
    Ok(outcome)
}

/// Whether an error is not of one call but of the store, or the transaction is gone with it already.
fn undoes_all(connection: &Connection, error: &Error) -> bool {
    connection.is_autocommit()
        || is_failed_flush(error)
        || matches!(store_error(error), StoreError::Unavailable(_))
}

/// Runs a statement that stays prepared.
fn execute(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use keyway_core::clock::Timestamp;
    use keyway_core::key::KeyRecord;
    use keyway_core::money::Nanos;
    use keyway_core::store::contract::fixture::{self, EPOCH};
    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::*;
    use crate::open::{self, DATABASE_FILE};
    use crate::{Durability, Holder, SqliteOptions, SqliteStore, rows};

    /// A key in an installation that nobody has open.
    async fn installation() -> (TempDir, KeyRecord, Connection) {
        let directory = tempfile::tempdir().expect("a directory");
        let durability = Durability::Process;
        let options = SqliteOptions {
            directory: directory.path().to_owned(),
            holder: Holder::Gateway,
            durability,
            fingerprint: [1; 32],
            new_workspace: keyway_core::id::WorkspaceId::from_random([7; 16]),
            now: Timestamp::default(),
        };
        let store = SqliteStore::open(&options).expect("a store");
        fixture::begin(&store).await;
        let key = fixture::create(&store, fixture::inference(&store, "key")).await;
        store.close().await;
        let database = directory.path().join(DATABASE_FILE);
        let connection = open::open_writer(&database, durability).expect("a connection");
        (directory, key, connection)
    }

    fn settle(number: u8, key: &KeyRecord, charge: i64) -> (Entry, oneshot::Receiver<Answer>) {
        let (asker, answered) = Asker::new();
        let request = fixture::metered(number, key, fixture::now());
        (Entry { work: Work::Settle(fixture::charged(&request, charge)), asker }, answered)
    }

    fn spent(connection: &Connection, key: &KeyRecord) -> Nanos {
        let spend = rows::spend(connection, key.account, fixture::now()).expect("readable");
        spend.windows[0].spent
    }

    /// A call that looks at a sum.
    struct Look(Arc<KeyRecord>, mpsc::SyncSender<Nanos>);

    impl Call for Look {
        fn run(&mut self, connection: &Connection) -> Result<(), Error> {
            self.1.send(spent(connection, &self.0)).expect("room for one");
            Ok(())
        }

        fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
            assert_eq!(committed, Ok(()));
        }
    }

    #[tokio::test]
    async fn what_reads_sums_finds_the_charges_of_its_own_transaction_in_them() {
        let (_directory, key, connection) = installation().await;
        let (looks, seen) = mpsc::sync_channel(1);
        let mut batch = Batch::default();
        batch.calls.push(Box::new(Look(Arc::new(key.clone()), looks)));
        batch.entries.extend([1, 2, 3].map(|number| settle(number, &key, 40).0));
        let written = batch.transact(&connection).expect("writable");
        batch.answer(Ok(written));
        assert_eq!(seen.recv(), Ok(Nanos::new(120)));
    }

    #[tokio::test]
    async fn a_charge_that_is_refused_is_in_no_sum() {
        let (_directory, key, connection) = installation().await;
        let mut nobodys = key.clone();
        nobodys.account.0 += 1;
        let mut batch = Batch::default();
        let mut answers = Vec::new();
        // The row of the second can be written, and only its sum cannot: that account is not there.
        for (number, of) in [(1, &key), (2, &nobodys), (3, &key), (1, &key)] {
            let (entry, answered) = settle(number, of, 40);
            batch.entries.push(entry);
            answers.push(answered);
        }
        let written = batch.transact(&connection).expect("writable");
        batch.answer(Ok(written));
        let mut told = Vec::new();
        for answered in answers {
            told.push(answered.await.expect("an answer"));
        }
        assert!(matches!(told.remove(1), Err(StoreError::Broken(_))));
        assert_eq!(told, [Ok(Settled::Applied), Ok(Settled::Applied), Ok(Settled::Repeated)]);
        assert_eq!(spent(&connection, &key), Nanos::new(80));
        let rows = "SELECT count(*) FROM generation";
        assert_eq!(connection.query_row(rows, [], |row| row.get(0)), Ok(2));
    }

    #[tokio::test]
    async fn of_an_ended_run_nothing_is_written_beside_that_of_a_live_one() {
        let (_directory, key, connection) = installation().await;
        let (live, applied) = settle(1, &key, 40);
        let (mut ended, fenced) = settle(2, &key, 40);
        let Work::Settle(settlement) = &mut ended.work else { panic!("a settlement") };
        Arc::make_mut(&mut settlement.request).epoch = Epoch(EPOCH.0 + 1);
        let mut batch = Batch { entries: vec![ended, live], calls: Vec::new() };
        let written = batch.transact(&connection).expect("writable");
        batch.answer(Ok(written));
        assert_eq!(applied.await, Ok(Ok(Settled::Applied)));
        assert_eq!(fenced.await, Ok(Err(StoreError::Fenced)));
        assert_eq!(spent(&connection, &key), Nanos::new(40));
    }
}
