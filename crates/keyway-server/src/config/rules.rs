//! What single values have to look like.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::Uri;
use keyway_core::credential::Fee;
use keyway_core::money::{Discount, MoneyError, Nanos, Rate};
use keyway_core::network::Network;
use keyway_core::secret::KeyPrefix;
use regex_lite::Regex;

use super::cloud::is_place;

/// What a text has to look like.
#[derive(Debug)]
pub(crate) struct TextRule {
    /// Completes "allowed: ".
    pub(crate) allowed: &'static str,
    /// The same for editors, as a regular expression over the whole text. It never refuses what
    /// `check` accepts.
    pub(crate) pattern: &'static str,
    /// Says what is wrong. The answer does not repeat the text.
    pub(crate) check: fn(&str) -> Result<(), String>,
}

pub(crate) static SLUG: TextRule = TextRule {
    allowed: "1 to 64 of a-z, 0-9, \"-\", \"_\" and \".\", a letter or digit first",
    pattern: "[a-z0-9][a-z0-9._-]{0,63}",
    check: slug,
};

pub(crate) static MODEL_ID: TextRule = TextRule {
    allowed: "\"author/slug\", both of letters, digits, \"-\", \"_\", \".\" and \":\", a letter or digit first, 128 characters at most",
    pattern: "[A-Za-z0-9][A-Za-z0-9._:-]*/[A-Za-z0-9][A-Za-z0-9._:-]*",
    check: model_id,
};

pub(crate) static NAME: TextRule = TextRule {
    allowed: "1 to 256 characters, none of them a control character",
    pattern: "[^\\x00-\\x1f\\x7f-\\x9f]{1,256}",
    check: name,
};

pub(crate) static PARAMETER: TextRule = TextRule {
    allowed: "1 to 64 of a-z, 0-9 and \"_\"",
    pattern: "[a-z0-9_]{1,64}",
    check: parameter,
};

pub(super) static KEY_PREFIX: TextRule = TextRule {
    allowed: "1 to 32 ASCII letters, digits, \"-\" and \"_\"",
    pattern: "[A-Za-z0-9_-]{1,32}",
    check: key_prefix,
};

pub(super) static URL: TextRule = TextRule {
    allowed: "\"http://host\" or \"https://host\", with a port and a path if need be, without credentials, query and fragment",
    pattern: "https?://[^\\s/?#@]+(/[^\\s?#]*)?",
    check: url,
};

pub(super) static PLACE: TextRule = TextRule {
    allowed: "1 to 64 of a-z, 0-9 and \"-\", a letter or digit at both ends, such as \"us-east-1\"",
    pattern: "[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?",
    check: |text| if is_place(text) { Ok(()) } else { Err("has no such form".to_owned()) },
};

pub(super) static NETWORK: TextRule = TextRule {
    allowed: "an address, such as \"127.0.0.1\", or a network, such as \"10.0.0.0/8\", with zeros behind its prefix",
    pattern: "[0-9A-Fa-f.:]+(/[0-9]{1,3})?",
    check: network,
};

pub(super) static SOCKET: TextRule = TextRule {
    allowed: "an address and a port, such as \"127.0.0.1:9464\"; port 0 takes a free one",
    pattern: "[0-9A-Fa-f.:\\[\\]]+:[0-9]{1,5}",
    check: socket,
};

pub(super) static RATE: TextRule = TextRule {
    allowed: "a decimal string in USD per token between \"0\" and \"1\", such as \"0.000001\"",
    pattern: "[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?",
    check: rate,
};

pub(super) static DISCOUNT: TextRule = TextRule {
    allowed: "a decimal string between \"0\" and \"1\" with six decimals at most, such as \"0.25\" for a quarter off",
    pattern: "[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?",
    check: discount,
};

pub(super) static CLOCK: TextRule = TextRule {
    allowed: "a time of day in UTC, such as \"16:30\"",
    pattern: "([01][0-9]|2[0-3]):[0-5][0-9]",
    check: clock_time,
};

pub(crate) static DAY: TextRule = TextRule {
    allowed: "a day, such as \"2026-11-25\"",
    pattern: "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    check: day,
};

pub(super) static AMOUNT: TextRule = TextRule {
    allowed: "a decimal string in USD, such as \"500\" or \"0.25\"",
    pattern: "[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?",
    check: amount,
};

pub(super) static PATTERN: TextRule = TextRule {
    allowed: "a regular expression of 1 to 512 bytes, without look-around and back references, that matches something",
    pattern: "[\\s\\S]{1,512}",
    check: |text| self::pattern(text).map(drop),
};

pub(super) static PERCENT: TextRule = TextRule {
    allowed: "a decimal string from \"0\" to \"100\" with at most four decimals, such as \"5\"",
    pattern: "[0-9]{1,3}(\\.[0-9]{1,4})?",
    check: percent,
};

/// The environment and the file system are looked at where the secret is read.
pub(super) static SECRET_SOURCE: TextRule = TextRule {
    allowed: "\"env:NAME\", \"file:PATH\" or the key itself, of visible ASCII characters",
    pattern: "[^\\x00-\\x1f\\x7f-\\x9f]*",
    check: secret_source,
};

pub(super) static STORE_URL_SOURCE: TextRule = TextRule {
    allowed: "\"env:NAME\", \"file:PATH\" or \"postgres://user@host/database\"",
    pattern: "[^\\x00-\\x1f\\x7f-\\x9f]*",
    check: secret_source,
};

pub(super) const DURATION_ALLOWED: &str =
    "whole seconds, such as 30, or a text such as \"500ms\", \"30s\" or \"2m\", one day at most";
pub(super) const DURATION_PATTERN: &str = "[0-9]+(ms|s|m|h)";
/// Longest duration that may be configured.
pub(super) const DURATION_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Slugs and authors that belong to Keyway itself.
const RESERVED: &str = "keyway";

fn slug(text: &str) -> Result<(), String> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if !(1..=64).contains(&text.len()) || !text.bytes().all(allowed) || !starts_plainly(text) {
        return Err("is not a slug".to_owned());
    }
    if text == RESERVED {
        return Err("is \"keyway\", which is reserved for the built-in provider".to_owned());
    }
    Ok(())
}

fn model_id(text: &str) -> Result<(), String> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    let part = |part: &str| starts_plainly(part) && part.bytes().all(allowed);
    match text.split_once('/') {
        Some((author, _)) if author.eq_ignore_ascii_case(RESERVED) => {
            Err("begins with \"keyway/\", which is reserved for built-in models".to_owned())
        }
        Some((author, slug)) if part(author) && part(slug) && text.len() <= 128 => Ok(()),
        _ => Err("is not a model id".to_owned()),
    }
}

fn starts_plainly(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn name(text: &str) -> Result<(), String> {
    match text.chars().count() {
        0 => Err("is empty".to_owned()),
        257.. => Err("is too long".to_owned()),
        _ => no_control_characters(text),
    }
}

fn parameter(text: &str) -> Result<(), String> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let named = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
    named.then_some(()).ok_or_else(|| "is not the name of a parameter".to_owned())
}

fn key_prefix(text: &str) -> Result<(), String> {
    KeyPrefix::new(text).map(|_| ()).ok_or_else(|| "is not a prefix".to_owned())
}

fn url(text: &str) -> Result<(), String> {
    no_control_characters(text)?;
    if text.contains('#') {
        return Err("has a fragment".to_owned());
    }
    let uri: Uri = text.parse().map_err(|_| "is not a URL".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("is not a URL that begins with http:// or https://".to_owned());
    }
    let authority = uri.authority().ok_or("has no host")?;
    if authority.as_str().contains('@') {
        return Err("holds credentials".to_owned());
    }
    if uri.query().is_some() {
        return Err("has a query".to_owned());
    }
    let port_given = authority.as_str().len() > authority.host().len();
    if port_given && authority.port_u16().is_none_or(|port| port == 0) {
        return Err("has a port that is not a number from 1 to 65535".to_owned());
    }
    if is_host(authority.host()) { Ok(()) } else { Err("has no valid host".to_owned()) }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    starts_plainly(host) && host.len() <= 253 && host.bytes().all(allowed)
}

fn network(text: &str) -> Result<(), String> {
    Network::parse(text).map(|_| ()).ok_or_else(|| "is no network".to_owned())
}

fn socket(text: &str) -> Result<(), String> {
    let parsed = text.parse::<SocketAddr>();
    parsed.map(|_| ()).map_err(|_| "is no address with a port".to_owned())
}

fn rate(text: &str) -> Result<(), String> {
    Rate::parse(text).map(|_| ()).map_err(|error| error.to_string())
}

fn discount(text: &str) -> Result<(), String> {
    match Discount::parse(text) {
        Ok(_) => Ok(()),
        Err(MoneyError::TooPrecise) => Err("has more than 6 decimals".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn clock_time(text: &str) -> Result<(), String> {
    clock(text).map(|_| ()).ok_or_else(|| "is not a time of day".to_owned())
}

/// By its form: nothing is reckoned with it.
fn day(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let dashed = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    let number = |part: Option<&str>, most: u32| {
        let digits = part.filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|it| it.parse().ok()).is_some_and(|it| (1..=most).contains(&it))
    };
    let year = text.get(..4).is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    if dashed && year && number(text.get(5..7), 12) && number(text.get(8..), 31) {
        return Ok(());
    }
    Err("is not a day".to_owned())
}

/// Reads `16:30` as 1630.
pub(super) fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number < below)
    };
    Some(number(hour, 24)? * 100 + number(minute, 60)?)
}

fn amount(text: &str) -> Result<(), String> {
    Nanos::parse_limit(text).map(|_| ()).map_err(|error| error.to_string())
}

/// Bytes of a pattern of what is masked.
const PATTERN_BYTES_MAX: usize = 512;

/// One that matches the empty text would put a mask between all characters.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    if !(1..=PATTERN_BYTES_MAX).contains(&text.len()) {
        return Err("is empty, or too long".to_owned());
    }
    match Regex::new(text) {
        Ok(regex) if !regex.is_match("") => Ok(regex),
        Ok(_) => Err("matches nothing at all".to_owned()),
        Err(_) => Err("is not a regular expression".to_owned()),
    }
}

fn percent(text: &str) -> Result<(), String> {
    Fee::parse(text).map(|_| ()).ok_or_else(|| "is no percentage".to_owned())
}

fn secret_source(text: &str) -> Result<(), String> {
    no_control_characters(text)
}

/// Whether it is the URL of a store at all; the store itself says what else is wrong with one.
pub(super) fn is_store_url(text: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme))
}

/// Whether a store's URL brings a password: `user:password@`, or as an option.
pub(super) fn has_password(url: &str) -> bool {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let user = place.split_once('@').map_or("", |(user, _)| user);
    user.contains(':') || url.contains("password=")
}

fn no_control_characters(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("holds a control character".to_owned());
    }
    Ok(())
}

/// Reads the URL under which a gateway or a provider is reached, and takes the slash from its end.
/// An error says what is wrong and what is allowed.
pub fn base_url(text: &str) -> Result<String, String> {
    match url(text) {
        Ok(()) => Ok(text.trim_end_matches('/').to_owned()),
        Err(problem) => Err(format!("{problem}; allowed: {}", URL.allowed)),
    }
}

/// Reads `500ms`, `30s`, `2m` or `1h`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(3_600)?),
        _ => return None,
    };
    (duration <= Duration::from_secs(DURATION_SECONDS_MAX)).then_some(duration)
}
