//! A credential as the API describes it, read for people.

use serde_json::Value;

use crate::cli::client::Answer;
use crate::cli::output::Format;
use crate::cli::values::shown;
use crate::cli::{CliError, output, table};

/// The API's credential object. A field that is not there reads as null.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credential<'a>(pub(crate) &'a Value);

impl Credential<'_> {
    /// A text field; empty where it is null.
    pub(crate) fn text(self, field: &str) -> String {
        self.0[field].as_str().map(shown).unwrap_or_default()
    }

    pub(crate) fn is(self, field: &str) -> bool {
        self.0[field].as_bool() == Some(true)
    }

    /// When it is tried, in a few words.
    pub(crate) fn turn(self) -> String {
        let turn = if self.is("is_fallback") { "fallback" } else { "first" };
        let alone = if self.is("is_byok_only") {
            ", alone at the provider"
        } else if self.is("is_required") {
            ", alone"
        } else {
            ""
        };
        format!("{turn}{alone}")
    }

    /// Whom and what it is for, in a few words.
    pub(crate) fn scope(self) -> String {
        let kinds = [
            ("allowed_models", "models"),
            ("allowed_api_key_hashes", "keys"),
            ("allowed_user_ids", "users"),
        ];
        let some = kinds.into_iter().filter_map(|(field, what)| {
            self.0[field].as_array().map(|allowed| format!("{} {what}", allowed.len()))
        });
        let some: Vec<String> = some.collect();
        if some.is_empty() { "all".to_owned() } else { some.join(", ") }
    }
}

/// Prints the one credential that an answer is about.
pub(super) fn print(answer: &Answer, format: Format) -> Result<(), CliError> {
    let text = match format {
        Format::Json => answer.text.clone(),
        Format::Table => table::of_credentials(&[Credential(&answer.body["data"])]),
    };
    Ok(output::result(text)?)
}
