//! What an endpoint is like: its own words, and its provider's where it has none.

use keyway_core::catalogue::{DataCollection, Quantization, Traits};

use super::mistake::{Place, Report};
use super::view::View;

/// Reads the traits of the endpoint at `place`. `provider` says what holds for all of its endpoints.
pub(super) fn traits(
    endpoint: View<'_>,
    place: &Place,
    provider: Option<View<'_>>,
    report: &mut Report<'_>,
) -> Option<Traits> {
    let text = |name| endpoint.text(name).map(str::to_owned);
    let promised = |name| endpoint.text(name).or_else(|| provider?.text(name));
    let zdr = endpoint.flag("zdr").or_else(|| provider?.flag("zdr")).unwrap_or(false);
    let data_collection = match promised("data_collection") {
        Some(word) => DataCollection::parse(word)?,
        // What retains nothing has nothing to collect.
        None if zdr => DataCollection::Deny,
        None => DataCollection::default(),
    };
    if zdr && data_collection == DataCollection::Allow {
        let at = endpoint.place("data_collection", place);
        report.wrong(&at, "contradicts zdr", "\"deny\" where nothing is retained");
    }
    Some(Traits {
        variant: text("variant"),
        service_tier: text("service_tier"),
        quantization: match endpoint.text("quantization") {
            Some(word) => Quantization::parse(word)?,
            None => Quantization::default(),
        },
        data_collection,
        zdr,
        supported_parameters: endpoint.texts("supported_parameters"),
        context_length: endpoint.count("context_length"),
        max_completion_tokens: endpoint.count("max_completion_tokens"),
    })
}
