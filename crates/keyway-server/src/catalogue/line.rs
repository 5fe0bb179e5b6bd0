//! The lines of a catalogue.

use std::collections::HashSet;

use keyway_core::catalogue::{About, Endpoint, Modality, Model, Traits};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::pricing;

/// Models beyond this are a mistake.
const MODELS_MAX: usize = 100_000;

/// A catalogue that was read.
#[derive(Clone, Debug)]
pub struct Catalogued {
    /// The day that it is of, `YYYY-MM-DD`.
    pub version: String,
    pub models: Vec<Model>,
}

/// The first mistake of a catalogue, which is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct LineError {
    /// From 1.
    pub line: usize,
    pub problem: String,
}

/// The first line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: String,
    sources: Vec<Map<String, Value>>,
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

/// Reads a whole catalogue.
pub fn read(text: &str) -> Result<Catalogued, LineError> {
    let mut lines = (1..).zip(text.lines());
    let (_, first) = lines.next().unwrap_or((1, ""));
    let head: Head = parse(first).map_err(|problem| LineError { line: 1, problem })?;
    if head.sources.is_empty() || head.version.is_empty() {
        let problem = "says no version, or no source".to_owned();
        return Err(LineError { line: 1, problem });
    }
    let (mut models, mut ids) = (Vec::new(), HashSet::new());
    for (line, text) in lines {
        let model = model(text).map_err(|problem| LineError { line, problem })?;
        if models.len() == MODELS_MAX || !ids.insert(model.id.clone()) {
            let problem = format!("{} stands there twice, or it is too long", model.id);
            return Err(LineError { line, problem });
        }
        models.push(model);
    }
    Ok(Catalogued { version: head.version, models })
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn model(text: &str) -> Result<Model, String> {
    let line: ModelLine = parse(text)?;
    let endpoints: Vec<Endpoint> =
        line.endpoints.into_iter().map(endpoint).collect::<Result<_, _>>()?;
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

fn modalities(words: &[String]) -> Result<Vec<Modality>, String> {
    let known = |word: &String| Modality::parse(word).ok_or(format!("{word} is no modality"));
    words.iter().map(known).collect()
}

fn endpoint(line: EndpointLine) -> Result<Endpoint, String> {
    let lengths = 1..=line.context_length;
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
    })
}
