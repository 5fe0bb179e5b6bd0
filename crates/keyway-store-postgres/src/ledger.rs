//! Marks, settlements and what an unclean end leaves behind.

use std::sync::Arc;

use deadpool_postgres::Transaction;
use keyway_core::budget::{WindowKind, Windows};
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, Epoch, GenerationId, KeyId};
use keyway_core::ledger::{
    AnswerMark, ApiType, Ending, GenerationRecord, Metered, Settlement, Tried,
};
use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;
use keyway_core::store::Settled;
use tokio_postgres::Row;

use crate::bookings::Bookings;
use crate::course::{COURSE_COLUMNS, ORIGIN_COLUMNS, course, origin, whole};
use crate::error::{Failure, broken};
use crate::leases;
use crate::rows::{bytes, moment, nanos, optional_moment};

/// What [`generation`] reads, in its order; before [`ORIGIN_COLUMNS`] and [`COURSE_COLUMNS`].
const COLUMNS: &str = "id, key_id, accounts, window_day, window_week, window_month, model, provider, \
     streamed, admitted_at, authorised_nanos, charge_nanos, byok_nanos, overrun_nanos, \
     absorbed_nanos, prompt_tokens, completion_tokens, ending, estimated, settled_at, epoch, \
     reserved_nanos, cached_tokens, reasoning_tokens, image_output_tokens, is_byok";
const ORIGIN_FROM: usize = 26;
const COURSE_FROM: usize = ORIGIN_FROM + 8;

/// Writes a mark, or raises one and what the request holds. What is settled stays as it is.
pub(crate) async fn mark(tx: &Transaction<'_>, mark: &AnswerMark) -> Result<(), Failure> {
    insert(tx, &mark.request, mark.authorised).await?;
    let statement = tx
        .prepare_cached(
            "UPDATE generation SET authorised_nanos = greatest(authorised_nanos, $2),
               reserved_nanos = greatest(reserved_nanos, $3)
             WHERE id = $1 AND charge_nanos IS NULL
               AND (authorised_nanos < $2 OR reserved_nanos < $3)",
        )
        .await?;
    let id: &[u8] = mark.request.id.as_bytes();
    let (authorised, reserved) = (mark.authorised.get(), mark.request.reserved.get());
    tx.execute(&statement, &[&id, &authorised, &reserved]).await?;
    Ok(())
}

/// Writes a charge once, into its row and, by way of `bookings`, into the sums of its accounts.
pub(crate) async fn settle(
    tx: &Transaction<'_>,
    settlement: &Settlement,
    bookings: &mut Bookings,
) -> Result<Settled, Failure> {
    let request = &settlement.request;
    insert(tx, request, Nanos::ZERO).await?;
    if fill(tx, settlement, "charge_nanos IS NULL").await? == 0 {
        let id: &[u8] = request.id.as_bytes();
        let sql = "SELECT charge_nanos, byok_nanos FROM generation WHERE id = $1";
        let known = tx.query_one(&tx.prepare_cached(sql).await?, &[&id]).await?;
        let same = nanos(&known, 0) == settlement.charge && nanos(&known, 1) == settlement.byok;
        return Ok(if same { Settled::Repeated } else { Settled::Differs });
    }
    leases::draw(tx, request.epoch, &settlement.draws).await?;
    bookings.book(settlement);
    Ok(Settled::Applied)
}

/// Puts a charge in the place of one that was assumed when the run of the request was ended.
pub(crate) async fn overwrite(tx: &Transaction<'_>, charge: &Settlement) -> Result<(), Failure> {
    fill(tx, charge, "ending = 'crashed'").await.map(drop)
}

/// Fills in what is null until a request is settled, where `condition` holds. Answers how many rows.
async fn fill(
    tx: &Transaction<'_>,
    settlement: &Settlement,
    condition: &str,
) -> Result<u64, Failure> {
    let sql = format!(
        "UPDATE generation SET charge_nanos = $2, byok_nanos = $3, overrun_nanos = $4,
           absorbed_nanos = $5, prompt_tokens = $6, completion_tokens = $7, ending = $8,
           estimated = $9, settled_at = $10, provider = $11,
           reserved_nanos = greatest(reserved_nanos, $12), cached_tokens = $13,
           reasoning_tokens = $14, image_output_tokens = $15, model = $16, is_byok = $17,
           endpoint = $18, upstream_id = $19, finish_reason = $20, native_finish_reason = $21,
           service_tier = $22, first_ms = $23, generation_ms = $24, media_completion = $25,
           cache_discount_nanos = $26, tried = $27
         WHERE id = $1 AND {condition}"
    );
    let id: &[u8] = settlement.request.id.as_bytes();
    let course = &settlement.course;
    let filled = tx
        .execute(
            &tx.prepare_cached(&sql).await?,
            &[
                &id,
                &settlement.charge.get(),
                &settlement.byok.get(),
                &settlement.overrun.get(),
                &settlement.absorbed.get(),
                &tokens(settlement.usage.prompt_tokens),
                &tokens(settlement.usage.completion_tokens),
                &settlement.ending.as_str(),
                &settlement.estimated,
                &settlement.settled_at.as_micros(),
                &settlement.request.provider,
                &settlement.request.reserved.get(),
                &tokens(settlement.usage.cached_tokens),
                &tokens(settlement.usage.reasoning_tokens),
                &tokens(settlement.usage.image_output_tokens),
                &settlement.request.model,
                &settlement.request.is_byok,
                &course.endpoint,
                &course.upstream_id,
                &course.finish_reason,
                &course.native_finish_reason,
                &course.service_tier,
                &whole(course.first_ms),
                &whole(course.generation_ms),
                &whole(course.media_completion),
                &course.cache_discount.map(Nanos::get),
                &Tried::to_text(&course.tried),
            ],
        )
        .await?;
    Ok(filled)
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
    let mut recovered = 0;
    let mut bookings = Bookings::default();
    for row in tx.query(&sql, &[&epoch.0]).await? {
        let record = generation(&row)?;
        let settlement = Settlement::crashed(Arc::new(record.request), record.authorised, now);
        settle(tx, &settlement, &mut bookings).await?;
        recovered += 1;
    }
    bookings.write(tx).await?;
    Ok(recovered)
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

async fn insert(tx: &Transaction<'_>, request: &Metered, authorised: Nanos) -> Result<(), Failure> {
    let statement = tx
        .prepare_cached(
            "INSERT INTO generation (id, key_id, accounts, window_day, window_week, window_month,
                                     model, provider, streamed, admitted_at, authorised_nanos,
                                     epoch, reserved_nanos, is_byok, catalogue_version, api_type,
                                     http_referer, user_agent, external_user, session_id,
                                     media_prompt, audio_prompt)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                     $19, $20, $21, $22)
             ON CONFLICT (id) DO NOTHING",
        )
        .await?;
    let id: &[u8] = request.id.as_bytes();
    let origin = &request.origin;
    let accounts: Vec<u8> = request.accounts.iter().flat_map(|id| id.0.to_be_bytes()).collect();
    let start = |kind| request.windows.start_of(kind).as_micros();
    tx.execute(
        &statement,
        &[
            &id,
            &request.key.0,
            &accounts,
            &start(WindowKind::Day),
            &start(WindowKind::Week),
            &start(WindowKind::Month),
            &request.model,
            &request.provider,
            &request.streamed,
            &request.admitted_at.as_micros(),
            &authorised.get(),
            &request.epoch.0,
            &request.reserved.get(),
            &request.is_byok,
            &origin.catalogue_version.as_deref(),
            &origin.api_type.map(ApiType::as_str),
            &origin.http_referer,
            &origin.user_agent,
            &origin.external_user,
            &origin.session_id,
            &whole(origin.media_prompt),
            &whole(origin.audio_prompt),
        ],
    )
    .await?;
    Ok(())
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

/// No provider counts more, and the sums of as many requests as there will be stay integers.
const TOKENS_MAX: i64 = 1_000_000_000_000;

pub(crate) fn tokens(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(TOKENS_MAX).min(TOKENS_MAX)
}
