//! Where the parts of a message may be fetched from. Keyway fetches nothing; the provider does, on its
//! own network, and is not to be pointed at it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keyway_core::address::{Reach, reach};
use serde_json::{Map, Value};

use super::RequestError;

/// Where a part may have an address.
const ADDRESSES: [&str; 9] = [
    "image_url",
    "image_url/url",
    "video_url",
    "video_url/url",
    "audio_url",
    "audio_url/url",
    "file/file_data",
    "file/file_url",
    "file_url",
];
/// Where a part may name a file that the provider keeps, of whomever.
const FILES: [&str; 3] = ["file/file_id", "image_url/file_id", "file_id"];
/// How names end that are of one network only.
const LOCAL_NAMES: [&str; 6] =
    [".localhost", ".local", ".internal", ".lan", ".intranet", ".home.arpa"];

const FILE: &str = "must not be a file_id: a provider's files are its operator's, not its clients'";
const FORM: &str = "must have an https:, http: or data: address, without a user's name";
const LOCAL: &str = "must have an address on the public web";

/// Refuses a part of a chat completion's message that points to where nobody is to look.
pub(crate) fn check(part: &Map<String, Value>, at: &str) -> Result<(), RequestError> {
    let said = |place: &&str| match place.split_once('/') {
        Some((field, inside)) => part.get(field)?.get(inside),
        None => part.get(*place),
    };
    if FILES.iter().filter_map(said).any(|file| !file.is_null()) {
        return Err(RequestError::new(at, FILE));
    }
    let mut addresses = ADDRESSES.iter().filter_map(said).filter_map(Value::as_str);
    addresses.try_for_each(|address| check_address(address, at))
}

/// Refuses an address that nobody is to look at. Bytes without one before them have no colon.
pub(crate) fn check_address(address: &str, at: &str) -> Result<(), RequestError> {
    objection(address).map_or(Ok(()), |why| Err(RequestError::new(at, why)))
}

/// Refuses a block of Anthropic's in the same way; `blocks` are a message's content.
pub(crate) fn check_blocks(blocks: Option<&Value>, at: &str) -> Result<(), RequestError> {
    let blocks = blocks.and_then(Value::as_array).into_iter().flatten();
    for (number, block) in blocks.enumerate() {
        let at = format!("{at}[{number}]");
        if let Some(source) = block.get("source") {
            let text = |field: &str| source.get(field).and_then(Value::as_str);
            if text("file_id").is_some() {
                return Err(RequestError::new(at, FILE));
            }
            if let Some(url) = text("url") {
                check_address(url, &at)?;
            }
            check_blocks(source.get("content"), &format!("{at}.source.content"))?;
        }
        // Of a tool's result. What a tool is called with is for the client alone.
        check_blocks(block.get("content"), &format!("{at}.content"))?;
    }
    Ok(())
}

/// What stands against fetching from `url`; nothing, where it has no scheme and leads nowhere.
fn objection(url: &str) -> Option<&'static str> {
    let (scheme, rest) = url.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        "data" => return None,
        "http" | "https" => {}
        _ => return Some(FORM),
    }
    let Some(rest) = rest.strip_prefix("//") else { return Some(FORM) };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Readers of addresses differ in what they make of these: they skip, decode or fold them.
    let is_plain = |it: u8| it.is_ascii_graphic() && !b"\\%@".contains(&it);
    if url.bytes().any(|it| it.is_ascii_control()) || !authority.bytes().all(is_plain) {
        return Some(FORM);
    }
    (!is_public(authority)).then_some(LOCAL)
}

/// Whether a host, with or without a port, is none of a network of its own, as far as it says.
fn is_public(authority: &str) -> bool {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|it| it.split_once(']')) {
        let address = address.parse::<Ipv6Addr>();
        return address.is_ok_and(|it| reach(IpAddr::V6(it)) == Reach::Public);
    }
    let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return reach(IpAddr::V4(address)) == Reach::Public;
    }
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    // An address that is written in another way: 127.1, 0x7f.0.0.1.
    let is_number = last.bytes().all(|it| it.is_ascii_digit()) || last.starts_with("0x");
    !is_number && !LOCAL_NAMES.iter().any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_public_web_may_be_fetched_from() {
        for url in [
            "https://a.example/b.png",
            "HTTP://a.example:8080?x=http://127.0.0.1/",
            "http://8.8.8.8/a b",
            "https://[2606:4700::1111]/",
            "data:image/png;base64,AA==",
        ] {
            assert_eq!(objection(url), None, "{url}");
        }
        for url in [
            "gs://bucket/a.png",
            "file:///etc/passwd",
            "s3:a",
            "https:a.example",
            "https:///a.example",
            "http://169.254.169.254/latest/meta-data",
            "http://127.0.0.1:80",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.0x1/",
            "http://10.0.0.1",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::1",
            "http://localhost/a",
            "http://LOCALHOST./a",
            "http://metadata.google.internal/",
            "http://intranet/",
            "http://a.example@127.0.0.1/",
            "http://a.example\\@127.0.0.1/",
            "http://%31%32%37.0.0.1/",
            "http://127。0.0.1/",
            "ht\ttp://a.example/",
            "http://a.example/\n",
        ] {
            assert!(objection(url).is_some(), "{url}");
        }
    }

    #[test]
    fn every_part_that_points_somewhere_is_looked_at() {
        let refused = |part: Value| check(part.as_object().expect("an object"), "p").is_err();
        let there = "http://10.0.0.1/a";
        for part in [
            json!({"type": "image_url", "image_url": {"url": there}}),
            json!({"type": "image_url", "image_url": there}),
            json!({"type": "video_url", "video_url": {"url": "gs://a/b"}}),
            json!({"type": "file", "file": {"file_data": there}}),
            json!({"type": "file", "file": {"file_id": "file-1"}}),
        ] {
            assert!(refused(part.clone()), "{part}");
        }
        assert!(!refused(json!({"type": "text", "text": there})));
        assert!(!refused(json!({"type": "file", "file": {"file_data": "AA==", "file_id": null}})));
        let image = |url: &str| json!({"type": "image", "source": {"type": "url", "url": url}});
        let result = json!([{"type": "tool_result", "content": [image(there)]}]);
        let named = check_blocks(Some(&result), "c").expect_err("refused").field;
        assert_eq!(named, "c[0].content[0]");
        let call =
            json!([{"type": "tool_use", "input": {"url": there}}, image("https://a.example")]);
        assert!(check_blocks(Some(&call), "c").is_ok());
    }
}
