//! `POST /api/v1/keys`

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use keyway_core::clock::Timestamp;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::id::{AccountId, KeyId, WorkspaceId};
use keyway_core::key::{KeyKind, NewKey, Terms};
use keyway_core::rate::RateLimits;
use keyway_core::secret::{KeyPrefix, KeySecret, SALT_BYTES};
use keyway_core::store::{Idempotency, KeyCreated, KeyCreation};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::object::KeyObject;
use crate::api::fields::{Field, Fields};
use crate::app::App;
use crate::entropy::random;
use crate::http::body::ObjectBody;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest `Idempotency-Key`, in bytes.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// What a key is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `Fields` reads it")]
pub struct CreateKeyBody {
    /// 1 to 256 characters, no control characters.
    name: String,
    /// USD, at most 1,000,000,000; null or absent is unlimited. Decimals after the ninth are cut.
    limit: Option<f64>,
    /// `daily`, `weekly` or `monthly`; null or absent never resets.
    limit_reset: Option<String>,
    include_byok_in_limit: Option<bool>,
    /// Requests in any 60 seconds, 1 to 1,000,000,000; null or absent is the configuration's
    /// default. A field of this gateway's own, as the next three are.
    requests_per_minute: Option<u32>,
    /// Tokens, of prompts and completions, in any 60 seconds; as above.
    tokens_per_minute: Option<u32>,
    /// Requests in flight at once; as above.
    max_concurrent_requests: Option<u32>,
    /// `refuse` (the default), or `clamp`: what becomes of a request that may cost more than is left.
    on_limit: Option<String>,
    /// Whether prompts and answers are kept, masked; false where absent. A field of this gateway's own.
    log_content: Option<bool>,
    /// RFC 3339 in UTC, in the future.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    creator_user_id: Option<String>,
    /// The default workspace where absent.
    #[schema(format = Uuid)]
    workspace_id: Option<String>,
    external: Option<ExternalUser>,
}

/// Whom of a partner's users the key is for.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `Fields` reads it")]
pub struct ExternalUser {
    user: String,
}

/// The only answer that carries the key string.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the answer; `created` writes it")]
pub struct CreatedKey {
    data: KeyObject,
    /// The key string. It is not shown again.
    key: String,
}

/// Makes an inference key.
#[utoipa::path(
    post,
    path = "/keys",
    operation_id = "createKeys",
    tag = "API keys",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "Repeating the creation with it within 24 h answers as the first did"
    )),
    request_body = CreateKeyBody,
    responses(
        (status = 201, description = "The key, with its string for this once", body = CreatedKey),
        (status = 400, description = "A field is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 409, description = "The key that this Idempotency-Key made was deleted"),
        (status = 413, description = "The body is too large"),
        (status = 422, description = "The Idempotency-Key was used with another body"),
        (status = 503, description = "The store cannot be written; nothing was made"),
    ),
    security(("management_key" = []))
)]
pub async fn create_key(
    State(app): State<Arc<App>>,
    ManagementCaller(caller): ManagementCaller,
    headers: HeaderMap,
    body: ObjectBody,
) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let key = parse(&body.fields, &app)?;
    match idempotency_key(&headers)? {
        None => create_once(&app, key, now).await,
        Some(digest) => {
            let body = Sha256::digest(&body.bytes).into();
            create_idempotent(&app, key, now, (caller.id, digest, body)).await
        }
    }
}

async fn create_once(app: &App, key: NewKey, now: Timestamp) -> Result<Response, ApiError> {
    let secret = KeySecret::mint(app.keyring.prefix(), &random());
    let creation = KeyCreation { key, secret: app.keyring.record(&secret), idempotency: None };
    match app.store.key_create(creation, now).await? {
        KeyCreated::Created(key) => Ok(created(&data(&KeyObject::from(&key))?, &secret)),
        other => Err(refused(&other, now).into()),
    }
}

/// Why no key was made.
pub(in crate::api) fn refused(answer: &KeyCreated, now: Timestamp) -> Error {
    match answer {
        KeyCreated::AlreadyExpired => {
            Error::invalid("expires_at", format!("must be after now, {now}"))
        }
        KeyCreated::BodyDiffers => {
            let message = "This Idempotency-Key was used with another body; use a new one";
            Error::new(ErrorKind::Unprocessable, message)
        }
        KeyCreated::KeyDeleted => {
            let message = "The key that this Idempotency-Key made was deleted; use a new one";
            Error::new(ErrorKind::Conflict, message)
        }
        KeyCreated::Created(_) | KeyCreated::Replayed { .. } => {
            Error::internal("a creation that was made is no refusal")
        }
    }
}

/// The key string follows from the installation's secret and a salt that the store keeps, so that
/// a replay can give it again though nobody stored it.
async fn create_idempotent(
    app: &App,
    key: NewKey,
    now: Timestamp,
    (actor, digest, body): (KeyId, [u8; 32], [u8; 32]),
) -> Result<Response, ApiError> {
    let salt: [u8; SALT_BYTES] = random();
    let prefix = app.keyring.prefix();
    let secret = app.keyring.secret().derive_key(prefix, &salt);
    let record = app.keyring.record(&secret);
    // The numbers inside the store are not in the answer.
    let answer = data(&KeyObject::from(&key.record(KeyId(0), AccountId(0), &record, now)))?;
    let remembered = format!("{}\n{answer}", prefix.as_str());
    let idempotency = Idempotency { actor, key: digest, body, salt, answer: remembered };
    let creation = KeyCreation { key, secret: record, idempotency: Some(idempotency) };
    match app.store.key_create(creation, now).await? {
        KeyCreated::Created(_) => Ok(created(&answer, &secret)),
        KeyCreated::Replayed { salt, answer } => replay(app, &salt, &answer),
        other => Err(refused(&other, now).into()),
    }
}

/// The first answer again. The prefix of then is kept before it, since the configured one may have
/// changed.
fn replay(app: &App, salt: &[u8; SALT_BYTES], remembered: &str) -> Result<Response, ApiError> {
    let broken = || Error::internal("an idempotent answer was kept without its prefix");
    let (prefix, answer) = remembered.split_once('\n').ok_or_else(broken)?;
    let prefix = KeyPrefix::new(prefix).ok_or_else(broken)?;
    let secret = app.keyring.secret().derive_key(&prefix, salt);
    let mut response = created(answer, &secret);
    response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn parse(body: &Map<String, Value>, app: &App) -> Result<NewKey, Error> {
    let fields = Fields(body);
    let Some(name) = fields.name("name")?.value() else {
        return Err(Error::invalid("name", "is required"));
    };
    Ok(NewKey {
        kind: KeyKind::Inference,
        name,
        workspace: workspace(fields, app)?,
        terms: Terms {
            limit: fields.limit("limit")?.value(),
            reset: fields.reset("limit_reset")?.value(),
            include_byok_in_limit: fields
                .boolean("include_byok_in_limit")?
                .value()
                .unwrap_or(false),
        },
        rates: RateLimits {
            requests_per_minute: fields.figure("requests_per_minute")?.value(),
            tokens_per_minute: fields.figure("tokens_per_minute")?.value(),
            max_concurrent_requests: fields.figure("max_concurrent_requests")?.value(),
        },
        on_limit: fields.on_limit("on_limit")?.value().unwrap_or_default(),
        log_content: log_content(fields, app)?.unwrap_or(false),
        expires_at: fields.moment("expires_at")?.value(),
        creator_user_id: fields.text("creator_user_id")?.value(),
        external_user: external_user(fields)?,
    })
}

/// There is one workspace; any other is unknown.
pub(in crate::api) fn workspace(fields: Fields<'_>, app: &App) -> Result<WorkspaceId, Error> {
    let default = app.store.default_workspace();
    match fields.workspace("workspace_id")? {
        Field::Value(named) if named != default => {
            Err(Error::invalid("workspace_id", format!("there is no such workspace; {default} is")))
        }
        _ => Ok(default),
    }
}

/// Only where the configuration allows it.
pub(super) fn log_content(fields: Fields<'_>, app: &App) -> Result<Option<bool>, Error> {
    let wanted = fields.boolean("log_content")?.value();
    if wanted == Some(true) && !app.contents.is_allowed() {
        let why = "must be false: the configuration of this gateway allows no key to keep what is said \
                   (content.allowed)";
        return Err(Error::invalid("log_content", why));
    }
    Ok(wanted)
}

fn external_user(fields: Fields<'_>) -> Result<Option<String>, Error> {
    let Some(external) = fields.object("external")?.value() else { return Ok(None) };
    if external.0.contains_key("api_key") {
        let why = "a key string cannot be brought along; leave it out and take the one answered";
        return Err(Error::invalid("external.api_key", why));
    }
    match external.text("user") {
        Ok(Field::Value(user)) => Ok(Some(user)),
        Ok(_) => Err(Error::invalid("external.user", "is required")),
        Err(_) => Err(Error::invalid("external.user", "must be a string of 1 to 256 characters")),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<[u8; 32]>, Error> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let bytes = value.as_bytes();
    let fits = (1..=IDEMPOTENCY_KEY_MAX).contains(&bytes.len());
    if !fits || !bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        let why = "must have 1 to 255 printable ASCII characters";
        return Err(Error::invalid("Idempotency-Key", why));
    }
    Ok(Some(Sha256::digest(bytes).into()))
}

/// The key object as JSON text: what an idempotent creation keeps of its answer.
pub(in crate::api) fn data(key: &KeyObject) -> Result<String, Error> {
    let text = serde_json::to_string(key);
    text.map_err(|error| Error::internal(format!("a key object cannot be written: {error}")))
}

/// 201 with the key string at the top level, never to be cached.
pub(in crate::api) fn created(data: &str, secret: &KeySecret) -> Response {
    let body = format!(r#"{{"data":{data},"key":"{}"}}"#, secret.expose());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::CREATED, headers, body).into_response()
}
