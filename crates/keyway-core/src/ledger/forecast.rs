//! What would become of a request, told without anything becoming of it.

use super::{Figures, Ledger, Refusal, RefusalReason};
use crate::budget::ResetInterval;
use crate::clock::Timestamp;
use crate::id::AccountId;
use crate::money::Nanos;

/// A budget at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `None` is unlimited.
    pub limit: Option<Nanos>,
    pub reset: Option<ResetInterval>,
    /// When the budget's window ends; `None` for one over all time.
    pub resets_at: Option<Timestamp>,
    /// Charged in the window.
    pub spent: Nanos,
    /// Held by requests that are not settled, and kept ready by other nodes.
    pub held: Nanos,
}

impl Standing {
    /// What a request that came now could reserve at once; `None` is unlimited.
    pub fn available(&self) -> Option<Nanos> {
        let left = self.limit?.saturating_sub(self.spent).saturating_sub(self.held);
        Some(left.max(Nanos::ZERO))
    }
}

/// The answer to a question that reserves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    pub standing: Standing,
    /// Why a request that came now would not be admitted at once.
    pub refusal: Option<Refusal>,
}

impl Ledger {
    /// Whether `bound` could be reserved at once on an account of which the store says `figures`.
    /// It changes nothing, and promises nothing: the next request may be another's.
    pub fn would_admit(&self, id: AccountId, figures: &Figures, bound: Nanos) -> Forecast {
        let elsewhere = figures.leased.saturating_sub(figures.mine).max(Nanos::ZERO);
        let terms = figures.state.terms;
        let kind = terms.window();
        let standing = Standing {
            limit: terms.limit,
            reset: terms.reset,
            resets_at: kind.ends_at(kind.starts_at(figures.now)),
            spent: figures.spent,
            held: self.held(id).0.saturating_add(elsewhere),
        };
        let refusal = reason(figures, standing.available(), bound).map(|reason| Refusal {
            reason,
            account: id,
            limit: terms.limit.unwrap_or(Nanos::ZERO),
            reset: standing.reset,
            resets_at: standing.resets_at,
            spent: standing.spent,
            held: standing.held,
            bound,
        });
        Forecast { standing, refusal }
    }
}

fn reason(figures: &Figures, available: Option<Nanos>, bound: Nanos) -> Option<RefusalReason> {
    if !figures.state.open {
        return Some(RefusalReason::Closed);
    }
    let left = figures.state.terms.limit?.saturating_sub(figures.spent);
    if bound == Nanos::ZERO || bound <= available? {
        None
    } else if left <= Nanos::ZERO {
        Some(RefusalReason::Exhausted)
    } else if bound > left {
        Some(RefusalReason::TooLittle)
    } else {
        Some(RefusalReason::Held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Epoch, GenerationId};
    use crate::key::Terms;
    use crate::ledger::{AccountState, Admission, Settings};

    const ACCOUNT: AccountId = AccountId(1);
    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn figures(limit: Option<i64>, spent: i64, leased: i64) -> Figures {
        Figures {
            state: AccountState {
                terms: Terms { limit: limit.map(Nanos::new), ..Terms::default() },
                open: true,
            },
            spent: Nanos::new(spent),
            leased: Nanos::new(leased),
            mine: Nanos::ZERO,
            now: NOW,
        }
    }

    fn ledger() -> Ledger {
        Ledger::new(Settings { epoch: Epoch(1), shared: false, nodes: 1, accounts_max: 10 })
    }

    fn foretold(figures: &Figures, bound: i64) -> Option<RefusalReason> {
        let forecast = ledger().would_admit(ACCOUNT, figures, Nanos::new(bound));
        forecast.refusal.map(|refusal| refusal.reason)
    }

    #[test]
    fn each_reason_is_foretold() {
        assert_eq!(foretold(&figures(None, 500, 0), i64::MAX), None);
        assert_eq!(foretold(&figures(Some(100), 40, 0), 60), None);
        assert_eq!(foretold(&figures(Some(100), 100, 0), 0), None, "what is free is admitted");
        assert_eq!(foretold(&figures(Some(100), 40, 0), 61), Some(RefusalReason::TooLittle));
        assert_eq!(foretold(&figures(Some(100), 40, 10), 51), Some(RefusalReason::Held));
        assert_eq!(foretold(&figures(Some(100), 100, 0), 1), Some(RefusalReason::Exhausted));
        let mut closed = figures(None, 0, 0);
        closed.state.open = false;
        assert_eq!(foretold(&closed, 0), Some(RefusalReason::Closed));
    }

    #[test]
    fn what_is_in_flight_is_held_and_nothing_is_reserved() {
        let mut ledger = ledger();
        let unlimited = figures(None, 0, 0);
        ledger.open(ACCOUNT, unlimited.state, NOW);
        let id = GenerationId::new(NOW, [1; 10]);
        let admission = ledger.reserve(id, &[ACCOUNT], Nanos::new(30), NOW);
        assert!(matches!(admission, Admission::Admitted(_)), "{admission:?}");
        let forecast = ledger.would_admit(ACCOUNT, &figures(Some(100), 40, 0), Nanos::new(30));
        assert_eq!(forecast.standing.held, Nanos::new(30));
        assert_eq!(forecast.standing.available(), Some(Nanos::new(30)));
        assert_eq!(forecast.refusal, None);
        assert_eq!(ledger.in_flight(), 1, "the question is not in flight");
    }
}
