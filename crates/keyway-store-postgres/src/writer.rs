//! The ledger's writes: calls that wait share a transaction.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use deadpool_postgres::{Pool, Transaction};
use futures_util::future::try_join_all;
use keyway_core::id::Epoch;
use keyway_core::ledger::{AnswerMark, Bookings, Metered, Settlement};
use keyway_core::store::{Commits, Observer, Settled, StoreError, Writing};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::entries::{Entries, Written};
use crate::error::{Failure, closed};
use crate::history::History;
use crate::transact::{TRY, Tries};
use crate::{bookings, ledger, nodes};

/// Calls that may wait to be written; further ones wait to be queued.
const QUEUE_MAX: usize = 4_096;
/// Calls in one transaction.
const BATCH_MAX: usize = 256;

/// Hands calls to the task that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Call>,
    commits: Arc<Commits>,
}

#[derive(Debug)]
struct Call {
    work: Work,
    answer: oneshot::Sender<Result<Settled, StoreError>>,
}

#[derive(Debug)]
enum Work {
    Mark(AnswerMark),
    Settle(Settlement),
}

impl Work {
    fn request(&self) -> &Metered {
        match self {
            Self::Mark(mark) => &mark.request,
            Self::Settle(settlement) => &settlement.request,
        }
    }

    async fn write(&self, tx: &Transaction<'_>, entries: &Entries) -> Result<Written, Failure> {
        match self {
            Self::Mark(mark) => entries.mark(tx, mark).await,
            Self::Settle(settlement) => entries.settle(tx, settlement).await,
        }
    }
}

type Answers = Vec<Result<Settled, StoreError>>;

impl Writer {
    pub(crate) fn start(pool: Pool, history: History) -> (Self, JoinHandle<()>) {
        let (queue, calls) = mpsc::channel(QUEUE_MAX);
        let commits = Arc::<Commits>::default();
        let writing = run(pool, history, calls, Arc::clone(&commits));
        #[expect(clippy::disallowed_methods, reason = "`PostgresStore::close` waits for it")]
        let task = tokio::spawn(writing);
        (Self { queue, commits }, task)
    }

    pub(crate) async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError> {
        self.write(Work::Mark(mark)).await.map(drop)
    }

    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.write(Work::Settle(settlement)).await
    }

    async fn write(&self, work: Work) -> Result<Settled, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Call { work, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Transactions committed so far.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.count()
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

async fn run(pool: Pool, history: History, mut calls: mpsc::Receiver<Call>, commits: Arc<Commits>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while calls.recv_many(&mut batch, BATCH_MAX).await > 0 {
        // Nodes that lock the same rows lock them in the same order.
        batch.sort_by(|one, other| one.work.request().accounts.cmp(&other.work.request().accounts));
        let began = commits.is_observed().then(Instant::now);
        let answers = write(&pool, history, &batch).await;
        commits.add(batch.len(), began.map(|began| began.elapsed()));
        for (call, answer) in batch.drain(..).zip(answers) {
            // Who asked may be gone; what is written stays written.
            let _ = call.answer.send(answer);
        }
    }
}

async fn write(pool: &Pool, history: History, batch: &[Call]) -> Answers {
    let mut tries = Tries::new();
    // Without savepoints, until one call shows that it takes the others down with it.
    let mut careful = false;
    loop {
        let outcome = tokio::time::timeout(TRY, attempt(pool, history, batch, careful)).await;
        if let Ok(Err(Failure::Store(_))) = &outcome
            && !careful
        {
            careful = true;
            continue;
        }
        match tries.judge(outcome).await {
            Some(Ok(answers)) => return answers,
            Some(Err(error)) => return vec![Err(error); batch.len()],
            None => {}
        }
    }
}

async fn attempt(
    pool: &Pool,
    history: History,
    batch: &[Call],
    careful: bool,
) -> Result<Answers, Failure> {
    let mut client = pool.get().await?;
    let mut transaction = client.transaction().await?;
    let mut live = BTreeMap::<Epoch, bool>::new();
    for call in batch {
        let epoch = call.work.request().epoch;
        if let Entry::Vacant(unknown) = live.entry(epoch) {
            unknown.insert(is_live(&transaction, history, epoch).await?);
        }
    }
    let is_live = |call: &&Call| live[&call.work.request().epoch];
    let works: Vec<&Work> = batch.iter().filter(is_live).map(|call| &call.work).collect();
    let written = if careful {
        run_each(&mut transaction, &works).await?
    } else {
        run_all(&transaction, &works).await?.into_iter().map(Ok).collect()
    };
    transaction.commit().await?;
    let mut written = written.into_iter();
    let answer = |call| if is_live(&call) { written.next() } else { None };
    Ok(batch.iter().map(answer).map(|answer| answer.unwrap_or(Err(StoreError::Fenced))).collect())
}

async fn is_live(tx: &Transaction<'_>, history: History, epoch: Epoch) -> Result<bool, Failure> {
    match nodes::fence(tx, history, epoch).await {
        Ok(_) => Ok(true),
        Err(Failure::Store(StoreError::Fenced)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the rows of all in one trip to the database.
async fn run_all(tx: &Transaction<'_>, works: &[&Work]) -> Result<Vec<Settled>, Failure> {
    let entries = Entries::prepare(tx).await?;
    let written = try_join_all(works.iter().map(|work| work.write(tx, &entries))).await?;
    let mut bookings = Bookings::default();
    let mut settled = Vec::with_capacity(works.len());
    for (work, written) in works.iter().zip(written) {
        settled.push(match work {
            Work::Mark(_) => Settled::Applied,
            Work::Settle(settlement) => {
                ledger::settled(tx, settlement, written, &mut bookings).await?
            }
        });
    }
    bookings::write(tx, bookings).await?;
    Ok(settled)
}

/// Writes one after the other, and undoes one alone where it fails by its own fault.
async fn run_each(transaction: &mut Transaction<'_>, works: &[&Work]) -> Result<Answers, Failure> {
    let mut answers = Vec::with_capacity(works.len());
    for work in works {
        let savepoint = transaction.savepoint("call").await?;
        match run_all(&savepoint, &[work]).await {
            Ok(settled) => {
                savepoint.commit().await?;
                answers.extend(settled.into_iter().map(Ok));
            }
            Err(Failure::Store(error)) => {
                savepoint.rollback().await?;
                answers.push(Err(error));
            }
            Err(passing) => return Err(passing),
        }
    }
    Ok(answers)
}
