//! `GET /api/v1/models`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keyway_core::catalogue::Model;
use keyway_core::error::Error;

use super::filter::Filter;
use super::page::ModelList;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;

/// Lists the models that requests may name. Needs no key.
///
/// Of what this gateway does not know of any model (`category`, `region`, benchmarks), no model is known
/// to have it: such a filter leaves none.
#[utoipa::path(
    get,
    path = "/models",
    operation_id = "getModels",
    tag = "Models",
    params(
        ("offset" = Option<u64>, Query, description = "How many models to skip"),
        ("limit" = Option<u64>, Query, description = "Models on a page, 1 to 1000; all where both are absent"),
        ("q" = Option<String>, Query, description = "A part of the id or the name, in either case"),
        ("supported_parameters" = Option<String>, Query, description = "What the model has to heed, separated by commas"),
        ("input_modalities" = Option<String>, Query, description = "What it has to read, separated by commas"),
        ("output_modalities" = Option<String>, Query, description = "What it may write, separated by commas, or `all`; `text` where absent"),
        ("context" = Option<u64>, Query, description = "The least context length"),
        ("min_price" = Option<String>, Query, description = "The least price of the prompt, in USD per million tokens"),
        ("max_price" = Option<String>, Query, description = "The largest price of the prompt, in USD per million tokens"),
        ("min_output_price" = Option<String>, Query, description = "The least price of the completion, in USD per million tokens"),
        ("max_output_price" = Option<String>, Query, description = "The largest price of the completion, in USD per million tokens"),
        ("arch" = Option<String>, Query, description = "The family, as a part of the id or the name"),
        ("model_authors" = Option<String>, Query, description = "Authors' slugs, separated by commas"),
        ("providers" = Option<String>, Query, description = "Providers' names or slugs, separated by commas"),
        ("distillable" = Option<bool>, Query, description = "Only those that may be distilled, or only the others"),
        ("zdr" = Option<bool>, Query, description = "With `true` only those that an endpoint serves that retains nothing"),
        ("sort" = Option<String>, Query, description = "`pricing-low-to-high`, `pricing-high-to-low`, `context-high-to-low`; by other measures, which this gateway does not have, the order stays"),
    ),
    responses(
        (status = 200, description = "The models; empty past the end", body = ModelList),
        (status = 400, description = "A parameter is wrong; the message says which and why"),
    )
)]
pub async fn list_models(
    State(app): State<Arc<App>>,
    query: Query,
) -> Result<Json<ModelList>, ApiError> {
    if query.has("use_rss") {
        return Err(Error::invalid("use_rss", "is not offered; leave it out for JSON").into());
    }
    let filter = Filter::of(&query)?;
    let catalogue = app.catalogue();
    let models = catalogue.models().iter().map(AsRef::as_ref);
    let mut models: Vec<&Model> = models.filter(|model| filter.admits(model, &app)).collect();
    filter.sort(&mut models);
    ModelList::page(&models, &app, &query, "/models")
}
