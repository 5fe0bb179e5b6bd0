//! What an endpoint is like, by its own words and by its provider's.

use std::time::Duration;

use keyway_core::catalogue::{About, DataCollection, Modality, Patience, Quantization, Traits};

use super::{WHOLE, parse};

/// The endpoint's price, which its other fields stand behind.
const PRICING: &str = "pricing = { prompt = \"0.000001\", completion = \"0.000002\" }";
const PROVIDER: &str = "name = \"Acme\"";

fn with(provider: &str, endpoint: &str) -> String {
    WHOLE.replacen(PROVIDER, &format!("{PROVIDER}\n{provider}"), 1).replacen(
        PRICING,
        &format!("{PRICING}\n{endpoint}"),
        1,
    )
}

fn traits(provider: &str, endpoint: &str) -> Traits {
    let config = parse(&with(provider, endpoint)).expect("it is valid");
    config.models[0].endpoints[0].traits.clone()
}

#[test]
fn an_endpoint_is_what_it_says() {
    let all = "variant = \"turbo\"\nservice_tier = \"flex\"\nquantization = \"fp8\"\n\
               data_collection = \"deny\"\nzdr = true\n\
               supported_parameters = [\"tools\", \"top_p\"]\n\
               context_length = 64_000\nmax_completion_tokens = 8_000\n";
    let expected = Traits {
        variant: Some("turbo".to_owned()),
        service_tier: Some("flex".to_owned()),
        quantization: Quantization::Fp8,
        data_collection: DataCollection::Deny,
        zdr: true,
        supported_parameters: Some(vec!["tools".to_owned(), "top_p".to_owned()]),
        context_length: Some(64_000),
        max_completion_tokens: Some(8_000),
    };
    assert_eq!(traits("", all), expected);
    assert_eq!(traits("", ""), Traits::default(), "nothing is promised that nobody said");
}

#[test]
fn a_provider_speaks_for_its_endpoints_unless_they_speak_themselves() {
    let promises = |traits: Traits| (traits.data_collection, traits.zdr);
    let of = |provider, endpoint| promises(traits(provider, endpoint));
    let (allow, deny) = (DataCollection::Allow, DataCollection::Deny);
    assert_eq!(of("data_collection = \"deny\"", ""), (deny, false));
    assert_eq!(of("zdr = true", ""), (deny, true), "what retains nothing collects nothing");
    assert_eq!(of("zdr = true", "zdr = false"), (allow, false));
    assert_eq!(of("data_collection = \"deny\"", "data_collection = \"allow\""), (allow, false));
    let contradiction = parse(&with("zdr = true", "data_collection = \"allow\""));
    let message = contradiction.expect_err("it cannot be both").to_string();
    assert!(message.contains("endpoints[0].data_collection: contradicts zdr"), "{message}");
}

#[test]
fn words_that_no_endpoint_has_are_refused() {
    for (endpoint, wrong) in [
        ("quantization = \"q4\"", "endpoints[0].quantization: is none of the words"),
        ("service_tier = \"auto\"", "endpoints[0].service_tier: is none of the words"),
        ("supported_parameters = \"tools\"", "endpoints[0].supported_parameters: is a string"),
        ("supported_parameters = [\"no tools\"]", "supported_parameters[0]: is not the name"),
        ("context_length = 0", "endpoints[0].context_length: is out of range"),
    ] {
        let message = parse(&with("", endpoint)).expect_err(endpoint).to_string();
        assert!(message.contains(wrong), "{endpoint}: {message}");
    }
}

#[test]
fn an_endpoint_may_be_given_other_time_than_its_provider() {
    let patience = |provider, endpoint| {
        let config = parse(&with(provider, endpoint)).expect("it is valid");
        config.models[0].endpoints[0].patience
    };
    assert_eq!(patience("timeouts = { idle = 3 }", ""), Patience::default());
    let said = "timeouts = { connect = \"1s\", first_byte = \"20m\", idle = 5 }";
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let expected = Patience { connect: seconds(1), first_byte: seconds(1_200), idle: seconds(5) };
    assert_eq!(patience("", said), expected);
    let late = parse(&with("timeouts = { connect = \"900ms\" }", said)).expect_err("longer");
    let late = late.to_string();
    let wrong =
        "endpoints[0].timeouts.connect: is longer than at its provider; allowed: 900ms at most";
    assert!(late.contains(wrong), "{late}");
}

#[test]
fn a_model_reads_and_writes_what_it_says() {
    let about = |said: &str| {
        let text = WHOLE.replacen("name = \"Fast\"", said, 1);
        parse(&text).map(|config| config.models[0].about.clone()).map_err(|error| error.to_string())
    };
    assert_eq!(about(""), Ok(About::default()));
    let said = "input_modalities = [\"text\", \"image\"]\noutput_modalities = [\"embeddings\"]\n\
                expiration_date = \"2027-01-31\"";
    let expected = About {
        input_modalities: vec![Modality::Text, Modality::Image],
        output_modalities: vec![Modality::Embeddings],
        expiration_date: Some("2027-01-31".to_owned()),
    };
    assert_eq!(about(said), Ok(expected));
    for (said, wrong) in [
        ("input_modalities = []", "models[0].input_modalities: is empty"),
        ("output_modalities = [\"smell\"]", "models[0].output_modalities[0]: is none of the words"),
        ("expiration_date = \"2027-13-01\"", "models[0].expiration_date: is not a day"),
    ] {
        let message = about(said).expect_err(said);
        assert!(message.contains(wrong), "{message}");
    }
}
