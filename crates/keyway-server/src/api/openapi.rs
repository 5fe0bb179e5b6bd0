//! `GET /api/v1/openapi.json`: what this gateway answers to, generated from the code.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

/// The description as it is served and as it stands in the repository: JSON with a line end.
#[derive(Clone, Debug)]
pub struct Description(pub Bytes);

/// Describes every route of this gateway. Needs no key.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getOpenApi",
    tag = "Description",
    responses((status = 200, description = "This description", body = serde_json::Value))
)]
pub async fn get_openapi(State(description): State<Arc<Description>>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (content_type, description.0.clone()).into_response()
}

/// What the description says besides the routes.
pub fn frame() -> OpenApi {
    let mut license = LicenseBuilder::new().name("Apache-2.0").build();
    license.identifier = Some("Apache-2.0".to_owned());
    let info = InfoBuilder::new()
        .title("Keyway")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A self-hosted LLM gateway that speaks OpenRouter's API. Every route also answers with \
             a slash at its end. Errors are `{\"error\": {\"code\", \"message\", \"metadata\"}}`, \
             where `code` is the status.",
        ))
        .license(Some(license))
        .build();
    let bearer = || SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut document = OpenApiBuilder::new().info(info).build();
    let mut components = utoipa::openapi::Components::new();
    components.add_security_scheme("management_key", bearer());
    components.add_security_scheme("inference_key", bearer());
    document.components = Some(components);
    document
}
