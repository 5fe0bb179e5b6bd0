//! What is said on a connection of HTTP/1.1 that ends before a request was read.
//!
//! The protocol's implementation answers heads that it cannot take by itself, with a status and nothing
//! besides. Clients want a body that says why, in the envelope of all errors: it is put in the place.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use keyway_core::error::{Error, ErrorKind};

use super::error::ApiError;
use super::raw;
use super::turns::overloaded;
use crate::config::ServerLimits;

/// How an answer without a body says so; those of routes have one.
const EMPTY: &[u8] = b"content-length: 0\r\n";

/// How an answer begins, and what is said in its place.
type InPlace = (&'static [u8], Arc<[u8]>);

/// The words for each case.
#[derive(Clone, Debug)]
pub(super) struct Partings {
    /// The head took too long.
    pub(super) timed_out: Arc<[u8]>,
    pub(super) no_room: Arc<[u8]>,
    /// What is said in place of an answer that begins so.
    in_place: Arc<[InPlace]>,
}

impl Partings {
    pub(super) async fn new(limits: &ServerLimits) -> Self {
        let in_place = [
            (b"HTTP/1.1 431 ".as_slice(), head_too_large(limits)),
            (b"HTTP/1.1 414 ".as_slice(), uri_too_long()),
            (b"HTTP/1.1 400 ".as_slice(), malformed()),
        ];
        let mut words = Vec::new();
        for (beginning, error) in in_place {
            words.push((beginning, raw::answer(error).await.into()));
        }
        Self {
            timed_out: raw::answer(timed_out(limits.head_timeout)).await.into(),
            no_room: raw::answer(overloaded()).await.into(),
            in_place: words.into(),
        }
    }

    /// What to say where the protocol's implementation would say `bytes`, of no request.
    pub(super) fn in_place_of(&self, bytes: &[u8]) -> Option<&Arc<[u8]>> {
        let (_, words) = self.in_place.iter().find(|(begins, _)| bytes.starts_with(begins))?;
        bytes.windows(EMPTY.len()).any(|part| part == EMPTY).then_some(words)
    }
}

fn timed_out(patience: Duration) -> ApiError {
    let message = format!("The head of the request took longer than {patience:?}");
    Error::new(ErrorKind::Timeout, message).into()
}

fn head_too_large(limits: &ServerLimits) -> ApiError {
    let (bytes, headers) = (limits.head_bytes_max, limits.headers_max);
    let message = format!(
        "The head of the request is too large: at most {bytes} bytes and {headers} headers are taken"
    );
    let error = ApiError::from(Error::new(ErrorKind::Invalid, message));
    error.with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

fn uri_too_long() -> ApiError {
    let error = Error::new(ErrorKind::Invalid, "The URL of the request is too long");
    ApiError::from(error).with_status(StatusCode::URI_TOO_LONG)
}

fn malformed() -> ApiError {
    Error::new(ErrorKind::Invalid, "The head of the request is no HTTP").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_has_no_body_is_said_in_other_words() {
        let partings = Partings::new(&ServerLimits::default()).await;
        for (bytes, status) in [
            ("HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n\r\n", Some("431")),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", Some("400")),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 17\r\n\r\n{", None),
            ("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", None),
        ] {
            let words = partings.in_place_of(bytes.as_bytes());
            let words = words.map(|words| String::from_utf8_lossy(words).into_owned());
            assert_eq!(words.as_deref().and_then(|words| words.split(' ').nth(1)), status);
        }
    }
}
