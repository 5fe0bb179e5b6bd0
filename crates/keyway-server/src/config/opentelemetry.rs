//! What OpenTelemetry's variables say of how spans are told.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

const SERVICE_NAME: &str = "service.name";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenTelemetry {
    /// What the choice of traces is called, and its argument.
    pub sampler: Option<(String, Option<String>)>,
    /// For the collector, beside those that are always there. They may have a secret in them, and do not
    /// show it.
    pub headers: HeaderMap,
    /// For one batch.
    pub timeout: Option<Duration>,
    /// Who tells the spans.
    pub attributes: Vec<(String, String)>,
}

impl OpenTelemetry {
    pub(super) fn of(said: &dyn Fn(&str) -> Option<String>) -> Self {
        // What is said of traces goes before what is said of everything.
        let of_exporter = |name: &str| {
            let of_traces = said(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
            of_traces.or_else(|| said(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let sampler = said("OTEL_TRACES_SAMPLER");
        let headers = of_exporter("HEADERS").unwrap_or_default();
        let timeout = of_exporter("TIMEOUT").and_then(|millis| millis.parse().ok());
        let mut attributes = pairs(&said("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        if let Some(name) = said("OTEL_SERVICE_NAME") {
            attributes.retain(|(key, _)| key != SERVICE_NAME);
            attributes.push((SERVICE_NAME.to_owned(), name));
        }
        Self {
            sampler: sampler.map(|name| (name, said("OTEL_TRACES_SAMPLER_ARG"))),
            headers: pairs(&headers).into_iter().filter_map(header).collect(),
            timeout: timeout.map(Duration::from_millis),
            attributes,
        }
    }
}

/// `key=value,key=value`, the values in percent encoding.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let value = |value: &str| percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
    pairs.map(|(key, said)| (key.trim().to_owned(), value(said))).collect()
}

fn header((name, value): (String, String)) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::try_from(name).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> OpenTelemetry {
        OpenTelemetry::of(&|name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_said_of_traces_goes_before_what_is_said_of_everything() {
        let general = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20a-secret, x-tenant = ours,none"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
        ];
        let told = of(&general);
        assert_eq!(told.headers["authorization"], "Bearer a-secret");
        assert_eq!(
            (told.headers.len(), &told.headers["x-tenant"]),
            (2, &"ours".parse().expect(""))
        );
        assert_eq!(told.timeout, Some(Duration::from_millis(1_500)));
        assert!(!format!("{told:?}").contains("a-secret"), "{told:?}");
        let of_traces = [
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-tenant=theirs"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "much"),
        ];
        let told = of(&[general, of_traces].concat());
        assert_eq!((told.headers.len(), told.timeout), (1, None));
    }

    #[test]
    fn a_service_may_be_named_and_described() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=one,team=a%2Cb");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let team = pair("team", "a,b");
        assert_eq!(of(&[attributes]).attributes, [pair("service.name", "one"), team.clone()]);
        let named = of(&[attributes, ("OTEL_SERVICE_NAME", "two")]);
        assert_eq!(named.attributes, [team, pair("service.name", "two")]);
        assert_eq!(of(&[]), OpenTelemetry::default());
    }
}
