//! Every mistake, with its exact line.

use super::{WHOLE, parse};
use crate::config::description;

const SLUG: &str = "1 to 64 of a-z, 0-9, \"-\", \"_\" and \".\", a letter or digit first";
const MODEL_ID: &str = "\"author/slug\", both of letters, digits, \"-\", \"_\", \".\" and \":\", \
                        a letter or digit first, 128 characters at most";
const NAME: &str = "1 to 256 characters, none of them a control character";
const URL: &str = "\"http://host\" or \"https://host\", with a port and a path if need be, without \
                   credentials, query and fragment";
const RATE: &str =
    "a decimal string in USD per token between \"0\" and \"1\", such as \"0.000001\"";
const TOKENS: &str = "an integer from 1 to 1000000000";
const DURATION: &str = "whole seconds, such as 30, or a text such as \"500ms\", \"30s\" or \"2m\", \
                        one day at most";
const CREDENTIAL: &str =
    "1 to 8192 visible ASCII characters without spaces; leave api_key out to send none";
const PROVIDER_FIELDS: &str = "slug, name, dialect, base_url, region, project, api_key, quirks, token_url, timeouts, http2, requests_max, allow_private, \
     abort_stops_billing, trust_provider_cost, pass_traceparent, data_collection, zdr";
const ENDPOINT_FIELDS: &str = "provider, upstream_model, pricing, variant, service_tier, \
     quantization, data_collection, zdr, supported_parameters, context_length, \
     max_completion_tokens, timeouts";
const MODEL_FIELDS: &str = "id, name, context_length, max_completion_tokens, distillable, \
     input_modalities, output_modalities, expiration_date, endpoints";
const PRICING_FIELDS: &str = "prompt, completion, input_cache_read, input_cache_write, \
                              input_cache_write_1h, image_token, audio, internal_reasoning, \
                              image_output, audio_output, request, image, discount, overrides";

/// What replaces a text in [`WHOLE`], and the mistake that this is.
struct Case<'a> {
    old: &'a str,
    new: &'a str,
    problem: &'a str,
    allowed: &'a str,
}

fn case<'a>(old: &'a str, new: &'a str, problem: &'a str, allowed: &'a str) -> Case<'a> {
    Case { old, new, problem, allowed }
}

/// The whole message about `text`, which has to have a mistake.
fn message(text: &str) -> String {
    match parse(text) {
        Ok(config) => panic!("this was accepted: {text}\n{config:?}"),
        Err(errors) => errors.to_string(),
    }
}

/// Each case has its one mistake and no other.
fn check(cases: &[Case<'_>]) {
    for Case { old, new, problem, allowed } in cases {
        assert!(WHOLE.contains(old), "{old}");
        let found = message(&WHOLE.replacen(old, new, 1));
        assert_eq!(found, format!("keyway.toml:{problem}; allowed: {allowed}"), "{old} -> {new}");
    }
}

/// Every dialect, as a message lists them.
fn dialects() -> String {
    let quoted = description::DIALECTS.iter().map(|word| format!("\"{word}\""));
    quoted.collect::<Vec<_>>().join(", ")
}

#[test]
fn unknown_fields_are_told_with_what_was_meant() {
    check(&[
        case(
            "[server]",
            "[sever]",
            "2:2: sever: is not a field of this section; did you mean \"server\"?",
            "server, store, budget, byok, credits, content, keys, limits, routing, metrics, traces, providers, models",
        ),
        case(
            "name = \"Acme\"",
            "naem = \"Acme\"",
            "14:1: providers[0].naem: is not a field of this section; did you mean \"name\"?",
            PROVIDER_FIELDS,
        ),
        case(
            "name = \"Acme\"",
            "colour = 1",
            "14:1: providers[0].colour: is not a field of this section",
            PROVIDER_FIELDS,
        ),
        case(
            "completion = \"0.000002\"",
            "completion = \"0\", colour = \"0\"",
            "32:54: models[0].endpoints[0].pricing.colour: is not a field of this section",
            PRICING_FIELDS,
        ),
        case(
            "name = \"Acme\"",
            "\"na\\nme\" = 1",
            "14:1: providers[0].na\u{fffd}me: is not a field of this section; did you mean \"name\"?",
            PROVIDER_FIELDS,
        ),
    ]);
}

#[test]
fn missing_fields_are_told_where_their_section_begins() {
    check(&[
        case("slug = \"spare\"", "", "46:1: providers[2].slug: is missing", SLUG),
        case("dialect = \"openai\"", "", "12:1: providers[0].dialect: is missing", &dialects()),
        case("context_length = 4096", "", "38:1: models[1].context_length: is missing", TOKENS),
        case(
            "  upstream_model = \"mock-model\"\n",
            "",
            "29:3: models[0].endpoints[0].upstream_model: is missing",
            NAME,
        ),
        case(
            ", completion = \"0.000002\"",
            "",
            "32:13: models[0].endpoints[0].pricing.completion: is missing",
            RATE,
        ),
        case(
            "[[providers]]\nslug = \"spare\"\ndialect = \"openai\"\nbase_url = \"https://spare.example.com\"",
            "[[models]]\nid = \"acme/bare\"\ncontext_length = 1",
            "46:1: models[2].endpoints: is missing",
            &format!("at least one table with {ENDPOINT_FIELDS}"),
        ),
    ]);
}

#[test]
fn wrong_types_are_named() {
    let text = "is an integer, not a string; put it between quotation marks";
    let price = "is a float, not a string; put it between quotation marks";
    check(&[
        case(
            "name = \"Acme\"",
            "abort_stops_billing = \"yes\"",
            "14:23: providers[0].abort_stops_billing: is a string",
            "true or false",
        ),
        case("slug = \"spare\"", "slug = 7", &format!("47:8: providers[2].slug: {text}"), SLUG),
        case(
            "\"0.000001\"",
            "0.000001",
            &format!("32:24: models[0].endpoints[0].pricing.prompt: {price}"),
            RATE,
        ),
        case("128_000", "\"128000\"", "27:18: models[0].context_length: is a string", TOKENS),
        case("\"500ms\"", "true", "4:18: server.shutdown_grace: is a boolean", DURATION),
        case("[keys]", "[[keys]]", "9:1: keys: is a list", "a table with prefix"),
        case(
            "{ prompt = \"0.000001\", completion = \"0.000002\" }",
            "1979-05-27",
            "32:13: models[0].endpoints[0].pricing: is a date",
            &format!("a table with {PRICING_FIELDS}"),
        ),
    ]);
    assert_eq!(
        message("models = [1]"),
        format!("keyway.toml:1:11: models[0]: is an integer; allowed: a table with {MODEL_FIELDS}")
    );
}

#[test]
fn prices_under_a_condition_have_one_that_can_hold() {
    let check_override = |said: &str, problem: &str, allowed: &str| {
        let new = format!("completion = \"0\", overrides = [{{ {said} }}]");
        check(&[case("completion = \"0.000002\"", &new, problem, allowed)]);
    };
    let place = "models[0].endpoints[0].pricing.overrides[0]";
    let hours = "utc_start and utc_end, two different times of day";
    let clock = "a time of day in UTC, such as \"16:30\"";
    check_override(
        "prompt = \"0\"",
        &format!("32:67: {place}: has no condition"),
        "min_prompt_tokens, utc_start and utc_end, utc_days, or several of them",
    );
    check_override(
        "utc_start = \"08:00\"",
        &format!("32:67: {place}: has one end of a time of day only"),
        hours,
    );
    check_override(
        "utc_start = \"08:00\", utc_end = \"08:00\"",
        &format!("32:100: {place}.utc_end: is the same as utc_start"),
        hours,
    );
    for wrong in ["8:00", "24:00", "08:60", "0800", "08:00:00", "+8:00"] {
        check_override(
            &format!("utc_start = \"{wrong}\", utc_end = \"09:00\""),
            &format!("32:81: {place}.utc_start: is not a time of day"),
            clock,
        );
    }
    check_override(
        "min_prompt_tokens = 0, prompt = \"0\"",
        &format!("32:89: {place}.min_prompt_tokens: is out of range"),
        TOKENS,
    );
    let days = format!("{place}.utc_days");
    check_override(
        "utc_days = [8]",
        &format!("32:81: {days}[0]: is out of range"),
        "an integer from 1 to 7",
    );
    check_override(
        "utc_days = []",
        &format!("32:80: {days}: is empty"),
        "a list of integers from 1 to 7",
    );
    let discount = "a decimal string between \"0\" and \"1\" with six decimals at most, such as \
                    \"0.25\" for a quarter off";
    for (wrong, problem) in [("1.1", "is too large"), ("0.0000001", "has more than 6 decimals")] {
        let new = format!("completion = \"0\", discount = \"{wrong}\"");
        let problem = format!("32:65: models[0].endpoints[0].pricing.discount: {problem}");
        check(&[case("completion = \"0.000002\"", &new, &problem, discount)]);
    }
}

#[test]
fn words_and_numbers_have_bounds() {
    let word = "is none of the words that may stand here";
    let context = "27:18: models[0].context_length: is out of range";
    check(&[
        case(
            "\"process\"",
            "\"fsync\"",
            &format!("7:14: store.durability: {word}"),
            "\"flush\", \"process\"",
        ),
        case(
            "\"openai\"",
            "\"OpenAI\"",
            &format!("15:11: providers[0].dialect: {word}"),
            &dialects(),
        ),
        case("128_000", "0", context, TOKENS),
        case("128_000", "-1", context, TOKENS),
        case("128_000", "1_000_000_001", context, TOKENS),
        case("128_000", "99999999999999999999", context, TOKENS),
        case(
            "16384",
            "128001",
            "28:25: models[0].max_completion_tokens: is larger than context_length",
            "1 to 128000",
        ),
        case("\"500ms\"", "\"soon\"", "4:18: server.shutdown_grace: is not a duration", DURATION),
    ]);
}

#[test]
fn names_have_a_form() {
    let slug = "47:8: providers[2].slug";
    let id = "25:6: models[0].id: is not a model id";
    check(&[
        case("\"spare\"", "\"Spare\"", &format!("{slug}: is not a slug"), SLUG),
        case("\"spare\"", "\"\"", &format!("{slug}: is not a slug"), SLUG),
        case("\"spare\"", "\"-spare\"", &format!("{slug}: is not a slug"), SLUG),
        case(
            "\"spare\"",
            "\"keyway\"",
            &format!("{slug}: is \"keyway\", which is reserved for the built-in provider"),
            SLUG,
        ),
        case(
            "\"spare\"",
            "\"acme\"",
            &format!("{slug}: is the same as providers[0].slug in line 13"),
            "one that no other entry has",
        ),
        case("\"acme/fast\"", "\"fast\"", id, MODEL_ID),
        case("\"acme/fast\"", "\"acme/\"", id, MODEL_ID),
        case("\"acme/fast\"", "\"a/b/c\"", id, MODEL_ID),
        case("\"acme/fast\"", "\"a/b c\"", id, MODEL_ID),
        case(
            "\"acme/fast\"",
            "\"keyway/fast\"",
            "25:6: models[0].id: begins with \"keyway/\", which is reserved for built-in models",
            MODEL_ID,
        ),
        case(
            "\"acme/small:free\"",
            "\"acme/fast\"",
            "39:6: models[1].id: is the same as models[0].id in line 25",
            "one that no other entry has",
        ),
        case(
            "provider = \"acme\"",
            "provider = \"acmee\"",
            "30:14: models[0].endpoints[0].provider: names a provider that is not configured",
            "the slug of a provider: acme, local, spare",
        ),
        case("\"Acme\"", "\"\"", "14:8: providers[0].name: is empty", NAME),
        case(
            "\"mock-model\"",
            "\"mock\\nmodel\"",
            "31:20: models[0].endpoints[0].upstream_model: holds a control character",
            NAME,
        ),
        case(
            "\"sk-acme-\"",
            "\"sk acme\"",
            "10:10: keys.prefix: is not a prefix",
            "1 to 32 ASCII letters, digits, \"-\" and \"_\"",
        ),
    ]);
}

#[test]
fn urls_go_to_one_place_and_carry_no_secret() {
    let cases = [
        ("", "is not a URL"),
        ("llm.example.com", "is not a URL that begins with http:// or https://"),
        ("ftp://llm.example.com", "is not a URL that begins with http:// or https://"),
        ("https://", "is not a URL"),
        ("https://user:planted@llm.example.com", "holds credentials"),
        ("https://llm.example.com?key=planted", "has a query"),
        ("https://llm.example.com/#planted", "has a fragment"),
        ("https://llm.example.com:0", "has a port that is not a number from 1 to 65535"),
        ("https://llm.example.com:65536", "has a port that is not a number from 1 to 65535"),
        ("https://llm.example.com:", "has a port that is not a number from 1 to 65535"),
        ("https://[::g]", "has no valid host"),
        ("https://.example.com", "has no valid host"),
        ("https://llm.example.com/a b", "is not a URL"),
        ("https://llm.example.com/\\r\\nX-Injected: 1", "holds a control character"),
    ];
    for (url, problem) in cases {
        let problem = format!("3:14: server.public_url: {problem}");
        check(&[case("https://llm.example.com/", url, &problem, URL)]);
    }
}

#[test]
fn prices_are_exact() {
    let field = "32:24: models[0].endpoints[0].pricing.prompt";
    for (price, problem) in [
        ("0.0000000000000001", "has more than 15 decimals"),
        ("-0.1", "must not be negative"),
        ("1.1", "is too large"),
        ("1e400", "is too large"),
        ("free", "is not a decimal number"),
        ("", "is not a decimal number"),
    ] {
        check(&[case("0.000001", price, &format!("{field}: {problem}"), RATE)]);
    }
}

#[test]
fn credentials_have_to_be_there_and_are_never_shown() {
    let field = "17:11: providers[0].api_key";
    let header = "holds a character that cannot be sent in a header";
    for (source, problem, allowed) in [
        ("", "is empty", CREDENTIAL),
        ("planted secret", header, CREDENTIAL),
        ("pläntéd", header, CREDENTIAL),
        (
            "planted\\r\\nX-Injected: 1",
            "holds a control character",
            "\"env:NAME\", \"file:PATH\" or the key itself, of visible ASCII characters",
        ),
        (
            "env:",
            "names no environment variable after \"env:\"",
            "\"env:\" and a name of letters, digits and \"_\"",
        ),
        (
            "env:sk-planted",
            "names no environment variable after \"env:\"",
            "\"env:\" and a name of letters, digits and \"_\"",
        ),
        (
            "env:NOT_SET",
            "names the environment variable NOT_SET, which is not set",
            "the name of a variable that is set where Keyway starts",
        ),
        ("env:EMPTY", "names the environment variable EMPTY, which is empty", CREDENTIAL),
        ("env:SPLIT", &format!("names the environment variable SPLIT, which {header}"), CREDENTIAL),
        ("file:", "names no file after \"file:\"", "\"file:\" and a path"),
        (
            "file:/nonexistent/key",
            "names the file /nonexistent/key, which cannot be read: No such file or directory (os error 2)",
            "a file that Keyway's user may read",
        ),
    ] {
        check(&[case("env:ACME_KEY", source, &format!("{field}: {problem}"), allowed)]);
    }
}

#[test]
fn what_is_no_toml_does_not_hide_the_rest() {
    let text =
        WHOLE.replace("\"process\"", "\"fsync\"").replace("name = \"Fast\"", "name = \"Fast");
    assert_eq!(
        message(&text),
        "keyway.toml:7:14: store.durability: is none of the words that may stand here; allowed: \
         \"flush\", \"process\"\nkeyway.toml:26:13: is not TOML: invalid basic string, expected `\"`"
    );
    let twice =
        WHOLE.replace("durability = \"process\"", "durability = \"flush\"\ndurability = \"flush\"");
    assert_eq!(message(&twice), "keyway.toml:8:1: is not TOML: duplicate key");
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = r#"
sevrer = 1
[store]
durability = "flsh"
[keys]
prefix = ""
[[providers]]
slug = "Acme"
dialect = "openai"
base_url = "ftp://x"
api_key = "env:NOT_SET"
[[models]]
id = "fast"
context_length = 0
endpoints = []
[[models]]
id = "acme/fast"
context_length = 1
endpoints = [{ provider = "none", upstream_model = "m", pricing = { prompt = "0", completion = "0" } }]
"#;
    let errors = parse(text).expect_err("it has mistakes");
    let lines: Vec<_> =
        errors.mistakes.iter().map(|m| m.position.expect("all have one").0).collect();
    assert_eq!(lines, [2, 4, 6, 8, 10, 11, 13, 14, 15, 19], "{errors}");
    assert_eq!(errors.to_string().lines().count(), lines.len());
}

#[test]
fn the_stores_url_is_one_and_is_never_shown() {
    let url = "\"env:NAME\", \"file:PATH\" or \"postgres://user@host/database\"";
    let left_out = "\"postgres://user@host/database\"; leave url out for the embedded store";
    for (source, problem, allowed) in [
        ("", "is empty", left_out),
        ("mysql://u:planted@db/k", "is not the URL of a PostgreSQL database", url),
        ("postgres://u:planted secret@db/k", "holds a character that no URL has", left_out),
        ("env:ACME_KEY", "is not the URL of a PostgreSQL database", url),
        (
            "env:NOT_SET",
            "names the environment variable NOT_SET, which is not set",
            "the name of a variable that is set where Keyway starts",
        ),
    ] {
        let text = format!("[store]\nurl = \"{source}\"");
        let told = message(&text);
        assert_eq!(told, format!("keyway.toml:2:7: store.url: {problem}; allowed: {allowed}"));
        assert!(!told.contains("planted"), "{told}");
    }
}

#[test]
fn a_provider_says_once_where_it_is() {
    let place =
        "1 to 64 of a-z, 0-9 and \"-\", a letter or digit at both ends, such as \"us-east-1\"";
    for (dialect, lines, problem, allowed) in [
        ("openai", "", "1:1: providers[0].base_url: is missing", URL),
        ("bedrock", "", "1:1: providers[0].base_url: is missing", "a URL, or region in its place"),
        ("vertex", "region = \"global\"", "1:1: providers[0].project: is missing", place),
        (
            "bedrock",
            "region = \"evil.example/\"",
            "4:10: providers[0].region: has no such form",
            place,
        ),
        (
            "bedrock",
            "region = \"a\"\nbase_url = \"https://b.example\"",
            "4:10: providers[0].region: says once more where base_url is",
            "one of the two",
        ),
        (
            "bedrock",
            "region = \"a\"\nproject = \"b\"",
            "5:11: providers[0].project: is of Vertex only",
            "nothing here",
        ),
        (
            "gemini",
            "region = \"a\"\nbase_url = \"https://b.example\"",
            "4:10: providers[0].region: is of Vertex and Bedrock only",
            "nothing here",
        ),
    ] {
        let text = format!("[[providers]]\nslug = \"a\"\ndialect = \"{dialect}\"\n{lines}");
        assert_eq!(message(&text), format!("keyway.toml:{problem}; allowed: {allowed}"));
    }
}
