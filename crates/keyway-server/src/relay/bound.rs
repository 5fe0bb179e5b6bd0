//! The most that a request may cost, over every endpoint that it may be sent to.

use keyway_core::money::Nanos;
use keyway_core::pricing::{Usage, Worst};
use keyway_core::routing::{Attempt, Plan};
use keyway_providers::chat::{ChatRequest, RequestError};
use keyway_providers::echo::{self, Echo};

use super::tally::SoFar;

/// What a request may use and cost at most, and how to estimate what it did use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    pub usage: Usage,
    /// What the prompt uses where the provider does not count it.
    pub prompt_estimate: PromptEstimate,
    pub cost: Nanos,
    /// The dearest price over the endpoints whose price is known.
    pub worst: Worst,
    /// UTF-8 bytes of a token, where a provider does not report its count.
    pub bytes_per_token: u64,
    /// Answers that are asked for, which `max_tokens` bounds one by one.
    pub choices: u64,
}

/// Tokens of a prompt that nobody counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptEstimate {
    pub tokens: u64,
    /// Of those: pictures, and sounds.
    pub images: u64,
    pub audio: u64,
    /// What a ranking is.
    pub search_units: u64,
}

impl PromptEstimate {
    fn usage(self) -> Usage {
        let Self { images: image_tokens, audio: audio_tokens, search_units, .. } = self;
        Usage { image_tokens, audio_tokens, search_units, ..Usage::of(self.tokens, 0) }
    }
}

impl From<Usage> for PromptEstimate {
    fn from(usage: Usage) -> Self {
        let Usage { image_tokens: images, audio_tokens: audio, search_units, .. } = usage;
        Self { tokens: usage.prompt_tokens, images, audio, search_units }
    }
}

/// Bytes of a token where the provider did not count. English has more; this errs to the side on
/// which what was delivered is charged.
const BYTES_PER_TOKEN: u64 = 3;

/// Few tokens are longer, and no text of them on average.
const TOKEN_BYTES_MAX: u64 = 32;
/// What is around a token, which has an event of its own, and repeated at the end.
const EVENT_BYTES_MAX: u64 = 1_024;
/// For pictures and sounds, which are long for their tokens.
const ANSWER_BYTES_SPARE: u64 = 64 * 1024 * 1024;

/// Bounds `request`, whichever of the plan's endpoints answers it.
pub fn bound(request: &ChatRequest, plan: &Plan) -> Result<Bound, RequestError> {
    let endpoints = || plan.attempts().iter().map(Attempt::endpoint);
    let is_echo = |attempt: &Attempt| attempt.model().id == echo::MODEL_ID;
    let (usage, prompt_estimate, bytes_per_token, choices) = if plan.attempts().iter().all(is_echo)
    {
        let usage = Echo::of(request)?.usage();
        (usage, Usage::of(usage.prompt_tokens, 0), echo::BYTES_PER_TOKEN, 1)
    } else {
        let usage = usage(request, plan);
        let estimate = request.prompt_estimate();
        let prompt_tokens = estimate.prompt_tokens.min(usage.prompt_tokens);
        let estimate = Usage { prompt_tokens, ..estimate }.clamped();
        (usage, estimate, BYTES_PER_TOKEN, request.choices)
    };
    let uses = request.uses();
    let worst = endpoints()
        .filter_map(|endpoint| endpoint.pricing.as_ref())
        .map(|pricing| pricing.worst(usage.prompt_tokens, uses))
        .fold(Worst::default(), Worst::or);
    let cost = worst.cost(usage);
    Ok(Bound {
        usage,
        prompt_estimate: prompt_estimate.into(),
        cost,
        worst,
        bytes_per_token,
        choices,
    })
}

/// A token is at least a byte, and no prompt is longer than the model's context; so images and
/// other parts whose tokens nobody can count beforehand are bounded by the context.
fn usage(request: &ChatRequest, plan: &Plan) -> Usage {
    let context = plan.attempts().iter().map(Attempt::context_length).max().unwrap_or(0);
    // Each prompt of a batch has the whole context.
    let context = context.saturating_mul(request.prompts());
    let prompt = request.prompt_tokens_bound().unwrap_or(context);
    let most = plan.max_completion_tokens();
    let each = request.max_tokens.unwrap_or(most);
    Usage {
        images: request.images(),
        search_units: request.search_units_bound(),
        ..Usage::of(prompt.min(context), each.min(most).saturating_mul(request.choices))
    }
}

impl Bound {
    /// The most tokens that the request may use, of both sides.
    pub fn tokens(&self) -> u64 {
        self.usage.total()
    }

    /// UTF-8 bytes that no answer within the bound has: what goes on beyond does not end by itself.
    pub fn bytes_max(&self) -> u64 {
        let tokens = self.usage.completion_tokens.saturating_mul(TOKEN_BYTES_MAX);
        tokens.saturating_add(ANSWER_BYTES_SPARE)
    }

    /// Bytes of events that are passed on as they come and that no answer within the bound has.
    pub fn event_bytes_max(&self) -> u64 {
        let tokens = self.usage.completion_tokens.saturating_mul(EVENT_BYTES_MAX);
        tokens.saturating_add(ANSWER_BYTES_SPARE)
    }

    /// The cost of the whole prompt and of `completion_tokens`, at most that of the bound.
    pub fn cost_up_to(&self, completion_tokens: u64) -> Nanos {
        let completion_tokens = completion_tokens.min(self.usage.completion_tokens);
        self.worst.cost(Usage { completion_tokens, ..self.usage })
    }

    /// How many completion tokens `budget` affords after the prompt.
    pub fn affordable_tokens(&self, budget: Nanos) -> u64 {
        let tokens = self.worst.affordable(self.usage, budget);
        tokens.unwrap_or(u64::MAX).min(self.usage.completion_tokens)
    }

    /// What an answer of `bytes` used of which the provider did not count everything: what it counted
    /// so far, and an estimate of the rest.
    pub(super) fn estimate(&self, so_far: Option<SoFar>, bytes: u64) -> Usage {
        let (counted, covered) = match so_far {
            Some(so_far) => (so_far.usage, so_far.bytes),
            None => (self.prompt_estimate.usage(), 0),
        };
        let rest = bytes.saturating_sub(covered).div_ceil(self.bytes_per_token);
        let completion_tokens = counted.completion_tokens.saturating_add(rest);
        Usage { completion_tokens, ..counted }
    }
}
