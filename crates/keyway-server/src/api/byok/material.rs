//! What of a body is secret, and what else creations and changes read alike.

use keyway_core::error::Error;
use keyway_core::secret::KeySecret;

use super::NAME_CHARACTERS_MAX;
use crate::api::fields::{Field, Fields};

/// Longest credential, in bytes: a service account's file is one.
const MATERIAL_BYTES_MAX: usize = 16 * 1024;

/// A provider's key, or a document with what the provider needs, in JSON. No message repeats it.
pub(super) fn material(fields: Fields<'_>, field: &str) -> Result<Field<KeySecret>, Error> {
    let text = match fields.0.get(field) {
        None => return Ok(Field::Absent),
        Some(value) if value.is_null() => return Ok(Field::Null),
        Some(value) => value.as_str().ok_or_else(|| Error::invalid(field, "must be a string"))?,
    };
    let is_document = text.trim_start().starts_with(['{', '[']);
    let problem = if text.is_empty() {
        "must not be empty"
    } else if text.len() > MATERIAL_BYTES_MAX {
        "must not be longer than 16384 bytes"
    } else if is_document && keyway_providers::json::parse(text.as_bytes()).is_err() {
        "begins like JSON, and is none"
    } else if !is_document && !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        "must be visible ASCII characters without spaces, or JSON"
    } else {
        return Ok(Field::Value(KeySecret::from_presented(text)));
    };
    Err(Error::invalid(field, problem))
}

/// Free text of up to 255 characters; what is empty is none.
pub(super) fn name(fields: Fields<'_>) -> Result<Field<String>, Error> {
    let long = |text: &str| text.chars().count() > NAME_CHARACTERS_MAX;
    let refused = || {
        let why = "must be a string of up to 255 characters without control characters, or null";
        Error::invalid("name", why)
    };
    match fields.0.get("name") {
        None => Ok(Field::Absent),
        Some(value) if value.is_null() || value.as_str() == Some("") => Ok(Field::Null),
        Some(value) => {
            let text = value.as_str().ok_or_else(refused)?;
            let usable = !long(text) && !text.chars().any(char::is_control);
            if usable { Ok(Field::Value(text.to_owned())) } else { Err(refused()) }
        }
    }
}
