//! Why a stream ends before its provider has said everything.

use http::StatusCode;
use keyway_core::ledger::{Ending, Refusal};

use super::pass::Halt;
use super::rolling::NoMore;
use crate::http::caller::refused_key;

/// What ended the flow, with what the client is to be told.
#[derive(Debug)]
pub(super) enum Break {
    /// It hears of an error.
    Failed {
        ending: Ending,
        status: StatusCode,
        message: String,
        /// A word of the contract's vocabulary (C.4).
        error_type: &'static str,
    },
    /// Its answer is as long as the budget affords.
    Limit(Refusal),
}

impl Break {
    pub(super) const fn ending(&self) -> Ending {
        match self {
            Self::Failed { ending, .. } => *ending,
            Self::Limit(_) => Ending::LimitReached,
        }
    }

    pub(super) fn provider(status: Option<StatusCode>, message: String) -> Self {
        let status = status.unwrap_or(StatusCode::BAD_GATEWAY);
        let error_type = match status.as_u16() {
            429 => "rate_limit_exceeded",
            503 => "provider_overloaded",
            504 => "timeout",
            _ => "provider_unavailable",
        };
        Self::Failed { ending: Ending::ProviderFailed, status, message, error_type }
    }

    pub(super) fn stopped(message: &str) -> Self {
        Self::Failed {
            ending: Ending::Stopped,
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: message.to_owned(),
            error_type: "provider_overloaded",
        }
    }
}

impl From<Halt> for Break {
    fn from(halt: Halt) -> Self {
        let ending = halt.ending();
        let error = match halt {
            Halt::Store(_) => return Self::stopped("The store cannot be written"),
            Halt::Revoked(error) => refused_key(error),
        };
        Self::Failed {
            ending,
            status: error.status(),
            message: error.message().to_owned(),
            error_type: error.error_type(),
        }
    }
}

impl From<NoMore> for Break {
    fn from(no_more: NoMore) -> Self {
        match no_more {
            NoMore::Halt(halt) => halt.into(),
            NoMore::Refused(refusal) => Self::Limit(refusal),
        }
    }
}
