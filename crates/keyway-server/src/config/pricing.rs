//! Prices in a configuration: what may be said, and what it means.

use keyway_core::money::{Discount, Rate};
use keyway_core::pricing::{Days, Hours, Kind as TokenKind, Override, Pricing, Rates};

use super::description::{Field, Kind, Least, Presence, Section, TOKENS_MAX};
use super::mistake::{Place, Report};
use super::rules;
use super::view::View;

const HOURS_ALLOWED: &str = "utc_start and utc_end, two different times of day";
const CONDITION_ALLOWED: &str =
    "min_prompt_tokens, utc_start and utc_end, utc_days, or several of them";

pub(super) static PRICING: Section = Section {
    doc: "What a provider charges, in USD per token where nothing else is said.",
    fields: &[
        Field {
            name: "prompt",
            doc: "For a token of the prompt.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "completion",
            doc: "For a token of the completion.",
            presence: Presence::Required,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "input_cache_read",
            doc: "For a token of the prompt that the provider read from its cache; what prompt says where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "input_cache_write",
            doc: "For a token of the prompt that the provider wrote to its cache, for as long as it keeps by default; what prompt says where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "input_cache_write_1h",
            doc: "For a token of the prompt that the provider wrote to its cache for an hour; what prompt says where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "image_token",
            doc: "For a token of an image in the prompt; what prompt says where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "audio",
            doc: "For a token of audio in the prompt; what prompt says where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "internal_reasoning",
            doc: "For a token of reasoning; what completion says where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "image_output",
            doc: "For a token of an image in the completion; what completion says where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "audio_output",
            doc: "For a token of audio in the completion; what completion says where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "request",
            doc: "For each request, in USD; nothing where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "image",
            doc: "For each image of the prompt, in USD, beside its tokens; nothing where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "discount",
            doc: "The part that is taken off all of it; nothing where absent.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::DISCOUNT),
        },
        Field {
            name: "overrides",
            doc: "Other prices above a length of the prompt or at a time of day. Of those that apply, the last that names a price wins.",
            presence: Presence::Optional,
            kind: Kind::List(&OVERRIDE, Least::None),
        },
    ],
};

static OVERRIDE: Section = Section {
    doc: "Prices for all tokens of a request for which all of the conditions hold.",
    fields: &[
        Field {
            name: "min_prompt_tokens",
            doc: "It applies where the prompt has more tokens than this.",
            presence: Presence::Optional,
            kind: Kind::Count(TOKENS_MAX),
        },
        Field {
            name: "utc_start",
            doc: "It applies to requests from this time of day on.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::CLOCK),
        },
        Field {
            name: "utc_end",
            doc: "It applies to requests before this time of day.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::CLOCK),
        },
        Field {
            name: "utc_days",
            doc: "It applies to requests on these days of the week, in UTC, from Monday, which is 1, to Sunday, which is 7.",
            presence: Presence::Optional,
            kind: Kind::Counts(7),
        },
        Field {
            name: "prompt",
            doc: "For a token of the prompt.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "completion",
            doc: "For a token of the completion.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "input_cache_read",
            doc: "For a token of the prompt that the provider read from its cache.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "input_cache_write",
            doc: "For a token of the prompt that the provider wrote to its cache, for as long as it keeps by default.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "input_cache_write_1h",
            doc: "For a token of the prompt that the provider wrote to its cache for an hour.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "image_token",
            doc: "For a token of an image in the prompt.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "audio",
            doc: "For a token of audio in the prompt.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "internal_reasoning",
            doc: "For a token of reasoning.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "image_output",
            doc: "For a token of an image in the completion.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
        Field {
            name: "audio_output",
            doc: "For a token of audio in the completion.",
            presence: Presence::Optional,
            kind: Kind::Text(&rules::RATE),
        },
    ],
};

/// The price that the section at `place` says.
pub(super) fn build(view: View<'_>, place: &Place, report: &mut Report<'_>) -> Option<Pricing> {
    let overrides: Vec<_> = view
        .list("overrides", place)
        .iter()
        .map(|(view, place)| build_override(*view, place, report))
        .collect();
    let discount = view.text("discount").map(Discount::parse);
    Some(Pricing {
        prompt: rate(view, TokenKind::Prompt.as_str())?,
        completion: rate(view, TokenKind::Completion.as_str())?,
        kinds: rates(view),
        request: rate(view, "request").unwrap_or_default(),
        image: rate(view, "image").unwrap_or_default(),
        overrides: overrides.into_iter().collect::<Option<_>>()?,
        discount: discount.transpose().ok()?.unwrap_or_default(),
    })
}

fn build_override(view: View<'_>, place: &Place, report: &mut Report<'_>) -> Option<Override> {
    let min_prompt_tokens = view.count("min_prompt_tokens");
    let (start, end) = (view.text("utc_start"), view.text("utc_end"));
    let has = |name| view.value(name).is_some();
    if !["min_prompt_tokens", "utc_start", "utc_end", "utc_days"].into_iter().any(has) {
        report.wrong(place, "has no condition", CONDITION_ALLOWED);
    }
    let hours = match (start, end) {
        (None, None) => None,
        (Some(start), Some(end)) => {
            let hours = Hours::from_clock(rules::clock(start)?, rules::clock(end)?);
            if hours.is_none() {
                let place = view.place("utc_end", place);
                report.wrong(&place, "is the same as utc_start", HOURS_ALLOWED);
            }
            Some(hours?)
        }
        _ => {
            report.wrong(place, "has one end of a time of day only", HOURS_ALLOWED);
            return None;
        }
    };
    // One that is no day was reported.
    let numbers = view
        .counts("utc_days")
        .map(|days| days.into_iter().map(|day| u8::try_from(day).ok()).collect::<Option<Vec<_>>>());
    let days = match numbers {
        Some(numbers) => Some(Days::from_numbers(&numbers?)?),
        None => None,
    };
    Some(Override {
        min_prompt_tokens,
        hours,
        days,
        prompt: rate(view, TokenKind::Prompt.as_str()),
        completion: rate(view, TokenKind::Completion.as_str()),
        kinds: rates(view),
    })
}

fn rates(view: View<'_>) -> Rates {
    Rates::from_fn(|kind| rate(view, kind.as_str()))
}

/// One that is wrong was reported by its rule, and the configuration is refused.
fn rate(view: View<'_>, name: &str) -> Option<Rate> {
    Rate::parse(view.text(name)?).ok()
}
