//! One request, and all that came of it.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use keyway_core::money::Nanos;
use keyway_providers::sse::Decoder;
use serde_json::{Value, json};

use super::connections::{Connection, Connections};
use super::told::{Outcome, Why};
use super::{ANSWER_PATIENCE, Ask};
use crate::Ticket;
use crate::upstream::{TOKEN, Upstream};

const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Of a refusal's body: all of it, where it is one of Keyway's.
const SAID_CHARS_MAX: usize = 2_000;
const GENERATION_ID: &str = "x-generation-id";

/// Sends one request; `generation` is written as soon as its head has come.
pub(super) async fn exchange(
    node: &Connections,
    key: &str,
    ticket: Ticket,
    ask: Ask,
    generation: &mut Option<String>,
) -> Outcome {
    let mut delivered = 0;
    let exchanging = begin(node, key, ticket, ask, generation, &mut delivered);
    match tokio::time::timeout(ANSWER_PATIENCE, exchanging).await {
        Ok(outcome) => outcome,
        Err(_) if generation.is_some() => Outcome::Partial { delivered, why: Why::TooLate },
        Err(_) => Outcome::Lost,
    }
}

async fn begin(
    node: &Connections,
    key: &str,
    ticket: Ticket,
    ask: Ask,
    generation: &mut Option<String>,
    delivered: &mut u64,
) -> Outcome {
    let Some(mut connection) = node.take().await else { return Outcome::Lost };
    let sent = connection.send_request(request(&node.authority, key, ticket, ask)).await;
    let Ok(response) = sent else { return Outcome::Lost };
    let (status, id) = (response.status(), response.headers().get(GENERATION_ID));
    let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
    if status != StatusCode::OK {
        return refusal(node, connection, response).await;
    }
    *generation = id;
    if !ask.streamed {
        return whole(node, connection, response).await;
    }
    let outcome = stream(response.into_body(), ask.abort_after, delivered).await;
    // A stream that was left goes with its connection.
    if matches!(outcome, Outcome::Complete { .. }) {
        node.give_back(connection).await;
    }
    outcome
}

fn request(authority: &str, key: &str, ticket: Ticket, ask: Ask) -> Request<Full<Bytes>> {
    let body = json!({
        "model": Upstream::MODEL,
        "stream": ask.streamed,
        "max_tokens": ask.tokens_max,
        "messages": [{"role": "user", "content": ticket.to_string()}],
    });
    Request::post("/api/v1/chat/completions")
        .header("host", authority)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a request")
}

async fn refusal(
    node: &Connections,
    connection: Connection,
    response: Response<Incoming>,
) -> Outcome {
    let status = response.status().as_u16();
    let Ok(body) = response.into_body().collect().await else { return Outcome::Lost };
    let said = String::from_utf8_lossy(&body.to_bytes()).chars().take(SAID_CHARS_MAX).collect();
    node.give_back(connection).await;
    Outcome::Refused { status, said }
}

async fn whole(
    node: &Connections,
    connection: Connection,
    response: Response<Incoming>,
) -> Outcome {
    let broken = Outcome::Partial { delivered: 0, why: Why::Broken };
    let Ok(body) = response.into_body().collect().await else { return broken };
    node.give_back(connection).await;
    let Ok(body) = serde_json::from_slice::<Value>(&body.to_bytes()) else { return broken };
    let delivered = tokens(&body["choices"][0]["message"]["content"]);
    match cost(&body) {
        Some(cost) => Outcome::Complete { cost, delivered },
        None => Outcome::Partial { delivered, why: Why::NoUsage },
    }
}

/// Reads a stream to its end, or to where it is left.
async fn stream(mut body: Incoming, abort_after: Option<u64>, delivered: &mut u64) -> Outcome {
    let mut decoder = Decoder::new(EVENT_BYTES_MAX);
    let mut told = None;
    loop {
        while let Some(event) = decoder.next().expect("well-formed events") {
            let chunk: Value = serde_json::from_str(&event.data).unwrap_or_default();
            if !chunk["error"].is_null() {
                return Outcome::Partial { delivered: *delivered, why: Why::Error(event.data) };
            }
            *delivered += tokens(&chunk["choices"][0]["delta"]["content"]);
            told = cost(&chunk).or(told);
            if abort_after.is_some_and(|abort_after| *delivered >= abort_after) && told.is_none() {
                return Outcome::Partial { delivered: *delivered, why: Why::Left };
            }
        }
        match body.frame().await {
            Some(Ok(frame)) => decoder.feed(frame.data_ref().unwrap_or(&Bytes::new())),
            // Whoever was told the cost was told everything.
            end => {
                return match (told, end) {
                    (Some(cost), _) => Outcome::Complete { cost, delivered: *delivered },
                    (None, Some(_)) => Outcome::Partial { delivered: *delivered, why: Why::Broken },
                    (None, None) => Outcome::Partial { delivered: *delivered, why: Why::NoUsage },
                };
            }
        }
    }
}

fn tokens(content: &Value) -> u64 {
    (content.as_str().unwrap_or_default().len() / TOKEN.len()) as u64
}

/// The exact text of the cost, as nano-dollars.
fn cost(answer: &Value) -> Option<Nanos> {
    let cost = answer.get("usage")?.get("cost")?;
    Some(Nanos::parse_limit(&cost.to_string()).expect("an amount"))
}
