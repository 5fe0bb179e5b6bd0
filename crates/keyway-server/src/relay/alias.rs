//! Models under the names that their makers' own clients use: without an author, with a date.

use std::sync::Arc;

use keyway_core::catalogue::{Catalogue, Model};

/// Digits of a date behind a name.
const DATE_DIGITS: usize = 8;

/// The one model that a maker's client calls `name`: `claude-sonnet-4-5-20250929` is
/// `anthropic/claude-sonnet-4.5`. A name that several models have is nobody's.
pub(super) fn of_bare_name<'a>(catalogue: &'a Catalogue, name: &str) -> Option<&'a Arc<Model>> {
    if name.contains('/') {
        return None;
    }
    // A model whose own name has the date is meant before the one without.
    [name, undated(name)].into_iter().find_map(|name| catalogue.model_by_slug(name))
}

fn undated(name: &str) -> &str {
    let is_date = |end: &str| end.len() == DATE_DIGITS && end.bytes().all(|it| it.is_ascii_digit());
    match name.rsplit_once('-') {
        Some((before, end)) if is_date(end) => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_are_known_where_they_are_one_models() {
        let model = |id: &str| {
            Arc::new(Model {
                id: id.to_owned(),
                ..Model::clone(&crate::relay::catalogue::echo_model())
            })
        };
        let ids = [
            "anthropic/claude-sonnet-4.5",
            "a/twin",
            "b/twin",
            "openai/gpt-4o",
            "openai/gpt-4o-20240806",
        ];
        let catalogue = Catalogue::new(ids.map(model).to_vec(), "1");
        for (name, id) in [
            ("claude-sonnet-4-5-20250929", Some(ids[0])),
            ("claude-sonnet-4.5", Some(ids[0])),
            ("gpt-4o", Some(ids[3])),
            ("gpt-4o-20240806", Some(ids[4])),
            ("twin", None),
            ("openai/claude-sonnet-4.5", None),
            ("sonnet", None),
        ] {
            let found = of_bare_name(&catalogue, name).map(|model| model.id.as_str());
            assert_eq!(found, id, "{name}");
        }
    }
}
