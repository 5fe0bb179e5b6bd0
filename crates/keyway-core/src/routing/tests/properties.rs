//! What holds for any request.

use proptest::prelude::*;

use super::*;
use crate::catalogue::{DataCollection, Quantization};

fn any_traits() -> impl Strategy<Value = Traits> {
    let tier = prop::option::of(Just("flex".to_owned()));
    let parameters = prop::option::of(prop::sample::subsequence(words(&["tools", "top_p"]), 0..=2));
    let lengths = prop::option::of(1..1_000_u64);
    (any::<[bool; 3]>(), tier, parameters, lengths).prop_map(
        |([zdr, denies, fp8], service_tier, supported_parameters, max_completion_tokens)| Traits {
            service_tier,
            zdr,
            data_collection: if denies || zdr {
                DataCollection::Deny
            } else {
                DataCollection::Allow
            },
            quantization: if fp8 { Quantization::Fp8 } else { Quantization::Unknown },
            supported_parameters,
            max_completion_tokens,
            ..Traits::default()
        },
    )
}

fn any_preferences() -> impl Strategy<Value = Preferences> {
    let slugs = || prop::sample::subsequence(words(&["p0", "p1", "p2", "p3"]), 0..=4);
    let rate =
        || prop::option::of((0..5_i128).prop_map(|it| Rate::from_femtos(it * DOLLAR_A_MILLION)));
    let sorts = [None, Some(Sort::Price), Some(Sort::Latency), Some(Sort::Throughput)];
    (
        any::<[bool; 6]>(),
        slugs(),
        prop::option::of(slugs()),
        slugs(),
        (rate(), rate()),
        prop::sample::select(sorts.to_vec()),
    )
        .prop_map(|(flags, order, only, ignore, (prompt, completion), sort)| Preferences {
            order,
            only,
            ignore,
            allow_fallbacks: flags[0],
            require_parameters: flags[1],
            zdr: flags[2],
            data_collection: if flags[3] { DataCollection::Deny } else { DataCollection::Allow },
            quantizations: if flags[4] { vec![Quantization::Fp8] } else { Vec::new() },
            across_models: flags[5],
            max_price: MaxPrice { prompt, completion, ..MaxPrice::default() },
            sort,
            ..Preferences::default()
        })
}

proptest! {
    #[test]
    fn filters_never_let_through_and_nothing_is_tried_twice(
        endpoints in prop::collection::vec((0..5_usize, 0..6_i128, any_traits(), any::<bool>()), 0..20),
        preferences in any_preferences(),
        tools in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let split = endpoints.len() / 2;
        let of = |part: &[(usize, i128, Traits, bool)]| -> Vec<Endpoint> {
            part.iter().map(|(n, price, traits, _)| endpoint(&format!("p{n}"), *price, traits.clone())).collect()
        };
        let mut all = candidates(&[("a/one", of(&endpoints[..split])), ("a/two", of(&endpoints[split..]))]);
        for (candidate, (.., unstable)) in all.iter_mut().zip(&endpoints) {
            candidate.health.is_unstable = *unstable;
        }
        let needs = Needs { parameters: if tools { vec!["tools"] } else { vec![] }, ..Needs::default() };
        let result = plan(&all, &preferences, &needs, seed);
        prop_assert_eq!(&result, &plan(&all, &preferences, &needs, seed), "the same again");
        let Ok(plan) = result else { return Ok(()) };
        prop_assert!(plan.attempts().len() <= ATTEMPTS_MAX);
        for (number, attempt) in plan.attempts().iter().enumerate() {
            let (endpoint, traits) = (attempt.endpoint(), &attempt.endpoint().traits);
            prop_assert!(!plan.attempts()[..number].contains(attempt));
            prop_assert!(!preferences.ignore.contains(&endpoint.provider));
            prop_assert!(preferences.only.as_ref().is_none_or(|only| only.contains(&endpoint.provider)));
            prop_assert!(!preferences.zdr || traits.zdr);
            prop_assert!(preferences.data_collection == DataCollection::Allow || traits.data_collection == DataCollection::Deny);
            prop_assert!(preferences.quantizations.is_empty() || traits.quantization == Quantization::Fp8);
            prop_assert!(traits.service_tier.is_none());
            prop_assert!(preferences.max_price.prompt.is_none_or(|most| pricing(endpoint).prompt <= most));
            prop_assert!(preferences.max_price.completion.is_none_or(|most| pricing(endpoint).completion <= most));
            let known = traits.supported_parameters.as_ref().map(|it| it.contains(&"tools".to_owned()));
            prop_assert!(!tools || known != Some(false));
            prop_assert!(!tools || !preferences.require_parameters || known == Some(true));
            if !preferences.allow_fallbacks && !preferences.order.is_empty() {
                prop_assert!(preferences.order.contains(&endpoint.provider));
            }
        }
    }
}
