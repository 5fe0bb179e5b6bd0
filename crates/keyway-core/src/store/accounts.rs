//! What a store tells of an account.

use crate::clock::Timestamp;
use crate::key::{KeySpend, WindowSpend};
use crate::ledger::AccountState;
use crate::money::Nanos;
use crate::pricing::Usage;

/// The newest window of one kind that an account has a charge in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowBalance {
    pub starts_at: Timestamp,
    pub spend: WindowSpend,
}

/// By [`crate::budget::WindowKind::index`].
pub type Balance = [WindowBalance; 4];

/// An account as it stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    pub state: AccountState,
    pub spend: KeySpend,
}

impl AccountRecord {
    /// What is spent in the window that the limit counts.
    pub fn spend_against_limit(&self) -> Nanos {
        self.state.terms.counted(self.spend.windows[self.state.terms.window().index()])
    }
}

/// What an account used on one day, of one model at one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDay {
    /// The day's midnight; requests count on that of their admission.
    pub day: Timestamp,
    pub model: String,
    pub provider: String,
    /// Settled ones.
    pub requests: u64,
    pub usage: Usage,
    pub spend: WindowSpend,
}
