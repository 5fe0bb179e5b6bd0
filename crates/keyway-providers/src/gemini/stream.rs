//! A streamed answer of Gemini's, event by event. It has no last word: it ends where it is closed.

use super::answer::{cite, counted, reason, take};
use crate::chat::{AnswerError, Said, StreamEvent, stream_failure};
use crate::json::parse_lenient;

/// Bytes of text that are kept, about.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// What has to be known of earlier events.
#[derive(Debug, Default)]
pub(crate) struct Events {
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
        let mut said = Said::default();
        take(&response, &mut self.calls, &mut said);
        if self.text.len() < TEXT_BYTES_MAX {
            self.text.push_str(said.content());
        }
        cite(&response, &self.text, &mut said);
        let reason = reason(&response, self.calls > 0);
        self.ended |= reason.is_some();
        let counted = counted(&response);
        let (usage, so_far) = if self.ended { (counted, None) } else { (None, counted) };
        if said.is_empty() && reason.is_none() && usage.is_none() {
            return Ok(None);
        }
        let first = !std::mem::replace(&mut self.begun, true);
        Ok(Some(match said.into_chunk(first, reason.as_ref(), usage) {
            StreamEvent::Chunk(chunk) => StreamEvent::Chunk(chunk.with_so_far(so_far)),
            event => event,
        }))
    }
}
