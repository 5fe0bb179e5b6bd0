//! Which history of the database this is, and what follows when it is another than before.
//!
//! PostgreSQL counts its promotions: each begins a timeline of the write-ahead log, and an
//! asynchronous standby begins it without what it had not received. The installation's row says which
//! timeline it was last written on. Where that is another, the server failed over: the first node that
//! notices moves all numbers on by a chance amount, so that none is given out again that was lost, not
//! even by two standbys of one primary.

use deadpool_postgres::Transaction;
use keyway_core::clock::Timestamp;
use keyway_core::id::Timeline;
use keyway_core::store::{RETURN_SECONDS, StoreError};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::error::Failure;

/// The expression that tells the server's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct History(&'static str);

/// The timeline that the server writes now; eight hexadecimal digits.
const PROMOTIONS: History = History("substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)");
/// Of an engine that does not know it: those replicate before they answer, and lose nothing.
const ONE: History = History("'one'");

impl History {
    /// Asks whether the server counts its promotions, and notes which it is where nobody has yet.
    pub(crate) async fn find(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let told = client.query_one(&format!("SELECT {}", PROMOTIONS.0), &[]).await;
        let history = match told {
            Ok(_) => PROMOTIONS,
            Err(error) if is_unknown(&error) => ONE,
            Err(error) => return Err(error),
        };
        let sql = format!("UPDATE installation SET history = {} WHERE history = ''", history.0);
        client.execute(&sql, &[]).await?;
        Ok(history)
    }

    /// A condition on `installation AS i`: the server is on the history that it was.
    pub(crate) fn is_same(self) -> String {
        format!("i.history = {}", self.0)
    }

    /// Notices a fail-over. Answers the history that the numbers of now belong to.
    pub(crate) async fn notice(
        self,
        tx: &Transaction<'_>,
        now: Timestamp,
    ) -> Result<Timeline, Failure> {
        let sql = format!("SELECT timeline FROM installation AS i WHERE {}", self.is_same());
        if let Some(row) = tx.query_opt(&tx.prepare_cached(&sql).await?, &[]).await? {
            return Ok(Timeline(row.get(0)));
        }
        // A gap that is wider than what any history gives out, and that chance makes different.
        let sql = format!(
            "UPDATE installation SET history = {0}, timeline_at = $1, timeline = next.number,
               keys = next.number, changes = next.number, epochs = next.number
             FROM (SELECT greatest(keys, changes, epochs) + 4294967296
                     + floor(random() * 1099511627776)::BIGINT AS number
                   FROM installation) AS next
             WHERE history <> {0}",
            self.0
        );
        if tx.execute(&sql, &[&now.as_micros()]).await? == 1 {
            tracing::warn!("the database failed over: what it had lost is put back by the nodes");
        }
        let row = tx.query_one("SELECT timeline FROM installation", &[]).await?;
        Ok(Timeline(row.get(0)))
    }
}

fn is_unknown(error: &tokio_postgres::Error) -> bool {
    let unknown = [SqlState::UNDEFINED_FUNCTION, SqlState::FEATURE_NOT_SUPPORTED];
    error.code().is_some_and(|code| unknown.contains(code))
}

/// A run that joined before a fail-over and was not ended: it is waited for.
pub(crate) const RETURNING: &str = "EXISTS (SELECT 1 FROM node AS r WHERE r.live AND r.timeline <> \
     (SELECT timeline FROM installation))";

/// Fails until everybody has put back what a fail-over lost, so that no budget is leased twice.
pub(crate) async fn check_returned(tx: &Transaction<'_>, now: Timestamp) -> Result<(), Failure> {
    let sql = format!("SELECT timeline, timeline_at, {RETURNING} FROM installation");
    let row = tx.query_one(&tx.prepare_cached(&sql).await?, &[]).await?;
    let (timeline, began_at): (i64, i64) = (row.get(0), row.get(1));
    let began_at = Timestamp::from_micros(began_at);
    let lately = timeline != 0 && now < began_at.plus_seconds(RETURN_SECONDS);
    if lately || row.get(2) {
        let detail = "nodes have yet to put back what a fail-over lost".to_owned();
        return Err(StoreError::Unavailable(detail).into());
    }
    Ok(())
}
