//! For how many tokens pictures, sounds, films and files of a prompt are taken where their provider did
//! not count them. They are estimates for what was cut, and to plan with; no bound rests on them.

use keyway_core::pricing::Usage;
use serde_json::Value;

use super::prompt::BYTES_PER_TOKEN;

/// A picture: of the larger ones about as many as Anthropic counts at most, and OpenAI and Google do not
/// reach.
const IMAGE_TOKENS: u64 = 1_600;
/// One that the client wants looked at in a small copy, as OpenAI counts it.
const SMALL_IMAGE_TOKENS: u64 = 85;
/// Bytes of a token of sound: a second of it is 32 of Google's and 10 of OpenAI's, and is of 48 kB where
/// it is a wave, and of 16 kB where it is packed.
const WAVE_BYTES: u64 = 1_500;
const PACKED_BYTES: u64 = 500;
/// An earlier answer that was spoken, and that only its provider has: ten seconds of it.
const SPOKEN_TOKENS: u64 = 320;
/// Bytes of a token of film: a second of it is 300 of Google's, and of some 150 kB.
const FILM_BYTES: u64 = 500;
/// Bytes of a token of a file that is not only text: its pages are read, and looked at too.
const FILE_BYTES: u64 = 20;
/// What lies elsewhere, whose length nobody here knows: a film of half a minute, and a few pages.
const FILM_TOKENS: u64 = 10_000;
const FILE_TOKENS: u64 = 5_000;

/// What the parts of a message that are not text are taken for.
pub(super) fn estimate(message: &Value) -> Usage {
    let parts = message.get("content").and_then(Value::as_array).into_iter().flatten();
    let earlier = message.get("images").and_then(Value::as_array).into_iter().flatten();
    let spoken = message.get("audio").filter(|it| it.is_object()).map(|_| sound(SPOKEN_TOKENS));
    parts.chain(earlier).map(part).chain(spoken).fold(Usage::default(), plus)
}

/// The sum of two estimates.
pub(super) fn plus(one: Usage, other: Usage) -> Usage {
    Usage {
        image_tokens: one.image_tokens.saturating_add(other.image_tokens),
        audio_tokens: one.audio_tokens.saturating_add(other.audio_tokens),
        ..Usage::of(one.prompt_tokens.saturating_add(other.prompt_tokens), 0)
    }
}

fn part(part: &Value) -> Usage {
    let text = |at: &str| part.pointer(at).and_then(Value::as_str).unwrap_or_default();
    match text("/type") {
        "image_url" | "input_image" => {
            let small = [text("/image_url/detail"), text("/detail")].contains(&"low");
            picture(if small { SMALL_IMAGE_TOKENS } else { IMAGE_TOKENS })
        }
        "input_audio" => {
            let is_wave = ["wav", "pcm16"].contains(&text("/input_audio/format"));
            let each = if is_wave { WAVE_BYTES } else { PACKED_BYTES };
            sound(decoded(text("/input_audio/data")).div_ceil(each))
        }
        "video_url" => {
            let url = text("/video_url/url");
            Usage::of(inside(url).map_or(FILM_TOKENS, |bytes| bytes.div_ceil(FILM_BYTES)), 0)
        }
        "file" => Usage::of(file(text("/file/file_data")), 0),
        _ => Usage::default(),
    }
}

fn file(url: &str) -> u64 {
    let each = if url.starts_with("data:text/") { BYTES_PER_TOKEN } else { FILE_BYTES };
    inside(url).map_or(FILE_TOKENS, |bytes| bytes.div_ceil(each))
}

const fn picture(tokens: u64) -> Usage {
    Usage { image_tokens: tokens, ..Usage::of(tokens, 0) }
}

const fn sound(tokens: u64) -> Usage {
    Usage { audio_tokens: tokens, ..Usage::of(tokens, 0) }
}

/// Bytes of what an address holds itself: `data:TYPE;base64,DATA`.
fn inside(url: &str) -> Option<u64> {
    let (_, base64) = url.strip_prefix("data:")?.split_once(',')?;
    Some(decoded(base64))
}

/// Bytes that so much base64 is, padding among them.
const fn decoded(base64: &str) -> u64 {
    base64.len() as u64 / 4 * 3
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_is_taken_for_what_the_policy_says() {
        // 3,000 bytes.
        let data = "QUJD".repeat(1_000);
        let at = |kind: &str| format!("data:{kind};base64,{data}");
        let (text, image, audio) = (
            |tokens| Usage::of(tokens, 0),
            |tokens| Usage { image_tokens: tokens, ..Usage::of(tokens, 0) },
            |tokens| Usage { audio_tokens: tokens, ..Usage::of(tokens, 0) },
        );
        let cases = [
            (json!({"type": "text", "text": "not here"}), text(0)),
            (
                json!({"type": "image_url", "image_url": {"url": "https://a.example/b"}}),
                image(1_600),
            ),
            (json!({"type": "image_url", "image_url": {"url": at("image/png")}}), image(1_600)),
            (json!({"type": "image_url", "image_url": {"detail": "low"}}), image(85)),
            (
                json!({"type": "input_audio", "input_audio": {"format": "wav", "data": data}}),
                audio(2),
            ),
            (
                json!({"type": "input_audio", "input_audio": {"format": "mp3", "data": data}}),
                audio(6),
            ),
            (json!({"type": "video_url", "video_url": {"url": at("video/mp4")}}), text(6)),
            (json!({"type": "video_url", "video_url": {"url": "https://a.example"}}), text(10_000)),
            (json!({"type": "file", "file": {"file_data": at("application/pdf")}}), text(150)),
            (json!({"type": "file", "file": {"file_data": at("text/plain")}}), text(1_000)),
            (json!({"type": "file", "file": {"file_data": "https://a.example"}}), text(5_000)),
        ];
        for (part, expected) in &cases {
            assert_eq!(estimate(&json!({"content": [part]})), *expected, "{part}");
        }
        let all: Vec<Value> = cases.into_iter().map(|(part, _)| part).collect();
        let sum = estimate(&json!({"content": all, "audio": {"id": "a"}}));
        assert_eq!((sum.image_tokens, sum.audio_tokens), (3_285, 328));
        assert_eq!(sum.prompt_tokens, 3_285 + 328 + 16_156);
        assert_eq!(estimate(&json!({"content": "a text"})), text(0));
        let drawn = json!({"content": null, "images": [{"type": "image_url", "image_url": {}}]});
        assert_eq!(estimate(&drawn), image(1_600));
    }
}
