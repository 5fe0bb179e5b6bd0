//! The models that a request names: `model`, then those of `models` or `fallbacks`.

use std::sync::Arc;

use keyway_core::catalogue::{Catalogue, Model};
use keyway_core::error::{Error, ErrorKind};
use keyway_core::routing::{ATTEMPTS_MAX, Variant};
use keyway_providers::chat::{ChatRequest, RequestError, model_id};

use super::super::admit::invalid;
use super::super::alias;
use crate::http::error::ApiError;

/// Names that differ from what was said by more of its letters than one in this many are not proposed.
const LETTERS_A_MISTAKE: usize = 3;
/// Bytes of an id that others are proposed for, at most: comparing takes as long as both are.
const COMPARED_BYTES_MAX: usize = 96;
/// Names that are proposed at most.
const PROPOSALS_MAX: usize = 3;
/// Models that a request of Anthropic's dialect may fall back to.
const FALLBACKS_MAX: usize = 3;

/// A model, and how it is to be served.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) model: Arc<Model>,
    pub(super) variant: Option<Variant>,
}

impl Named {
    pub(super) fn thinks(&self) -> bool {
        self.variant == Some(Variant::Thinking)
    }

    /// Whether its variant goes by what was observed.
    pub(super) fn sorts(&self) -> bool {
        matches!(self.variant, Some(Variant::Nitro | Variant::Exacto))
    }
}

/// Every model that `request` may be answered by, the first first, each once.
pub(super) fn named(catalogue: &Catalogue, request: &ChatRequest) -> Result<Vec<Named>, ApiError> {
    let mut models: Vec<Named> = Vec::new();
    for id in ids(request).map_err(invalid)? {
        let named = find(catalogue, id)?;
        if models.iter().all(|it| it.model.id != named.model.id || it.variant != named.variant) {
            models.push(named);
        }
    }
    Ok(models)
}

fn ids(request: &ChatRequest) -> Result<Vec<&str>, RequestError> {
    let wrong = |field: &str, message: &str| RequestError {
        field: field.to_owned(),
        message: message.to_owned(),
    };
    let mut ids = vec![request.model.as_str()];
    if let Some(models) = request.field("models") {
        let models =
            models.as_array().ok_or_else(|| wrong("models", "must be a list of models"))?;
        for model in models {
            ids.push(model_id(model, "models")?);
        }
    }
    if let Some(fallbacks) = request.field("fallbacks") {
        let each = "must be a list of at most 3 objects with model and nothing else";
        let fallbacks = fallbacks.as_array().filter(|it| it.len() <= FALLBACKS_MAX);
        let fallbacks = fallbacks.ok_or_else(|| wrong("fallbacks", each))?;
        if ids.len() > 1 && !fallbacks.is_empty() {
            return Err(wrong("fallbacks", "must not stand beside models"));
        }
        for fallback in fallbacks {
            let alone = fallback.as_object().filter(|it| it.len() == 1);
            let model = alone.and_then(|it| it.get("model")).filter(|it| it.is_string());
            ids.push(model_id(model.ok_or_else(|| wrong("fallbacks", each))?, "fallbacks")?);
        }
    }
    if ids.len() > ATTEMPTS_MAX {
        return Err(wrong("models", &format!("must not be more than {}", ATTEMPTS_MAX - 1)));
    }
    Ok(ids)
}

/// A model whose id holds the variant has endpoints of its own for it.
fn find(catalogue: &Catalogue, id: &str) -> Result<Named, ApiError> {
    let known = |id: &str| {
        catalogue.model(id).or_else(|| alias::of_bare_name(catalogue, id)).map(Arc::clone)
    };
    if let Some(model) = known(id) {
        return Ok(Named { model, variant: None });
    }
    let (base, word) = id.rsplit_once(':').unwrap_or((id, ""));
    let Some(model) = known(base).filter(|_| !word.is_empty()) else {
        return Err(unknown(catalogue, id));
    };
    let Some(variant) = Variant::parse(word) else {
        let message = format!(
            "{id} is not a valid model ID. Variants of {base} are :free, :nitro, :floor, \
             :thinking, :extended and :exacto."
        );
        return Err(Error::new(ErrorKind::Invalid, message).into());
    };
    Ok(Named { model, variant: Some(variant) })
}

/// The words that clients match, and behind them what may have been meant.
fn unknown(catalogue: &Catalogue, id: &str) -> ApiError {
    let near = if id.len() > COMPARED_BYTES_MAX { Vec::new() } else { nearest(catalogue, id) };
    let message = match near.as_slice() {
        [] => format!("{id} is not a valid model ID"),
        near => format!("{id} is not a valid model ID. Did you mean {}?", near.join(", ")),
    };
    Error::new(ErrorKind::Invalid, message).into()
}

/// The models whose ids are most like `id`.
fn nearest<'a>(catalogue: &'a Catalogue, id: &str) -> Vec<&'a str> {
    let (said, mistakes) = (id.to_lowercase(), id.chars().count() / LETTERS_A_MISTAKE);
    let slug = |id: &str| id.rsplit('/').next().unwrap_or(id).to_owned();
    let mut near: Vec<(usize, &str)> = catalogue
        .models()
        .iter()
        .map(|model| {
            let whole = strsim::osa_distance(&said, &model.id.to_lowercase());
            // The author is often left out or mistaken.
            let part = 1 + strsim::osa_distance(&slug(&said), &slug(&model.id.to_lowercase()));
            (whole.min(part), model.id.as_str())
        })
        .filter(|(distance, _)| *distance <= mistakes)
        .collect();
    near.sort_unstable();
    near.into_iter().take(PROPOSALS_MAX).map(|(_, id)| id).collect()
}
