use std::collections::{BTreeSet, HashMap};

use keyway_core::clock::Timestamp;
use keyway_core::pricing::{Pricing, Usage};
use proptest::prelude::*;

use super::*;
use crate::config::Config;

/// Reads a catalogue that lies nowhere.
fn read(text: &str) -> Result<Edition, LineError> {
    Edition::read(text.to_owned(), None)
}

fn switched_on(variables: &[(&str, &str)]) -> Config {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let mut config = Config::default();
    switch_on(&mut config, &Edition::built_in(), &|name| {
        variables.get(name).map(|value| (*value).to_owned())
    });
    config
}

#[test]
fn there_are_models_of_many_providers_and_all_of_them_can_be_reached() {
    let models = read(Edition::built_in().text()).expect("it is as strict with itself").models();
    assert!(models.len() >= 300, "{}", models.len());
    let known: BTreeSet<String> = providers::all().into_iter().map(|it| it.slug).collect();
    let endpoints = models.iter().flat_map(|model| &model.endpoints);
    let used: BTreeSet<String> = endpoints.map(|endpoint| endpoint.provider.clone()).collect();
    assert!(used.len() >= 12 && used.is_subset(&known), "{used:?}");
}

#[test]
fn a_variable_switches_a_provider_on_and_no_other() {
    assert!(switched_on(&[]).models.is_empty());
    assert!(switched_on(&[("OPENAI_API_KEY", "")]).providers.is_empty());
    let config = switched_on(&[("OPENAI_API_KEY", "sk-planted"), ("GROQ_API_KEY", "gsk-planted")]);
    let slugs: Vec<&str> = config.providers.iter().map(|it| it.slug.as_str()).collect();
    assert_eq!(slugs, ["openai", "groq"]);
    assert_eq!(config.providers[0].base_url, "https://api.openai.com/v1");
    let shared = config.models.iter().find(|model| model.id == "openai/gpt-oss-120b");
    let at = shared.expect("an open model").endpoints.iter().map(|it| it.provider.as_str());
    assert_eq!(at.collect::<Vec<_>>(), ["groq"]);
    assert!(config.models.iter().any(|model| model.id == "openai/gpt-5"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn what_is_configured_stands() {
    let toml = r#"
[[providers]]
slug = "openai"
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"

[[models]]
id = "openai/gpt-5"
context_length = 10
[[models.endpoints]]
provider = "openai"
upstream_model = "mine"
pricing = { prompt = "0", completion = "0" }
"#;
    let mut config =
        Config::parse(toml, std::path::Path::new("keyway.toml"), &|_| None).expect("valid");
    let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-planted".to_owned());
    switch_on(&mut config, &Edition::built_in(), &env);
    assert_eq!(config.providers.len(), 1);
    assert_eq!(config.providers[0].base_url, "http://127.0.0.1:9/v1");
    let named = config.models.iter().filter(|model| model.id == "openai/gpt-5");
    let upstream: Vec<_> = named.map(|model| model.endpoints[0].upstream_model.as_str()).collect();
    assert_eq!(upstream, ["mine"]);
}

#[test]
fn a_variable_that_cannot_be_used_is_told_without_its_value() {
    let config = switched_on(&[("OPENAI_API_KEY", "sk-planted\r\nX: 1")]);
    assert!(config.providers.is_empty());
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(warning.contains("OPENAI_API_KEY") && !warning.contains("planted"), "{warning}");
}

#[test]
fn a_server_of_the_operators_is_where_its_variable_says() {
    let base_url = |host: &str| {
        switched_on(&[("OLLAMA_HOST", host)]).providers.first().map(|it| it.base_url.clone())
    };
    for (host, expected) in [
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000/v1"),
        ("http://box.lan", "http://box.lan:11434/v1"),
        ("https://box.lan/", "https://box.lan/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("[::1]:80", "http://[::1]:80/v1"),
    ] {
        assert_eq!(base_url(host).as_deref(), Some(expected), "{host}");
    }
    for wrong in ["http://user@box", "a b", "ftp://box"] {
        assert_eq!(base_url(wrong), None, "{wrong}");
    }
}

/// The slugs and addresses of what these variables switch on.
fn places(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let providers = switched_on(variables).providers.into_iter();
    providers.map(|it| (it.slug, it.base_url)).collect()
}

#[test]
fn amazon_is_where_its_variables_say() {
    let key = [("AWS_ACCESS_KEY_ID", "planted-id"), ("AWS_SECRET_ACCESS_KEY", "planted-secret")];
    let region = |region| [key.as_slice(), &[("AWS_REGION", region)]].concat();
    let bedrock = |region: &str| {
        let url = format!("https://bedrock-runtime.{region}.amazonaws.com");
        vec![("amazon-bedrock".to_owned(), url)]
    };
    assert_eq!(places(&region("eu-west-1")), bedrock("eu-west-1"));
    assert_eq!(places(&key), [], "nobody says where");
    assert_eq!(places(&[("AWS_REGION", "eu-west-1"), key[0]]), [], "half a key");
    let own = [("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_BEARER_TOKEN_BEDROCK", "planted")];
    assert_eq!(places(&own), bedrock("us-east-1"));

    let config = switched_on(&[&region("eu-west-1")[..], &[("AWS_SESSION_TOKEN", "t")]].concat());
    let presented = config.providers[0].api_key.as_ref().expect("a key").expose().to_owned();
    assert!(presented.starts_with(r#"{"accessKeyId":"planted-id""#), "{presented}");
    assert!(presented.ends_with(r#""sessionToken":"t"}"#), "{presented}");
    assert!(config.models.iter().any(|model| model.id == "anthropic/claude-opus-5"));

    for wrong in ["us-gov-west-1", "evil.example/"] {
        let config = switched_on(&region(wrong));
        assert!(config.providers.is_empty());
        let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
        assert!(warning.contains("AWS_REGION") && !warning.contains("planted"), "{warning}");
    }
}

#[test]
fn google_is_where_its_variables_say_at_the_price_of_there() {
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../keyway-testkit/fixtures/service-account.json");
    let at = |location, file| {
        switched_on(&[
            ("GOOGLE_CLOUD_PROJECT", "acme"),
            ("GOOGLE_CLOUD_LOCATION", location),
            ("GOOGLE_APPLICATION_CREDENTIALS", file),
        ])
    };
    let mut prices = Vec::new();
    for (location, slugs) in [
        ("us-east5", ["google-vertex", "google-vertex-anthropic"]),
        ("global", ["google-vertex-global", "google-vertex-anthropic-global"]),
    ] {
        let config = at(location, file);
        assert_eq!(config.providers.iter().map(|it| &it.slug).collect::<Vec<_>>(), slugs);
        assert!(config.providers.iter().all(|it| it.base_url.contains("/projects/acme/")));
        let opus = config.models.iter().find(|model| model.id == "anthropic/claude-opus-5");
        let [endpoint] = &opus.expect("a model").endpoints[..] else { panic!("{opus:?}") };
        prices.push(endpoint.pricing.as_ref().expect("a price").prompt.to_string());
    }
    assert_eq!(prices, ["0.0000055", "0.000005"], "a place of its own costs more");

    assert_eq!(places(&[("GOOGLE_CLOUD_PROJECT", "a"), ("GOOGLE_CLOUD_LOCATION", "b")]), []);
    for wrong in ["/nowhere.json", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let config = at("global", wrong);
        assert!(config.providers.is_empty());
        let warnings = config.warnings.concat();
        assert!(warnings.contains("GOOGLE_APPLICATION_CREDENTIALS: names"), "{warnings}");
    }
}

#[test]
fn one_bad_line_refuses_all_of_them() {
    let head = r#"{"version": "2026-01-01", "sources": [{"package": "a test"}]}"#;
    let line = |pricing: &str, more: &str| {
        format!(
            r#"{{"id": "a/b", "name": "B", "input_modalities": ["text"], "output_modalities": ["text"]{more}, "endpoints": [{{"provider": "p", "upstream_model": "m", "context_length": 9, "max_completion_tokens": 9, "supported_parameters": [], "pricing": {pricing}}}]}}"#
        )
    };
    let price = r#"{"prompt": "0.1", "completion": "0.2"}"#;
    assert!(read(&format!("{head}\n{}", line(price, ""))).is_ok());
    for (pricing, more, problem) in [
        (r#"{"prompt": "0.1"}"#, "", "pricing.completion is missing"),
        (r#"{"prompt": 0.1, "completion": "0"}"#, "", "pricing.prompt is not a text"),
        (r#"{"prompt": "-1", "completion": "0"}"#, "", "must not be negative"),
        (r#"{"prompt": "0", "completion": "0", "vision": "0"}"#, "", "pricing.vision is no field"),
        (r#"{"prompt": "0", "completion": "0", "audio": "x"}"#, "", "pricing.audio"),
        (r#"{"prompt": "0", "completion": "0", "overrides": [{}]}"#, "", "without a condition"),
        (
            r#"{"prompt": "0", "completion": "0", "overrides": [{"utc_start": 1}]}"#,
            "",
            "belong together",
        ),
        (
            r#"{"prompt": "0", "completion": "0", "overrides": [{"utc_days": [8]}]}"#,
            "",
            "not days from 1 to 7",
        ),
        (price, r#", "colour": 1"#, "colour"),
    ] {
        let error = read(&format!("{head}\n{}\n", line(pricing, more))).expect_err(problem);
        assert!(error.line == 2 && error.problem.contains(problem), "{error}");
    }
    for (head, line) in [
        (head.replace("a test", r"a\u001b[2Jtest"), line(price, "")),
        (head.to_owned(), line(price, r#", "\u001b[2J": 1"#)),
        (head.to_owned(), line(r#"{"prompt": "0", "completion": "0", "\u001b[2J": "0"}"#, "")),
    ] {
        let error = read(&format!("{head}\n{line}")).expect_err("nothing draws on a terminal");
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    let sized = head.replace("\"sources\"", "\"models\": 2, \"sources\"");
    let cut = read(&format!("{sized}\n{}\n", line(price, ""))).expect_err("cut");
    assert_eq!(cut.to_string(), "line 1: says that 2 models follow, and 1 do");
    let twice = read(&format!("{head}\n{0}\n{0}", line(price, ""))).expect_err("twice");
    assert_eq!(twice.line, 3);
    assert_eq!(read(&line(price, "")).expect_err("no head").line, 1);
}

/// Every price of the catalogue, each once.
fn prices() -> Vec<Pricing> {
    let mut prices: Vec<Pricing> = Vec::new();
    for endpoint in Edition::built_in().models().into_iter().flat_map(|model| model.endpoints) {
        let pricing = endpoint.pricing.expect("each has a price");
        if !prices.contains(&pricing) {
            prices.push(pricing);
        }
    }
    prices
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a provider counts within the bound of its tokens is never an overrun.
    #[test]
    fn no_price_of_the_catalogue_is_beyond_its_bound(
        parts in prop::array::uniform8(0..400_000_u64),
        (prompt, completion) in (0..1_100_000_u64, 0..400_000_u64),
        second in 0..7 * 86_400_i64,
    ) {
        let usage = Usage {
            cached_tokens: parts[0],
            cache_write_tokens: parts[1],
            cache_write_1h_tokens: parts[2],
            image_tokens: parts[3],
            audio_tokens: parts[4],
            reasoning_tokens: parts[5],
            image_output_tokens: parts[6],
            audio_output_tokens: parts[7],
            images: parts[0] % 3,
            ..Usage::of(prompt, completion)
        };
        for pricing in prices() {
            let cost = pricing.cost(usage, Timestamp::default().plus_seconds(second)).total;
            let most = Usage { images: usage.images, ..Usage::of(prompt, completion) };
            prop_assert!(cost <= pricing.bound(most), "{pricing:?}");
        }
    }
}
