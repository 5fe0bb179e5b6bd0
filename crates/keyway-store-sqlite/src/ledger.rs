//! Marks, settlements and what an unclean end leaves behind.

use std::sync::Arc;

use keyway_core::budget::{WindowKind, Windows};
use keyway_core::clock::Timestamp;
use keyway_core::id::{AccountId, Epoch, GenerationId, KeyId};
use keyway_core::ledger::{
    AnswerMark, ApiType, Ending, GenerationRecord, Metered, Settlement, Tried,
};
use keyway_core::money::Nanos;
use keyway_core::pricing::Usage;
use keyway_core::store::Settled;
use rusqlite::{Connection, Error, OptionalExtension, Row, params};

use crate::course::{COURSE_COLUMNS, ORIGIN_COLUMNS, course, origin, whole};
use crate::rows::{broken, moment, optional_moment};
use crate::{accounts, leases};

/// What [`generation`] reads, in its order; before [`ORIGIN_COLUMNS`] and [`COURSE_COLUMNS`].
const COLUMNS: &str = "id, key_id, accounts, window_day, window_week, window_month, model, provider, \
     streamed, admitted_at, authorised_nanos, charge_nanos, byok_nanos, overrun_nanos, \
     absorbed_nanos, prompt_tokens, completion_tokens, ending, estimated, settled_at, epoch, \
     reserved_nanos, cached_tokens, reasoning_tokens, image_output_tokens, is_byok";
const ORIGIN_FROM: usize = 26;
const COURSE_FROM: usize = ORIGIN_FROM + 8;

/// Writes a mark, or raises one and what the request holds. What is settled stays as it is.
pub(crate) fn mark(connection: &Connection, mark: &AnswerMark) -> Result<(), Error> {
    insert(connection, &mark.request, mark.authorised)?;
    let mut statement = connection.prepare_cached(
        "UPDATE generation SET authorised_nanos = max(authorised_nanos, ?2),
           reserved_nanos = max(reserved_nanos, ?3)
         WHERE id = ?1 AND charge_nanos IS NULL AND (authorised_nanos < ?2 OR reserved_nanos < ?3)",
    )?;
    let (authorised, reserved) = (mark.authorised.get(), mark.request.reserved.get());
    statement.execute(params![mark.request.id.as_bytes(), authorised, reserved])?;
    Ok(())
}

/// Writes a charge once, into its row and into the windows of its admission.
pub(crate) fn settle(connection: &Connection, settlement: &Settlement) -> Result<Settled, Error> {
    let (request, course) = (&settlement.request, &settlement.course);
    insert(connection, request, Nanos::ZERO)?;
    let mut known = connection
        .prepare_cached("SELECT charge_nanos, byok_nanos FROM generation WHERE id = ?1")?;
    let known: (Option<i64>, Option<i64>) =
        known.query_row([request.id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let (Some(charge), Some(byok)) = known {
        let same = charge == settlement.charge.get() && byok == settlement.byok.get();
        return Ok(if same { Settled::Repeated } else { Settled::Differs });
    }
    let mut statement = connection.prepare_cached(
        "UPDATE generation SET charge_nanos = ?2, byok_nanos = ?3, overrun_nanos = ?4,
           absorbed_nanos = ?5, prompt_tokens = ?6, completion_tokens = ?7, ending = ?8,
           estimated = ?9, settled_at = ?10, provider = ?11,
           reserved_nanos = max(reserved_nanos, ?12), cached_tokens = ?13, reasoning_tokens = ?14,
           image_output_tokens = ?15, model = ?16, is_byok = ?17, endpoint = ?18, upstream_id = ?19,
           finish_reason = ?20, native_finish_reason = ?21, service_tier = ?22, first_ms = ?23,
           generation_ms = ?24, media_completion = ?25, cache_discount_nanos = ?26, tried = ?27
         WHERE id = ?1",
    )?;
    statement.execute(params![
        request.id.as_bytes(),
        settlement.charge.get(),
        settlement.byok.get(),
        settlement.overrun.get(),
        settlement.absorbed.get(),
        tokens(settlement.usage.prompt_tokens),
        tokens(settlement.usage.completion_tokens),
        settlement.ending.as_str(),
        settlement.estimated,
        settlement.settled_at.as_micros(),
        request.provider,
        request.reserved.get(),
        tokens(settlement.usage.cached_tokens),
        tokens(settlement.usage.reasoning_tokens),
        tokens(settlement.usage.image_output_tokens),
        request.model,
        request.is_byok,
        course.endpoint,
        course.upstream_id,
        course.finish_reason,
        course.native_finish_reason,
        course.service_tier,
        whole(course.first_ms),
        whole(course.generation_ms),
        whole(course.media_completion),
        course.cache_discount.map(Nanos::get),
        Tried::to_text(&course.tried),
    ])?;
    leases::draw(connection, request.epoch, &settlement.draws)?;
    accounts::book(connection, settlement)?;
    Ok(Settled::Applied)
}

/// Settles every row that an ended run left marked: what was authorised is charged.
pub(crate) fn recover(connection: &Connection, now: Timestamp) -> Result<u64, Error> {
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS}, {ORIGIN_COLUMNS}, {COURSE_COLUMNS} FROM generation
         WHERE charge_nanos IS NULL AND epoch NOT IN (SELECT epoch FROM node WHERE live = 1)"
    ))?;
    let left: Result<Vec<GenerationRecord>, Error> = statement.query_map([], generation)?.collect();
    let mut recovered = 0;
    for record in left? {
        let settlement = Settlement::crashed(Arc::new(record.request), record.authorised, now);
        settle(connection, &settlement)?;
        recovered += 1;
    }
    Ok(recovered)
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

fn insert(connection: &Connection, request: &Metered, authorised: Nanos) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO generation (id, key_id, accounts, window_day, window_week, window_month, model,
                                 provider, streamed, admitted_at, authorised_nanos, epoch,
                                 reserved_nanos, is_byok, catalogue_version, api_type, http_referer,
                                 user_agent, external_user, session_id, media_prompt, audio_prompt)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
                 ?20, ?21, ?22)
         ON CONFLICT (id) DO NOTHING",
    )?;
    let origin = &request.origin;
    let accounts: Vec<u8> = request.accounts.iter().flat_map(|id| id.0.to_be_bytes()).collect();
    statement.execute(params![
        request.id.as_bytes(),
        request.key.0,
        accounts,
        request.windows.start_of(WindowKind::Day).as_micros(),
        request.windows.start_of(WindowKind::Week).as_micros(),
        request.windows.start_of(WindowKind::Month).as_micros(),
        request.model,
        request.provider,
        request.streamed,
        request.admitted_at.as_micros(),
        authorised.get(),
        request.epoch.0,
        request.reserved.get(),
        request.is_byok,
        origin.catalogue_version.as_deref(),
        origin.api_type.map(ApiType::as_str),
        origin.http_referer,
        origin.user_agent,
        origin.external_user,
        origin.session_id,
        whole(origin.media_prompt),
        whole(origin.audio_prompt),
    ])?;
    Ok(())
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

/// No provider counts more, and the sums of as many requests as there will be stay integers.
const TOKENS_MAX: i64 = 1_000_000_000_000;

pub(crate) fn tokens(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(TOKENS_MAX).min(TOKENS_MAX)
}
