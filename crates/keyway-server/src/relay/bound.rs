//! The most that a request may cost, over every endpoint that it may be sent to.

use keyway_core::money::Nanos;
use keyway_core::pricing::{Usage, Worst};
use keyway_core::routing::{Attempt, Plan};
use keyway_providers::chat::{ChatRequest, RequestError};
use keyway_providers::echo::{self, Echo};

/// What a request may use and cost at most, and how to estimate what it did use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    pub usage: Usage,
    /// Tokens of the prompt where the provider does not count them: texts, calls, tools and schemas.
    pub prompt_estimate: u64,
    pub cost: Nanos,
    /// The dearest price over the endpoints whose price is known.
    pub worst: Worst,
    /// UTF-8 bytes of a token, where a provider does not report its count.
    pub bytes_per_token: u64,
    /// Answers that are asked for, which `max_tokens` bounds one by one.
    pub choices: u64,
}

/// Bytes of a token where the provider did not count. English has more; this errs to the side on
/// which what was delivered is charged.
const BYTES_PER_TOKEN: u64 = 3;

/// Few tokens are longer, and no text of them on average.
const TOKEN_BYTES_MAX: u64 = 32;
/// For pictures and sounds, which are long for their tokens.
const ANSWER_BYTES_SPARE: u64 = 64 * 1024 * 1024;

/// Bounds `request`, whichever of the plan's endpoints answers it.
pub fn bound(request: &ChatRequest, plan: &Plan) -> Result<Bound, RequestError> {
    let endpoints = || plan.attempts().iter().map(Attempt::endpoint);
    let is_echo = |attempt: &Attempt| attempt.model().id == echo::MODEL_ID;
    let (usage, prompt_estimate, bytes_per_token, choices) = if plan.attempts().iter().all(is_echo)
    {
        let usage = Echo::of(request)?.usage();
        (usage, usage.prompt_tokens, echo::BYTES_PER_TOKEN, 1)
    } else {
        let usage = usage(request, plan);
        let estimate = request.prompt_tokens_estimate().min(usage.prompt_tokens);
        (usage, estimate, BYTES_PER_TOKEN, request.choices)
    };
    let uses = request.uses();
    let worst = endpoints()
        .filter_map(|endpoint| endpoint.pricing.as_ref())
        .map(|pricing| pricing.worst(usage.prompt_tokens, uses))
        .fold(Worst::default(), Worst::or);
    let cost = worst.cost(usage);
    Ok(Bound { usage, prompt_estimate, cost, worst, bytes_per_token, choices })
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

    /// Tokens where the provider did not count them, after so many bytes of its answer.
    pub fn estimate(&self, completion_bytes: u64) -> Usage {
        Usage::of(self.prompt_estimate, completion_bytes.div_ceil(self.bytes_per_token))
    }
}
