//! `GET /api/v1/providers`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The providers behind this gateway.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderList {
    data: Vec<ProviderObject>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProviderObject {
    name: String,
    slug: String,
    privacy_policy_url: Option<String>,
    terms_of_service_url: Option<String>,
    status_page_url: Option<String>,
    headquarters: Option<String>,
    datacenters: Option<Vec<String>>,
}

/// Lists the providers that requests may be sent to. Needs no key.
#[utoipa::path(
    get,
    path = "/providers",
    operation_id = "listProviders",
    tag = "Providers",
    responses((status = 200, description = "The providers, by slug", body = ProviderList))
)]
pub async fn list_providers(State(app): State<Arc<App>>) -> Json<ProviderList> {
    let provider = |slug: &String, name: &str| ProviderObject {
        name: name.to_owned(),
        slug: slug.clone(),
        privacy_policy_url: None,
        terms_of_service_url: None,
        status_page_url: None,
        headquarters: None,
        datacenters: None,
    };
    let upstreams = app.upstreams.iter();
    let mut data: Vec<_> =
        upstreams.map(|(slug, upstream)| provider(slug, &upstream.name)).collect();
    data.sort_by(|one, other| one.slug.cmp(&other.slug));
    Json(ProviderList { data })
}
