//! A section of the document, read field by field.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::mistake::Place;
use super::rules;

/// A table of the document. A field of another type than asked for reads as absent: that it is
/// wrong was said by the check.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    table: &'a DeTable<'a>,
}

impl<'a> View<'a> {
    pub(super) fn root(table: &'a DeTable<'a>) -> Self {
        Self { table }
    }

    /// The fields with the offsets of their names.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'a str, usize)> {
        self.table.keys().map(|name| (name.get_ref().as_ref(), name.span().start))
    }

    pub(super) fn value(self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(name)
    }

    /// Where the field stands in the section at `section`; the section itself where it does not.
    pub(super) fn place(self, name: &str, section: &Place) -> Place {
        let offset = self.value(name).map_or(section.offset, |value| value.span().start);
        section.field(name, offset)
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.value(name)?.get_ref().as_str()
    }

    pub(super) fn texts(self, name: &str) -> Option<Vec<String>> {
        let entries = self.value(name)?.get_ref().as_array()?;
        entries.iter().map(|entry| entry.get_ref().as_str().map(str::to_owned)).collect()
    }

    pub(super) fn counts(self, name: &str) -> Option<Vec<u64>> {
        let entries = self.value(name)?.get_ref().as_array()?;
        entries.iter().map(|entry| integer(entry.get_ref().as_integer()?)).collect()
    }

    pub(super) fn count(self, name: &str) -> Option<u64> {
        integer(self.value(name)?.get_ref().as_integer()?)
    }

    pub(super) fn duration(self, name: &str) -> Option<Duration> {
        duration(self.value(name)?.get_ref())
    }

    pub(super) fn flag(self, name: &str) -> Option<bool> {
        self.value(name)?.get_ref().as_bool()
    }

    pub(super) fn section(self, name: &str) -> Option<View<'a>> {
        table(self.value(name)?.get_ref())
    }

    /// The entries of a list, with their places.
    pub(super) fn list(self, name: &str, section: &Place) -> Vec<(View<'a>, Place)> {
        let place = self.place(name, section);
        let entries = self.value(name).and_then(|value| value.get_ref().as_array());
        let entries = entries.into_iter().flat_map(|entries| entries.iter()).enumerate();
        entries
            .filter_map(|(index, entry)| {
                Some((table(entry.get_ref())?, place.entry(index, entry.span().start)))
            })
            .collect()
    }
}

pub(super) fn table<'a>(value: &'a DeValue<'a>) -> Option<View<'a>> {
    value.as_table().map(View::root)
}

pub(super) fn integer(integer: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

pub(super) fn duration(value: &DeValue<'_>) -> Option<Duration> {
    match value {
        DeValue::String(text) => rules::duration(text),
        DeValue::Integer(seconds) => integer(seconds)
            .filter(|&seconds| seconds <= rules::DURATION_SECONDS_MAX)
            .map(Duration::from_secs),
        _ => None,
    }
}
