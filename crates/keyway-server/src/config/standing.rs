//! What of a configuration stands until the next start, whatever the file says meanwhile.

use keyway_core::secret::KeySecret;

use super::{Config, ProviderConfig};

impl Config {
    /// The sections that say something else in `later`, but for providers and models.
    pub fn sections_changed(&self, later: &Self) -> Vec<&'static str> {
        let Self {
            server,
            store,
            budget,
            byok,
            credits,
            content,
            metrics,
            traces,
            keys,
            limits,
            routing,
            providers: _,
            models: _,
            catalogue_day: _,
            warnings: _,
        } = self;
        let urls = (text(store.url.as_ref()), text(later.store.url.as_ref()));
        let is_store = urls.0 == urls.1 && store.durability == later.store.durability;
        let sections = [
            ("server", *server == later.server),
            ("store", is_store),
            ("budget", *budget == later.budget),
            ("byok", *byok == later.byok),
            ("credits", *credits == later.credits),
            ("content", *content == later.content),
            ("metrics", *metrics == later.metrics),
            ("traces", *traces == later.traces),
            ("keys", *keys == later.keys),
            ("limits", *limits == later.limits),
            ("routing", *routing == later.routing),
        ];
        sections.into_iter().filter_map(|(name, is_same)| (!is_same).then_some(name)).collect()
    }
}

impl ProviderConfig {
    /// The first field that says something else in `later`.
    pub fn field_changed(&self, later: &Self) -> Option<&'static str> {
        let Self {
            slug,
            name,
            dialect,
            base_url,
            api_key,
            token_url,
            allow_private,
            timeouts,
            abort_stops_billing,
            trust_provider_cost,
            pass_traceparent,
            http2,
            requests_max,
        } = self;
        let fields = [
            ("slug", *slug == later.slug),
            ("base_url", *base_url == later.base_url),
            ("dialect", *dialect == later.dialect),
            ("api_key", text(api_key.as_ref()) == text(later.api_key.as_ref())),
            ("token_url", *token_url == later.token_url),
            ("trust_provider_cost", *trust_provider_cost == later.trust_provider_cost),
            ("abort_stops_billing", *abort_stops_billing == later.abort_stops_billing),
            ("allow_private", *allow_private == later.allow_private),
            ("pass_traceparent", *pass_traceparent == later.pass_traceparent),
            ("http2", *http2 == later.http2),
            ("requests_max", *requests_max == later.requests_max),
            ("timeouts", *timeouts == later.timeouts),
            ("name", *name == later.name),
        ];
        fields.into_iter().find_map(|(name, is_same)| (!is_same).then_some(name))
    }
}

fn text(secret: Option<&KeySecret>) -> Option<&str> {
    secret.map(KeySecret::expose)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(sections: &str, provider: &str) -> Config {
        let toml = format!(
            "{sections}\n[[providers]]\nslug = \"own\"\ndialect = \"openai\"\n{provider}\n\
             base_url = \"https://one.example\"\n"
        );
        Config::parse(&toml, Path::new("keyway.toml"), &|_| Some("planted".to_owned()))
            .expect("valid")
    }

    #[test]
    fn each_section_is_told_by_its_name() {
        let plain = config("", "");
        assert!(plain.sections_changed(&config("", "")).is_empty());
        for (section, line) in [
            ("server", "shutdown_grace = \"9s\""),
            ("store", "durability = \"process\""),
            ("budget", "limit = \"9\""),
            ("byok", "fee_percent = \"9\""),
            ("credits", "inference_keys = true"),
            ("content", "redact = [\"a\"]"),
            ("metrics", "listen = \"127.0.0.1:9\""),
            ("traces", "endpoint = \"http://127.0.0.1:9\""),
            ("keys", "prefix = \"sk-own-\""),
            ("limits", "requests_per_minute = 9"),
            ("routing", "hedge_after = \"9s\""),
        ] {
            let later = config(&format!("[{section}]\n{line}"), "");
            assert_eq!(plain.sections_changed(&later), [section]);
        }
    }

    #[test]
    fn what_prices_are_said_of_is_told_by_its_field() {
        let plain = config("", "");
        let changed = |later: &Config| plain.providers[0].field_changed(&later.providers[0]);
        assert_eq!(changed(&plain), None);
        for (field, value) in [
            ("api_key", "\"env:KEY\""),
            ("trust_provider_cost", "true"),
            ("abort_stops_billing", "true"),
            ("allow_private", "true"),
            ("pass_traceparent", "true"),
            ("http2", "false"),
            ("requests_max", "9"),
            ("timeouts", "{ connect = \"9s\" }"),
            ("name", "\"Another\""),
        ] {
            assert_eq!(changed(&config("", &format!("{field} = {value}"))), Some(field));
        }
        assert_eq!(changed(&config("", "quirks = \"vllm\"")), Some("dialect"));
    }
}
