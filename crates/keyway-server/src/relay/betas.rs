//! What a client of Anthropic's turns on by a header.

use http::{HeaderMap, HeaderName};

/// The header's names, Anthropic's and OpenRouter's.
static HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("anthropic-beta"), HeaderName::from_static("x-anthropic-beta")];
/// What makes an answer dearer than its endpoint's price says: nobody could bound it.
const DEARER: [&str; 2] = ["context-1m", "fast-mode"];
/// Longest value that is passed on, in bytes.
const BYTES_MAX: usize = 4_096;

/// The betas of a request, as one header says them; `None` where there are none.
pub(super) fn of(headers: &HeaderMap) -> Option<String> {
    let values = HEADERS.iter().flat_map(|name| headers.get_all(name));
    let words = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let known = |word: &&str| !word.is_empty() && !DEARER.iter().any(|it| word.starts_with(it));
    let betas: Vec<&str> = words.map(str::trim).filter(known).collect();
    Some(betas.join(",")).filter(|betas| !betas.is_empty() && betas.len() <= BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn betas_are_gathered_but_those_that_cost_more() {
        let mut headers = HeaderMap::new();
        assert_eq!(of(&headers), None);
        headers.append("anthropic-beta", "context-1m-2025-08-07".parse().expect("a value"));
        assert_eq!(of(&headers), None);
        headers.append("anthropic-beta", "a-1, b-2".parse().expect("a value"));
        headers.append("x-anthropic-beta", "c-3".parse().expect("a value"));
        assert_eq!(of(&headers).as_deref(), Some("a-1,b-2,c-3"));
    }
}
