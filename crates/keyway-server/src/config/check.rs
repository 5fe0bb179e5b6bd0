//! Compares a document with the description: unknown and missing fields, types, single values.

use toml::de::{DeArray, DeValue};

use super::description::{Field, Kind, Least, Presence, Section};
use super::mistake::{Place, Report};
use super::rules;
use super::view::{self, View};
use crate::meant::meant;

/// Names that differ by more typing errors than this are not proposed.
const TYPING_ERRORS_MAX: usize = 3;

/// Reports what is wrong with the section that `view` shows.
pub(super) fn section(section: &Section, view: View<'_>, place: &Place, report: &mut Report<'_>) {
    for (name, offset) in view.fields() {
        if !section.fields.iter().any(|field| field.name == name) {
            unknown(section, name, &place.field(name, offset), report);
        }
    }
    for field in section.fields {
        match view.value(field.name) {
            Some(value) => {
                let place = place.field(field.name, value.span().start);
                check(&field.kind, value.get_ref(), &place, report);
            }
            None if field.presence == Presence::Required => {
                let place = place.field(field.name, place.offset);
                report.missing(&place, "is missing", &allowed(&field.kind));
            }
            None => {}
        }
    }
}

fn unknown(section: &Section, name: &str, place: &Place, report: &mut Report<'_>) {
    let known = section.fields.iter().map(|field| field.name);
    let problem = match meant(name, known, TYPING_ERRORS_MAX) {
        Some(meant) => format!("is not a field of this section; did you mean \"{meant}\"?"),
        None => "is not a field of this section".to_owned(),
    };
    report.wrong(place, &problem, &names(section.fields));
}

fn check(kind: &Kind, value: &DeValue<'_>, place: &Place, report: &mut Report<'_>) {
    let wrong = match (kind, value) {
        (Kind::Text(rule), DeValue::String(text)) => (rule.check)(text).err(),
        (Kind::Count(most), DeValue::Integer(integer)) => {
            let fits = view::integer(integer).is_some_and(|count| (1..=*most).contains(&count));
            (!fits).then(|| "is out of range".to_owned())
        }
        (Kind::Duration, DeValue::String(_) | DeValue::Integer(_)) => {
            view::duration(value).is_none().then(|| "is not a duration".to_owned())
        }
        (Kind::Flag, DeValue::Boolean(_)) => None,
        (Kind::Choice(words), DeValue::String(text)) => {
            let known = words.contains(&text.as_ref());
            (!known).then(|| "is none of the words that may stand here".to_owned())
        }
        (Kind::Texts(rule), DeValue::Array(entries)) => {
            each(&Kind::Text(rule), entries, place, report);
            None
        }
        (Kind::Choices(words), DeValue::Array(entries)) => {
            each(&Kind::Choice(words), entries, place, report);
            entries.is_empty().then(|| "is empty".to_owned())
        }
        (Kind::Counts(most), DeValue::Array(entries)) => {
            each(&Kind::Count(*most), entries, place, report);
            entries.is_empty().then(|| "is empty".to_owned())
        }
        (Kind::Section(inner), DeValue::Table(table)) => {
            return section(inner, View::root(table), place, report);
        }
        (Kind::List(entry, least), DeValue::Array(entries)) => {
            each(&Kind::Section(entry), entries, place, report);
            (entries.is_empty() && matches!(least, Least::One)).then(|| "is empty".to_owned())
        }
        _ => Some(wrong_type(kind, value)),
    };
    if let Some(problem) = wrong {
        report.wrong(place, &problem, &allowed(kind));
    }
}

fn each(kind: &Kind, entries: &DeArray<'_>, place: &Place, report: &mut Report<'_>) {
    for (index, value) in entries.iter().enumerate() {
        let place = place.entry(index, value.span().start);
        check(kind, value.get_ref(), &place, report);
    }
}

fn wrong_type(kind: &Kind, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    match (kind, value) {
        (Kind::Text(_), DeValue::Integer(_) | DeValue::Float(_)) => {
            format!("is {found}, not a string; put it between quotation marks")
        }
        _ => format!("is {found}"),
    }
}

/// Completes "allowed: ".
fn allowed(kind: &Kind) -> String {
    match kind {
        Kind::Text(rule) => rule.allowed.to_owned(),
        Kind::Count(most) => format!("an integer from 1 to {most}"),
        Kind::Duration => rules::DURATION_ALLOWED.to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Choice(words) => {
            words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
        }
        Kind::Texts(rule) => format!("a list of texts, each {}", rule.allowed),
        Kind::Choices(words) => format!("a list of {}", allowed(&Kind::Choice(words))),
        Kind::Counts(most) => format!("a list of integers from 1 to {most}"),
        Kind::Section(section) => format!("a table with {}", names(section.fields)),
        Kind::List(section, Least::None) => format!("tables with {}", names(section.fields)),
        Kind::List(section, Least::One) => {
            format!("at least one table with {}", names(section.fields))
        }
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}
