//! `/api/v1/models` and what belongs to it: what can be asked for, and what it costs.

pub mod count;
pub mod embeddings;
pub mod endpoints;
mod filter;
pub mod get;
pub mod list;
mod object;
mod page;
pub mod parameters;
mod price;
pub mod user;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use keyway_core::catalogue::Model;
use keyway_core::error::{Error, ErrorKind};

use crate::app::App;
use crate::http::error::ApiError;

/// A model's id as the path names it.
#[derive(Debug)]
pub struct ModelPath(String);

impl<S: Send + Sync> FromRequestParts<S> for ModelPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((author, slug)) = path.map_err(|_| no_model())?;
        Ok(Self(format!("{author}/{slug}")))
    }
}

impl ModelPath {
    fn find(&self, app: &App) -> Result<Arc<Model>, ApiError> {
        app.catalogue().model(&self.0).map(Arc::clone).ok_or_else(no_model)
    }
}

fn no_model() -> ApiError {
    Error::new(ErrorKind::NotFound, "Model not found; /api/v1/models has them all").into()
}
