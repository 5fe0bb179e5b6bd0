//! Which prices are in force, in a word that is the same wherever they are.

use std::fmt::Write as _;
use std::sync::Arc;

use keyway_core::catalogue::Model;
use sha2::{Digest, Sha256};

use super::written;

/// Bytes of the digest that a version shows: enough that no two of an installation's are the same.
const DIGEST_BYTES: usize = 6;

/// The version of a catalogue of `models`, some of which are of the data of `day`: the day, and a digest
/// over the price of every endpoint. The order of models does not matter, nor where a price was said.
pub(crate) fn version(day: Option<&str>, models: &[Arc<Model>]) -> String {
    let mut lines: Vec<String> = models.iter().flat_map(|model| lines(model)).collect();
    lines.sort_unstable();
    let mut digest = Sha256::new();
    for line in lines {
        digest.update(line);
        digest.update("\n");
    }
    let mut version = day.map(|day| format!("{day}-")).unwrap_or_default();
    for byte in &digest.finalize()[..DIGEST_BYTES] {
        write!(version, "{byte:02x}").expect("a string takes all text");
    }
    version
}

fn lines(model: &Model) -> impl Iterator<Item = String> {
    model.endpoints.iter().map(|it| {
        let price = written::price(it.pricing.as_ref());
        let tier = it.traits.service_tier.as_deref();
        serde_json::json!([model.id, it.tag(), it.upstream_model, tier, price]).to_string()
    })
}

#[cfg(test)]
mod tests {
    use keyway_core::money::Rate;

    use super::*;
    use crate::catalogue::Edition;

    #[test]
    fn a_version_is_of_prices_wherever_they_stand() {
        let read = Edition::built_in().models();
        let mut models: Vec<Arc<Model>> = read.into_iter().map(Arc::new).collect();
        let of = |models: &[Arc<Model>]| version(Some("2026-01-02"), models);
        let before = of(&models);
        assert!(before.starts_with("2026-01-02-") && before.len() == 23, "{before}");
        models.reverse();
        assert_eq!(of(&models), before, "the order is no price");
        let named = Model { name: "Another".to_owned(), ..Model::clone(&models[0]) };
        let dearer = {
            let mut model = Model::clone(&models[0]);
            model.endpoints[0].pricing.as_mut().expect("priced").image = Rate::MAX;
            model
        };
        models[0] = Arc::new(named);
        assert_eq!(of(&models), before, "a name is no price");
        models[0] = Arc::new(dearer);
        assert_ne!(of(&models), before);
    }
}
