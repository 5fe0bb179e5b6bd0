//! `/api/v1/keys`: what an operator's program does with inference keys.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod object;
pub mod rotate;
pub mod update;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use keyway_core::error::Error;
use keyway_core::id::KeyHash;
use std::str::FromStr;

use crate::http::error::ApiError;

/// The `{hash}` of a path. What is not a hash is the hash of no key.
#[derive(Clone, Copy, Debug)]
pub struct HashPath(pub KeyHash);

impl<S: Send + Sync> FromRequestParts<S> for HashPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let hash = path.ok().and_then(|Path(text)| KeyHash::from_str(&text).ok());
        hash.map(Self).ok_or_else(|| Error::not_found().into())
    }
}
