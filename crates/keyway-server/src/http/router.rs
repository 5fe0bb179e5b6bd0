//! Every route, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::map_response;
use bytes::Bytes;
use http::Method;
use keyway_core::error::{Error, ErrorKind};
use tower::Layer;
use tower_http::normalize_path::{NormalizePath, NormalizePathLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::error::{ApiError, in_anthropics_words};
use crate::api::openapi::Description;
use crate::api::{
    activity, byok, credits, generation, generation_content, healthz, key, keys, management_keys,
    models, openapi, providers, readyz,
};
use crate::app::App;
use crate::relay::{chat, completions, count_tokens, embeddings, messages, rerank, responses};

/// What the routes share.
#[derive(Clone, Debug, FromRef)]
pub struct Shared {
    app: Arc<App>,
    description: Arc<Description>,
}

/// Answers with and without a slash at the end, without a redirect.
pub type Service = NormalizePath<Router>;

fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(healthz::get_health))
        .routes(routes!(readyz::get_readiness))
        .routes(v1(routes!(keys::list::list_keys, keys::create::create_key)))
        .routes(v1(routes!(keys::get::get_key, keys::update::update_key, keys::delete::delete_key)))
        .routes(v1(routes!(keys::rotate::rotate_key)))
        .routes(v1(routes!(key::get_current_key)))
        .routes(v1(routes!(key::get_current_key_by_old_path)))
        .routes(v1(routes!(
            management_keys::list::list_management_keys,
            management_keys::create::create_management_key
        )))
        .routes(v1(routes!(management_keys::revoke::revoke_management_key)))
        .routes(v1(routes!(byok::list::list_credentials, byok::create::create_credential)))
        .routes(v1(routes!(
            byok::get::get_credential,
            byok::update::update_credential,
            byok::delete::delete_credential
        )))
        .routes(v1(routes!(models::list::list_models)))
        .routes(v1(routes!(models::user::list_models_of_user)))
        .routes(v1(routes!(models::count::count_models)))
        .routes(v1(routes!(models::get::get_model)))
        .routes(v1(routes!(models::endpoints::list_endpoints)))
        .routes(v1(routes!(models::parameters::get_parameters)))
        .routes(v1(routes!(models::embeddings::list_embeddings_models)))
        .routes(v1(routes!(providers::list_providers)))
        .routes(v1(routes!(credits::get::get_credits, credits::add::add_credits)))
        .routes(v1(routes!(activity::get_activity)))
        .routes(v1(routes!(generation::get_generation)))
        .routes(v1(routes!(generation_content::get_generation_content)))
        .routes(v1(routes!(chat::chat_completion)))
        .routes(v1(routes!(completions::create_completion)))
        .routes(v1(routes!(responses::create_response)))
        .routes(v1(routes!(embeddings::create_embeddings)))
        .routes(v1(routes!(rerank::create_rerank)))
        .routes(v1(routes!(messages::create_message).layer(map_response(in_anthropics_words))))
        .routes(v1(routes!(count_tokens::count_tokens).layer(map_response(in_anthropics_words))))
        .routes(v1(routes!(openapi::get_openapi)))
}

/// Where the API is. Each route has its whole path: of those that are nested every request is taken apart.
fn v1((schemas, mut paths, methods): UtoipaMethodRouter<Shared>) -> UtoipaMethodRouter<Shared> {
    let below = |(path, item)| (format!("/api/v1{path}"), item);
    paths.paths = paths.paths.into_iter().map(below).collect();
    (schemas, paths, methods)
}

/// The description of every route.
pub fn describe() -> OpenApi {
    routes().into_openapi()
}

/// The description as text: what the repository holds and `GET /api/v1/openapi.json` serves.
pub fn description() -> String {
    let text = serde_json::to_string_pretty(&describe()).expect("a description is JSON");
    text + "\n"
}

pub fn router(app: Arc<App>) -> Service {
    let description = Arc::new(Description(Bytes::from(description())));
    let (router, _) = routes().split_for_parts();
    let router = router
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Shared { app, description });
    NormalizePathLayer::trim_trailing_slash().layer(router)
}

async fn unknown_route(method: Method) -> ApiError {
    // The path is not repeated: somebody may have put a key there.
    let message = format!("There is no such route for {method}; /api/v1/openapi.json has them all");
    Error::new(ErrorKind::NotFound, message).into()
}

async fn wrong_method(method: Method) -> ApiError {
    let message = format!("This route does not take {method}; the Allow header says what it takes");
    Error::new(ErrorKind::MethodNotAllowed, message).into()
}
