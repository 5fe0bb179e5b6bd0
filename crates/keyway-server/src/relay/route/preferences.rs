//! What a request says of the endpoints that it wants: its `provider` object, and fields beside it.

use keyway_core::catalogue::{DataCollection, Quantization};
use keyway_core::money::{Nanos, Rate};
use keyway_core::routing::{Cutoffs, MaxPrice, Needs, Preferences, Sort};
use keyway_providers::chat::{ChatRequest, RequestError};
use serde_json::{Map, Value};

/// Slugs in one list of a request.
const SLUGS_MAX: usize = 256;
/// Each of them: where nobody has it, it is compared with those that there are.
const SLUG_BYTES_MAX: usize = 128;
/// Decimals are read as money is: exactly.
const NANOS_IN_A_THOUSANDTH: i64 = 1_000_000;
const FEMTOS_IN_A_NANO: i128 = 1_000_000;
/// Every field of the object.
const FIELDS: [&str; 13] = [
    "allow_fallbacks",
    "data_collection",
    "enforce_distillable_text",
    "ignore",
    "max_price",
    "only",
    "order",
    "preferred_max_latency",
    "preferred_min_throughput",
    "quantizations",
    "require_parameters",
    "sort",
    "zdr",
];
/// Fields of a request that endpoints differ by, as the lists of what they support name them.
const PARAMETERS: [&str; 23] = [
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "top_a",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "stop",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning",
    "include_reasoning",
    "verbosity",
    "prediction",
    "web_search_options",
];

type Read<T> = Result<T, RequestError>;

/// Reads the `provider` object, and the deprecated `route`.
pub(super) fn read(request: &ChatRequest) -> Read<Preferences> {
    let mut preferences = Preferences::default();
    if let Some(route) = request.field("route") {
        preferences.across_models = match route.as_str() {
            Some("fallback") => false,
            Some("sort") => true,
            _ => return Err(wrong("route", "must be fallback or sort")),
        };
    }
    let Some(provider) = request.field("provider") else { return Ok(preferences) };
    let object = provider.as_object().ok_or_else(|| wrong("provider", "must be an object"))?;
    if let Some(unknown) = object.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        let allowed = format!("is not a field of it; allowed: {}", FIELDS.join(", "));
        return Err(wrong(&format!("provider.{}", short(unknown)), &allowed));
    }
    let object = Object(object);
    preferences.order = object.slugs("order")?.unwrap_or_default();
    preferences.only = object.slugs("only")?;
    preferences.ignore = object.slugs("ignore")?.unwrap_or_default();
    preferences.allow_fallbacks = object.flag("allow_fallbacks")?.unwrap_or(true);
    preferences.require_parameters = object.flag("require_parameters")?.unwrap_or(false);
    preferences.zdr = object.flag("zdr")?.unwrap_or(false);
    preferences.distillable = object.flag("enforce_distillable_text")?.unwrap_or(false);
    preferences.data_collection = object.data_collection()?;
    preferences.quantizations = object.quantizations()?;
    preferences.max_price = object.max_price()?;
    preferences.min_throughput = object.cutoffs("preferred_min_throughput")?;
    preferences.max_latency = object.cutoffs("preferred_max_latency")?;
    object.sort(&mut preferences)?;
    Ok(preferences)
}

/// What the request needs of an endpoint besides.
pub(super) fn needs(request: &ChatRequest) -> Needs {
    let given = request.fields().filter(|(_, it)| it.as_array().is_none_or(|it| !it.is_empty()));
    let mut parameters: Vec<&'static str> = Vec::new();
    for parameter in given.filter_map(|(field, _)| parameter(field)) {
        if !parameters.contains(&parameter) {
            parameters.push(parameter);
        }
    }
    let capped = request.field("provider").is_some_and(|it| it.get("max_price").is_some());
    let prompt = || request.prompt_tokens_bound().unwrap_or(u64::MAX);
    let tier = request.field("service_tier").and_then(Value::as_str);
    Needs {
        max_tokens: request.max_tokens,
        prompt_tokens: if capped { prompt() } else { 0 },
        parameters,
        service_tier: tier.map(|tier| if tier == "fast" { "priority" } else { tier }.to_owned()),
        known_price: false,
    }
}

/// What lists of what endpoints support call a field of a request, where they name it.
fn parameter(field: &str) -> Option<&'static str> {
    let named = match field {
        "max_completion_tokens" => "max_tokens",
        "reasoning_effort" => "reasoning",
        field => field,
    };
    PARAMETERS.into_iter().find(|it| *it == named)
}

fn wrong(field: &str, message: &str) -> RequestError {
    RequestError { field: field.to_owned(), message: message.to_owned() }
}

/// As much of a client's word as a message repeats.
fn short(word: &str) -> String {
    word.chars().take(64).collect()
}

/// The `provider` object. Null counts as absent.
struct Object<'a>(&'a Map<String, Value>);

impl Object<'_> {
    fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    fn wrong<T>(field: &str, message: &str) -> Read<T> {
        Err(wrong(&format!("provider.{field}"), message))
    }

    fn flag(&self, field: &str) -> Read<Option<bool>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Self::wrong(field, "must be true or false"),
        }
    }

    /// Slugs are compared in lower case.
    fn slugs(&self, field: &str) -> Read<Option<Vec<String>>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let slugs = value.as_array().filter(|slugs| slugs.len() <= SLUGS_MAX);
        let slug = |it: &Value| {
            it.as_str().filter(|slug| slug.len() <= SLUG_BYTES_MAX).map(str::to_lowercase)
        };
        let slugs: Option<Vec<String>> = slugs.and_then(|slugs| slugs.iter().map(slug).collect());
        let allowed = "must be a list of at most 256 providers' slugs, each of at most 128 bytes";
        slugs.map_or_else(|| Self::wrong(field, allowed), |slugs| Ok(Some(slugs)))
    }

    fn data_collection(&self) -> Read<DataCollection> {
        let Some(value) = self.get("data_collection") else { return Ok(DataCollection::Allow) };
        match value.as_str().and_then(DataCollection::parse) {
            Some(word) => Ok(word),
            None => Self::wrong("data_collection", "must be allow or deny"),
        }
    }

    fn quantizations(&self) -> Read<Vec<Quantization>> {
        let Some(value) = self.get("quantizations") else { return Ok(Vec::new()) };
        let words = value.as_array().into_iter().flatten();
        let read: Option<Vec<_>> = words.map(|it| Quantization::parse(it.as_str()?)).collect();
        let message = || format!("must be a list of {}", Quantization::WORDS.join(", "));
        let read = read.filter(|_| value.is_array());
        read.map_or_else(|| Self::wrong("quantizations", &message()), Ok)
    }

    /// USD per million tokens of prompt and completion, and for one of everything else.
    fn max_price(&self) -> Read<MaxPrice> {
        let Some(value) = self.get("max_price") else { return Ok(MaxPrice::default()) };
        let Some(prices) = value.as_object() else {
            return Self::wrong("max_price", "must be an object of prices");
        };
        // So many nano-dollars a million are as many femto-dollars for one.
        let price = |side: &str, femtos_per_nano: i128| match prices.get(side) {
            None | Some(Value::Null) => Ok(None),
            Some(price) => match amount(price) {
                Some(amount) => {
                    Ok(Some(Rate::from_femtos(i128::from(amount.get()) * femtos_per_nano)))
                }
                None => Self::wrong(
                    &format!("max_price.{side}"),
                    "must be an amount in USD, such as \"0.5\", not negative",
                ),
            },
        };
        Ok(MaxPrice {
            prompt: price("prompt", 1)?,
            completion: price("completion", 1)?,
            request: price("request", FEMTOS_IN_A_NANO)?,
            image: price("image", FEMTOS_IN_A_NANO)?,
            audio: price("audio", FEMTOS_IN_A_NANO)?,
        })
    }

    /// A number is the median's; thousandths of a second, or of a token per second.
    fn cutoffs(&self, field: &str) -> Read<Cutoffs> {
        let Some(value) = self.get(field) else { return Ok(Cutoffs::default()) };
        let thousandths = |value: &Value| {
            let exact = amount(value).filter(|_| value.is_number())?;
            u64::try_from(exact.get() / NANOS_IN_A_THOUSANDTH).ok()
        };
        let mut cutoffs = Cutoffs::default();
        let message = "must be a number, or an object of numbers p50, p75, p90 and p99";
        let Some(object) = value.as_object() else {
            cutoffs.p50 = thousandths(value);
            return if cutoffs.p50.is_some() { Ok(cutoffs) } else { Self::wrong(field, message) };
        };
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let place = match name.as_str() {
                "p50" => &mut cutoffs.p50,
                "p75" => &mut cutoffs.p75,
                "p90" => &mut cutoffs.p90,
                "p99" => &mut cutoffs.p99,
                _ => return Self::wrong(field, message),
            };
            *place = thousandths(value);
            if place.is_none() {
                return Self::wrong(field, message);
            }
        }
        Ok(cutoffs)
    }

    /// A word, or an object that also says whether models are kept apart.
    fn sort(&self, preferences: &mut Preferences) -> Read<()> {
        let Some(value) = self.get("sort") else { return Ok(()) };
        let by = match value {
            Value::Object(object) => {
                match object.get("partition").filter(|it| !it.is_null()).map(Value::as_str) {
                    None => {}
                    Some(Some("model")) => preferences.across_models = false,
                    Some(Some("none")) => preferences.across_models = true,
                    Some(_) => return Self::wrong("sort.partition", "must be model or none"),
                }
                object.get("by").filter(|by| !by.is_null())
            }
            word => Some(word),
        };
        let Some(by) = by else { return Ok(()) };
        preferences.sort = by.as_str().and_then(Sort::parse);
        match preferences.sort {
            Some(_) => Ok(()),
            None => Self::wrong("sort", &format!("must be one of {}", Sort::WORDS.join(", "))),
        }
    }
}

/// A decimal, which clients write as text and as a number.
fn amount(price: &Value) -> Option<Nanos> {
    match price {
        Value::String(text) => Nanos::parse_limit(text).ok(),
        Value::Number(number) => Nanos::parse_limit(&number.to_string()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(fields: Value) -> ChatRequest {
        let mut body = json!({"model": "a/b", "messages": [{"role": "user", "content": "hi"}]});
        let Value::Object(fields) = fields else { panic!("{fields}") };
        body.as_object_mut().expect("an object").extend(fields);
        ChatRequest::parse(body).expect("a request")
    }

    fn preferences(provider: &Value) -> Result<Preferences, String> {
        read(&request(json!({"provider": provider}))).map_err(|error| error.field)
    }

    #[test]
    fn every_field_is_understood() {
        let read = preferences(&json!({
            "order": ["OpenAI", "deepinfra/turbo"], "only": ["a"], "ignore": ["b"],
            "allow_fallbacks": false, "require_parameters": true, "data_collection": "deny",
            "zdr": true, "enforce_distillable_text": true, "quantizations": ["fp8", "bf16"],
            "sort": {"by": "latency", "partition": "none"},
            "max_price": {"prompt": "0.5", "completion": 1, "image": "0", "audio": 0.25},
            "preferred_min_throughput": 50.5, "preferred_max_latency": {"p50": 1, "p99": 2.5},
        }));
        let expected = Preferences {
            order: vec!["openai".to_owned(), "deepinfra/turbo".to_owned()],
            only: Some(vec!["a".to_owned()]),
            ignore: vec!["b".to_owned()],
            allow_fallbacks: false,
            require_parameters: true,
            data_collection: DataCollection::Deny,
            zdr: true,
            distillable: true,
            quantizations: vec![Quantization::Fp8, Quantization::Bf16],
            sort: Some(Sort::Latency),
            across_models: true,
            max_price: MaxPrice {
                prompt: Rate::parse("0.0000005").ok(),
                completion: Rate::parse("0.000001").ok(),
                request: None,
                image: Some(Rate::ZERO),
                audio: Rate::parse("0.25").ok(),
            },
            min_throughput: Cutoffs { p50: Some(50_500), ..Cutoffs::default() },
            max_latency: Cutoffs { p50: Some(1_000), p99: Some(2_500), ..Cutoffs::default() },
        };
        assert_eq!(read, Ok(expected));
        let nulls = json!({"order": null, "sort": null, "zdr": null, "max_price": null});
        assert_eq!(preferences(&nulls), Ok(Preferences::default()));
        let sorted = Preferences { sort: Some(Sort::Exacto), ..Preferences::default() };
        assert_eq!(preferences(&json!({"sort": "exacto"})), Ok(sorted));
    }

    #[test]
    fn mistakes_name_their_field() {
        for (provider, field) in [
            (json!([]), "provider"),
            (json!({"zdrr": true}), "provider.zdrr"),
            (json!({"order": "openai"}), "provider.order"),
            (json!({"only": [1]}), "provider.only"),
            (json!({"ignore": ["x".repeat(129)]}), "provider.ignore"),
            (json!({"allow_fallbacks": "no"}), "provider.allow_fallbacks"),
            (json!({"data_collection": "never"}), "provider.data_collection"),
            (json!({"quantizations": "fp8"}), "provider.quantizations"),
            (json!({"quantizations": ["fp7"]}), "provider.quantizations"),
            (json!({"sort": "quality"}), "provider.sort"),
            (json!({"sort": {"by": "price", "partition": "all"}}), "provider.sort.partition"),
            (json!({"max_price": 1}), "provider.max_price"),
            (json!({"max_price": {"prompt": -1}}), "provider.max_price.prompt"),
            (json!({"max_price": {"request": "much"}}), "provider.max_price.request"),
            (json!({"max_price": {"completion": "free"}}), "provider.max_price.completion"),
            (json!({"preferred_max_latency": -1}), "provider.preferred_max_latency"),
            (json!({"preferred_min_throughput": {"p42": 1}}), "provider.preferred_min_throughput"),
        ] {
            assert_eq!(preferences(&provider), Err(field.to_owned()), "{provider}");
        }
    }

    #[test]
    fn what_a_request_needs_is_what_it_says() {
        let needs = needs(&request(json!({
            "tools": [], "tool_choice": "auto", "temperature": 1, "max_completion_tokens": 5,
            "reasoning_effort": "low", "service_tier": "fast", "user": "x",
        })));
        assert_eq!(needs.parameters, ["tool_choice", "temperature", "max_tokens", "reasoning"]);
        assert_eq!((needs.max_tokens, needs.service_tier.as_deref()), (Some(5), Some("priority")));
    }
}
