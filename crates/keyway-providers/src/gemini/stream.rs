//! A streamed answer of Gemini's, event by event. It has no last word: it ends where it is closed.

use serde_json::Value;

use super::answer::{Named, blocked, candidates, cite, counted, id, reason, take};
use crate::chat::{AnswerError, Said, StreamEvent, chunk_of, stream_failure};
use crate::json::parse_lenient;

/// Bytes of text that are kept, about.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// More than Google gives.
const CANDIDATES_MAX: u64 = 128;

/// What has to be known of earlier events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// What Google calls the answer was said.
    named: bool,
    /// As far as they spoke.
    candidates: Vec<Candidate>,
}

#[derive(Debug, Default)]
struct Candidate {
    /// Who speaks was said.
    begun: bool,
    calls: u64,
    /// The text so far, for places in it that are told at the end; what is longer has none.
    text: String,
    /// Why it ended was said; what was counted may come with it or behind it, and before that it is not
    /// all.
    ended: bool,
}

impl Events {
    /// Reads the data of one event.
    pub(crate) fn read(&mut self, data: &str) -> Result<Option<StreamEvent>, AnswerError> {
        let response = parse_lenient(data.as_bytes())
            .map_err(|error| AnswerError::Malformed(format!("an event {error}")))?;
        let Some(fields) = response.as_object() else {
            return Err(AnswerError::Malformed("an event is not an object".to_owned()));
        };
        if let Some(failure) = stream_failure(fields, data) {
            return Ok(Some(failure));
        }
        let mut pieces: Vec<Value> =
            candidates(&response).filter_map(|it| self.hear(it, &response)).collect();
        if let (Some(blocked), true) = (blocked(&response), pieces.is_empty()) {
            let refused = self.candidate(0);
            refused.ended = true;
            let first = !std::mem::replace(&mut refused.begun, true);
            pieces.push(Said::default().into_piece(0, first, Some(&blocked)));
        }
        let counted = counted(&response);
        let is_end = !self.candidates.is_empty() && self.candidates.iter().all(|it| it.ended);
        let (usage, so_far) = if is_end { (counted, None) } else { (None, counted) };
        if pieces.is_empty() && usage.is_none() {
            return Ok(None);
        }
        let id = id(&response).filter(|_| !std::mem::replace(&mut self.named, true));
        Ok(Some(StreamEvent::Chunk(chunk_of(id, pieces, usage).with_so_far(so_far))))
    }

    fn hear(&mut self, candidate: &Value, response: &Value) -> Option<Value> {
        let index = candidate.get("index").and_then(Value::as_u64).unwrap_or(0);
        let known = (index < CANDIDATES_MAX).then(|| self.candidate(index))?;
        let mut said = Said::default();
        take(candidate, &Named { response, index }, &mut known.calls, &mut said);
        if known.text.len() < TEXT_BYTES_MAX {
            known.text.push_str(said.content());
        }
        cite(candidate, &known.text, &mut said);
        let reason = reason(candidate, known.calls > 0);
        known.ended |= reason.is_some();
        if said.is_empty() && reason.is_none() {
            return None;
        }
        let first = !std::mem::replace(&mut known.begun, true);
        Some(said.into_piece(index, first, reason.as_ref()))
    }

    /// The candidate at `index`, which is below [`CANDIDATES_MAX`].
    fn candidate(&mut self, index: u64) -> &mut Candidate {
        let place = usize::try_from(index.min(CANDIDATES_MAX)).unwrap_or_default();
        if self.candidates.len() <= place {
            self.candidates.resize_with(place + 1, Candidate::default);
        }
        &mut self.candidates[place]
    }
}
