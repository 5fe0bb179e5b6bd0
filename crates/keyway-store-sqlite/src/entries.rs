//! Rows of requests: what is known of a request when it is marked, and when it is settled, goes into its
//! row whether there is one yet or not, by one statement where that is as it mostly is.

use std::sync::LazyLock;

use keyway_core::budget::WindowKind;
use keyway_core::id::GenerationId;
use keyway_core::ledger::{AnswerMark, ApiType, Metered, Settlement, Tried, tokens_kept};
use keyway_core::money::Nanos;
use rusqlite::{CachedStatement, Connection, Error, ErrorCode, Row, ToSql};

use crate::course::whole;

/// What is known from the admission on, in the order of [`Admitted::values`].
const ADMITTED: [&str; 22] = [
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

/// What may be another when a request is settled.
const AMENDED: [&str; 4] = ["reserved_nanos", "model", "provider", "is_byok"];

/// What is null until a request is settled, in the order of [`Charged::values`].
const CHARGED: [&str; 22] = [
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

type Value<'a> = &'a dyn ToSql;

/// Whether a statement changed a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Now,
    /// The request was settled before.
    Known,
}

impl Written {
    fn of(rows: usize) -> Self {
        if rows == 0 { Self::Known } else { Self::Now }
    }
}

/// The statements of one transaction, each prepared with its first use: to find a prepared one again costs
/// a tenth of what it does.
pub(crate) struct Entries<'c> {
    connection: &'c Connection,
    mark: Option<CachedStatement<'c>>,
    enter: Option<CachedStatement<'c>>,
    fill: Option<CachedStatement<'c>>,
}

impl<'c> Entries<'c> {
    pub(crate) fn of(connection: &'c Connection) -> Self {
        Self { connection, mark: None, enter: None, fill: None }
    }

    /// Writes a mark, or raises one and what the request holds. What is settled stays as it is.
    pub(crate) fn mark(&mut self, mark: &AnswerMark) -> Result<(), Error> {
        static MARK: LazyLock<String> = LazyLock::new(|| {
            let raise = "UPDATE SET
                   authorised_nanos = max(generation.authorised_nanos, excluded.authorised_nanos),
                   reserved_nanos = max(generation.reserved_nanos, excluded.reserved_nanos)
                 WHERE generation.charge_nanos IS NULL
                   AND (generation.authorised_nanos < excluded.authorised_nanos
                     OR generation.reserved_nanos < excluded.reserved_nanos)";
            insert(&ADMITTED, raise)
        });
        let admitted = Admitted::of(&mark.request, mark.authorised);
        let statement = prepared(&mut self.mark, self.connection, &MARK)?;
        statement.execute(admitted.values().as_slice()).map(drop)
    }

    /// Writes a charge into the row of its request, once.
    ///
    /// A stream has been marked, but for one that nothing was said of; what does not stream has not.
    pub(crate) fn settle(&mut self, settlement: &Settlement) -> Result<Written, Error> {
        let charged = Charged::of(settlement);
        let is_marked = settlement.request.streamed;
        if is_marked && self.fill(&charged)? == Written::Now {
            return Ok(Written::Now);
        }
        match self.enter(&charged) {
            Ok(Written::Known) if !is_marked => self.fill(&charged),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                self.refused(&charged, error)
            }
            entered => entered,
        }
    }

    /// What a request that was settled was charged, and what it spent with another credential.
    pub(crate) fn charge(&self, id: GenerationId) -> Result<(Nanos, Nanos), Error> {
        let sql = "SELECT charge_nanos, byok_nanos FROM generation WHERE id = ?1";
        let nanos = |row: &Row<'_>, column| row.get(column).map(Nanos::new);
        self.connection
            .prepare_cached(sql)?
            .query_row([id.as_bytes()], |row| Ok((nanos(row, 0)?, nanos(row, 1)?)))
    }

    /// A new row was refused. A settlement may know less of what the request holds than its row has, so
    /// where there is one, that is what counts.
    fn refused(&mut self, charged: &Charged<'_>, error: Error) -> Result<Written, Error> {
        if self.fill(charged)? == Written::Now {
            return Ok(Written::Now);
        }
        let sql = "SELECT 1 FROM generation WHERE id = ?1";
        let mut row = self.connection.prepare_cached(sql)?;
        let is_there = row.exists([charged.settlement.request.id.as_bytes()])?;
        if is_there { Ok(Written::Known) } else { Err(error) }
    }

    /// Makes the row of a request that was not marked.
    fn enter(&mut self, charged: &Charged<'_>) -> Result<Written, Error> {
        static ENTER: LazyLock<String> =
            LazyLock::new(|| insert(&[ADMITTED.as_slice(), &CHARGED].concat(), "NOTHING"));
        let admitted = Admitted::of(&charged.settlement.request, Nanos::ZERO);
        let mut values = [&0 as Value<'_>; ADMITTED.len() + CHARGED.len()];
        values[..ADMITTED.len()].copy_from_slice(&admitted.values());
        values[ADMITTED.len()..].copy_from_slice(&charged.values());
        let statement = prepared(&mut self.enter, self.connection, &ENTER)?;
        statement.execute(values.as_slice()).map(Written::of)
    }

    /// Fills in what is null until a request is settled.
    fn fill(&mut self, charged: &Charged<'_>) -> Result<Written, Error> {
        static FILL: LazyLock<String> = LazyLock::new(fill);
        let request = &charged.settlement.request;
        let (id, reserved) = (request.id.as_bytes(), request.reserved.get());
        let amended: [Value<'_>; AMENDED.len() + 1] =
            [&reserved, &request.model, &request.provider, &request.is_byok, id];
        let mut values = [&0 as Value<'_>; CHARGED.len() + AMENDED.len() + 1];
        values[..CHARGED.len()].copy_from_slice(&charged.values());
        values[CHARGED.len()..].copy_from_slice(&amended);
        let statement = prepared(&mut self.fill, self.connection, &FILL)?;
        statement.execute(values.as_slice()).map(Written::of)
    }
}

fn prepared<'s, 'c>(
    statement: &'s mut Option<CachedStatement<'c>>,
    connection: &'c Connection,
    sql: &str,
) -> Result<&'s mut CachedStatement<'c>, Error> {
    let found = match statement.take() {
        Some(prepared) => prepared,
        None => connection.prepare_cached(sql)?,
    };
    Ok(statement.insert(found))
}

/// A statement that settles the row of the last value, where it is not settled.
fn fill() -> String {
    let columns = [CHARGED.as_slice(), &AMENDED].concat();
    let changes = columns.iter().zip(1..).map(|(name, place)| match *name {
        "reserved_nanos" => format!("{name} = max({name}, ?{place})"),
        _ => format!("{name} = ?{place}"),
    });
    let (changes, id) = (changes.collect::<Vec<_>>().join(", "), columns.len() + 1);
    format!("UPDATE generation SET {changes} WHERE id = ?{id} AND charge_nanos IS NULL")
}

/// A statement that inserts a row, or does what is said where there is one.
fn insert(columns: &[&str], or: &str) -> String {
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    let (columns, places) = (columns.join(", "), places.join(", "));
    format!("INSERT INTO generation ({columns}) VALUES ({places}) ON CONFLICT (id) DO {or}")
}

/// A request as the schema has it.
struct Admitted<'a> {
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
    fn of(request: &'a Metered, authorised: Nanos) -> Self {
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

    fn values(&self) -> [Value<'_>; ADMITTED.len()] {
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
struct Charged<'a> {
    settlement: &'a Settlement,
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
    fn of(settlement: &'a Settlement) -> Self {
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
            money: [*charge, *byok, *overrun, *absorbed].map(Nanos::get),
            tokens: counted.map(tokens_kept),
            ending: settlement.ending.as_str(),
            settled_at: settlement.settled_at.as_micros(),
            counts: [course.first_ms, course.generation_ms, course.media_completion].map(whole),
            cache_discount: course.cache_discount.map(Nanos::get),
            tried: Tried::to_text(&course.tried),
        }
    }

    fn values(&self) -> [Value<'_>; CHARGED.len()] {
        let course = &self.settlement.course;
        [
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
        ]
    }
}
