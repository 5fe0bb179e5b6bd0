//! What an answer refers to: OpenRouter's `annotations` (contract, D), from whatever words a provider
//! has for it.

use serde_json::{Map, Value, json};

use super::choice::Form;

/// Where servers tell sources beside the choices, the better place first.
pub(super) const FIELDS: [&str; 2] = ["search_results", "citations"];
/// Annotations that are made for one answer, at most.
const SOURCES_MAX: usize = 256;

/// A place on the web that an answer refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source<'a> {
    pub(crate) url: &'a str,
    pub(crate) title: Option<&'a str>,
    /// What stands there.
    pub(crate) content: Option<&'a str>,
}

impl Source<'_> {
    /// An annotation; `span` is where in the text it belongs, in characters, the end not among them.
    pub(crate) fn annotation(&self, span: (usize, usize)) -> Value {
        let mut citation = json!({
            "url": self.url, "title": self.title.unwrap_or(self.url), "start_index": span.0,
            "end_index": span.1,
        });
        if let Some(content) = self.content {
            citation["content"] = content.into();
        }
        json!({"type": "url_citation", "url_citation": citation})
    }
}

/// Annotates an answer or the end of a stream whose server tells its sources beside the choices, as
/// Perplexity and xAI do. Which words they belong to is not said.
pub(super) fn annotate(body: &mut Map<String, Value>, form: Form) {
    let annotations = beside(body);
    if annotations.is_empty() {
        return;
    }
    let choices = body.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten() {
        // A stream tells them with each of its chunks.
        let is_last = choice.get("finish_reason").is_some_and(Value::is_string);
        let said = choice.get_mut(form.field()).and_then(Value::as_object_mut);
        let Some(said) = said.filter(|_| form == Form::Answer || is_last) else { continue };
        let has_some = said.get("annotations").and_then(Value::as_array);
        if has_some.is_none_or(Vec::is_empty) {
            said.insert("annotations".into(), annotations.clone().into());
        }
    }
}

fn beside(body: &Map<String, Value>) -> Vec<Value> {
    let list = |field: &str| body.get(field).and_then(Value::as_array).filter(|it| !it.is_empty());
    let read = |source: &Value| {
        let text = |field: &str| source.get(field).and_then(Value::as_str);
        let (title, content) = (text("title"), text("snippet"));
        let url = source.as_str().or_else(|| text("url"))?;
        Some(Source { url, title, content }.annotation((0, 0)))
    };
    let told = FIELDS.into_iter().find_map(list).into_iter().flatten();
    told.filter_map(read).take(SOURCES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_beside_the_choices_are_told_once() {
        let annotated = |form, choice: Value| {
            let body = json!({
                "choices": [choice], "citations": ["https://a.example", "https://b.example"],
                "search_results": [{"title": "A", "url": "https://a.example", "date": null}],
            });
            let Value::Object(mut body) = body else { unreachable!() };
            annotate(&mut body, form);
            body["choices"][0][form.field()]["annotations"].clone()
        };
        let one = json!([{"type": "url_citation", "url_citation": {
            "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 0,
        }}]);
        assert_eq!(annotated(Form::Answer, json!({"message": {"content": "hi"}})), one);
        let delta = |finish: Value| json!({"delta": {}, "finish_reason": finish});
        assert_eq!(annotated(Form::Chunk, delta(json!("stop"))), one);
        assert_eq!(annotated(Form::Chunk, delta(Value::Null)), Value::Null);
        let own = json!([{"type": "url_citation"}]);
        assert_eq!(annotated(Form::Answer, json!({"message": {"annotations": own}})), own);
    }

    #[test]
    fn addresses_alone_are_sources() {
        let Value::Object(body) = json!({"citations": ["https://a.example", 1]}) else {
            unreachable!()
        };
        assert_eq!(beside(&body).len(), 1);
        assert_eq!(beside(&body)[0]["url_citation"]["title"], "https://a.example");
    }
}
