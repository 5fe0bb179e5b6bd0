//! Talks to a running gateway.

use std::error::Error as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use keyway_core::secret::KeySecret;
use keyway_server::config::base_url;
use keyway_server::egress::{Egress, EgressError, Place};
use serde_json::Value;

use super::CliError;

/// A gateway that does not answer by then does not run.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEY_VARIABLE: &str = "KEYWAY_MANAGEMENT_KEY";
const URL_DEFAULT: &str = "http://127.0.0.1:8787";
/// A base URL as clients are given it; the commands add it themselves.
const API: &str = "/api/v1";
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// Which gateway, and with which key.
#[derive(Debug, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct Connection {
    /// Where the gateway runs
    #[arg(
        long,
        global = true,
        env = "KEYWAY_URL",
        value_name = "URL",
        default_value = URL_DEFAULT,
        value_parser = gateway_url
    )]
    url: String,
    /// A file with the management key, instead of the variable KEYWAY_MANAGEMENT_KEY
    #[arg(long, global = true, value_name = "FILE")]
    management_key_file: Option<PathBuf>,
}

fn gateway_url(text: &str) -> Result<String, String> {
    let url = base_url(text)?;
    Ok(url.strip_suffix(API).unwrap_or(&url).to_owned())
}

impl Connection {
    /// The management key to present: from the file, where one is named, else from the environment.
    ///
    /// It is never an argument: every user of a machine may read the arguments of its processes.
    pub(crate) fn management_key(&self) -> Result<Option<KeySecret>, CliError> {
        let text = match &self.management_key_file {
            Some(path) => Some(fs::read_to_string(path).map_err(|error| {
                CliError::failed(format!("cannot read {}: {error}", path.display()))
            })?),
            None => std::env::var(KEY_VARIABLE).ok(),
        };
        Ok(text.map(|text| KeySecret::from_presented(text.trim())))
    }
}

/// A gateway and the right to manage it.
#[derive(Debug)]
pub(crate) struct Gateway {
    egress: Egress,
    url: String,
    authorization: HeaderValue,
}

/// What the gateway answered, as its text and as what that says.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Gateway {
    pub(crate) fn new(connection: &Connection) -> Result<Self, CliError> {
        let key = connection.management_key()?.ok_or_else(|| {
            CliError::Usage(format!(
                "no management key: set {KEY_VARIABLE}, or name a file that holds one with \
                 --management-key-file"
            ))
        })?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| CliError::Usage("the management key holds control characters".into()))?;
        authorization.set_sensitive(true);
        let uri = connection.url.parse();
        let uri = uri.map_err(|_| CliError::Usage("the gateway's URL cannot be read".into()))?;
        // Whoever types the address means it.
        let place = Place { uri, allow_private: true, connect_timeout: CONNECT_TIMEOUT };
        Ok(Self { egress: Egress::new([place]), url: connection.url.clone(), authorization })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, CliError> {
        self.send(self.request(Method::GET, path), Bytes::new()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, CliError> {
        self.send(self.request(Method::DELETE, path), Bytes::new()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Answer, CliError> {
        self.send(self.request(Method::PATCH, path), body.to_string().into()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, CliError> {
        self.send(self.request(Method::POST, path), body.to_string().into()).await
    }

    /// A POST that happens once, however often it is sent with the same `idempotency_key`.
    pub(crate) async fn post_once(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: &str,
    ) -> Result<Answer, CliError> {
        let request = self.request(Method::POST, path).header("idempotency-key", idempotency_key);
        self.send(request, body.to_string().into()).await
    }

    /// `path` is what stands behind `/api/v1`.
    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{API}{path}", self.url))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("keyway/", env!("CARGO_PKG_VERSION")))
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> Result<Answer, CliError> {
        let request = request
            .body(Full::new(body))
            .map_err(|error| CliError::Usage(format!("cannot be sent: {error}")))?;
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request)).await;
        let (status, bytes) = answered.map_err(|_| {
            CliError::failed(format!(
                "the gateway at {} did not answer within {} s",
                self.url,
                ANSWER_TIMEOUT.as_secs()
            ))
        })??;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str::<Value>(&text).ok();
        match body {
            Some(body) if status.is_success() => Ok(Answer { text, body }),
            body => Err(CliError::failed(self.refusal(status, body.as_ref()))),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), CliError> {
        let response = self.egress.send(request).await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| {
            CliError::failed(format!(
                "the answer of the gateway at {} broke off: {error}",
                self.url
            ))
        })?;
        Ok((status, body.to_bytes()))
    }

    fn unreachable(&self, error: &EgressError) -> CliError {
        let mut cause = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            cause = inner.to_string();
            source = inner.source();
        }
        CliError::failed(match error {
            EgressError::Connect(_) | EgressError::Late => format!(
                "cannot reach a gateway at {}: {cause}\n\
                 Start one with `keyway serve`, or say where it runs with --url or KEYWAY_URL.",
                self.url
            ),
            EgressError::Broken(_) => {
                format!("the gateway at {} gave no answer: {cause}", self.url)
            }
        })
    }

    /// The gateway's own words where it has some.
    fn refusal(&self, status: StatusCode, body: Option<&Value>) -> String {
        let message = body.and_then(|body| body["error"]["message"].as_str());
        match message {
            Some(message) => format!("{} ({})", super::values::shown(message), status.as_u16()),
            None => {
                format!("what runs at {} answered {status}, which is not Keyway's API", self.url)
            }
        }
    }
}

/// A text as a part of a query.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
