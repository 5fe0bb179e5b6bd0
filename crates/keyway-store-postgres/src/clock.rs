//! Whose clock decides when windows open and who is silent.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;

use crate::error::Failure;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreTime {
    /// The database's: nodes' own may be off.
    #[default]
    Database,
    /// The time that calls come with; for tests, whose time is their own.
    Caller,
}

impl StoreTime {
    pub(crate) async fn now(
        self,
        tx: &Transaction<'_>,
        caller: Timestamp,
    ) -> Result<Timestamp, Failure> {
        if self == Self::Caller {
            return Ok(caller);
        }
        // `now()` would be when the transaction began.
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT";
        let statement = tx.prepare_cached(sql).await?;
        Ok(Timestamp::from_micros(tx.query_one(&statement, &[]).await?.get(0)))
    }
}
