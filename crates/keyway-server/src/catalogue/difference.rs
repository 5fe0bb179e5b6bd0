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
    /// What is otherwise in `after` than in `before`. Of what `before` does not have, prices are compared with
    /// those of `known`, so that none leaps by going away and coming back.
    pub fn between(before: &[Model], after: &[Model], known: &[Model]) -> Self {
        let (earlier, later, known) = (by_id(before), by_id(after), by_id(known));
        let mut difference = Self::default();
        for (id, model) in &later {
            let known = known.get(id).copied();
            match earlier.get(id) {
                Some(earlier) => difference.of_model(earlier, model, known),
                None => difference.of_added(model, known),
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

    fn of_added(&mut self, model: &Model, known: Option<&Model>) {
        self.added.push(model.id.clone());
        for endpoint in &model.endpoints {
            self.of_price(model, endpoint, &at_provider(known, endpoint));
        }
    }

    fn of_model(&mut self, before: &Model, after: &Model, known: Option<&Model>) {
        let (earlier, later) = (by_name(before), by_name(after));
        for (name, endpoint) in &later {
            if let Some(earlier) = earlier.get(name) {
                self.of_price(after, endpoint, &[earlier]);
                continue;
            }
            self.opened.push(At::of(after, endpoint));
            let there = at_provider(Some(before), endpoint);
            let gone = there.iter().copied().filter(|it| !later.contains_key(&name_of(it)));
            let known = at_provider(known, endpoint);
            let mut replaced = [gone.collect(), there.clone(), known].into_iter();
            let replaced = replaced.find(|them| !them.is_empty()).unwrap_or_default();
            self.of_price(after, endpoint, &replaced);
        }
        let closed = earlier.iter().filter(|(name, _)| !later.contains_key(*name));
        self.closed.extend(closed.map(|(_, endpoint)| At::of(after, endpoint)));
        if earlier.keys().eq(later.keys()) && unpriced(before) != unpriced(after) {
            self.otherwise.push(after.id.clone());
        }
    }

    /// Compares the price of an endpoint with what a request for `model` paid there before. Of several
    /// prices one that it leaps from is told.
    fn of_price(&mut self, model: &Model, endpoint: &Endpoint, before: &[&Endpoint]) {
        let compared = before.iter().filter_map(|before| {
            let changes = changes(before.pricing.as_ref()?, endpoint.pricing.as_ref()?);
            (!changes.is_empty()).then(|| Repriced { at: At::of(model, endpoint), changes })
        });
        self.repriced.extend(compared.max_by_key(Repriced::is_leap));
    }
}

impl At {
    fn of(model: &Model, endpoint: &Endpoint) -> Self {
        Self { model: model.id.clone(), provider: endpoint.provider.clone() }
    }
}

/// The endpoints of `model` at the provider of `endpoint`: what a request reaches there, by whatever name.
fn at_provider<'a>(model: Option<&'a Model>, endpoint: &Endpoint) -> Vec<&'a Endpoint> {
    let endpoints = model.into_iter().flat_map(|model| &model.endpoints);
    endpoints.filter(|it| it.provider == endpoint.provider).collect()
}

fn name_of(endpoint: &Endpoint) -> Name<'_> {
    (&endpoint.provider, &endpoint.upstream_model)
}

fn by_id(models: &[Model]) -> BTreeMap<&str, &Model> {
    models.iter().map(|model| (model.id.as_str(), model)).collect()
}

fn by_name(model: &Model) -> BTreeMap<Name<'_>, &Endpoint> {
    model.endpoints.iter().map(|it| (name_of(it), it)).collect()
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
        assert!(Difference::between(&models, &models, &[]).is_empty());
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
        let difference = Difference::between(&models, &later, &[]);
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
    /// A model at one provider, under these names there and at these prices of a prompt's token.
    fn model(endpoints: &[(&str, &str)]) -> Vec<Model> {
        let mut model = Edition::built_in().models().swap_remove(0);
        let endpoint = model.endpoints.swap_remove(0);
        let endpoints = endpoints.iter().map(|(name, price)| {
            let mut endpoint = endpoint.clone();
            (*name).clone_into(&mut endpoint.upstream_model);
            let price = keyway_core::money::Rate::parse(price).expect("a rate");
            endpoint.pricing = Some(keyway_core::pricing::Pricing::per_token(price, price));
            endpoint
        });
        model.endpoints = endpoints.collect();
        vec![model]
    }

    #[test]
    fn no_price_leaps_under_another_name() {
        let leaps = |before: &[Model], after: &[Model], known: &[Model]| {
            Difference::between(before, after, known).leaps().count()
        };
        let cheap = model(&[("m", "0.000001")]);
        assert_eq!(leaps(&cheap, &model(&[("m-2", "0.0001")]), &[]), 1, "renamed");
        assert_eq!(leaps(&cheap, &model(&[("m-2", "0.00001")]), &[]), 0, "ten times is no leap");
        let beside = model(&[("m", "0.000001"), ("m-2", "0.0001")]);
        assert_eq!(leaps(&cheap, &beside, &[]), 1, "put beside it");
        assert_eq!(leaps(&beside, &model(&[("m-3", "0.0001")]), &[]), 1, "in the place of both");
        assert_eq!(leaps(&beside, &model(&[("m", "0.000001"), ("m-3", "0.0001")]), &[]), 0);

        let dear = model(&[("m", "0.0001")]);
        assert_eq!(leaps(&[], &dear, &cheap), 1, "the model went away before");
        let closed = model(&[]);
        assert_eq!(leaps(&closed, &dear, &cheap), 1, "the endpoint did");
        assert_eq!(leaps(&[], &dear, &[]), 0, "nobody knows another price");
    }
}
