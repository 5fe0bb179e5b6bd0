//! Prices as the catalogue writes them: the API's names, decimal text.

use keyway_core::money::{Discount, MoneyError, Rate};
use keyway_core::pricing::{Days, Hours, Kind, Override, Pricing, Rates};
use serde_json::{Map, Value};

use crate::config::one_line;

/// Overrides of one price. No provider has more than a few, and two prices are compared under every
/// combination of their conditions.
const OVERRIDES_MAX: usize = 16;

/// The fields of a price, taken out one by one, so that what is left is known to be a mistake.
struct Fields {
    left: Map<String, Value>,
}

/// Reads a price. An error says which field is wrong and why.
pub(super) fn read(fields: Map<String, Value>) -> Result<Pricing, String> {
    let mut fields = Fields { left: fields };
    let missing = |field: &str| format!("pricing.{field} is missing");
    let pricing = Pricing {
        prompt: fields.rate("prompt")?.ok_or_else(|| missing("prompt"))?,
        completion: fields.rate("completion")?.ok_or_else(|| missing("completion"))?,
        kinds: fields.kinds()?,
        request: fields.rate("request")?.unwrap_or_default(),
        image: fields.rate("image")?.unwrap_or_default(),
        discount: fields.money("discount", Discount::parse)?.unwrap_or_default(),
        overrides: fields.overrides()?,
    };
    fields.end()?;
    Ok(pricing)
}

fn read_override(fields: Map<String, Value>) -> Result<Override, String> {
    let mut fields = Fields { left: fields };
    let read = Override {
        min_prompt_tokens: fields.whole("min_prompt_tokens")?,
        hours: fields.hours()?,
        days: fields.days()?,
        prompt: fields.rate("prompt")?,
        completion: fields.rate("completion")?,
        kinds: fields.kinds()?,
    };
    fields.end()?;
    if read.min_prompt_tokens.is_none() && read.hours.is_none() && read.days.is_none() {
        return Err("pricing.overrides has an entry without a condition".to_owned());
    }
    Ok(read)
}

impl Fields {
    fn rate(&mut self, field: &str) -> Result<Option<Rate>, String> {
        self.money(field, Rate::parse)
    }

    fn money<T>(
        &mut self,
        field: &str,
        parse: fn(&str) -> Result<T, MoneyError>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.left.shift_remove(field) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| format!("pricing.{field} is not a text"))?;
        parse(text).map(Some).map_err(|error| format!("pricing.{field} {error}"))
    }

    fn kinds(&mut self) -> Result<Rates, String> {
        let mut wrong = None;
        let rates = Rates::from_fn(|kind: Kind| {
            self.rate(kind.as_str()).unwrap_or_else(|error| {
                wrong.get_or_insert(error);
                None
            })
        });
        wrong.map_or(Ok(rates), Err)
    }

    fn whole(&mut self, field: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.left.shift_remove(field) else { return Ok(None) };
        let number = value.as_u64().ok_or_else(|| format!("{field} is not a whole number"))?;
        Ok(Some(number))
    }

    fn hours(&mut self) -> Result<Option<Hours>, String> {
        let clock = |number: Option<u64>| number.map(|number| u16::try_from(number).ok());
        match (clock(self.whole("utc_start")?), clock(self.whole("utc_end")?)) {
            (None, None) => Ok(None),
            (Some(Some(start)), Some(Some(end))) => Hours::from_clock(start, end)
                .map(Some)
                .ok_or_else(|| "utc_start and utc_end are no time of day".to_owned()),
            _ => Err("utc_start and utc_end belong together".to_owned()),
        }
    }

    fn days(&mut self) -> Result<Option<Days>, String> {
        let Some(value) = self.left.shift_remove("utc_days") else { return Ok(None) };
        let numbers: Option<Vec<u8>> = value
            .as_array()
            .and_then(|days| days.iter().map(|day| u8::try_from(day.as_u64()?).ok()).collect());
        let days = numbers.and_then(|numbers| Days::from_numbers(&numbers));
        days.map(Some).ok_or_else(|| "utc_days are not days from 1 to 7".to_owned())
    }

    fn overrides(&mut self) -> Result<Vec<Override>, String> {
        match self.left.shift_remove("overrides") {
            None => Ok(Vec::new()),
            Some(Value::Array(entries)) if entries.len() > OVERRIDES_MAX => {
                Err(format!("pricing.overrides has more than {OVERRIDES_MAX} entries"))
            }
            Some(Value::Array(entries)) => entries
                .into_iter()
                .map(|entry| match entry {
                    Value::Object(fields) => read_override(fields),
                    _ => Err("pricing.overrides has an entry that is no object".to_owned()),
                })
                .collect(),
            Some(_) => Err("pricing.overrides is not a list".to_owned()),
        }
    }

    fn end(&self) -> Result<(), String> {
        match self.left.keys().next() {
            Some(field) => Err(format!("pricing.{} is no field of a price", one_line(field))),
            None => Ok(()),
        }
    }
}
