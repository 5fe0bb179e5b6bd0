//! `POST /api/v1/byok`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keyway_core::credential::{self, ALLOWED_MAX, Conduct, NewCredential};
use keyway_core::error::Error;
use keyway_core::id::CredentialId;
use keyway_core::store::CredentialWritten;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::material::{material, name};
use super::object::{CredentialAnswer, CredentialObject};
use super::refused;
use crate::api::fields::{Field, Fields};
use crate::api::keys::create::workspace;
use crate::app::App;
use crate::catalogue;
use crate::entropy::random;
use crate::http::body::ObjectBody;
use crate::http::caller::ManagementCaller;
use crate::http::error::ApiError;
use crate::meant::meant;

/// Longest slug, in bytes.
const SLUG_BYTES_MAX: usize = 64;
/// Mistakes in a slug, at which it is proposed.
const TYPING_ERRORS_MAX: usize = 2;
/// Places in the order of a provider's credentials.
const SORT_ORDER_MAX: i64 = 1_000_000;

/// What a credential is to be.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; `Fields` reads it")]
pub struct CreateCredentialBody {
    /// The provider's slug.
    provider: String,
    /// The provider's key, or the JSON that it takes in place of one. Sealed at once, never shown.
    key: String,
    /// Up to 255 characters.
    name: Option<String>,
    disabled: Option<bool>,
    is_fallback: Option<bool>,
    /// A field of this gateway's own, as the next two are.
    is_required: Option<bool>,
    is_byok_only: Option<bool>,
    /// Behind the provider's others where absent.
    sort_order: Option<i64>,
    allowed_models: Option<Vec<String>>,
    allowed_api_key_hashes: Option<Vec<String>>,
    allowed_user_ids: Option<Vec<String>>,
    /// The default workspace where absent.
    #[schema(format = Uuid)]
    workspace_id: Option<String>,
}

/// Keeps a credential; in force when it is answered.
#[utoipa::path(
    post,
    path = "/byok",
    operation_id = "createBYOKKey",
    tag = "BYOK",
    request_body = CreateCredentialBody,
    responses(
        (status = 201, description = "The credential, masked", body = CredentialAnswer),
        (status = 400, description = "A field is wrong; the message says which and why"),
        (status = 401, description = "No valid key"),
        (status = 403, description = "Not a management key"),
        (status = 413, description = "The body is too large"),
        (status = 503, description = "The store cannot be written; nothing was kept"),
    ),
    security(("management_key" = []))
)]
pub async fn create_credential(
    State(app): State<Arc<App>>,
    ManagementCaller(_): ManagementCaller,
    body: ObjectBody,
) -> Result<(StatusCode, Json<CredentialAnswer>), ApiError> {
    let new = parse(&body.fields, &app)?;
    match app.store.credential_create(new, app.clock.now()).await? {
        CredentialWritten::Written(record) => {
            app.node.in_force().await?;
            let data = CredentialObject::from(&record);
            Ok((StatusCode::CREATED, Json(CredentialAnswer { data })))
        }
        other => Err(refused(&other).into()),
    }
}

fn parse(body: &Map<String, Value>, app: &App) -> Result<NewCredential, Error> {
    let fields = Fields(body);
    let Some(provider) = fields.text("provider")?.value() else {
        return Err(Error::invalid("provider", "is required"));
    };
    check_slug(&provider)?;
    check_known(&provider, app)?;
    let Some(secret) = material(fields, "key")?.value() else {
        return Err(Error::invalid("key", "is required"));
    };
    let flag = |field| fields.boolean(field).map(|flag| flag.value().unwrap_or(false));
    let sort_order = sort_order(fields)?;
    let id = CredentialId::new(app.clock.now(), random());
    Ok(NewCredential {
        id,
        workspace: workspace(fields, app)?,
        provider,
        name: name(fields)?.value(),
        conduct: Conduct {
            disabled: flag("disabled")?,
            is_fallback: flag("is_fallback")?,
            is_required: flag("is_required")?,
            is_byok_only: flag("is_byok_only")?,
            allowed_models: fields.texts("allowed_models", ALLOWED_MAX)?.value(),
            allowed_users: fields.texts("allowed_user_ids", ALLOWED_MAX)?.value(),
            sort_order: sort_order.unwrap_or_default(),
        },
        is_last: sort_order.is_none(),
        allowed_keys: fields.hashes("allowed_api_key_hashes", ALLOWED_MAX)?.value(),
        label: credential::label(&secret),
        sealed: app.vault.seal(id, &secret),
    })
}

pub(super) fn sort_order(fields: Fields<'_>) -> Result<Option<i64>, Error> {
    fields.whole("sort_order", 0..=SORT_ORDER_MAX).map(Field::value)
}

/// A credential of a provider that is neither configured nor in the catalogue would never be used.
fn check_known(slug: &str, app: &App) -> Result<(), Error> {
    let mut known: BTreeSet<&str> = catalogue::providers().collect();
    known.extend(app.upstreams.keys().map(String::as_str));
    if known.contains(slug) {
        return Ok(());
    }
    let why = match meant(slug, known.iter().copied(), TYPING_ERRORS_MAX) {
        Some(near) => format!("no provider is called {slug} here; did you mean {near}?"),
        None => format!(
            "no provider is called {slug} here; configure it first, or name one of {}",
            known.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    Err(Error::invalid("provider", why))
}

/// What may be the slug of a provider.
pub(super) fn check_slug(slug: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let allowed = |byte: u8| plain(byte) || matches!(byte, b'-' | b'_' | b'.');
    let fits = slug.len() <= SLUG_BYTES_MAX && slug.bytes().next().is_some_and(plain);
    if fits && slug.bytes().all(allowed) {
        return Ok(());
    }
    let why = "must be the slug of a provider: up to 64 of a-z, 0-9, \"-\", \"_\" and \".\", a letter \
               or digit first";
    Err(Error::invalid("provider", why))
}
