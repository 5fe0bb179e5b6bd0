//! A catalogue from elsewhere, by its URL.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use thiserror::Error;

use super::BYTES_MAX;
use crate::egress::{Egress, EgressError, Place};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For all of it.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Why a catalogue was not to be had from a URL. None says more of the URL than its host: it may hold a
/// secret.
#[derive(Debug, Error)]
pub enum FetchError {
    #[error(
        "the URL has to begin with https://, or http:// for an address of this machine, without \
         credentials in it"
    )]
    Url,
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    #[error("{0} answered {1}; redirects are not followed")]
    Redirect(String, StatusCode),
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
    #[error("what {0} answered is larger than {BYTES_MAX} bytes")]
    TooLarge(String),
    #[error("{0} broke off before the end")]
    Broken(String),
    #[error("{0} took longer than a minute")]
    TimedOut(String),
    #[error("what {0} answered is not UTF-8")]
    Text(String),
}

/// Fetches the text of a catalogue. `allow_private` says whether the URL's name may lead into a private
/// network.
pub async fn fetch(url: &str, allow_private: bool) -> Result<String, FetchError> {
    let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
    let host = checked_host(&uri)?;
    let place = Place { uri: uri.clone(), allow_private, connect_timeout: CONNECT_TIMEOUT };
    let fetched = tokio::time::timeout(TIMEOUT, ask(&Egress::new([place]), uri, &host)).await;
    let bytes = fetched.unwrap_or_else(|_| Err(FetchError::TimedOut(host.clone())))?;
    String::from_utf8(bytes.into()).map_err(|_| FetchError::Text(host))
}

/// Prices that anybody on the way could change are none: only this machine may be asked without TLS.
fn checked_host(uri: &Uri) -> Result<String, FetchError> {
    let authority = uri.authority().ok_or(FetchError::Url)?;
    let host = authority.host().to_owned();
    let is_here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    match uri.scheme_str() {
        _ if authority.as_str().contains('@') => Err(FetchError::Url),
        Some("https") => Ok(host),
        Some("http") if is_here => Ok(host),
        _ => Err(FetchError::Url),
    }
}

async fn ask(egress: &Egress, uri: Uri, host: &str) -> Result<Bytes, FetchError> {
    let request = Request::get(uri).body(Full::default()).map_err(|_| FetchError::Url)?;
    let answer = egress.send(request).await.map_err(|error| no_answer(host, &error))?;
    let host = host.to_owned();
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => return Err(FetchError::Redirect(host, status)),
        status => return Err(FetchError::Status(host, status)),
    }
    let most = usize::try_from(BYTES_MAX).unwrap_or(usize::MAX);
    match Limited::new(answer.into_body(), most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge(host)),
        Err(_) => Err(FetchError::Broken(host)),
    }
}

/// The innermost reason is the one that helps.
fn no_answer(host: &str, error: &EgressError) -> FetchError {
    if matches!(error, EgressError::Broken(_)) {
        return FetchError::Broken(host.to_owned());
    }
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    FetchError::Unreachable(host.to_owned(), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for (url, is_allowed) in [
            ("https://example.com/models.jsonl?token=x", true),
            ("https://10.0.0.1/models.jsonl", true),
            ("http://127.0.0.1:8000/models.jsonl", true),
            ("http://localhost/models.jsonl", true),
            ("http://[::1]:8000/", true),
            ("http://example.com/models.jsonl", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://2130706433/", false),
            ("https://user:secret@example.com/", false),
            ("ftp://example.com/", false),
            ("/models.jsonl", false),
        ] {
            let uri = url.parse().expect("a URI");
            assert_eq!(checked_host(&uri).is_ok(), is_allowed, "{url}");
        }
    }
}
