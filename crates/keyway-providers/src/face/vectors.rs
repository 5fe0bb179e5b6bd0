//! Vectors of embeddings, as numbers and as text: base64 of 32-bit floats, the lowest byte first.
//!
//! The one place where a float is one: a vector's parts are no money.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

const BYTES: usize = 4;

/// Puts a vector into the encoding that is asked for. What is neither stays as it is.
pub(super) fn put_into(vector: &mut Value, encoded: bool) {
    let put = match vector {
        Value::Array(numbers) if encoded => encode(numbers),
        Value::String(text) if !encoded => decode(text),
        _ => None,
    };
    if let Some(put) = put {
        *vector = put;
    }
}

fn encode(numbers: &[Value]) -> Option<Value> {
    let mut bytes = Vec::with_capacity(numbers.len() * BYTES);
    for number in numbers {
        let part: f32 = number.to_string().parse().ok().filter(|_| number.is_number())?;
        bytes.extend_from_slice(&part.to_le_bytes());
    }
    Some(STANDARD.encode(bytes).into())
}

fn decode(text: &str) -> Option<Value> {
    let bytes = STANDARD.decode(text).ok()?;
    let (parts, rest) = bytes.as_chunks::<BYTES>();
    if !rest.is_empty() {
        return None;
    }
    let number = |part: &[u8; BYTES]| Number::from_f64(f64::from(f32::from_le_bytes(*part)));
    let numbers: Option<Vec<Value>> =
        parts.iter().map(|part| number(part).map(Value::Number)).collect();
    numbers.map(Value::Array)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_vector_stays() {
        for (mut vector, encoded) in
            [(json!(["x"]), true), (json!("%"), false), (json!("AAA="), false), (json!({}), true)]
        {
            let before = vector.clone();
            put_into(&mut vector, encoded);
            assert_eq!(vector, before);
        }
    }

    proptest! {
        #[test]
        fn there_and_back_nothing_is_lost(parts in prop::collection::vec(-1.0_f32..1.0, 0..20)) {
            let vector: Value = parts.iter().map(|part| f64::from(*part)).collect();
            let mut there = vector.clone();
            put_into(&mut there, true);
            prop_assert!(there.is_string());
            put_into(&mut there, false);
            prop_assert_eq!(there, vector);
        }
    }
}
