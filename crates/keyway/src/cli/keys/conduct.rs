//! What `keyway keys create` and `update` say alike: how a key may be used, besides its money.

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::values::{OnLimitWord, RateFigure};

#[derive(Debug, Args)]
pub(super) struct Conduct {
    /// Requests in any 60 seconds, or `default` for what the configuration says
    #[arg(long, value_name = "N", value_parser = RateFigure::parse)]
    requests_per_minute: Option<RateFigure>,
    /// Tokens, of prompts and completions, in any 60 seconds, or `default`
    #[arg(long, value_name = "N", value_parser = RateFigure::parse)]
    tokens_per_minute: Option<RateFigure>,
    /// Requests in flight at once, or `default`
    #[arg(long, value_name = "N", value_parser = RateFigure::parse)]
    max_concurrent_requests: Option<RateFigure>,
    /// What becomes of a request that may cost more than is left
    #[arg(long, value_enum, value_name = "WHAT")]
    on_limit: Option<OnLimitWord>,
    /// Whether what is said in its requests is kept, masked and sealed
    #[arg(long, value_name = "BOOL")]
    log_content: Option<bool>,
}

impl Conduct {
    /// What the flags are called, here and in the API.
    pub(super) const FIELDS: [&str; 5] = [
        "requests_per_minute",
        "tokens_per_minute",
        "max_concurrent_requests",
        "on_limit",
        "log_content",
    ];

    /// Adds what was said to the body of a call.
    pub(super) fn say(&self, body: &mut Map<String, Value>) {
        for (field, figure) in [
            ("requests_per_minute", self.requests_per_minute),
            ("tokens_per_minute", self.tokens_per_minute),
            ("max_concurrent_requests", self.max_concurrent_requests),
        ] {
            if let Some(figure) = figure {
                body.insert(field.into(), figure.to_json());
            }
        }
        if let Some(on_limit) = self.on_limit {
            body.insert("on_limit".into(), on_limit.as_str().into());
        }
        if let Some(log_content) = self.log_content {
            body.insert("log_content".into(), log_content.into());
        }
    }
}
