//! Handing an answer to the client, whole or as a stream, each behind its gates.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use keyway_core::id::GenerationId;
use keyway_core::ledger::Ending;
use keyway_providers::chat::Answer;

use super::ahead::Marked;
use super::exchange::{Ended, Exchange};
use super::head::Head;
use super::meter::Late;
use super::outlet::{Inlet, Outlet, outlet};
use super::pass::Halt;
use super::pump::{self, Pump};
use super::upstream::ChunkStream;
use crate::http::error::ApiError;

const GENERATION_ID: HeaderName = HeaderName::from_static("x-generation-id");

/// The whole body waits for the charge.
pub(super) async fn give_whole(
    exchange: &mut Exchange,
    whole: Answer,
) -> Result<Response, ApiError> {
    if let Err(halt) = exchange.pass.check().await {
        let ended = Ended::withheld(halt.ending(), whole.usage(), whole.output_bytes());
        Box::pin(withhold(exchange, Ended { about: whole.about(), ..ended })).await;
        return Err(halt.into());
    }
    exchange.recording.iter_mut().for_each(|it| it.hear_answer(&whole));
    let usage = whole.usage();
    let ended = Ended {
        ending: Ending::Completed,
        usage,
        so_far: None,
        provider_cost: whole.provider_cost(),
        // For an estimate, where nothing was counted.
        output_bytes: if usage.is_none() { whole.output_bytes() } else { 0 },
        free: whole.is_uncharged(),
        about: whole.about(),
    };
    let receipt = exchange.settle(ended, Late::Waive).await?;
    exchange.pass.look_again().await?;
    let body = exchange.voice.whole(whole, &exchange.envelope, &receipt);
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(GENERATION_ID, header_of(&exchange.envelope.id));
    Ok(response)
}

/// The first byte waits for the mark, the last for the charge.
pub(super) async fn give_stream(
    mut exchange: Box<Exchange>,
    stream: ChunkStream,
    head: Head,
    marked: Marked,
) {
    // What it takes to open it is not kept beside it.
    if let Some(client) = Box::pin(open_stream(&mut exchange, head, marked)).await {
        Pump::new(&mut exchange, client).run(stream).await;
    }
}

/// Answers where the events go; `None` where the client gets an error in their place.
async fn open_stream(exchange: &mut Exchange, head: Head, marked: Marked) -> Option<Outlet> {
    let opened = match marked {
        Some(Ok(())) => exchange.pass.check().await,
        Some(Err(error)) => Err(Halt::Store(error)),
        None => pump::open(exchange).await,
    };
    match opened {
        Ok(()) => {
            let (events, body) = outlet(&exchange.app.edge.memory);
            head.answer(Ok(stream_response(&exchange.envelope.id, body)));
            Some(events)
        }
        Err(halt) => {
            let ended = Ended::withheld(halt.ending(), None, 0);
            exchange.app.rates.end(&exchange.permit, 0);
            head.answer(Err(halt.into()));
            // Whether the mark was written is for the store to say; the answer is charged to nobody.
            Box::pin(withhold(exchange, ended)).await;
            None
        }
    }
}

/// Settles what nobody was given.
pub(super) async fn withhold(exchange: &mut Exchange, ended: Ended) {
    if let Err(error) = exchange.settle(ended, Late::Waive).await {
        tracing::debug!(%error, "a request that was not answered is settled later");
    }
}

pub(super) fn stream_response(id: &str, events: Inlet) -> Response {
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(GENERATION_ID, header_of(id));
    response
}

/// An error with the id of the request that it ends.
pub(super) fn identified(error: ApiError, id: &GenerationId) -> ApiError {
    error.with_header(GENERATION_ID, header_of(&id.to_string()))
}

fn header_of(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).expect("an id is visible ASCII")
}
