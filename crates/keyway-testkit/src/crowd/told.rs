//! What the clients of a crowd were told.

use std::collections::BTreeMap;
use std::fmt;

use keyway_core::money::Nanos;
use tokio::time::Instant;

use super::Ask;
use crate::Ticket;

/// One request as its client saw it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub ticket: Ticket,
    /// Which of the gateways it went to.
    pub node: usize,
    pub ask: Ask,
    /// The id in the head of its answer, where one came.
    pub generation: Option<String>,
    pub outcome: Outcome,
    pub began: Instant,
    pub ended: Instant,
}

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything, with the cost that it said.
    Complete { cost: Nanos, delivered: u64 },
    /// A head, perhaps some tokens, and not the end.
    Partial { delivered: u64, why: Why },
    /// An answer with another status, and the beginning of what it said.
    Refused { status: u16, said: String },
    /// Nothing: the node was not there, or went away.
    Lost,
}

/// Why an answer is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The client left, as it was told to.
    Left,
    /// The connection broke.
    Broken,
    /// An event said that it failed.
    Error(String),
    /// It ended in good order, and said no cost.
    NoUsage,
    /// It took longer than anybody waits.
    TooLate,
}

impl Outcome {
    /// Whether nothing was answered, and asking again may help.
    pub const fn may_be_tried_again(&self) -> bool {
        matches!(self, Self::Lost | Self::Refused { status: 402 | 403 | 429 | 503, .. })
    }

    /// Whether it was refused because too little is left.
    pub const fn is_for_money(&self) -> bool {
        matches!(self, Self::Refused { status: 402 | 403, .. })
    }

    /// Whether it was let in: its head was an answer's.
    pub const fn is_admitted(&self) -> bool {
        matches!(self, Self::Complete { .. } | Self::Partial { .. })
    }
}

/// Everything that a crowd was told, in the order in which it ended.
#[derive(Clone, Debug)]
pub struct Told {
    pub attempts: Vec<Attempt>,
    /// When the crowd was let loose.
    pub began: Instant,
}

impl Told {
    /// How many answers came whole.
    pub fn complete(&self) -> usize {
        self.costs().count()
    }

    /// What the whole answers said they cost.
    pub fn costs(&self) -> impl Iterator<Item = Nanos> + '_ {
        self.attempts.iter().filter_map(|attempt| match attempt.outcome {
            Outcome::Complete { cost, .. } => Some(cost),
            _ => None,
        })
    }

    /// The sum of what the whole answers said they cost.
    pub fn cost(&self) -> Nanos {
        self.costs().fold(Nanos::ZERO, Nanos::saturating_add)
    }

    /// How many were refused with this status.
    pub fn refused(&self, status: u16) -> usize {
        let refused = |attempt: &&Attempt| match attempt.outcome {
            Outcome::Refused { status: with, .. } => with == status,
            _ => false,
        };
        self.attempts.iter().filter(refused).count()
    }

    /// What refusals with this status said, and how often.
    pub fn said(&self, status: u16) -> BTreeMap<&str, usize> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for attempt in &self.attempts {
            match &attempt.outcome {
                Outcome::Refused { status: with, said } if *with == status => {
                    *counts.entry(said).or_default() += 1;
                }
                _ => {}
            }
        }
        counts
    }

    /// How many answers broke off.
    pub fn partial(&self) -> usize {
        let partial = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Partial { .. });
        self.attempts.iter().filter(partial).count()
    }

    /// The last attempt of each request.
    pub fn last(&self) -> BTreeMap<u64, &Attempt> {
        let mut last: BTreeMap<u64, &Attempt> = BTreeMap::new();
        for attempt in &self.attempts {
            let place = last.entry(attempt.ticket.number).or_insert(attempt);
            if attempt.ticket.attempt > place.ticket.attempt {
                *place = attempt;
            }
        }
        last
    }

    /// Adds what another crowd was told. Their tickets' numbers must not be the same.
    pub fn extend(&mut self, other: Self) {
        self.began = self.began.min(other.began);
        self.attempts.extend(other.attempts);
    }
}

impl fmt::Display for Told {
    /// `1000 attempts: 40 whole, 3 partial (left 2, broken 1), 402: 950, lost 7`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for attempt in &self.attempts {
            let name = match &attempt.outcome {
                Outcome::Complete { .. } => "whole".to_owned(),
                Outcome::Partial { why: Why::Error(_), .. } => "partial (error)".to_owned(),
                Outcome::Partial { why, .. } => format!("partial ({why:?})").to_lowercase(),
                Outcome::Refused { status, .. } => status.to_string(),
                Outcome::Lost => "lost".to_owned(),
            };
            *counts.entry(name).or_default() += 1;
        }
        write!(f, "{} attempts", self.attempts.len())?;
        for (name, count) in counts {
            write!(f, ", {name}: {count}")?;
        }
        Ok(())
    }
}
