//! A body on its way to a server: what stays in it is lent by what the client said, and only what is told
//! otherwise is made.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::json::write;

/// How many fields are added to what was said, at most, most of the time.
const FIELDS_ADDED: usize = 4;

/// The fields of a body, in their order. They are few: one is found by looking at each.
#[derive(Debug)]
pub(super) struct Draft<'a>(Vec<(&'a str, Cow<'a, Value>)>);

impl<'a> Draft<'a> {
    /// Those of `said` that stay.
    pub(super) fn of(said: &'a Map<String, Value>, stays: impl Fn(&str) -> bool) -> Self {
        let mut fields = Vec::with_capacity(said.len() + FIELDS_ADDED);
        let staying = said.iter().filter(|(field, _)| stays(field));
        fields.extend(staying.map(|(field, value)| (field.as_str(), Cow::Borrowed(value))));
        Self(fields)
    }

    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        self.place(field).map(|at| &*self.0[at].1)
    }

    /// To be changed, which makes it the body's own.
    pub(super) fn get_mut(&mut self, field: &str) -> Option<&mut Value> {
        self.place(field).map(|at| self.0[at].1.to_mut())
    }

    /// The same of a field that is there after that, as `value` where it was not before.
    pub(super) fn get_or_insert(&mut self, field: &'a str, value: Value) -> &mut Value {
        let at = self.place(field).unwrap_or_else(|| {
            self.0.push((field, Cow::Owned(value)));
            self.0.len() - 1
        });
        self.0[at].1.to_mut()
    }

    /// Says a field, in its place where it was said before, else behind all others.
    pub(super) fn insert(&mut self, field: &'a str, value: impl Into<Value>) {
        self.put(field, Cow::Owned(value.into()));
    }

    /// The same with what is lent.
    pub(super) fn lend(&mut self, field: &'a str, value: &'a Value) {
        self.put(field, Cow::Borrowed(value));
    }

    pub(super) fn remove(&mut self, field: &str) -> Option<Cow<'a, Value>> {
        self.place(field).map(|at| self.0.remove(at).1)
    }

    /// Writes it as JSON, but for the bracket at its end, where more may follow.
    pub(super) fn write_open(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (number, (field, value)) in self.0.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            write::text(out, field);
            out.push(b':');
            write::tree(out, value);
        }
    }

    fn put(&mut self, field: &'a str, value: Cow<'a, Value>) {
        match self.place(field) {
            Some(at) => self.0[at].1 = value,
            None => self.0.push((field, value)),
        }
    }

    fn place(&self, field: &str) -> Option<usize> {
        self.0.iter().position(|(name, _)| *name == field)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_keep_their_places_and_what_is_lent_stays_as_it_was() {
        let Value::Object(said) = json!({"a": 1, "b": {"x": 1}, "c": 3, "ours": 4}) else {
            unreachable!("it is an object")
        };
        let mut draft = Draft::of(&said, |field| field != "ours");
        draft.insert("a", 2);
        *draft.get_mut("b").expect("a field") = json!({"x": 2});
        assert_eq!(draft.remove("c").as_deref(), Some(&json!(3)));
        assert_eq!((draft.remove("c"), draft.get("ours")), (None, None));
        draft.lend("d", &said["c"]);
        assert_eq!(draft.get_or_insert("d", json!(0)), &json!(3));
        *draft.get_or_insert("e", json!(0)) = json!(5);
        let mut written = Vec::new();
        draft.write_open(&mut written);
        assert_eq!(written, br#"{"a":2,"b":{"x":2},"d":3,"e":5"#);
        assert_eq!(said["b"], json!({"x": 1}));
    }
}
