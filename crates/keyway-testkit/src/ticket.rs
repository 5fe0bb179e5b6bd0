//! What a client writes on a request, so that the logs of both ends can be joined.

use std::fmt;

/// Stands in a request's prompt: `request 17.2 tokens 37`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The request's own number.
    pub number: u64,
    /// How often it was sent before.
    pub attempt: u32,
    /// Completion tokens that the provider is to bill.
    pub tokens: u64,
}

impl Ticket {
    /// Reads a prompt; `None` where it is none of ours.
    pub fn read(prompt: &str) -> Option<Self> {
        let (name, tokens) = prompt.strip_prefix("request ")?.split_once(" tokens ")?;
        let (number, attempt) = name.split_once('.')?;
        Some(Self {
            number: number.parse().ok()?,
            attempt: attempt.parse().ok()?,
            tokens: tokens.parse().ok()?,
        })
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}.{} tokens {}", self.number, self.attempt, self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let ticket = Ticket { number: 17, attempt: 2, tokens: 37 };
        assert_eq!(Ticket::read(&ticket.to_string()), Some(ticket));
        for other in ["", "hello", "request 1 tokens 2", "request 1.x tokens 2"] {
            assert_eq!(Ticket::read(other), None, "{other}");
        }
    }
}
