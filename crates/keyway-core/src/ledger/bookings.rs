//! Charges on their way into the sums of their accounts.
//!
//! Many requests of one transaction are charged to the same few rows, that of the installation among them.
//! So they are added up first, and a store writes each sum once, last in the transaction, or before
//! anything in it that reads sums.

use std::collections::BTreeMap;

use super::lease::{Draw, Slice};
use super::record::Settlement;
use crate::budget::WindowKind;
use crate::clock::Timestamp;
use crate::id::{AccountId, Epoch};
use crate::key::WindowSpend;
use crate::money::Nanos;

/// No provider counts more, and the sums of as many requests as there will be stay integers.
const TOKENS_MAX: i64 = 1_000_000_000_000;

/// A count of tokens as stores keep it.
pub fn tokens_kept(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(TOKENS_MAX).min(TOKENS_MAX)
}

/// What was settled in a transaction and is not in the sums yet. In the maps' order stores lock and write.
#[derive(Debug, Default)]
pub struct Bookings<'s> {
    pub windows: BTreeMap<Slice, WindowSum>,
    pub days: BTreeMap<Day<'s>, DaySum>,
    /// What is taken out of leases, with the run that has them.
    pub draws: BTreeMap<(Slice, Epoch), Nanos>,
}

/// What usage is summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day<'s> {
    pub account: AccountId,
    pub starts_at: Timestamp,
    pub model: &'s str,
    pub provider: &'s str,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSum {
    pub spend: WindowSpend,
    /// When the last of them was settled.
    pub last_at: Timestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaySum {
    pub spend: WindowSpend,
    pub requests: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub cached_tokens: i64,
    pub reasoning_tokens: i64,
}

impl<'s> Bookings<'s> {
    /// Adds a charge to the windows of its admission, and to what was used on its day, and takes it out
    /// of its node's leases.
    pub fn book(&mut self, settlement: &'s Settlement) {
        self.draw(settlement);
        for account in &settlement.request.accounts {
            self.add_to_windows(*account, settlement);
            self.add_to_day(*account, settlement);
        }
    }

    pub fn is_empty(&self) -> bool {
        // Every charge has its day, whatever it comes to.
        self.days.is_empty()
    }

    fn draw(&mut self, settlement: &Settlement) {
        for Draw { slice, amount } in &settlement.draws {
            if *amount > Nanos::ZERO {
                let taken = self.draws.entry((*slice, settlement.request.epoch)).or_default();
                *taken = taken.saturating_add(*amount);
            }
        }
    }

    fn add_to_windows(&mut self, account: AccountId, settlement: &Settlement) {
        for kind in WindowKind::ALL {
            let starts_at = settlement.request.windows.start_of(kind);
            let window = self.windows.entry(Slice { account, kind, starts_at }).or_default();
            add(&mut window.spend, settlement);
            window.last_at = window.last_at.max(settlement.settled_at);
        }
    }

    fn add_to_day(&mut self, account: AccountId, settlement: &'s Settlement) {
        let (request, usage) = (&settlement.request, &settlement.usage);
        let starts_at = request.windows.start_of(WindowKind::Day);
        let day = Day { account, starts_at, model: &request.model, provider: &request.provider };
        let sum = self.days.entry(day).or_default();
        add(&mut sum.spend, settlement);
        sum.requests += 1;
        for (sum, count) in [
            (&mut sum.prompt_tokens, usage.prompt_tokens),
            (&mut sum.completion_tokens, usage.completion_tokens),
            (&mut sum.cached_tokens, usage.cached_tokens),
            (&mut sum.reasoning_tokens, usage.reasoning_tokens),
        ] {
            *sum = sum.saturating_add(tokens_kept(count));
        }
    }
}

fn add(sum: &mut WindowSpend, settlement: &Settlement) {
    sum.spent = sum.spent.saturating_add(settlement.charge);
    sum.byok = sum.byok.saturating_add(settlement.byok);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::budget::Windows;
    use crate::id::{GenerationId, KeyId};
    use crate::ledger::{Ending, Metered};
    use crate::pricing::Usage;

    /// One of few accounts, days, models and runs, so that many share a sum.
    fn settlements() -> impl Strategy<Value = Vec<Settlement>> {
        let one = (0..3_i64, 0..3_i64, 0..3_i64, 0..2_i64, 0..1_000_i64);
        prop::collection::vec(one.prop_map(settlement), 0..20)
    }

    fn settlement((account, day, model, run, charge): (i64, i64, i64, i64, i64)) -> Settlement {
        let admitted_at = Timestamp::default().plus_seconds(day * 86_400);
        let (windows, account) = (Windows::at(admitted_at), AccountId(account));
        let kind = WindowKind::Day;
        let slice = Slice { account, kind, starts_at: windows.start_of(kind) };
        let request = Metered {
            id: GenerationId::from_bytes([0; 16]),
            epoch: Epoch(run),
            key: KeyId(1),
            accounts: vec![AccountId::INSTALLATION, account],
            windows,
            reserved: Nanos::new(1_000),
            model: format!("model {model}"),
            provider: "provider".to_owned(),
            is_byok: false,
            streamed: false,
            admitted_at,
            origin: Arc::default(),
        };
        Settlement {
            request: Arc::new(request),
            charge: Nanos::new(charge),
            draws: vec![Draw { slice, amount: Nanos::new(charge) }],
            byok: Nanos::new(charge / 2),
            overrun: Nanos::ZERO,
            absorbed: Nanos::ZERO,
            usage: Usage::of(3, charge.unsigned_abs()),
            ending: Ending::Completed,
            estimated: false,
            settled_at: admitted_at.plus_seconds(charge),
            course: Arc::default(),
        }
    }

    proptest! {
        #[test]
        fn what_is_added_up_comes_to_what_was_charged(all in settlements()) {
            let mut bookings = Bookings::default();
            for settlement in &all {
                bookings.book(settlement);
            }
            prop_assert_eq!(bookings.is_empty(), all.is_empty());
            for (slice, sum) in &bookings.windows {
                let theirs = all.iter().filter(|it| {
                    it.request.accounts.contains(&slice.account)
                        && it.request.windows.start_of(slice.kind) == slice.starts_at
                });
                // A path with an account twice is charged twice.
                let times = |it: &Settlement| {
                    it.request.accounts.iter().filter(|account| **account == slice.account).count()
                };
                let spent: i64 = theirs
                    .clone()
                    .map(|it| it.charge.get() * i64::try_from(times(it)).expect("few"))
                    .sum();
                prop_assert_eq!(sum.spend.spent, Nanos::new(spent));
                prop_assert_eq!(Some(sum.last_at), theirs.map(|it| it.settled_at).max());
            }
            let requests: i64 = bookings.days.values().map(|sum| sum.requests).sum();
            prop_assert_eq!(requests, 2 * i64::try_from(all.len()).expect("few"));
            let said: i64 = bookings.days.values().map(|sum| sum.completion_tokens).sum();
            let charged: i64 = all.iter().map(|it| it.charge.get()).sum();
            prop_assert_eq!(said, 2 * charged);
            let drawn: i64 = bookings.draws.values().map(|amount| amount.get()).sum();
            prop_assert_eq!(drawn, charged);
        }
    }

    #[test]
    fn a_count_that_no_provider_has_is_kept_as_the_most() {
        assert_eq!(tokens_kept(7), 7);
        assert_eq!(tokens_kept(u64::MAX), TOKENS_MAX);
    }
}
