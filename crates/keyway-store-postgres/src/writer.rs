//! The ledger's writes: calls that wait share a transaction.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::{io, thread};

use deadpool_postgres::{Pool, Transaction};
use keyway_core::id::Epoch;
use keyway_core::ledger::{AnswerMark, Bookings, Metered, Settlement};
use keyway_core::store::{Commits, Observer, Settled, StoreError, Writing};
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::answers::{self, Answer, Asker};
use crate::entries::Entries;
use crate::error::{Failure, closed};
use crate::history::History;
use crate::transact::{TRY, Tries};
use crate::{bookings, ledger, nodes, together};

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
    asker: Asker,
    since: Instant,
}

#[derive(Debug)]
pub(crate) enum Work {
    Mark(AnswerMark),
    Settle(Settlement),
}

impl Work {
    pub(crate) fn request(&self) -> &Metered {
        match self {
            Self::Mark(mark) => &mark.request,
            Self::Settle(settlement) => &settlement.request,
        }
    }
}

type Answers = Vec<Answer>;

impl Writer {
    /// On a thread of its own, where its connection is driven too: no step of a transaction wakes another
    /// one. Answers what ends it.
    pub(crate) fn start(pool: Pool, history: History) -> Result<(Self, AbortHandle), io::Error> {
        let (queue, calls) = mpsc::channel(QUEUE_MAX);
        let commits = Arc::<Commits>::default();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = runtime.spawn(serve(pool, history, calls, Arc::clone(&commits)));
        let end = serving.abort_handle();
        let thread = thread::Builder::new().name("keyway-writer".to_owned());
        thread.spawn(move || match runtime.block_on(serving) {
            Err(error) if error.is_panic() => tracing::error!("the store's writer panicked"),
            _ => {}
        })?;
        Ok((Self { queue, commits }, end))
    }

    pub(crate) async fn mark(&self, mark: AnswerMark) -> Result<(), StoreError> {
        self.write(Work::Mark(mark)).await.map(drop)
    }

    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        self.write(Work::Settle(settlement)).await
    }

    async fn write(&self, work: Work) -> Result<Settled, StoreError> {
        let (asker, answered) = Asker::new();
        self.queue.send(Call { work, asker, since: Instant::now() }).await.map_err(|_| closed())?;
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

async fn serve(
    pool: Pool,
    history: History,
    mut calls: mpsc::Receiver<Call>,
    commits: Arc<Commits>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while calls.recv_many(&mut batch, BATCH_MAX).await > 0 {
        // Nodes that lock the same rows lock them in the same order.
        batch.sort_by(|one, other| one.work.request().accounts.cmp(&other.work.request().accounts));
        let began = commits.is_observed().then(Instant::now);
        let answers = write(&pool, history, &batch).await;
        commits.add(batch.len(), began.map(|began| began.elapsed()));
        answers::tell(batch.drain(..).map(|call| call.asker).zip(answers));
    }
}

async fn write(pool: &Pool, history: History, batch: &[Call]) -> Answers {
    // Who waited while others were tried has not as much patience left.
    let oldest = batch.iter().map(|call| call.since).min();
    let mut tries = Tries::since(oldest.unwrap_or_else(Instant::now));
    // All at once, until one call shows that it takes the others down with it.
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
    let answers = if careful {
        one_by_one(&mut transaction, history, batch).await?
    } else {
        together::write(&transaction, history, batch.iter().map(|call| &call.work)).await?;
        vec![Ok(Settled::Applied); batch.len()]
    };
    transaction.commit().await?;
    Ok(answers)
}

/// Writes one after the other; nothing of a run that was ended.
async fn one_by_one(
    transaction: &mut Transaction<'_>,
    history: History,
    batch: &[Call],
) -> Result<Answers, Failure> {
    let mut live = BTreeMap::<Epoch, bool>::new();
    for call in batch {
        let epoch = call.work.request().epoch;
        if let Entry::Vacant(unknown) = live.entry(epoch) {
            unknown.insert(is_live(transaction, history, epoch).await?);
        }
    }
    let is_live = |call: &&Call| live[&call.work.request().epoch];
    let works: Vec<&Work> = batch.iter().filter(is_live).map(|call| &call.work).collect();
    let mut written = run_each(transaction, &works).await?.into_iter();
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

/// Writes a call, and the sums that follow from it.
async fn run(tx: &Transaction<'_>, work: &Work) -> Result<Settled, Failure> {
    match work {
        Work::Mark(mark) => {
            Entries::prepare(tx).await?.mark(tx, mark).await?;
            Ok(Settled::Applied)
        }
        Work::Settle(settlement) => {
            let mut bookings = Bookings::default();
            let settled = ledger::settle(tx, settlement, &mut bookings).await?;
            bookings::write(tx, bookings).await?;
            Ok(settled)
        }
    }
}

/// Writes one after the other, and undoes one alone where it fails by its own fault.
async fn run_each(transaction: &mut Transaction<'_>, works: &[&Work]) -> Result<Answers, Failure> {
    let mut answers = Vec::with_capacity(works.len());
    for work in works {
        let savepoint = transaction.savepoint("call").await?;
        match run(&savepoint, work).await {
            Ok(settled) => {
                savepoint.commit().await?;
                answers.push(Ok(settled));
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
