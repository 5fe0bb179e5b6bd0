//! Spans for a collector of OpenTelemetry.

use super::OpenTelemetry;
use super::description::{Field, Kind, Presence, Section};
use super::rules;
use super::view::View;

/// What is told to a collector stands there under its address.
const TRACES_PATH: &str = "/v1/traces";
const PERCENT: u64 = 100;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracesConfig {
    /// The whole URL that spans are sent to; `None` makes none.
    pub endpoint: Option<String>,
    /// Of the traces that begin here; `None` leaves it to the environment.
    pub sample_percent: Option<u8>,
    /// What the environment says beside.
    pub environment: OpenTelemetry,
}

pub(super) static TRACES: Section = Section {
    doc: "Spans of inference requests, for a collector of OpenTelemetry.",
    fields: &[
        Field {
            name: "endpoint",
            doc: "Where the collector takes OTLP over HTTP, such as \"http://127.0.0.1:4318\"; absent is what OTEL_EXPORTER_OTLP_ENDPOINT says, and none without it.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::URL),
        },
        Field {
            name: "sample_percent",
            doc: "How many of a hundred requests are traced that no client traces already; absent is what OTEL_TRACES_SAMPLER says, and all without it.",
            presence: Presence::Optional,
            kind: Kind::Count(PERCENT),
        },
    ],
};

pub(super) fn traces(root: View<'_>) -> Option<TracesConfig> {
    let Some(section) = root.section("traces") else { return Some(TracesConfig::default()) };
    Some(TracesConfig {
        endpoint: match section.text("endpoint") {
            Some(url) => Some(rules::base_url(url).ok()? + TRACES_PATH),
            None => None,
        },
        sample_percent: match section.count("sample_percent") {
            Some(percent) => Some(u8::try_from(percent).ok()?),
            None => None,
        },
        environment: OpenTelemetry::default(),
    })
}

impl TracesConfig {
    /// The same, with what the environment says as OpenTelemetry has it, and the collector that it names
    /// where the file names none. An error says which variable is wrong, and not what it holds.
    pub fn or_environment(
        mut self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, &'static str> {
        let said = |name: &str| env(name).filter(|value| !value.is_empty());
        self.environment = OpenTelemetry::of(&said);
        let is_off = said("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"))
            || said("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none");
        if self.endpoint.is_some() || is_off {
            return Ok(self);
        }
        for (name, path) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", TRACES_PATH),
        ] {
            if let Some(url) = said(name) {
                self.endpoint = Some(rules::base_url(&url).map_err(|_| name)? + path);
                break;
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(
        file: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<Option<String>, &'static str> {
        let config = TracesConfig { endpoint: file.map(str::to_owned), ..TracesConfig::default() };
        let env = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        config.or_environment(&env).map(|config| config.endpoint)
    }

    #[test]
    fn the_file_goes_before_the_environment() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://base:4318/");
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://whole:4318/spans");
        let of = |url: &str| Ok(Some(url.to_owned()));
        assert_eq!(endpoint(None, &[]), Ok(None));
        assert_eq!(endpoint(None, &[base]), of("http://base:4318/v1/traces"));
        assert_eq!(endpoint(None, &[base, whole]), of("http://whole:4318/spans"));
        assert_eq!(endpoint(Some("http://file/v1/traces"), &[base]), of("http://file/v1/traces"));
        assert_eq!(endpoint(None, &[base, ("OTEL_SDK_DISABLED", "true")]), Ok(None));
        assert_eq!(endpoint(None, &[base, ("OTEL_TRACES_EXPORTER", "none")]), Ok(None));
        assert_eq!(endpoint(None, &[(base.0, "collector:4318")]), Err(base.0));
    }
}
