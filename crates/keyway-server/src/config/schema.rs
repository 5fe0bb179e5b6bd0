//! The JSON Schema of a configuration, for editors.

use serde_json::{Map, Value, json};

use super::description::{Field, Kind, Least, Presence, ROOT, Section};
use super::rules;

/// The JSON Schema (2020-12) of `keyway.toml`.
pub fn schema() -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "keyway.toml".into());
    schema.extend(of_section(&ROOT));
    Value::Object(schema)
}

fn of_section(section: &Section) -> Map<String, Value> {
    let required = section.fields.iter().filter(|field| field.presence == Presence::Required);
    let required: Vec<&str> = required.map(|field| field.name).collect();
    let properties: Map<String, Value> =
        section.fields.iter().map(|field| (field.name.to_owned(), of_field(field))).collect();
    let mut schema = Map::new();
    schema.insert("description".into(), section.doc.into());
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    schema.insert("additionalProperties".into(), false.into());
    schema
}

fn of_field(field: &Field) -> Value {
    let mut schema = of_kind(&field.kind);
    schema.insert("description".into(), field.doc.into());
    if let Presence::Default(value) = field.presence {
        let value = match field.kind {
            Kind::Count(_) => value.parse::<u64>().expect("its default is an integer").into(),
            _ => Value::from(value),
        };
        schema.insert("default".into(), value);
    }
    Value::Object(schema)
}

fn of_kind(kind: &Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text(rule) => json!({"type": "string", "pattern": whole(rule.pattern)}),
        Kind::Count(most) => json!({"type": "integer", "minimum": 1, "maximum": most}),
        Kind::Duration => json!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": rules::DURATION_SECONDS_MAX},
            {"type": "string", "pattern": whole(rules::DURATION_PATTERN)},
        ]}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
        Kind::Texts(rule) => {
            json!({"type": "array", "items": {"type": "string", "pattern": whole(rule.pattern)}})
        }
        Kind::Choices(words) => {
            json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": words}})
        }
        Kind::Counts(most) => json!({"type": "array", "minItems": 1, "items": {
            "type": "integer", "minimum": 1, "maximum": most
        }}),
        Kind::Section(section) => return of_section(section),
        Kind::List(entry, Least::None) => json!({"type": "array", "items": of_section(entry)}),
        Kind::List(entry, Least::One) => {
            json!({"type": "array", "items": of_section(entry), "minItems": 1})
        }
    };
    match schema {
        Value::Object(schema) => schema,
        _ => unreachable!("every kind is described by an object"),
    }
}

fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}
