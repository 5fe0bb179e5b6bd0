//! What the ledger asks a store to write.

use std::sync::Arc;

use super::course::{Course, Origin};
use super::lease::Draw;
use crate::budget::Windows;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch, GenerationId, KeyId};
use crate::money::Nanos;
use crate::planted::{Bug, planted};
use crate::pricing::Usage;
use crate::store::Settled;

/// The facts of a metered request. All stand when it is admitted, but for `reserved`, which may grow, and
/// for what was asked of whom, which is known for sure when it was answered: `model`, `provider` and
/// `is_byok`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metered {
    pub id: GenerationId,
    /// The run of the node that admitted it.
    pub epoch: Epoch,
    pub key: KeyId,
    /// Every account on its path.
    pub accounts: Vec<AccountId>,
    /// The windows that it is charged to, whenever it ends.
    pub windows: Windows,
    /// What it holds at this moment: no mark and no charge is above it. It only grows.
    pub reserved: Nanos,
    pub model: String,
    pub provider: String,
    /// Whether another credential than the gateway's own pays the provider.
    pub is_byok: bool,
    pub streamed: bool,
    pub admitted_at: Timestamp,
    pub origin: Arc<Origin>,
}

/// The request is being answered: from now on a crash charges `authorised`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerMark {
    pub request: Arc<Metered>,
    pub authorised: Nanos,
}

/// How a response ended. Every request that was admitted ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The provider said everything.
    Completed,
    /// The client went away before the end.
    ClientLeft,
    /// The provider failed or broke off.
    ProviderFailed,
    /// This process was told to stop before the end.
    Stopped,
    /// The key was disabled or deleted, or it expired, before the end.
    Revoked,
    /// No budget afforded more of it.
    LimitReached,
    /// An earlier run of this process ended in the middle of it.
    Crashed,
}

impl Ending {
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::ClientLeft,
        Self::ProviderFailed,
        Self::Stopped,
        Self::Revoked,
        Self::LimitReached,
        Self::Crashed,
    ];

    /// The word that the store and the logs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientLeft => "client_left",
            Self::ProviderFailed => "provider_failed",
            Self::Stopped => "stopped",
            Self::Revoked => "revoked",
            Self::LimitReached => "limit_reached",
            Self::Crashed => "crashed",
        }
    }
}

/// A request's charge, final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub request: Arc<Metered>,
    /// Charged to every account of the request; never above its reservation.
    pub charge: Nanos,
    /// What the charge takes out of the node's leases.
    pub draws: Vec<Draw>,
    /// Spent with the operator's own provider credentials, at list price; beside the charge.
    pub byok: Nanos,
    /// What the provider bills beyond the reservation: the operator's, never the key's.
    pub overrun: Nanos,
    /// What an answer cost that the provider itself ended: the operator's, never the key's.
    pub absorbed: Nanos,
    /// Of its kinds, what was read from a cache, what was reasoning and what was images of the answer are
    /// kept; the others were priced.
    pub usage: Usage,
    pub ending: Ending,
    /// The usage was not reported by the provider but worked out here.
    pub estimated: bool,
    pub settled_at: Timestamp,
    pub course: Arc<Course>,
}

impl Settlement {
    /// The same without any text of a client or a provider, for a store that refuses one.
    #[must_use]
    pub fn without_texts(&self) -> Self {
        let origin = Arc::new(self.request.origin.without_texts());
        Self {
            request: Arc::new(Metered { origin, ..Metered::clone(&self.request) }),
            course: Arc::new(self.course.without_texts()),
            ..self.clone()
        }
    }

    /// The same as one that charges nothing, of an answer that nobody saw: the provider's bill is the
    /// operator's.
    #[must_use]
    pub fn waived(&self) -> Self {
        Self {
            charge: Nanos::ZERO,
            draws: Vec::new(),
            byok: Nanos::ZERO,
            absorbed: self.absorbed.saturating_add(self.charge),
            ..self.clone()
        }
    }

    /// What the store has of this charge, which was given up while the store could not be heard, and of
    /// `waived`, which was written in its place with the answer `written`: a try that nobody heard of may
    /// have written the charge, and then that stands.
    pub fn standing<'s>(&'s self, waived: &'s Self, written: Settled) -> &'s Self {
        let stands = written == Settled::Differs && !planted(Bug::WaivesWhatIsCharged);
        if stands { self } else { waived }
    }
}

/// A metered request as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationRecord {
    pub request: Metered,
    /// Up to where it was marked; zero for one that was settled without a mark.
    pub authorised: Nanos,
    /// `None` while it is being answered.
    pub settlement: Option<Settlement>,
}
