//! The parts of a message's content, in the words of the form in the middle.

use serde_json::{Value, json};

use super::input::Read;
use crate::chat::RequestError;

/// Reads the parts that stand at `at`. One of a type that nobody here knows is left out, and told.
pub(super) fn parts(at: &str, content: &[Value]) -> Result<Read, RequestError> {
    let (mut read, mut foreign) = (Vec::new(), None);
    for (number, part) in content.iter().enumerate() {
        let at = format!("{at}[{number}]");
        match read_part(part) {
            Ok(part) => read.push(part),
            Err(Wrong::Unknown) if part["type"].is_string() => {
                foreign.get_or_insert(RequestError::new(at, UNKNOWN));
            }
            Err(Wrong::Unknown) => return Err(RequestError::new(at, UNKNOWN)),
            Err(Wrong::Because(why)) => return Err(RequestError::new(at, why)),
        }
    }
    Ok((read.into(), foreign))
}

const UNKNOWN: &str = "must be an object whose type is input_text, input_image, input_file, input_audio, \
                       input_video, output_text or refusal";

/// What is wrong with a part.
enum Wrong {
    Because(&'static str),
    /// It is of a type of its own.
    Unknown,
}

fn read_part(part: &Value) -> Result<Value, Wrong> {
    let kind = part["type"].as_str().unwrap_or_default();
    match kind {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            Ok(json!({"type": "text", "text": part["text"]}))
        }
        "refusal" => Ok(json!({"type": "refusal", "refusal": part["refusal"]})),
        "input_image" => {
            let url = part["image_url"]
                .as_str()
                .ok_or(Wrong::Because("must have an image_url: Keyway keeps no files"))?;
            let mut image = json!({"url": url});
            if let Some(detail) = part["detail"].as_str() {
                image["detail"] = detail.into();
            }
            Ok(json!({"type": "image_url", "image_url": image}))
        }
        "input_file" => {
            let data = part["file_data"].as_str().or_else(|| part["file_url"].as_str());
            let why = "must have file_data or file_url: Keyway keeps no files";
            let data = data.ok_or(Wrong::Because(why))?;
            let name = part["filename"].as_str().unwrap_or("file");
            Ok(json!({"type": "file", "file": {"filename": name, "file_data": data}}))
        }
        "input_audio" => Ok(json!({"type": "input_audio", "input_audio": part["input_audio"]})),
        "input_video" => Ok(json!({"type": "video_url", "video_url": {"url": part["video_url"]}})),
        _ => Err(Wrong::Unknown),
    }
}
