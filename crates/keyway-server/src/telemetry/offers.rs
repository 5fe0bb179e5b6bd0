//! The counters of each model at each provider, looked up once and kept: what a request counts costs no
//! text and no lock but a reader's.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use hashbrown::HashMap;
use keyway_core::ledger::Ending;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::series::{Counted, Ended, Families, Offer, Waited, fault};

/// Models at providers that are told apart; further ones are counted together, as `other`.
const OFFERS_MAX: usize = 1_000;
const OTHER: &str = "other";
/// Kinds of tokens.
pub(super) const KINDS: [&str; 3] = ["prompt", "cached", "completion"];

/// What is counted of one model at one provider.
#[derive(Debug)]
pub(super) struct Counters {
    offer: Offer,
    pub(super) charged: Counter,
    pub(super) overrun: Counter,
    pub(super) absorbed: Counter,
    pub(super) tokens: [Counter; KINDS.len()],
    /// By how requests ended, and whether they streamed.
    requests: [[OnceLock<Counter>; 2]; Ending::ALL.len()],
    /// By whether they streamed.
    first_byte: [OnceLock<Histogram>; 2],
}

#[derive(Debug, Default)]
pub(super) struct Offers(RwLock<Known>);

/// By provider, then by model.
#[derive(Debug, Default)]
struct Known {
    count: usize,
    by_provider: HashMap<String, HashMap<String, Arc<Counters>>>,
}

impl Counters {
    fn new(families: &Families, model: &str, provider: &str) -> Self {
        let offer = Offer { model: model.to_owned(), provider: provider.to_owned() };
        let tokens = KINDS.map(|kind| {
            let (model, provider) = (offer.model.clone(), offer.provider.clone());
            families.tokens.get_or_create_owned(&Counted { model, provider, kind })
        });
        Self {
            charged: families.charged.get_or_create_owned(&offer),
            overrun: families.overrun.get_or_create_owned(&offer),
            absorbed: families.absorbed.get_or_create_owned(&offer),
            tokens,
            requests: Default::default(),
            first_byte: Default::default(),
            offer,
        }
    }

    /// Of requests that ended so; there from the first on.
    pub(super) fn requests(&self, families: &Families, ending: Ending, streamed: bool) -> &Counter {
        self.requests[ending as usize][usize::from(streamed)].get_or_init(|| {
            families.requests.get_or_create_owned(&Ended {
                model: self.offer.model.clone(),
                provider: self.offer.provider.clone(),
                ending: ending.as_str(),
                fault: fault(ending),
                streamed,
            })
        })
    }

    /// Until the provider began to answer.
    pub(super) fn first_byte(&self, families: &Families, streamed: bool) -> &Histogram {
        self.first_byte[usize::from(streamed)].get_or_init(|| {
            let provider = self.offer.provider.clone();
            families.first_byte.get_or_create_owned(&Waited { provider, streamed })
        })
    }
}

impl Offers {
    /// Those of a model at a provider, as long as they are not too many to be told apart.
    pub(super) fn of(&self, families: &Families, model: &str, provider: &str) -> Arc<Counters> {
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(counters) = known.get(model, provider) {
                return counters;
            }
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (model, provider) =
            if known.count < OFFERS_MAX { (model, provider) } else { (OTHER, OTHER) };
        if let Some(counters) = known.get(model, provider) {
            return counters;
        }
        known.count += 1;
        let counters = Arc::new(Counters::new(families, model, provider));
        let of_provider = known.by_provider.entry(provider.to_owned()).or_default();
        of_provider.insert(model.to_owned(), Arc::clone(&counters));
        counters
    }
}

impl Known {
    fn get(&self, model: &str, provider: &str) -> Option<Arc<Counters>> {
        self.by_provider.get(provider)?.get(model).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_catalogue_that_changes_without_end_does_not_fill_the_memory() {
        let (offers, families) = (Offers::default(), Families::new(&mut Registry::default()));
        let first = offers.of(&families, "acme/0", "p");
        for number in 1..2 * OFFERS_MAX {
            offers.of(&families, &format!("acme/{number}"), "p");
        }
        assert_eq!(offers.0.read().expect("not poisoned").count, OFFERS_MAX + 1);
        assert!(Arc::ptr_eq(&offers.of(&families, "acme/0", "p"), &first));
        assert_eq!(offers.of(&families, "acme/new", "p").offer.model, OTHER);
    }
}
