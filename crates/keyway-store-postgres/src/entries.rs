//! Rows of requests: what is known of a request when it is marked, and when it is settled, goes into its
//! row whether there is one yet or not.

use std::sync::LazyLock;

use deadpool_postgres::Transaction;
use futures_util::future::try_join;
use keyway_core::budget::WindowKind;
use keyway_core::ledger::{AnswerMark, ApiType, Metered, Settlement, Tried, tokens_kept};
use keyway_core::money::Nanos;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::course::whole;
use crate::error::Failure;

/// What is known from the admission on, in the order of [`Admitted::values`].
pub(crate) const ADMITTED: [&str; 22] = [
    "id",
    "key_id",
    "accounts",
    "window_day",
    "window_week",
    "window_month",
    "streamed",
    "admitted_at",
    "authorised_nanos",
    "epoch",
    "catalogue_version",
    "api_type",
    "http_referer",
    "user_agent",
    "external_user",
    "session_id",
    "media_prompt",
    "audio_prompt",
    "reserved_nanos",
    "model",
    "provider",
    "is_byok",
];

/// How many of [`CHARGED`], its first, are known from the admission on, and may be another when a request
/// is settled.
pub(crate) const AMENDED: usize = 4;

/// What is null until a request is settled, or may be another then, in the order of [`Charged::values`].
pub(crate) const CHARGED: [&str; 26] = [
    "reserved_nanos",
    "model",
    "provider",
    "is_byok",
    "charge_nanos",
    "byok_nanos",
    "overrun_nanos",
    "absorbed_nanos",
    "prompt_tokens",
    "completion_tokens",
    "ending",
    "estimated",
    "settled_at",
    "cached_tokens",
    "reasoning_tokens",
    "image_output_tokens",
    "endpoint",
    "upstream_id",
    "finish_reason",
    "native_finish_reason",
    "service_tier",
    "first_ms",
    "generation_ms",
    "media_completion",
    "cache_discount_nanos",
    "tried",
];

pub(crate) type Value<'a> = &'a (dyn ToSql + Sync);

/// Whether a statement changed a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Now,
    /// The request was settled before.
    Known,
}

impl Written {
    fn of(rows: u64) -> Self {
        if rows == 0 { Self::Known } else { Self::Now }
    }
}

/// The statements, prepared: what is written with them at the same time goes to the database in one trip.
pub(crate) struct Entries {
    mark: Statement,
    admit: Statement,
    fill: Statement,
}

impl Entries {
    pub(crate) async fn prepare(tx: &Transaction<'_>) -> Result<Self, Failure> {
        static MARK: LazyLock<String> = LazyLock::new(|| {
            insert(
                "UPDATE SET
                   authorised_nanos = greatest(generation.authorised_nanos, excluded.authorised_nanos),
                   reserved_nanos = greatest(generation.reserved_nanos, excluded.reserved_nanos)
                 WHERE generation.charge_nanos IS NULL
                   AND (generation.authorised_nanos < excluded.authorised_nanos
                     OR generation.reserved_nanos < excluded.reserved_nanos)",
            )
        });
        static ADMIT: LazyLock<String> = LazyLock::new(|| insert("NOTHING"));
        static FILL: LazyLock<String> = LazyLock::new(|| fill("charge_nanos IS NULL"));
        Ok(Self {
            mark: tx.prepare_cached(&MARK).await?,
            admit: tx.prepare_cached(&ADMIT).await?,
            fill: tx.prepare_cached(&FILL).await?,
        })
    }

    /// Writes a mark, or raises one and what the request holds. What is settled stays as it is.
    pub(crate) async fn mark(
        &self,
        tx: &Transaction<'_>,
        mark: &AnswerMark,
    ) -> Result<Written, Failure> {
        let admitted = Admitted::of(&mark.request, mark.authorised);
        Ok(Written::of(tx.execute(&self.mark, &admitted.values()).await?))
    }

    /// Writes a charge whether there is a row or not. Not by the statement that inserts the row: it would
    /// be held against what the request held at first, and not against what the row has.
    pub(crate) async fn settle(
        &self,
        tx: &Transaction<'_>,
        settlement: &Settlement,
    ) -> Result<Written, Failure> {
        let admitted = Admitted::of(&settlement.request, Nanos::ZERO);
        let admitted = admitted.values();
        let admitting = async { Ok(tx.execute(&self.admit, &admitted).await?) };
        let (_, filled) = try_join(admitting, self.fill(tx, settlement)).await?;
        Ok(filled)
    }

    /// Fills in what is null until a request is settled.
    pub(crate) async fn fill(
        &self,
        tx: &Transaction<'_>,
        settlement: &Settlement,
    ) -> Result<Written, Failure> {
        let charged = Charged::of(settlement);
        Ok(Written::of(tx.execute(&self.fill, &charged.values()).await?))
    }
}

/// Puts a charge in the place of one that was assumed when the run of the request was ended.
pub(crate) async fn overwrite(tx: &Transaction<'_>, charge: &Settlement) -> Result<(), Failure> {
    let statement = tx.prepare_cached(&fill("ending = 'crashed'")).await?;
    tx.execute(&statement, &Charged::of(charge).values()).await?;
    Ok(())
}

/// A statement that inserts a row, or does what is said where there is one.
fn insert(or: &str) -> String {
    let places: Vec<String> = (1..=ADMITTED.len()).map(|place| format!("${place}")).collect();
    let (columns, places) = (ADMITTED.join(", "), places.join(", "));
    format!("INSERT INTO generation ({columns}) VALUES ({places}) ON CONFLICT (id) DO {or}")
}

/// A statement that settles the row of the last value where `condition` holds.
fn fill(condition: &str) -> String {
    let columns = CHARGED.iter().zip(1..);
    let changes: Vec<String> = columns
        .map(|(name, place)| match *name {
            "reserved_nanos" => format!("{name} = greatest({name}, ${place})"),
            _ => format!("{name} = ${place}"),
        })
        .collect();
    let id = CHARGED.len() + 1;
    format!("UPDATE generation SET {} WHERE id = ${id} AND {condition}", changes.join(", "))
}

/// A request as the schema has it.
pub(crate) struct Admitted<'a> {
    request: &'a Metered,
    id: &'a [u8],
    accounts: Vec<u8>,
    /// Where its day, week and month begin.
    windows: [i64; 3],
    at: i64,
    authorised: i64,
    reserved: i64,
    catalogue_version: Option<&'a str>,
    api_type: Option<&'static str>,
    media_prompt: Option<i64>,
    audio_prompt: Option<i64>,
}

impl<'a> Admitted<'a> {
    pub(crate) fn of(request: &'a Metered, authorised: Nanos) -> Self {
        let origin = &request.origin;
        let windows = [WindowKind::Day, WindowKind::Week, WindowKind::Month];
        Self {
            request,
            id: request.id.as_bytes(),
            accounts: request.accounts.iter().flat_map(|id| id.0.to_be_bytes()).collect(),
            windows: windows.map(|kind| request.windows.start_of(kind).as_micros()),
            at: request.admitted_at.as_micros(),
            authorised: authorised.get(),
            reserved: request.reserved.get(),
            catalogue_version: origin.catalogue_version.as_deref(),
            api_type: origin.api_type.map(ApiType::as_str),
            media_prompt: whole(origin.media_prompt),
            audio_prompt: whole(origin.audio_prompt),
        }
    }

    pub(crate) fn values(&self) -> [Value<'_>; ADMITTED.len()] {
        let (request, origin) = (self.request, &self.request.origin);
        [
            &self.id,
            &request.key.0,
            &self.accounts,
            &self.windows[0],
            &self.windows[1],
            &self.windows[2],
            &request.streamed,
            &self.at,
            &self.authorised,
            &request.epoch.0,
            &self.catalogue_version,
            &self.api_type,
            &origin.http_referer,
            &origin.user_agent,
            &origin.external_user,
            &origin.session_id,
            &self.media_prompt,
            &self.audio_prompt,
            &self.reserved,
            &request.model,
            &request.provider,
            &request.is_byok,
        ]
    }
}

/// What a settlement adds, as the schema has it.
pub(crate) struct Charged<'a> {
    settlement: &'a Settlement,
    id: &'a [u8],
    reserved: i64,
    /// The charge, what a credential of the operator's paid, the overrun, and what nobody pays.
    money: [i64; 4],
    /// Of the prompt, of the completion, cached, of reasoning, of pictures that were made.
    tokens: [i64; 5],
    ending: &'static str,
    settled_at: i64,
    /// Until the first token, of the whole answer, in milliseconds; pictures and the like in the answer.
    counts: [Option<i64>; 3],
    cache_discount: Option<i64>,
    tried: Option<String>,
}

impl<'a> Charged<'a> {
    pub(crate) fn of(settlement: &'a Settlement) -> Self {
        let Settlement { charge, byok, overrun, absorbed, usage, course, .. } = settlement;
        let counted = [
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            usage.reasoning_tokens,
            usage.image_output_tokens,
        ];
        Self {
            settlement,
            id: settlement.request.id.as_bytes(),
            reserved: settlement.request.reserved.get(),
            money: [*charge, *byok, *overrun, *absorbed].map(Nanos::get),
            tokens: counted.map(tokens_kept),
            ending: settlement.ending.as_str(),
            settled_at: settlement.settled_at.as_micros(),
            counts: [course.first_ms, course.generation_ms, course.media_completion].map(whole),
            cache_discount: course.cache_discount.map(Nanos::get),
            tried: Tried::to_text(&course.tried),
        }
    }

    /// And the row that they belong to.
    pub(crate) fn values(&self) -> [Value<'_>; CHARGED.len() + 1] {
        let (request, course) = (&self.settlement.request, &self.settlement.course);
        [
            &self.reserved,
            &request.model,
            &request.provider,
            &request.is_byok,
            &self.money[0],
            &self.money[1],
            &self.money[2],
            &self.money[3],
            &self.tokens[0],
            &self.tokens[1],
            &self.ending,
            &self.settlement.estimated,
            &self.settled_at,
            &self.tokens[2],
            &self.tokens[3],
            &self.tokens[4],
            &course.endpoint,
            &course.upstream_id,
            &course.finish_reason,
            &course.native_finish_reason,
            &course.service_tier,
            &self.counts[0],
            &self.counts[1],
            &self.counts[2],
            &self.cache_discount,
            &self.tried,
            &self.id,
        ]
    }
}
