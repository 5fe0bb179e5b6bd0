//! The lines of a catalogue.

use std::collections::HashSet;

use keyway_core::catalogue::{About, Endpoint, Modality, Model, Patience, Traits};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::pricing;
use crate::config::rules::{self, TextRule};
use crate::config::{TOKENS_MAX, one_line};

/// Models beyond this are a mistake.
const MODELS_MAX: usize = 100_000;

/// What the first line of a catalogue says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The day that it is of, `YYYY-MM-DD`.
    #[serde(rename = "version")]
    pub day: String,
    /// How many models follow; only what says so is known not to have been cut at the end of a line.
    pub models: Option<usize>,
    /// Where its facts come from.
    pub sources: Vec<Source>,
}

/// Where facts of a catalogue come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub package: String,
    pub version: Option<String>,
    pub file: Option<String>,
    pub date: Option<String>,
}

/// The first mistake of a catalogue, which is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct LineError {
    /// From 1.
    pub line: usize,
    pub problem: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelLine {
    id: String,
    name: String,
    input_modalities: Vec<String>,
    output_modalities: Vec<String>,
    expiration_date: Option<String>,
    endpoints: Vec<EndpointLine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointLine {
    provider: String,
    upstream_model: String,
    context_length: u64,
    max_completion_tokens: u64,
    supported_parameters: Vec<String>,
    pricing: Map<String, Value>,
}

/// Reads the first line of a catalogue.
pub(super) fn head(text: &str) -> Result<Head, LineError> {
    let wrong = |problem| LineError { line: 1, problem };
    let head: Head = parse(text.lines().next().unwrap_or_default()).map_err(wrong)?;
    hold(&rules::DAY, "version", &head.day).map_err(wrong)?;
    // They are shown on terminals.
    for Source { package, version, file, date } in &head.sources {
        for text in [Some(package), version.as_ref(), file.as_ref(), date.as_ref()] {
            text.map_or(Ok(()), |text| hold(&rules::NAME, "sources", text)).map_err(wrong)?;
        }
    }
    if head.sources.is_empty() {
        return Err(wrong("has no source".to_owned()));
    }
    Ok(head)
}

/// Reads the models of a whole catalogue.
pub(super) fn models(text: &str) -> Result<Vec<Model>, LineError> {
    let (mut models, mut ids) = (Vec::new(), HashSet::new());
    for (line, text) in (1..).zip(text.lines()).skip(1) {
        let model = model(text).map_err(|problem| LineError { line, problem })?;
        if models.len() == MODELS_MAX || !ids.insert(model.id.clone()) {
            let problem = format!("{} stands there twice, or it is too long", model.id);
            return Err(LineError { line, problem });
        }
        models.push(model);
    }
    Ok(models)
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    // It may repeat the name of a field that nobody knows.
    serde_json::from_str(text).map_err(|error| one_line(&error.to_string()))
}

fn model(text: &str) -> Result<Model, String> {
    let line: ModelLine = parse(text)?;
    hold(&rules::MODEL_ID, "id", &line.id)?;
    hold(&rules::NAME, "name", &line.name)?;
    if let Some(day) = &line.expiration_date {
        hold(&rules::DAY, "expiration_date", day)?;
    }
    let endpoints: Vec<Endpoint> =
        line.endpoints.into_iter().map(endpoint).collect::<Result<_, _>>()?;
    let mut names = HashSet::new();
    if !endpoints.iter().all(|it| names.insert((&it.provider, &it.upstream_model))) {
        return Err("endpoints has one of them twice".to_owned());
    }
    let longest = |length: fn(&Traits) -> Option<u64>| {
        endpoints.iter().filter_map(|endpoint| length(&endpoint.traits)).max()
    };
    Ok(Model {
        context_length: longest(|it| it.context_length).ok_or("has no endpoint")?,
        max_completion_tokens: longest(|it| it.max_completion_tokens).ok_or("has no endpoint")?,
        id: line.id,
        name: line.name,
        distillable: false,
        about: About {
            input_modalities: modalities(&line.input_modalities)?,
            output_modalities: modalities(&line.output_modalities)?,
            expiration_date: line.expiration_date,
        },
        endpoints,
    })
}

/// Whether a text is of the form that the configuration wants of the same field.
fn hold(rule: &TextRule, field: &str, text: &str) -> Result<(), String> {
    (rule.check)(text).map_err(|problem| format!("{field} {problem}; allowed: {}", rule.allowed))
}

fn modalities(words: &[String]) -> Result<Vec<Modality>, String> {
    let known = |word: &String| {
        Modality::parse(word).ok_or_else(|| one_line(&format!("{word} is no modality")))
    };
    words.iter().map(known).collect()
}

fn endpoint(line: EndpointLine) -> Result<Endpoint, String> {
    hold(&rules::SLUG, "provider", &line.provider)?;
    hold(&rules::NAME, "upstream_model", &line.upstream_model)?;
    for parameter in &line.supported_parameters {
        hold(&rules::PARAMETER, "supported_parameters", parameter)?;
    }
    let lengths = 1..=line.context_length;
    if line.context_length > TOKENS_MAX {
        return Err(format!("context_length is not from 1 to {TOKENS_MAX}"));
    }
    if !lengths.contains(&line.max_completion_tokens) {
        return Err("max_completion_tokens is not from 1 to context_length".to_owned());
    }
    Ok(Endpoint {
        provider: line.provider,
        upstream_model: line.upstream_model,
        pricing: Some(pricing::read(line.pricing)?),
        traits: Traits {
            supported_parameters: Some(line.supported_parameters),
            context_length: Some(line.context_length),
            max_completion_tokens: Some(line.max_completion_tokens),
            ..Traits::default()
        },
        patience: Patience::default(),
    })
}
