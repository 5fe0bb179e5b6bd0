//! One place that runs transactions, and tries them again.

use std::time::Duration;

use keyway_core::store::StoreError;
use tokio::time::Instant;

use crate::error::Failure;

/// What one try may take.
pub(crate) const TRY: Duration = Duration::from_secs(2);
/// What all tries may take.
const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Counts the tries of one call.
pub(crate) struct Tries {
    until: Instant,
    pause: Duration,
    made: u32,
}

impl Tries {
    pub(crate) fn new() -> Self {
        Self::since(Instant::now())
    }

    /// Of what has waited since `began`; it is tried once in any case.
    pub(crate) fn since(began: Instant) -> Self {
        Self { until: began + PATIENCE, pause: PAUSE_MIN, made: 0 }
    }

    /// Whether an earlier try may have been committed without an answer.
    pub(crate) fn is_repeated(&self) -> bool {
        self.made > 0
    }

    /// The answer of the call, or `None` where it is to be tried again, after a pause.
    pub(crate) async fn judge<T>(
        &mut self,
        tried: Result<Result<T, Failure>, tokio::time::error::Elapsed>,
    ) -> Option<Result<T, StoreError>> {
        let why = match tried {
            Ok(Ok(value)) => return Some(Ok(value)),
            Ok(Err(Failure::Store(error))) => return Some(Err(error)),
            Ok(Err(Failure::Passing(why))) => why,
            Err(_) => "the database does not answer".to_owned(),
        };
        if Instant::now() + self.pause > self.until {
            return Some(Err(StoreError::Unavailable(why)));
        }
        tracing::debug!(why, "a transaction is tried again");
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.made += 1;
        None
    }
}

/// Runs `$body` in a transaction until it is committed, or cannot be. `$again` tells whether an
/// earlier try may have been committed.
macro_rules! transact {
    ($pool:expr, |$tx:ident, $again:ident| $body:expr) => {{
        let mut tries = crate::transact::Tries::new();
        loop {
            let $again = tries.is_repeated();
            let attempt = async {
                let mut client = $pool.get().await?;
                let transaction = client.transaction().await?;
                let value = {
                    let $tx = &transaction;
                    $body.await?
                };
                transaction.commit().await?;
                Ok::<_, crate::error::Failure>(value)
            };
            let tried = tokio::time::timeout(crate::transact::TRY, attempt).await;
            if let Some(answer) = tries.judge(tried).await {
                break answer;
            }
        }
    }};
}
pub(crate) use transact;

/// Changes what the installation has, in a transaction: the numbers that it gives out are of the
/// history that the database is on, whoever notices first that it is another.
macro_rules! change {
    ($store:expr, $now:expr, |$tx:ident, $again:ident| $body:expr) => {
        crate::transact::transact!($store.pool, |$tx, $again| async {
            let now = $store.time.now($tx, $now).await?;
            $store.history.notice($tx, now).await?;
            $body.await
        })
    };
}
pub(crate) use change;
