//! Prices as the API and the catalogue write them: decimal text (contract, C.6).

use std::str::FromStr;

use keyway_core::money::Rate;
use keyway_core::pricing::{Kind, Override, Pricing, Rates};
use serde_json::{Map, Number, Value};

/// A price that nobody knows.
const UNKNOWN: &str = "-1";

/// The price object of an endpoint.
pub(crate) fn price(pricing: Option<&Pricing>) -> Map<String, Value> {
    let mut object = Map::new();
    let Some(pricing) = pricing else {
        for side in [Kind::Prompt, Kind::Completion] {
            object.insert(side.as_str().to_owned(), UNKNOWN.into());
        }
        return object;
    };
    put(&mut object, Kind::Prompt.as_str(), Some(pricing.prompt));
    put(&mut object, Kind::Completion.as_str(), Some(pricing.completion));
    put_kinds(&mut object, pricing.kinds);
    let charged = |rate: Rate| Some(rate).filter(|rate| !rate.is_zero());
    put(&mut object, "request", charged(pricing.request));
    put(&mut object, "image", charged(pricing.image));
    if !pricing.discount.is_none() {
        let discount = Number::from_str(&pricing.discount.to_string());
        object.insert("discount".into(), Value::Number(discount.expect("a decimal text")));
    }
    if !pricing.overrides.is_empty() {
        let overrides = pricing.overrides.iter().map(override_object).map(Value::Object);
        object.insert("overrides".into(), overrides.collect());
    }
    object
}

fn override_object(it: &Override) -> Map<String, Value> {
    let mut object = Map::new();
    if let Some(above) = it.min_prompt_tokens {
        object.insert("min_prompt_tokens".into(), above.into());
    }
    if let Some(hours) = it.hours {
        let (start, end) = hours.as_clock();
        object.insert("utc_start".into(), start.into());
        object.insert("utc_end".into(), end.into());
    }
    if let Some(days) = it.days {
        object.insert("utc_days".into(), days.numbers().into());
    }
    put(&mut object, Kind::Prompt.as_str(), it.prompt);
    put(&mut object, Kind::Completion.as_str(), it.completion);
    put_kinds(&mut object, it.kinds);
    object
}

fn put_kinds(object: &mut Map<String, Value>, rates: Rates) {
    for kind in Kind::EXTRA {
        put(object, kind.as_str(), rates.get(kind));
    }
}

fn put(object: &mut Map<String, Value>, name: &str, rate: Option<Rate>) {
    if let Some(rate) = rate {
        object.insert(name.to_owned(), rate.to_string().into());
    }
}
