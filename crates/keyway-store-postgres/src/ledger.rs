//! Marks, settlements and what an unclean end leaves behind.

use std::sync::Arc;

use deadpool_postgres::Transaction;
use keyway_core::budget::Windows;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, Epoch, GenerationId, KeyId};
use keyway_core::ledger::{Bookings, Ending, GenerationRecord, Metered, Settlement};
use keyway_core::pricing::Usage;
use keyway_core::store::Settled;
use tokio_postgres::Row;

use crate::bookings;
use crate::course::{COURSE_COLUMNS, ORIGIN_COLUMNS, course, origin};
use crate::entries::{Entries, Written};
use crate::error::{Failure, broken};
use crate::rows::{bytes, moment, nanos, optional_moment};

/// What [`generation`] reads, in its order; before [`ORIGIN_COLUMNS`] and [`COURSE_COLUMNS`].
const COLUMNS: &str = "id, key_id, accounts, window_day, window_week, window_month, model, provider, \
     streamed, admitted_at, authorised_nanos, charge_nanos, byok_nanos, overrun_nanos, \
     absorbed_nanos, prompt_tokens, completion_tokens, ending, estimated, settled_at, epoch, \
     reserved_nanos, cached_tokens, reasoning_tokens, image_output_tokens, is_byok";
const ORIGIN_FROM: usize = 26;
const COURSE_FROM: usize = ORIGIN_FROM + 8;

/// Writes a charge once, into its row and, by way of `bookings`, into the sums of its accounts and the
/// leases that it was held in.
pub(crate) async fn settle<'s>(
    tx: &Transaction<'_>,
    settlement: &'s Settlement,
    bookings: &mut Bookings<'s>,
) -> Result<Settled, Failure> {
    let written = Entries::prepare(tx).await?.settle(tx, settlement).await?;
    if written == Written::Known {
        let id: &[u8] = settlement.request.id.as_bytes();
        let sql = "SELECT charge_nanos, byok_nanos FROM generation WHERE id = $1";
        let known = tx.query_one(&tx.prepare_cached(sql).await?, &[&id]).await?;
        let same = nanos(&known, 0) == settlement.charge && nanos(&known, 1) == settlement.byok;
        return Ok(if same { Settled::Repeated } else { Settled::Differs });
    }
    bookings.book(settlement);
    Ok(Settled::Applied)
}

/// Settles every row that an ended run left marked: what was authorised is charged.
pub(crate) async fn recover(
    tx: &Transaction<'_>,
    epoch: Epoch,
    now: Timestamp,
) -> Result<u64, Failure> {
    let sql = format!(
        "SELECT {COLUMNS}, {ORIGIN_COLUMNS}, {COURSE_COLUMNS} FROM generation
         WHERE charge_nanos IS NULL AND epoch = $1 ORDER BY id"
    );
    let rows = tx.query(&sql, &[&epoch.0]).await?;
    let left = rows.iter().map(|row| {
        let GenerationRecord { request, authorised, .. } = generation(row)?;
        Ok(Settlement::crashed(Arc::new(request), authorised, now))
    });
    let left = left.collect::<Result<Vec<Settlement>, Failure>>()?;
    let mut bookings = Bookings::default();
    for settlement in &left {
        settle(tx, settlement, &mut bookings).await?;
    }
    bookings::write(tx, bookings).await?;
    Ok(left.len() as u64)
}

/// One metered request.
pub(crate) async fn find(
    tx: &Transaction<'_>,
    id: GenerationId,
) -> Result<Option<GenerationRecord>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS}, {ORIGIN_COLUMNS}, {COURSE_COLUMNS} FROM generation WHERE id = $1"
    );
    let id: &[u8] = id.as_bytes();
    tx.query_opt(&sql, &[&id]).await?.map(|row| generation(&row)).transpose()
}

fn generation(row: &Row) -> Result<GenerationRecord, Failure> {
    let windows = [Timestamp::default(), moment(row, 3), moment(row, 4), moment(row, 5)];
    let request = Metered {
        id: GenerationId::from_bytes(bytes(row, 0)?),
        epoch: Epoch(row.get(20)),
        key: KeyId(row.get(1)),
        accounts: accounts(row.get(2)),
        windows: Windows(windows),
        reserved: nanos(row, 21),
        model: row.get(6),
        provider: row.get(7),
        is_byok: is_byok(row),
        streamed: row.get(8),
        admitted_at: moment(row, 9),
        origin: origin(row, ORIGIN_FROM)?,
    };
    let authorised = nanos(row, 10);
    let Some(settled_at) = optional_moment(row, 19) else {
        return Ok(GenerationRecord { request, authorised, settlement: None });
    };
    let settlement = Settlement {
        request: Arc::new(request.clone()),
        charge: nanos(row, 11),
        draws: Vec::new(),
        byok: nanos(row, 12),
        overrun: nanos(row, 13),
        absorbed: nanos(row, 14),
        usage: Usage {
            cached_tokens: count(row, 22),
            reasoning_tokens: count(row, 23),
            image_output_tokens: count(row, 24),
            ..Usage::of(count(row, 15), count(row, 16))
        },
        ending: ending(row.get(17))?,
        estimated: row.get(18),
        settled_at,
        course: course(row, COURSE_FROM)?,
    };
    Ok(GenerationRecord { request, authorised, settlement: Some(settlement) })
}

pub(crate) fn ending(word: &str) -> Result<Ending, Failure> {
    let ending = Ending::ALL.into_iter().find(|known| known.as_str() == word);
    ending.ok_or_else(|| broken("ending"))
}

fn accounts(bytes: &[u8]) -> Vec<AccountId> {
    let (ids, _) = bytes.as_chunks::<8>();
    ids.iter().map(|id| AccountId(i64::from_be_bytes(*id))).collect()
}

/// Older rows do not say it.
fn is_byok(row: &Row) -> bool {
    let paid = row.get::<_, Option<i64>>(12) > Some(0);
    row.get::<_, Option<bool>>(25).unwrap_or(paid)
}

fn count(row: &Row, column: usize) -> u64 {
    u64::try_from(row.get::<_, i64>(column)).unwrap_or(0)
}
