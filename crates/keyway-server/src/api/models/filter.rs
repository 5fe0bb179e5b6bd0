//! Which models a query asks for, and in which order.

use std::cmp::Reverse;

use keyway_core::catalogue::{Modality, Model};
use keyway_core::error::Error;
use keyway_core::money::{MoneyError, Rate};
use keyway_core::pricing::Pricing;

use super::{object, price};
use crate::app::App;
use crate::http::query::Query;

/// Orders by what this gateway measures of no model: the order stays.
const UNMEASURED_ORDERS: [&str; 9] = [
    "most-popular",
    "newest",
    "top-weekly",
    "throughput-high-to-low",
    "latency-low-to-high",
    "intelligence-high-to-low",
    "coding-high-to-low",
    "agentic-high-to-low",
    "design-arena-elo-high-to-low",
];
/// What this gateway knows of no model.
const UNKNOWN: [&str; 12] = [
    "category",
    "region",
    "min_age_days",
    "max_age_days",
    "min_intelligence_index",
    "max_intelligence_index",
    "min_coding_index",
    "max_coding_index",
    "min_agentic_index",
    "max_agentic_index",
    "min_tool_success_rate",
    "max_tool_success_rate",
];

/// What a model has to be.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// Something is asked for that no model is known to have.
    unknown: bool,
    /// `None` is everything.
    output: Option<Vec<Modality>>,
    input: Vec<Modality>,
    parameters: Vec<String>,
    /// Parts of the id or the name, in lower case.
    texts: Vec<String>,
    context_length: u64,
    prompt: Prices,
    completion: Prices,
    authors: Vec<String>,
    providers: Vec<String>,
    distillable: Option<bool>,
    zdr: bool,
    order: Order,
}

/// The least and the largest price that is asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Prices {
    least: Option<Rate>,
    most: Option<Rate>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Order {
    #[default]
    AsListed,
    CheapestFirst,
    DearestFirst,
    LongestFirst,
}

impl Filter {
    pub(super) fn of(query: &Query) -> Result<Self, Error> {
        let text = |name| query.get(name).map(str::to_lowercase);
        Ok(Self {
            unknown: UNKNOWN.iter().any(|name| query.get(name).is_some()),
            input: modalities("input_modalities", &words(query, "input_modalities"))?,
            parameters: words(query, "supported_parameters"),
            texts: [text("q"), text("arch")].into_iter().flatten().collect(),
            context_length: query.whole("context", 1..=u64::from(u32::MAX))?.unwrap_or(0),
            prompt: Prices::of(query, "min_price", "max_price")?,
            completion: Prices::of(query, "min_output_price", "max_output_price")?,
            authors: words(query, "model_authors"),
            providers: words(query, "providers"),
            distillable: query.boolean("distillable")?,
            zdr: query.boolean("zdr")?.unwrap_or(false),
            order: order(query)?,
            ..Self::of_output(query)?
        })
    }

    /// Looks at nothing but what the models write.
    pub(super) fn of_output(query: &Query) -> Result<Self, Error> {
        const NAME: &str = "output_modalities";
        let output = match &words(query, NAME)[..] {
            [] => Some(vec![Modality::Text]),
            [all] if all == "all" => None,
            words => Some(modalities(NAME, words)?),
        };
        Ok(Self { output, ..Self::default() })
    }

    pub(super) fn admits(&self, model: &Model, app: &App) -> bool {
        !self.unknown
            && self.is_of_its_kind(model)
            && self.is_named(model)
            && self.is_served(model, app)
            && self.is_in_price(model)
    }

    fn is_of_its_kind(&self, model: &Model) -> bool {
        let (inputs, outputs) = (&model.about.input_modalities, &model.about.output_modalities);
        let parameters = object::parameters(model);
        self.output.as_ref().is_none_or(|any| any.iter().any(|it| outputs.contains(it)))
            && self.input.iter().all(|it| inputs.contains(it))
            && self.parameters.iter().all(|it| parameters.contains(it.as_str()))
            && model.context_length >= self.context_length
            && self.distillable.is_none_or(|wanted| wanted == model.distillable)
    }

    fn is_named(&self, model: &Model) -> bool {
        let (id, name) = (model.id.to_lowercase(), model.name.to_lowercase());
        let author = id.split('/').next().unwrap_or_default();
        self.texts.iter().all(|text| id.contains(text) || name.contains(text))
            && (self.authors.is_empty() || self.authors.iter().any(|it| it == author))
    }

    fn is_served(&self, model: &Model, app: &App) -> bool {
        let is_asked = |slug: &String| {
            let name = app.upstreams.get(slug).map(|upstream| upstream.name.to_lowercase());
            self.providers.iter().any(|it| it == slug || Some(it) == name.as_ref())
        };
        let endpoints = || model.endpoints.iter();
        (self.providers.is_empty() || endpoints().any(|it| is_asked(&it.provider)))
            && (!self.zdr || endpoints().any(|it| it.traits.zdr))
    }

    fn is_in_price(&self, model: &Model) -> bool {
        let pricing = shown(model);
        self.prompt.contain(pricing.map(|it| it.prompt))
            && self.completion.contain(pricing.map(|it| it.completion))
    }

    /// Those of an unknown price come last.
    pub(super) fn sort(&self, models: &mut [&Model]) {
        let price = |model: &Model| shown(model).map(price::average);
        match self.order {
            Order::AsListed => {}
            Order::CheapestFirst => models.sort_by_key(|it| price(it).unwrap_or(i128::MAX)),
            Order::DearestFirst => models.sort_by_key(|it| Reverse(price(it).unwrap_or(-1))),
            Order::LongestFirst => models.sort_by_key(|it| Reverse(it.context_length)),
        }
    }
}

/// The price that a model is shown with.
fn shown(model: &Model) -> Option<&Pricing> {
    price::cheapest(&model.endpoints)?.pricing.as_ref()
}

/// Words between commas, in lower case.
fn words(query: &Query, name: &str) -> Vec<String> {
    let words = query.get(name).into_iter().flat_map(|text| text.split(','));
    words.map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).collect()
}

fn modalities(name: &str, words: &[String]) -> Result<Vec<Modality>, Error> {
    let known = |word: &String| {
        let allowed = || format!("must be of {}, separated by commas", Modality::WORDS.join(", "));
        Modality::parse(word).ok_or_else(|| Error::invalid(name, allowed()))
    };
    words.iter().map(known).collect()
}

fn order(query: &Query) -> Result<Order, Error> {
    match query.get("sort") {
        None => Ok(Order::AsListed),
        Some("pricing-low-to-high") => Ok(Order::CheapestFirst),
        Some("pricing-high-to-low") => Ok(Order::DearestFirst),
        Some("context-high-to-low") => Ok(Order::LongestFirst),
        Some(word) if UNMEASURED_ORDERS.contains(&word) => Ok(Order::AsListed),
        Some(_) => {
            let why = "must be pricing-low-to-high, pricing-high-to-low or context-high-to-low";
            Err(Error::invalid("sort", why))
        }
    }
}

impl Prices {
    fn of(query: &Query, least: &str, most: &str) -> Result<Self, Error> {
        Ok(Self { least: per_million(query, least)?, most: per_million(query, most)? })
    }

    /// What nobody knows is within no bounds.
    fn contain(self, price: Option<Rate>) -> bool {
        let Some(price) = price else { return self.least.is_none() && self.most.is_none() };
        self.least.is_none_or(|least| price >= least) && self.most.is_none_or(|most| price <= most)
    }
}

/// A price in USD per million tokens.
fn per_million(query: &Query, name: &str) -> Result<Option<Rate>, Error> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let rate = if plain { Rate::parse(&format!("{text}e-6")) } else { Err(MoneyError::NotANumber) };
    match rate {
        Ok(rate) => Ok(Some(rate)),
        // No token costs more.
        Err(MoneyError::TooLarge) => Ok(Some(Rate::MAX)),
        Err(_) => {
            let why = "must be a price in USD per million tokens, such as 0.5";
            Err(Error::invalid(name, why))
        }
    }
}
