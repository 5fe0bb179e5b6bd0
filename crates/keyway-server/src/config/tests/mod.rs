//! A whole configuration, every mistake with its line, and what holds for any text.

mod mistakes;
mod properties;
mod traits;

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use keyway_core::money::Rate;
use keyway_core::pricing::{Days, Hours, Kind as TokenKind};
use keyway_core::rate::{Figure, RateLimits};
use keyway_core::secret::KeySecret;

use super::description::{self, Kind, Presence};
use super::{Config, ConfigErrors, Durability, schema};
use keyway_providers::dialect::Dialect;
use keyway_providers::openai::Quirks;

/// Uses every field.
const WHOLE: &str = r#"
[server]
public_url = "https://llm.example.com/"
shutdown_grace = "500ms"

[store]
durability = "process"

[keys]
prefix = "sk-acme-"

[[providers]]
slug = "acme"
name = "Acme"
dialect = "openai"
base_url = "http://127.0.0.1:9001/v1/"
api_key = "env:ACME_KEY"

[[providers]]
slug = "local"
dialect = "openai"
base_url = "http://[::1]:9002"

[[models]]
id = "acme/fast"
name = "Fast"
context_length = 128_000
max_completion_tokens = 16384
  [[models.endpoints]]
  provider = "acme"
  upstream_model = "mock-model"
  pricing = { prompt = "0.000001", completion = "0.000002" }
  [[models.endpoints]]
  provider = "local"
  upstream_model = "mock"
  pricing = { prompt = "0", completion = "0" }

[[models]]
id = "acme/small:free"
context_length = 4096
  [[models.endpoints]]
  provider = "local"
  upstream_model = "small"
  pricing = { prompt = "0", completion = "0" }

[[providers]]
slug = "spare"
dialect = "openai"
base_url = "https://spare.example.com"

[limits]
requests_per_minute = 600
tokens_per_minute = 1_000_000_000
max_concurrent_requests = 8
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "ACME_KEY" => Some("planted-secret".to_owned()),
        "STORE_URL" => Some("postgres://keyway:planted-secret@db/keyway".to_owned()),
        "EMPTY" => Some(String::new()),
        "SPLIT" => Some("planted-secret\r\nX-Injected: 1".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("keyway.toml"), &environment)
}

#[test]
fn a_price_of_every_kind_is_read() {
    let said = r#"pricing = { prompt = "0.000001", completion = "0.000002", input_cache_read = "0.0000001", input_cache_write = "0.00000125", input_cache_write_1h = "0.000003", image_token = "0.000004", audio = "0.000005", internal_reasoning = "0.000006", image_output = "0.000007", audio_output = "0.000008", request = "0.01", image = "0.02", discount = "0.5", overrides = [
      { min_prompt_tokens = 200_000, prompt = "0.00001", audio = "0.00005" },
      { utc_start = "16:30", utc_end = "00:30", completion = "0" },
      { utc_days = [6, 7], prompt = "0" },
    ] }"#;
    let text = WHOLE.replace(r#"pricing = { prompt = "0.000001", completion = "0.000002" }"#, said);
    let config = parse(&text).expect("it is valid");
    let pricing = config.models[0].endpoints[0].pricing.as_ref().expect("a price");
    let rates = TokenKind::EXTRA.map(|kind| pricing.kinds.get(kind).expect("a rate").to_string());
    let expected = [
        "0.0000001",
        "0.00000125",
        "0.000003",
        "0.000004",
        "0.000005",
        "0.000006",
        "0.000007",
        "0.000008",
    ];
    assert_eq!(rates, expected);
    assert_eq!(
        (pricing.request.to_string(), pricing.image.to_string()),
        ("0.01".into(), "0.02".into())
    );
    assert_eq!(pricing.discount.to_string(), "0.5");
    let [long, night, weekend] = &pricing.overrides[..] else { panic!("{:?}", pricing.overrides) };
    assert_eq!((long.min_prompt_tokens, long.hours), (Some(200_000), None));
    assert_eq!(long.prompt, Some(Rate::from_femtos(10_000_000_000)));
    assert_eq!(long.kinds.get(TokenKind::Audio), Some(Rate::from_femtos(50_000_000_000)));
    assert_eq!((night.hours, night.completion), (Hours::from_clock(1630, 30), Some(Rate::ZERO)));
    assert_eq!((weekend.days, weekend.prompt), (Days::from_numbers(&[6, 7]), Some(Rate::ZERO)));

    let unpriced = WHOLE.replacen("pricing = ", "# ", 1);
    let config = parse(&unpriced).expect("it is valid");
    assert_eq!(config.models[0].endpoints[0].pricing, None);
}

#[test]
fn a_whole_configuration_is_read() {
    let config = parse(WHOLE).expect("it is valid");
    assert_eq!(config.server.public_url.as_deref(), Some("https://llm.example.com"));
    assert_eq!(config.server.shutdown_grace, Duration::from_millis(500));
    assert_eq!(config.store.durability, Durability::Process);
    assert_eq!(config.keys.prefix.as_str(), "sk-acme-");
    let limits = RateLimits {
        requests_per_minute: Figure::new(600),
        tokens_per_minute: Figure::new(1_000_000_000),
        max_concurrent_requests: Figure::new(8),
    };
    assert_eq!(config.limits, limits);

    let [acme, local, _] = &config.providers[..] else { panic!("{:?}", config.providers) };
    assert_eq!((acme.slug.as_str(), acme.name.as_str()), ("acme", "Acme"));
    assert_eq!(acme.dialect, Dialect::OpenAi(Quirks::at("http://127.0.0.1:9001/v1")));
    assert_eq!(acme.base_url, "http://127.0.0.1:9001/v1");
    assert_eq!(acme.api_key.as_ref().map(KeySecret::expose), Some("planted-secret"));
    assert_eq!((local.name.as_str(), local.base_url.as_str()), ("local", "http://[::1]:9002"));
    assert!(local.api_key.is_none());

    let [fast, small] = &config.models[..] else { panic!("{:?}", config.models) };
    assert_eq!((fast.id.as_str(), fast.name.as_str()), ("acme/fast", "Fast"));
    assert_eq!((fast.context_length, fast.max_completion_tokens), (128_000, 16_384));
    let endpoint = &fast.endpoints[0];
    assert_eq!(
        (endpoint.provider.as_str(), endpoint.upstream_model.as_str()),
        ("acme", "mock-model")
    );
    assert_eq!(
        endpoint.pricing.as_ref().map(|it| it.prompt),
        Some(Rate::from_femtos(1_000_000_000))
    );
    assert_eq!(
        endpoint.pricing.as_ref().map(|it| it.completion),
        Some(Rate::from_femtos(2_000_000_000))
    );
    assert_eq!(fast.endpoints[1].provider, "local");
    assert_eq!((small.name.as_str(), small.max_completion_tokens), ("acme/small:free", 4_096));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn nothing_has_to_be_said() {
    let config = parse("").expect("an empty file is valid");
    assert_eq!(config.server, Config::default().server);
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(30));
    assert_eq!(config.store.durability, Durability::Flush);
    assert_eq!(config.keys.prefix.as_str(), "sk-or-v1-");
    assert_eq!(config.limits, RateLimits::default());
    assert!(config.providers.is_empty() && config.models.is_empty());
}

#[test]
fn every_word_that_is_allowed_is_understood() {
    for word in description::DURABILITIES {
        assert!(parse(&format!("[store]\ndurability = \"{word}\"")).is_ok(), "{word}");
    }
    for word in description::DIALECTS {
        assert!(parse(&WHOLE.replace("\"openai\"", &format!("\"{word}\""))).is_ok(), "{word}");
    }
}

#[test]
fn the_defaults_of_the_description_are_those_in_force() {
    let mut text = String::new();
    for section in description::ROOT.fields {
        let Kind::Section(fields) = &section.kind else { continue };
        if fields.fields.iter().any(|field| field.presence == Presence::Required) {
            continue;
        }
        writeln!(text, "[{}]", section.name).expect("a string takes all text");
        for field in fields.fields {
            if let Presence::Default(value) = field.presence {
                let quote = if matches!(field.kind, Kind::Count(_)) { "" } else { "\"" };
                writeln!(text, "{} = {quote}{value}{quote}", field.name)
                    .expect("a string takes all text");
            }
        }
    }
    let said = parse(&text).expect("the defaults are valid");
    assert_eq!(format!("{said:?}"), format!("{:?}", Config::default()), "{text}");
}

#[test]
fn durations_have_units() {
    let cases = [
        ("0", Some(Duration::ZERO)),
        ("45", Some(Duration::from_secs(45))),
        ("86400", Some(Duration::from_hours(24))),
        ("86401", None),
        ("-1", None),
        ("1.5", None),
        ("\"30s\"", Some(Duration::from_secs(30))),
        ("\"2m\"", Some(Duration::from_mins(2))),
        ("\"24h\"", Some(Duration::from_hours(24))),
        ("\"25h\"", None),
        ("\"30\"", None),
        ("\"s\"", None),
        ("\"1 s\"", None),
        ("\"99999999999999999999s\"", None),
        ("\"18446744073709551615h\"", None),
    ];
    for (value, expected) in cases {
        let parsed = parse(&format!("[server]\nshutdown_grace = {value}"));
        let grace = parsed.ok().map(|config| config.server.shutdown_grace);
        assert_eq!(grace, expected, "{value}");
    }
}

#[test]
fn a_key_in_the_file_itself_is_warned_of_and_not_shown() {
    let text = WHOLE.replace("env:ACME_KEY", "planted-secret");
    let config = parse(&text).expect("it is valid");
    let advice = "keyway.toml:17:11: providers[0].api_key: stands in the configuration itself; \
                  \"env:NAME\" or \"file:PATH\" keeps it out";
    assert_eq!(config.warnings, [advice]);
    assert!(!format!("{config:?}").contains("planted-secret"));
}

#[test]
fn a_stores_url_is_a_secret_where_it_has_a_password() {
    for (source, url, warned) in [
        ("env:STORE_URL", "postgres://keyway:planted-secret@db/keyway", false),
        ("postgres://keyway:planted-secret@db/k", "postgres://keyway:planted-secret@db/k", true),
        (
            "postgresql://db/k?password=planted-secret",
            "postgresql://db/k?password=planted-secret",
            true,
        ),
        ("postgres://keyway@db:5432/k", "postgres://keyway@db:5432/k", false),
    ] {
        let config = parse(&format!("[store]\nurl = \"{source}\"")).expect(source);
        assert_eq!(config.store.url.as_ref().map(KeySecret::expose), Some(url));
        assert_eq!(config.store.durability, Durability::Flush);
        assert_eq!(config.warnings.len(), usize::from(warned), "{:?}", config.warnings);
        assert!(!format!("{config:?}").contains("planted-secret"));
    }
}

#[test]
fn a_key_is_read_from_a_file_beside_the_configuration() {
    let folder = tempfile::tempdir().expect("a directory");
    let origin = folder.path().join("keyway.toml");
    let text = WHOLE.replace("env:ACME_KEY", "file:acme.key");
    let read = |content: &str| {
        std::fs::write(folder.path().join("acme.key"), content).expect("written");
        Config::parse(&text, &origin, &environment)
    };
    let config = read("planted-secret\r\n").expect("it is valid");
    let key = config.providers[0].api_key.as_ref().expect("it has one");
    assert_eq!(key.expose(), "planted-secret");
    for (content, problem) in [
        ("\n", "which is empty"),
        ("planted secret", "which holds a character that cannot be sent in a header"),
        (&"x".repeat(10_000), "which is longer than 8192 bytes"),
    ] {
        let message = read(content).expect_err(problem).to_string();
        assert!(message.contains(problem), "{message}");
        assert!(!message.contains("planted"), "{message}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("keyway.toml");
    let missing = Config::load(&path).expect_err("it is not there").to_string();
    assert!(missing.starts_with(&format!("{}: cannot be opened: ", path.display())), "{missing}");
    std::fs::write(&path, b"[server]\n# \xff\n").expect("written");
    let binary = Config::load(&path).expect_err("it is not UTF-8").to_string();
    assert!(binary.contains(": is not UTF-8 in line 2; allowed: "), "{binary}");
    std::fs::write(&path, WHOLE.replace("env:ACME_KEY", "x")).expect("written");
    assert_eq!(Config::load(&path).expect("it is valid").models.len(), 2);
}

#[test]
fn a_provider_bills_on_unless_it_is_said_not_to() {
    for (said, stops) in [("true", true), ("false", false)] {
        let text = WHOLE.replace("name = \"Acme\"", &format!("abort_stops_billing = {said}"));
        let config = parse(&text).expect("it is valid");
        let read: Vec<_> = config.providers.iter().map(|it| it.abort_stops_billing).collect();
        assert_eq!(read, [stops, false, false]);
    }
}

/// `keyway config schema > crates/keyway-server/config.schema.json` brings the file up to date.
#[test]
fn the_committed_schema_is_the_one_of_the_code() {
    let committed = include_str!("../../../config.schema.json");
    let generated = format!("{:#}\n", schema());
    assert_eq!(committed, generated);
}

#[test]
fn an_address_follows_from_a_region() {
    let text = "[[providers]]\nslug = \"a\"\ndialect = \"bedrock\"\nregion = \"eu-west-1\"\n\
                [[providers]]\nslug = \"b\"\ndialect = \"vertex\"\nregion = \"global\"\nproject = \"acme\"";
    let config = parse(text).expect("valid");
    let urls: Vec<&str> = config.providers.iter().map(|it| it.base_url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            "https://aiplatform.googleapis.com/v1/projects/acme/locations/global/publishers/google",
        ]
    );
}
