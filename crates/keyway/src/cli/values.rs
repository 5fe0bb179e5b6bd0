//! Values on the command line, and values of the API as people read them.

use clap::ValueEnum;
use keyway_core::budget::ResetInterval;
use keyway_core::clock::Timestamp;
use keyway_core::key::OnLimit;
use keyway_core::money::Nanos;
use keyway_core::rate::Figure;
use serde_json::Value;

/// How often a limit starts anew.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Reset {
    /// At midnight UTC
    Daily,
    /// On Monday at midnight UTC
    Weekly,
    /// On the first at midnight UTC
    Monthly,
}

impl Reset {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => ResetInterval::Daily.as_str(),
            Self::Weekly => ResetInterval::Weekly.as_str(),
            Self::Monthly => ResetInterval::Monthly.as_str(),
        }
    }
}

/// An amount in USD.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usd(Nanos);

impl Usd {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let amount = Nanos::parse_limit(text.strip_prefix('$').unwrap_or(text));
        amount.map(Self).map_err(|error| format!("{error}; allowed: USD from 0 to 1000000000"))
    }

    /// As a JSON number with all its digits.
    pub(crate) fn to_json(self) -> Value {
        let number = self.0.to_string().parse();
        Value::Number(number.expect("a plain decimal is a JSON number"))
    }
}

/// The figure of a rate limit, or the word that goes back to the configuration's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateFigure(Option<Figure>);

impl RateFigure {
    const DEFAULT: &str = "default";

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == Self::DEFAULT {
            return Ok(Self(None));
        }
        let figure = text.parse().ok().and_then(Figure::new);
        let allowed = || format!("allowed: 1 to {}, or {}", Figure::MAX, Self::DEFAULT);
        figure.map(Some).map(Self).ok_or_else(allowed)
    }

    pub(crate) fn to_json(self) -> Value {
        self.0.map(Figure::get).into()
    }
}

/// What becomes of a request that may cost more than is left.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnLimitWord {
    /// It is refused
    Refuse,
    /// Its `max_tokens` is lowered to what can be paid
    Clamp,
}

impl OnLimitWord {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => OnLimit::Refuse.as_str(),
            Self::Clamp => OnLimit::Clamp.as_str(),
        }
    }
}

/// A moment in UTC, kept as it was written.
pub(crate) fn moment(text: &str) -> Result<String, String> {
    let parsed = Timestamp::parse_utc(text);
    parsed.map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A text from elsewhere, harmless to a terminal.
pub(crate) fn shown(text: &str) -> String {
    let harmless = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    text.chars().map(harmless).collect()
}
