//! A plain HTTP client: one request, everything that came back.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
#[expect(clippy::disallowed_types, reason = "a test's client is not the gateway's way out")]
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use keyway_providers::sse::Decoder;
use serde_json::{Value, json};

const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Presents one key to one gateway.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    key: Option<String>,
    headers: HeaderMap,
    #[expect(clippy::disallowed_types, reason = "a test's client is not the gateway's way out")]
    http: HttpClient<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Streamed {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    decoder: Decoder,
    ended: bool,
}

impl Client {
    pub(crate) fn new(url: &str, key: Option<&str>) -> Self {
        let http = hyper_util::client::legacy::Builder::new(TokioExecutor::new()).build_http();
        Self { url: url.to_owned(), key: key.map(str::to_owned), headers: HeaderMap::new(), http }
    }

    /// The same client with another header on every request.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header value"));
        self
    }

    /// The same client at another address: `http://HOST:PORT`.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, path, body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, Bytes::new()).await
    }

    /// Sends any body, and reads the whole answer.
    ///
    /// # Panics
    /// When no answer comes; see [`Client::try_send`].
    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
        self.try_send(method, path, body).await.expect("an answer")
    }

    /// Sends any body; `None` when the connection broke before the whole answer was there.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Option<Reply> {
        let streamed = self.open(method, path, body).await?;
        let body = streamed.body.collect().await.ok()?.to_bytes();
        Some(Reply { status: streamed.status, headers: streamed.headers, body })
    }

    /// Sends any body, and answers with the head; `None` when the connection broke before it.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Option<Streamed> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let (head, body) = self.http.request(request).await.ok()?.into_parts();
        let decoder = Decoder::new(EVENT_BYTES_MAX);
        Some(Streamed { status: head.status, headers: head.headers, body, decoder, ended: false })
    }

    /// Makes an inference key, and answers its object and string.
    pub async fn create_key(&self, body: &Value) -> (Value, String) {
        let reply = self.post("/api/v1/keys", body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        let answer = reply.json();
        (answer["data"].clone(), answer["key"].as_str().expect("a key string").to_owned())
    }

    /// The key object of `hash`.
    pub async fn key(&self, hash: &str) -> Value {
        let reply = self.get(&format!("/api/v1/keys/{hash}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()["data"].clone()
    }

    /// A completion of one user message.
    pub async fn chat(&self, model: &str, content: &str) -> Reply {
        self.post("/api/v1/chat/completions", &Self::chat_body(model, content, false)).await
    }

    /// A streamed completion of one user message; `None` when the connection broke before its head.
    pub async fn chat_stream(&self, model: &str, content: &str) -> Option<Streamed> {
        let body = Self::chat_body(model, content, true).to_string();
        self.open(Method::POST, "/api/v1/chat/completions", body).await
    }

    fn chat_body(model: &str, content: &str, stream: bool) -> Value {
        json!({
            "model": model,
            "stream": stream,
            "messages": [{"role": "user", "content": content}],
        })
    }
}

impl Reply {
    /// # Panics
    /// When the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The message of an error, whose envelope is checked.
    pub fn error(&self) -> String {
        let content_type = self.headers.get("content-type").expect("a content type");
        assert_eq!(content_type, "application/json");
        let body = self.json();
        if body["type"] == "error" {
            // Anthropic's envelope.
            assert!(body["error"]["type"].is_string(), "{body}");
            return body["error"]["message"].as_str().expect("a message").to_owned();
        }
        assert_eq!(body["error"]["code"], json!(self.status.as_u16()), "{body}");
        assert!(body["error"]["metadata"]["error_type"].is_string(), "{body}");
        body["error"]["message"].as_str().expect("a message").to_owned()
    }
}

impl Streamed {
    /// The data of the next event; `None` at the end, or where the connection broke.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.decoder.next().expect("well-formed events") {
                return Some(event.data);
            }
            if self.ended {
                return None;
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.decoder.feed(bytes);
                    }
                }
                Some(Err(_)) | None => self.ended = true,
            }
        }
    }

    /// The first line of what comes next, for one that must not be an event: a comment.
    ///
    /// # Panics
    /// When nothing comes any more.
    pub async fn comment(&mut self) -> String {
        let frame = self.body.frame().await.expect("more to come").expect("no failure");
        let bytes = frame.into_data().expect("no trailers");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        self.decoder.feed(&bytes);
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// All events that are still to come.
    pub async fn rest(mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// The rest as a whole answer, for one that is not a stream.
    pub async fn into_reply(self) -> Option<Reply> {
        let body = self.body.collect().await.ok()?.to_bytes();
        Some(Reply { status: self.status, headers: self.headers, body })
    }
}
