//! JSON that is cut to a size and is still JSON.

use serde_json::{Map, Value};

/// What stands at the end of a text that was cut,
const CUT: &str = "… [cut]";
/// and what an entry costs beside its texts, so that many small ones end too.
const ENTRY_BYTES: usize = 8;
/// A text that says what media is, and then is it.
const DATA_URL: &str = "data:";
/// Fields that hold media; short ones are something else.
const MEDIA_FIELDS: [&str; 2] = ["data", "file_data"];
const MEDIA_BYTES_MIN: usize = 256;

/// `value` with at most `bytes_max` bytes of text, in its order. Media is not kept, only how long it was.
pub fn clip(value: &Value, bytes_max: usize) -> Value {
    let mut left = bytes_max;
    cut(value, &mut left)
}

fn cut(value: &Value, left: &mut usize) -> Value {
    match value {
        Value::String(text) if text.starts_with(DATA_URL) => media(text).into(),
        Value::String(text) => cut_text(text, left).into(),
        Value::Array(items) => {
            let mut kept = Vec::new();
            for item in items {
                if *left == 0 {
                    kept.push(CUT.into());
                    break;
                }
                spend(left, ENTRY_BYTES);
                kept.push(cut(item, left));
            }
            Value::Array(kept)
        }
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (name, field) in fields {
                if *left == 0 {
                    break;
                }
                spend(left, ENTRY_BYTES + name.len());
                kept.insert(name.clone(), cut_field(name, field, left));
            }
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

fn cut_field(name: &str, field: &Value, left: &mut usize) -> Value {
    match field {
        Value::String(text) if MEDIA_FIELDS.contains(&name) && text.len() >= MEDIA_BYTES_MIN => {
            format!("[{} bytes]", text.len()).into()
        }
        other => cut(other, left),
    }
}

fn cut_text(text: &str, left: &mut usize) -> String {
    if text.len() <= *left {
        *left -= text.len();
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(*left)];
    *left = 0;
    format!("{kept}{CUT}")
}

/// What it is, and how long.
fn media(url: &str) -> String {
    let head = url.split_once(',').map_or(DATA_URL, |(head, _)| head);
    let head = &head[..head.floor_char_boundary(MEDIA_BYTES_MIN)];
    format!("{head},[{} bytes]", url.len())
}

fn spend(left: &mut usize, bytes: usize) {
    *left = left.saturating_sub(bytes);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(clip(&json!("whole"), 5), json!("whole"));
        assert_eq!(clip(&json!("éé"), 3), json!("é… [cut]"));
        let messages = json!({"messages": [{"content": "0123456789"}, {"content": "later"}]});
        let clipped = json!({"messages": [{"content": "0123… [cut]"}, "… [cut]"]});
        assert_eq!(clip(&messages, 8 + 8 + 8 + 8 + 7 + 4), clipped);
        assert_eq!(clip(&messages, 1_000), messages);
        assert_eq!(clip(&json!(vec![0; 100]), 16), json!([0, 0, "… [cut]"]));
    }

    #[test]
    fn media_is_not_kept() {
        let long = "A".repeat(MEDIA_BYTES_MIN);
        let url = format!("data:image/png;base64,{long}");
        let parts =
            json!([{"image_url": {"url": url}}, {"input_audio": {"data": long}}, {"data": "ok"}]);
        let told = format!("data:image/png;base64,[{} bytes]", url.len());
        let kept = json!([{"image_url": {"url": told}}, {"input_audio": {"data": "[256 bytes]"}}, {"data": "ok"}]);
        assert_eq!(clip(&parts, 1_000), kept);
    }
}
