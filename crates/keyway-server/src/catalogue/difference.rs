//! What is otherwise in another edition of the catalogue.

use std::collections::BTreeMap;

use keyway_core::catalogue::{Endpoint, Model};
use keyway_core::pricing::{RateChange, changes};

/// What differs between two editions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Ids of models that only the later one has.
    pub added: Vec<String>,
    /// Ids of models that only the earlier one has.
    pub removed: Vec<String>,
    /// Endpoints of models that both have, and only the later one has them.
    pub opened: Vec<At>,
    /// The same of the earlier one.
    pub closed: Vec<At>,
    pub repriced: Vec<Repriced>,
    /// Ids of models of which something that is no price is otherwise.
    pub otherwise: Vec<String>,
}

/// An endpoint, as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    pub model: String,
    /// The provider's slug.
    pub provider: String,
}

/// An endpoint whose price is otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repriced {
    pub at: At,
    pub changes: Vec<RateChange>,
}

impl Repriced {
    /// Whether a rate of it is more than ten times what it was, or less than a tenth.
    pub fn is_leap(&self) -> bool {
        self.changes.iter().any(RateChange::is_leap)
    }
}

/// What tells the endpoints of one model apart.
type Name<'a> = (&'a str, &'a str);

impl Difference {
    pub fn between(before: &[Model], after: &[Model]) -> Self {
        let (earlier, later) = (by_id(before), by_id(after));
        let mut difference = Self::default();
        for (id, model) in &later {
            match earlier.get(id) {
                Some(earlier) => difference.of_model(earlier, model),
                None => difference.added.push((*id).to_owned()),
            }
        }
        let gone = earlier.keys().filter(|id| !later.contains_key(*id));
        difference.removed = gone.map(|id| (*id).to_owned()).collect();
        difference
    }

    /// Those whose price leaps.
    pub fn leaps(&self) -> impl Iterator<Item = &Repriced> {
        self.repriced.iter().filter(|it| it.is_leap())
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn of_model(&mut self, before: &Model, after: &Model) {
        let (earlier, later) = (by_name(before), by_name(after));
        let at = |(provider, _): &Name<'_>| At {
            model: after.id.clone(),
            provider: (*provider).to_owned(),
        };
        for (name, endpoint) in &later {
            let Some(earlier) = earlier.get(name) else {
                self.opened.push(at(name));
                continue;
            };
            let changes = match (&earlier.pricing, &endpoint.pricing) {
                (Some(before), Some(after)) => changes(before, after),
                _ => Vec::new(),
            };
            if !changes.is_empty() {
                self.repriced.push(Repriced { at: at(name), changes });
            }
        }
        self.closed.extend(earlier.keys().filter(|name| !later.contains_key(*name)).map(at));
        if earlier.keys().eq(later.keys()) && unpriced(before) != unpriced(after) {
            self.otherwise.push(after.id.clone());
        }
    }
}

fn by_id(models: &[Model]) -> BTreeMap<&str, &Model> {
    models.iter().map(|model| (model.id.as_str(), model)).collect()
}

fn by_name(model: &Model) -> BTreeMap<Name<'_>, &Endpoint> {
    model
        .endpoints
        .iter()
        .map(|it| ((it.provider.as_str(), it.upstream_model.as_str()), it))
        .collect()
}

/// The model without its prices.
fn unpriced(model: &Model) -> Model {
    let mut model = model.clone();
    for endpoint in &mut model.endpoints {
        endpoint.pricing = None;
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Edition;

    #[test]
    fn every_kind_of_difference_is_told_once() {
        let models = Edition::built_in().models();
        assert!(Difference::between(&models, &models).is_empty());
        let mut later = models.clone();
        let gone = later.pop().expect("there are many");
        let (first, rest) = later.split_first_mut().expect("there are many");
        first.id = "new/model".to_owned();
        rest[0].name = "Another".to_owned();
        rest[1].endpoints[0].upstream_model = "other".to_owned();
        let price = rest[2].endpoints[0].pricing.as_mut().expect("a price");
        price.request = keyway_core::money::Rate::MAX;

        let ids = |it: &[Model]| it.iter().map(|model| model.id.clone()).collect::<Vec<_>>();
        let known = ids(&models);
        let difference = Difference::between(&models, &later);
        assert_eq!(difference.added, ["new/model"]);
        let mut removed = vec![known[0].clone(), gone.id];
        removed.sort_unstable();
        assert_eq!(difference.removed, removed);
        assert_eq!(difference.otherwise, known[1..2]);
        let at = |it: &[At]| it.iter().map(|at| at.model.clone()).collect::<Vec<_>>();
        assert_eq!(at(&difference.opened), known[2..3]);
        assert_eq!(at(&difference.closed), known[2..3]);
        let [leap] = &difference.leaps().collect::<Vec<_>>()[..] else { panic!("{difference:?}") };
        assert_eq!((&leap.at.model, leap.changes[0].what), (&known[3], "request"));
        assert_eq!(difference.repriced.len(), 1);
    }
}
