//! `/api/v1/byok`: the credentials that operators have with providers.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod material;
pub mod object;
pub mod update;

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use keyway_core::error::{Error, ErrorKind};
use keyway_core::id::CredentialId;
use keyway_core::store::CredentialWritten;

use crate::http::error::ApiError;

/// Longest name of a credential, in characters.
const NAME_CHARACTERS_MAX: usize = 255;

/// The `{id}` of a path. What is not an id is the id of no credential.
#[derive(Clone, Copy, Debug)]
pub struct IdPath(pub CredentialId);

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| CredentialId::from_str(&text).ok());
        id.map(Self).ok_or_else(|| Error::not_found().into())
    }
}

/// Why a credential was not written.
fn refused(answer: &CredentialWritten) -> Error {
    match answer {
        CredentialWritten::NotFound => Error::not_found(),
        CredentialWritten::NoSuchKey(hash) => {
            let why = format!("{hash} is the hash of no inference key");
            Error::invalid("allowed_api_key_hashes", why)
        }
        CredentialWritten::TooMany => {
            let most = keyway_core::credential::CREDENTIALS_MAX;
            let message = format!("There are {most} credentials, which is the most; delete one");
            Error::new(ErrorKind::Invalid, message)
        }
        CredentialWritten::OtherKek => {
            let detail = "the key-encryption key was rotated; this node needs the new one";
            Error::unavailable(detail)
        }
        CredentialWritten::Written(_) => Error::internal("what was written is no refusal"),
    }
}
