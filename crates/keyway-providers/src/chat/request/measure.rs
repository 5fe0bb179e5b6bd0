//! How much a request is: what its prompt may be at most, what it probably is, and what it uses.

use keyway_core::pricing::{Usage, Uses};

use super::ChatRequest;
use crate::chat::errand::{self, Errand};
use crate::chat::native::{Native, Tongue};
use crate::chat::prompt::{self, BYTES_PER_TOKEN, Messages, tokens_bound, tokens_estimate};

impl ChatRequest {
    /// The messages, with no tree of those that need none.
    fn looked_at(&self) -> Messages<'_> {
        match &self.verbatim {
            Some(verbatim) => Messages::verbatim(verbatim),
            None => Messages::in_tree(self.messages()),
        }
    }

    /// The most tokens that the prompt can have: a token is at least a byte of what is sent.
    ///
    /// Answers with the field that no bound is known for: images, audio, files, tools that run at the
    /// provider, plugins.
    pub fn prompt_tokens_bound(&self) -> Result<u64, String> {
        if let Some(errand) = self.errand {
            return errand.tokens_bound(&self.body);
        }
        if let Some(said) = self.native(Tongue::Completions) {
            return Ok(prompt::bytes_bound(said, self.looked_at().count));
        }
        if let Some(error) = self.untranslated() {
            return Err(error.field.clone());
        }
        if let Some(field) = self.native.as_ref().and_then(|native| native.left_out.clone()) {
            return Err(field);
        }
        // Either form of it may be what is sent.
        let messages = self.looked_at();
        let translated = tokens_bound(&self.body, &messages)?;
        let native = self.native.as_ref();
        let native = native.map(|it| prompt::bytes_bound(&it.said, messages.count));
        Ok(translated.max(native.unwrap_or_default()))
    }

    /// How many tokens the prompt may have, for those who plan with it and for what was never counted:
    /// texts, calls, tools and schemas at three bytes a token, all else as `docs/ledger.md` says.
    pub fn prompt_estimate(&self) -> Usage {
        if self.errand.is_some() {
            let bytes = self.prompt_tokens_bound().unwrap_or_default();
            let search_units = match self.errand {
                Some(Errand::Rerank) => errand::search_units_estimate(&self.body),
                _ => 0,
            };
            return Usage { search_units, ..Usage::of(bytes.div_ceil(BYTES_PER_TOKEN), 0) };
        }
        if let (Some(_), Some(said)) = (self.untranslated(), self.native(Tongue::Completions)) {
            let bytes = prompt::bytes_bound(said, self.looked_at().count);
            return Usage::of(bytes.div_ceil(BYTES_PER_TOKEN), 0);
        }
        tokens_estimate(&self.body, &self.looked_at())
    }

    /// What else than text the request may use, of what providers have prices of their own for.
    pub fn uses(&self) -> Uses {
        let is_odd = |it: &Native| it.untranslated.is_some() || it.left_out.is_some();
        if (self.errand.is_some() || self.native.as_ref().is_some_and(is_odd))
            && self.prompt_tokens_bound().is_err()
        {
            return Uses::ALL;
        }
        let native = self.native.as_ref().map(|native| &native.said);
        prompt::uses(&self.body, &self.looked_at(), native)
    }

    /// The most search units that it can be, where it is a ranking.
    pub fn search_units_bound(&self) -> u64 {
        match self.errand {
            Some(Errand::Rerank) => errand::search_units_bound(&self.body),
            _ => 0,
        }
    }

    /// Images, files and videos of the prompt, and its pieces of audio.
    pub fn media(&self) -> (u64, u64) {
        match self.errand {
            Some(_) => (errand::pictures(&self.body), 0),
            None => prompt::media(&self.looked_at()),
        }
    }

    /// Images that the prompt has.
    pub fn images(&self) -> u64 {
        match self.errand {
            Some(_) => errand::pictures(&self.body),
            None => prompt::images(&self.looked_at()),
        }
    }
}
