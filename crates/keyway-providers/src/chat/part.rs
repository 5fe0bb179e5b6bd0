//! The parts of a message's content, read for dialects that write them in another way.

use serde_json::Value;

use super::RequestError;

/// One part of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part<'a> {
    pub(crate) kind: Kind<'a>,
    /// Up to here the client wants the prompt cached.
    pub(crate) cache_control: Option<&'a Value>,
}

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind<'a> {
    Text(&'a str),
    Image(Media<'a>),
    File { name: Option<&'a str>, media: Media<'a> },
    Audio { format: &'a str, base64: &'a str },
    Video(Media<'a>),
}

/// Where the bytes of a part are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Media<'a> {
    /// Fetched by the provider, never from here.
    Url(&'a str),
    Data {
        media_type: &'a str,
        base64: &'a str,
    },
}

impl Media<'_> {
    /// As an address, with the bytes in it where they are here.
    pub(crate) fn url(self) -> String {
        match self {
            Self::Url(url) => url.to_owned(),
            Self::Data { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
        }
    }
}

/// The parts of a message; texts of nothing are left out, as most providers refuse them. `at` names the
/// message in errors.
pub(crate) fn parts<'a>(message: &'a Value, at: &str) -> Result<Vec<Part<'a>>, RequestError> {
    let read = match message.get("content") {
        Some(Value::String(text)) => vec![Part { kind: Kind::Text(text), cache_control: None }],
        Some(Value::Array(parts)) => {
            let numbered = parts.iter().enumerate();
            let read = numbered.map(|(number, it)| part(it, &format!("{at}.content[{number}]")));
            read.collect::<Result<_, _>>()?
        }
        _ => Vec::new(),
    };
    Ok(read.into_iter().filter(|part| part.kind != Kind::Text("")).collect())
}

fn part<'a>(part: &'a Value, at: &str) -> Result<Part<'a>, RequestError> {
    let kind = match part.get("type").and_then(Value::as_str) {
        Some("text") => Kind::Text(text(part, "text", at)?),
        Some("refusal") => Kind::Text(text(part, "refusal", at)?),
        Some("image_url") => Kind::Image(media(part, "image_url", at)?),
        Some("video_url") => Kind::Video(media(part, "video_url", at)?),
        Some("input_audio") => audio(part, at)?,
        Some("file") => file(part, at)?,
        _ => return Err(RequestError::new(at, "is of a type that its provider does not take")),
    };
    let cache_control = part.get("cache_control").filter(|it| it.is_object());
    Ok(Part { kind, cache_control })
}

fn text<'a>(part: &'a Value, field: &str, at: &str) -> Result<&'a str, RequestError> {
    let text = part.get(field).and_then(Value::as_str);
    text.ok_or_else(|| RequestError::new(format!("{at}.{field}"), "must be a string"))
}

/// `{"url": …}`, or the address itself, as some clients write it.
fn media<'a>(part: &'a Value, field: &str, at: &str) -> Result<Media<'a>, RequestError> {
    let said = part.get(field);
    let url = said.and_then(|said| said.as_str().or_else(|| said.get("url")?.as_str()));
    let at = format!("{at}.{field}.url");
    at_url(url.ok_or_else(|| RequestError::new(at.as_str(), "must be a string"))?, &at)
}

fn audio<'a>(part: &'a Value, at: &str) -> Result<Kind<'a>, RequestError> {
    let field = |name: &str| part.get("input_audio")?.get(name)?.as_str();
    let (Some(format), Some(base64)) = (field("format"), field("data")) else {
        let allowed = "must be an object with data and format";
        return Err(RequestError::new(format!("{at}.input_audio"), allowed));
    };
    Ok(Kind::Audio { format, base64 })
}

fn file<'a>(part: &'a Value, at: &str) -> Result<Kind<'a>, RequestError> {
    let field = |name: &str| part.get("file")?.get(name)?.as_str();
    let at = format!("{at}.file.file_data");
    let data = field("file_data");
    let data = data.ok_or_else(|| RequestError::new(at.as_str(), "must be a URL or data URL"))?;
    Ok(Kind::File { name: field("filename"), media: at_url(data, &at)? })
}

/// Reads `data:TYPE;base64,DATA`, or an address on the web.
fn at_url<'a>(url: &'a str, at: &str) -> Result<Media<'a>, RequestError> {
    let Some(data) = url.strip_prefix("data:") else { return Ok(Media::Url(url)) };
    let (head, base64) = data.split_once(',').unwrap_or_default();
    let Some(head) = head.strip_suffix(";base64") else {
        return Err(RequestError::new(at, "must be of the form \"data:TYPE;base64,DATA\""));
    };
    // Parameters of the type, such as a character set, are for nobody.
    let media_type = head.split(';').next().unwrap_or_default();
    Ok(Media::Data { media_type, base64 })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(part: &Value) -> Result<Vec<String>, String> {
        let message = json!({"content": [part]});
        let read = parts(&message, "messages[0]").map_err(|error| error.to_string())?;
        Ok(read.iter().map(|part| format!("{:?}", part.kind)).collect())
    }

    #[test]
    fn every_kind_is_read() {
        let image =
            json!({"type": "image_url", "image_url": {"url": "data:image/png;x=y;base64,QQ=="}});
        let data = r#"Image(Data { media_type: "image/png", base64: "QQ==" })"#;
        assert_eq!(read(&image), Ok(vec![data.to_owned()]));
        let image = json!({"type": "image_url", "image_url": "https://a.example/b.png"});
        assert_eq!(read(&image), Ok(vec![r#"Image(Url("https://a.example/b.png"))"#.to_owned()]));
        let audio =
            json!({"type": "input_audio", "input_audio": {"format": "wav", "data": "QQ=="}});
        assert_eq!(read(&audio), Ok(vec![r#"Audio { format: "wav", base64: "QQ==" }"#.to_owned()]));
        assert_eq!(read(&json!({"type": "text", "text": ""})), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (json!({"type": "text"}), "messages[0].content[0].text: must be a string"),
            (json!({"type": "odd"}), "messages[0].content[0]: is of a type"),
            (json!({"type": "file", "file": {}}), "messages[0].content[0].file.file_data: must be"),
            (
                json!({"type": "image_url", "image_url": {"url": "data:image/png,raw"}}),
                "messages[0].content[0].image_url.url: must be of the form",
            ),
        ];
        for (part, expected) in cases {
            let error = read(&part).expect_err(expected);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
