//! The place where a client waits for its answer, with the headers that it will carry.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::oneshot;

use crate::http::error::ApiError;

type Answer = Result<Response, ApiError>;

/// Takes one answer.
#[derive(Debug)]
pub(super) struct Head {
    answer: oneshot::Sender<Answer>,
    /// Apart: hardly anything is said, and a head passes through many hands.
    headers: Option<Box<HeaderMap>>,
}

impl Head {
    pub(super) fn new() -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { answer, headers: None }, answered)
    }

    /// Whether the client has left.
    pub(super) fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }

    /// Waits until the client has left.
    pub(super) async fn closed(&mut self) {
        self.answer.closed().await;
    }

    /// Says `value` with the answer, unless that is an error.
    pub(super) fn say(&mut self, name: HeaderName, value: u64) {
        self.headers.get_or_insert_default().insert(name, HeaderValue::from(value));
    }

    /// A client that is gone does not hear it; what is owed is settled all the same.
    pub(super) fn answer(self, answer: Answer) {
        let Self { answer: client, headers } = self;
        let _ = client.send(answer.map(|mut response| {
            response.headers_mut().extend(headers.map(|it| *it).unwrap_or_default());
            response
        }));
    }
}
