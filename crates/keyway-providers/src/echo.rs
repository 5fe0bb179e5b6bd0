//! `keyway/echo`, the built-in model that needs no network.
//!
//! It answers with the last user message, cut at `max_tokens`. A token is four bytes of UTF-8, rounded
//! up per message. A first line such as `#echo first_ms=200 each_ms=20 tokens=500 fail=503
//! cut_after=10` makes it wait, talk longer, fail before the first byte or break off.

use keyway_core::money::Rate;
use keyway_core::pricing::{Pricing, Usage};
use serde_json::{Value, json};

use crate::chat::{Answer, Chunk};
use crate::chat::{ChatRequest, RequestError, text_bytes, text_of};

pub const MODEL_ID: &str = "keyway/echo";
/// UTF-8 bytes of a token.
pub const BYTES_PER_TOKEN: u64 = TOKEN_BYTES as u64;
const TOKEN_BYTES: usize = 4;

const DIRECTIVE: &str = "#echo";
const ALLOWED: &str = "the first line may be `#echo` with first_ms and each_ms (0 to 60000), tokens \
                       (1 to 100000), fail (400 to 599) and cut_after (0 to 100000), each as name=number";
/// Said where there is nothing to repeat.
const FILLER: &str = "echo ";

/// $0.000001 per prompt token, $0.000002 per completion token.
pub const fn pricing() -> Pricing {
    Pricing::per_token(Rate::from_femtos(1_000_000_000), Rate::from_femtos(2_000_000_000))
}

/// What the model will say, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    text: String,
    finish_reason: &'static str,
    prompt_tokens: u64,
    directive: Directive,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Directive {
    first_ms: u64,
    each_ms: u64,
    tokens: Option<u64>,
    fail: Option<u16>,
    cut_after: Option<u64>,
}

impl Echo {
    /// Reads what the model is asked to say. A malformed `#echo` line is an error of its message.
    pub fn of(request: &ChatRequest) -> Result<Self, RequestError> {
        if request.errand.is_some() {
            return Err(RequestError::new("model", format!("{MODEL_ID} only talks")));
        }
        if let Some(error) = request.untranslated() {
            return Err(error.clone());
        }
        let messages = request.messages();
        let is_user = |message: &Value| message.get("role").and_then(Value::as_str) == Some("user");
        let last = messages.iter().rposition(is_user);
        let said = last.map(|number| text_of(&messages[number])).unwrap_or_default();
        let (directive, text) = split(&said)
            .map_err(|message| RequestError::new(field(last.unwrap_or_default()), message))?;
        let (text, finish_reason) = cut(lengthen(text, directive.tokens), request.max_tokens);
        let prompt_tokens =
            messages.iter().map(|message| text_bytes(message).div_ceil(BYTES_PER_TOKEN)).sum();
        Ok(Self { text, finish_reason, prompt_tokens, directive })
    }

    /// What it uses, exactly: its bound is its cost.
    pub fn usage(&self) -> Usage {
        Usage::of(self.prompt_tokens, (self.text.len() as u64).div_ceil(BYTES_PER_TOKEN))
    }

    /// Milliseconds before the first token.
    pub const fn first_ms(&self) -> u64 {
        self.directive.first_ms
    }

    /// Milliseconds between tokens.
    pub const fn each_ms(&self) -> u64 {
        self.directive.each_ms
    }

    /// The status to fail with before the first byte.
    pub const fn fail(&self) -> Option<u16> {
        self.directive.fail
    }

    /// Tokens after which it breaks off.
    pub const fn cut_after(&self) -> Option<u64> {
        self.directive.cut_after
    }

    pub fn answer(&self) -> Answer {
        let message = json!({"role": "assistant", "content": self.text});
        let choice = json!({"index": 0, "message": message, "finish_reason": self.finish_reason});
        Answer::new(json!([choice]), self.usage())
    }

    /// One chunk a token, then one that says why it ended, with the usage.
    pub fn chunks(&self) -> Chunks {
        let end = Some((self.finish_reason, self.usage()));
        Chunks { text: self.text.clone(), said: 0, end }
    }
}

/// The answer, token by token; each chunk is made when it is asked for.
#[derive(Clone, Debug)]
pub struct Chunks {
    text: String,
    /// UTF-8 bytes of the text that were said.
    said: usize,
    /// Why the text ends, until that was said too.
    end: Option<(&'static str, Usage)>,
}

impl Iterator for Chunks {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        // The role is told once, and always: clients that add deltas up join what is told again.
        let mut delta = if self.said == 0 { json!({"role": "assistant"}) } else { json!({}) };
        if self.said == self.text.len() {
            let (finish_reason, usage) = self.end.take()?;
            let end = json!([{"index": 0, "delta": delta, "finish_reason": finish_reason}]);
            return Some(Chunk::new(end, Some(usage)));
        }
        // No character is longer than a token, so each token's border is beyond the last one's.
        let token = self.said.div_ceil(TOKEN_BYTES) + 1;
        let to = self.text.floor_char_boundary(token * TOKEN_BYTES);
        delta["content"] = self.text[self.said..to].into();
        self.said = to;
        Some(Chunk::new(json!([{"index": 0, "delta": delta, "finish_reason": null}]), None))
    }
}

fn field(number: usize) -> String {
    format!("messages[{number}].content")
}

/// Takes the directive off the text.
fn split(said: &str) -> Result<(Directive, &str), String> {
    let (line, rest) = said.split_once('\n').unwrap_or((said, ""));
    let words = line.strip_prefix(DIRECTIVE);
    let Some(words) =
        words.filter(|words| words.is_empty() || words.starts_with([' ', '\t', '\r']))
    else {
        return Ok((Directive::default(), said));
    };
    let mut directive = Directive::default();
    for word in words.split_ascii_whitespace() {
        let wrong = || format!("{word:?} is not known: {ALLOWED}");
        let (name, number) = word.split_once('=').ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        match name {
            "first_ms" if number <= 60_000 => directive.first_ms = number,
            "each_ms" if number <= 60_000 => directive.each_ms = number,
            "tokens" if (1..=100_000).contains(&number) => directive.tokens = Some(number),
            "fail" if (400..=599).contains(&number) => directive.fail = u16::try_from(number).ok(),
            "cut_after" if number <= 100_000 => directive.cut_after = Some(number),
            _ => return Err(wrong()),
        }
    }
    Ok((directive, rest))
}

/// Repeats `text` until it has exactly `tokens`. A character less than that is still the same number:
/// the last token need not be full.
fn lengthen(text: &str, tokens: Option<u64>) -> String {
    let Some(tokens) = tokens else { return text.to_owned() };
    let unit = if text.is_empty() { FILLER } else { text };
    let bytes = bytes_of(tokens);
    let mut long = String::new();
    while long.len() < bytes {
        long.push_str(unit);
    }
    long.truncate(long.floor_char_boundary(bytes));
    long
}

/// Cuts at `max_tokens`, and says why the text ends.
fn cut(mut text: String, max_tokens: Option<u64>) -> (String, &'static str) {
    match max_tokens.map(bytes_of) {
        Some(bytes) if bytes < text.len() => {
            text.truncate(text.floor_char_boundary(bytes));
            (text, "length")
        }
        _ => (text, "stop"),
    }
}

/// The bytes of this many tokens; of more than any text has, the most that there are.
fn bytes_of(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(TOKEN_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::Envelope;

    fn content(chunk: Chunk) -> String {
        let envelope = Envelope {
            id: "gen-1".into(),
            model: MODEL_ID.into(),
            provider: "Keyway".into(),
            created: 7,
        };
        let rendered: Value = serde_json::from_str(&chunk.render(&envelope)).expect("JSON");
        rendered["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
    }

    fn echo(content: &str, max_tokens: Option<u64>) -> Result<Echo, RequestError> {
        let body = json!({
            "model": MODEL_ID,
            "max_tokens": max_tokens,
            "messages": [
                {"role": "system", "content": "12345"},
                {"role": "user", "content": content},
            ],
        });
        Echo::of(&ChatRequest::parse(body).expect("a request"))
    }

    #[test]
    fn it_says_what_it_was_told() {
        let plain = echo("hello world", None).expect("valid");
        assert_eq!((plain.text.as_str(), plain.finish_reason), ("hello world", "stop"));
        assert_eq!(plain.usage(), Usage::of(2 + 3, 3));
        let cut = echo("hello world", Some(2)).expect("valid");
        assert_eq!((cut.text.as_str(), cut.finish_reason), ("hello wo", "length"));
    }

    #[test]
    fn a_directive_is_obeyed_and_not_repeated() {
        let line = "#echo first_ms=200 each_ms=20 tokens=3 fail=503 cut_after=10\nabc";
        let told = echo(line, None).expect("valid");
        assert_eq!((told.first_ms(), told.each_ms()), (200, 20));
        assert_eq!((told.fail(), told.cut_after()), (Some(503), Some(10)));
        assert_eq!(told.text, "abcabcabcabc");
        assert_eq!(echo("#echo tokens=2", None).expect("valid").text, "echo ech");
    }

    #[test]
    fn a_malformed_directive_says_what_is_allowed() {
        for line in
            ["#echo tokens", "#echo tokens=x", "#echo tokens=0", "#echo fail=200", "#echo a=1"]
        {
            let error = echo(line, None).expect_err(line);
            assert_eq!(error.field, "messages[1].content");
            assert!(error.message.contains("first_ms"), "{error}");
        }
        for text in ["#echoes are no directives", " #echo tokens", "first\n#echo tokens"] {
            assert_eq!(echo(text, None).expect(text).text, text);
        }
        assert_eq!(echo("#echo tokens=1\r\nabcde", None).expect("valid").text, "abcd");
    }

    proptest! {
        #[test]
        fn no_directive_panics(words in "(#echo| |\\n|tokens=|fail=|each_ms=|cut_after=|-?[0-9]{0,25}|\\PC){0,12}") {
            if let Ok(echo) = echo(&words, None) {
                prop_assert!(echo.usage().completion_tokens <= 100_000);
                prop_assert!(echo.first_ms() <= 60_000 && echo.each_ms() <= 60_000);
                prop_assert!(echo.fail().is_none_or(|status| (400..=599).contains(&status)));
            }
        }

        #[test]
        fn what_is_delivered_is_what_is_charged(
            text in "\\PC{0,40}",
            tokens in prop::option::of(1..50_u64),
            max_tokens in prop::option::of(1..20_u64),
        ) {
            let line = tokens.map(|tokens| format!("#echo tokens={tokens}\n")).unwrap_or_default();
            let echo = echo(&format!("{line}{text}"), max_tokens).expect("valid");
            let mut said = String::new();
            for chunk in echo.chunks() {
                said += &content(chunk);
            }
            prop_assert_eq!(&said, &echo.text);
            prop_assert_eq!((said.len() as u64).div_ceil(BYTES_PER_TOKEN), echo.usage().completion_tokens);
            let pieces = echo.chunks().count() as u64 - 1;
            prop_assert_eq!(pieces, echo.usage().completion_tokens);
            let bytes: u64 = echo.chunks().map(|chunk| chunk.output_bytes()).sum();
            prop_assert_eq!(bytes, said.len() as u64);
            prop_assert_eq!(echo.answer().output_bytes(), bytes);
            let asked = tokens.unwrap_or((text.len() as u64).div_ceil(BYTES_PER_TOKEN));
            let most = max_tokens.unwrap_or(u64::MAX);
            prop_assert_eq!(echo.usage().completion_tokens, asked.min(most));
            prop_assert_eq!(echo.finish_reason == "length", asked > most);
        }
    }
}
