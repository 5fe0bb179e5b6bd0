//! Marks, settlements and what an unclean end leaves behind.

use std::sync::Arc;

use keyway_core::budget::Windows;
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, Epoch, GenerationId, KeyId};
use keyway_core::ledger::{Bookings, Ending, GenerationRecord, Metered, Settlement};
use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;
use keyway_core::store::Settled;
use rusqlite::{Connection, Error, OptionalExtension, Row};

use crate::bookings;
use crate::course::{COURSE_COLUMNS, ORIGIN_COLUMNS, course, origin};
use crate::entries::{Entries, Written};
use crate::rows::{broken, moment, optional_moment};

/// What [`generation`] reads, in its order; before [`ORIGIN_COLUMNS`] and [`COURSE_COLUMNS`].
const COLUMNS: &str = "id, key_id, accounts, window_day, window_week, window_month, model, provider, \
     streamed, admitted_at, authorised_nanos, charge_nanos, byok_nanos, overrun_nanos, \
     absorbed_nanos, prompt_tokens, completion_tokens, ending, estimated, settled_at, epoch, \
     reserved_nanos, cached_tokens, reasoning_tokens, image_output_tokens, is_byok";
const ORIGIN_FROM: usize = 26;
const COURSE_FROM: usize = ORIGIN_FROM + 8;

/// Writes a charge once, into its row and, by way of `bookings`, into the sums of its accounts and the
/// leases that it was held in.
pub(crate) fn settle<'s>(
    rows: &mut Entries<'_>,
    settlement: &'s Settlement,
    bookings: &mut Bookings<'s>,
) -> Result<Settled, Error> {
    if rows.settle(settlement)? == Written::Known {
        let known = rows.charge(settlement.request.id)?;
        let same = known == (settlement.charge, settlement.byok);
        return Ok(if same { Settled::Repeated } else { Settled::Differs });
    }
    bookings.book(settlement);
    Ok(Settled::Applied)
}

/// Settles every row that an ended run left marked: what was authorised is charged.
pub(crate) fn recover(connection: &Connection, now: Timestamp) -> Result<u64, Error> {
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS}, {ORIGIN_COLUMNS}, {COURSE_COLUMNS} FROM generation
         WHERE charge_nanos IS NULL AND epoch NOT IN (SELECT epoch FROM node WHERE live = 1)"
    ))?;
    let left = statement.query_map([], generation)?.map(|record| {
        let GenerationRecord { request, authorised, .. } = record?;
        Ok(Settlement::crashed(Arc::new(request), authorised, now))
    });
    let left = left.collect::<Result<Vec<Settlement>, Error>>()?;
    let (mut rows, mut bookings) = (Entries::of(connection), Bookings::default());
    for settlement in &left {
        settle(&mut rows, settlement, &mut bookings)?;
    }
    bookings::write(connection, &bookings)?;
    Ok(left.len() as u64)
}

/// One metered request.
pub(crate) fn find(
    connection: &Connection,
    id: GenerationId,
) -> Result<Option<GenerationRecord>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, {ORIGIN_COLUMNS}, {COURSE_COLUMNS} FROM generation WHERE id = ?1"
    ))?;
    statement.query_row([id.as_bytes()], generation).optional()
}

fn generation(row: &Row<'_>) -> Result<GenerationRecord, Error> {
    let request = Metered {
        id: GenerationId::from_bytes(row.get(0)?),
        epoch: Epoch(row.get(20)?),
        key: KeyId(row.get(1)?),
        accounts: path(row)?,
        windows: Windows([Timestamp::default(), moment(row, 3)?, moment(row, 4)?, moment(row, 5)?]),
        reserved: Nanos::new(row.get(21)?),
        model: row.get(6)?,
        provider: row.get(7)?,
        is_byok: is_byok(row)?,
        streamed: row.get(8)?,
        admitted_at: moment(row, 9)?,
        origin: origin(row, ORIGIN_FROM)?,
    };
    let authorised = Nanos::new(row.get(10)?);
    let Some(settled_at) = optional_moment(row, 19)? else {
        return Ok(GenerationRecord { request, authorised, settlement: None });
    };
    let ending: String = row.get(17)?;
    let ending = Ending::ALL.into_iter().find(|known| known.as_str() == ending);
    let settlement = Settlement {
        request: Arc::new(request.clone()),
        charge: Nanos::new(row.get(11)?),
        draws: Vec::new(),
        byok: Nanos::new(row.get(12)?),
        overrun: Nanos::new(row.get(13)?),
        absorbed: Nanos::new(row.get(14)?),
        usage: Usage {
            cached_tokens: count(row, 22)?,
            reasoning_tokens: count(row, 23)?,
            image_output_tokens: count(row, 24)?,
            ..Usage::of(count(row, 15)?, count(row, 16)?)
        },
        ending: ending.ok_or_else(|| broken(17, "ending"))?,
        estimated: row.get(18)?,
        settled_at,
        course: course(row, COURSE_FROM)?,
    };
    Ok(GenerationRecord { request, authorised, settlement: Some(settlement) })
}

/// Older rows do not say it.
fn is_byok(row: &Row<'_>) -> Result<bool, Error> {
    let paid = row.get::<_, Option<i64>>(12)? > Some(0);
    Ok(row.get::<_, Option<bool>>(25)?.unwrap_or(paid))
}

fn count(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn path(row: &Row<'_>) -> Result<Vec<AccountId>, Error> {
    let bytes = row.get_ref(2)?.as_blob().map_err(|_| broken(2, "list of accounts"))?;
    let ids = bytes.chunks_exact(8).map(|id| id.try_into().map(i64::from_be_bytes));
    ids.map(|id| id.map(AccountId).map_err(|_| broken(2, "list of accounts"))).collect()
}
