//! A key string appears nowhere but in the answer to its creation.

use std::fmt::Write as _;
use std::path::Path;

use http::StatusCode;
use serde_json::json;

use crate::setup;

const PROVIDER_SECRET: &str = "sk-planted-provider-secret-9876543210";
const CREDENTIAL: &str = "sk-planted-brought-credential-5432109876";
const BROUGHT: &str = "planted-bootstrap-key-ABCDEFGHIJKLMNOP";

#[tokio::test]
async fn planted_secrets_are_found_nowhere() {
    let config = "[[providers]]\nslug = \"p\"\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
         api_key = \"env:PLANTED\"\n[[models]]\nid = \"p/m\"\ncontext_length = 100\n\
         [[models.endpoints]]\nprovider = \"p\"\nupstream_model = \"m\"\n\
         pricing = { prompt = \"0.000001\", completion = \"0.000002\" }\n";
    let gateway = setup()
        .makes_its_own_key()
        .variable("KEYWAY_BOOTSTRAP_MANAGEMENT_KEY", BROUGHT)
        .variable("KEYWAY_LOG", "trace")
        .variable("PLANTED", PROVIDER_SECRET)
        .config(config)
        .start()
        .await;
    let manager = gateway.client(BROUGHT);
    let mut secrets = vec![BROUGHT.to_owned(), PROVIDER_SECRET.to_owned()];
    secrets.push(CREDENTIAL.to_owned());
    let mut said = String::new();

    let (key, plain) = manager.create_key(&json!({"name": "plain", "limit": 1})).await;
    secrets.push(plain.clone());
    let repeating = manager.clone().with_header("idempotency-key", "planted");
    let idempotent = repeating.post("/api/v1/keys", &json!({"name": "idempotent"})).await.json();
    secrets.push(idempotent["key"].as_str().expect("a key string").to_owned());
    let path = format!("/api/v1/keys/{}", key["hash"].as_str().expect("a hash"));
    let rotated =
        manager.post(&format!("{path}/rotate"), &json!({"grace_period_seconds": 60})).await;
    secrets.push(rotated.json()["key"].as_str().expect("a key string").to_owned());
    let made = manager.post("/api/v1/management-keys", &json!({"name": "another"})).await.json();
    secrets.push(made["key"].as_str().expect("a key string").to_owned());

    let kept = manager.post("/api/v1/byok", &json!({"provider": "p", "key": CREDENTIAL})).await;
    assert_eq!(kept.status, StatusCode::CREATED, "{kept:?}");
    let listed = manager.get("/api/v1/byok").await;
    let rotated = format!("/api/v1/byok/{}", kept.json()["data"]["id"].as_str().expect("an id"));
    let rotated = manager.patch(&rotated, &json!({"key": CREDENTIAL})).await;
    for reply in [&kept, &listed, &rotated] {
        let body = String::from_utf8_lossy(&reply.body);
        writeln!(said, "{body}").expect("a string takes all text");
    }

    for secret in secrets.clone() {
        let client = gateway.client(&secret);
        for reply in [
            client.get("/api/v1/key").await,
            client.get("/api/v1/keys").await,
            client.chat("keyway/echo", "hello").await,
            client.chat("p/m", "hello").await,
        ] {
            let body = String::from_utf8_lossy(&reply.body);
            writeln!(said, "{:?} {body}", reply.headers).expect("a string takes all text");
        }
    }
    // In places where what a caller says is repeated. A key that the operator made up cannot be told
    // from any other text there.
    for secret in secrets.iter().filter(|secret| secret.starts_with("sk-")) {
        let twice = format!("{{\"{secret}\":1,\"{secret}\":2}}");
        for reply in [
            gateway.client(&plain).chat(secret, "hello").await,
            gateway.client(&plain).chat("keyway/echo", &format!("#echo {secret}\nhi")).await,
            manager.get(&format!("/api/v1/{secret}")).await,
            manager.patch(&format!("/api/v1/keys/{secret}"), &json!({})).await,
            manager.get(&format!("/api/v1/keys?sort={secret}")).await,
            manager.get(&format!("/api/v1/keys?after={secret}")).await,
            manager.send(http::Method::PUT, &format!("/api/v1/keys/{secret}"), "").await,
            manager.send(http::Method::POST, "/api/v1/keys", twice).await,
        ] {
            assert!(reply.status.is_client_error(), "{reply:?}");
            let body = String::from_utf8_lossy(&reply.body);
            writeln!(said, "{:?} {body}", reply.headers).expect("a string takes all text");
        }
    }
    let running = files(gateway.data_dir());
    let stopped = gateway.terminate().await;
    let places = [
        ("answers", said.into_bytes()),
        ("the log", stopped.log().into_bytes()),
        ("the data directory while it ran", running),
        ("the data directory", files(stopped.data_dir())),
        ("the output", stopped.printed.join("\n").into_bytes()),
    ];
    for secret in &secrets {
        for (place, bytes) in &places {
            for (form, planted) in forms(secret) {
                let found = bytes.windows(planted.len()).any(|window| window == planted);
                assert!(!found, "{} is in {place} as {form}", &secret[..8]);
            }
        }
    }
    assert!(places[1].1.len() > 1_000, "the log is there to be searched");
    assert!(places[2].1.len() > 10_000, "the store is there to be searched");
}

/// All bytes of all files, but for the installation's own secrets.
fn files(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_file()
            && path.file_name().is_some_and(|name| name != "secret.key" && name != "kek.key")
        {
            bytes.extend(std::fs::read(&path).expect("a file"));
        }
    }
    bytes
}

/// The secret as it is, and as somebody might have written it.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut hex = String::new();
    for byte in secret.bytes() {
        write!(hex, "{byte:02x}").expect("a string takes all text");
    }
    let reversed: String = secret.chars().rev().collect();
    // The digits alone, which are what matters of a key that Keyway made.
    let digits = secret.strip_prefix("sk-or-v1-").unwrap_or(secret);
    let halves = digits.split_at(digits.len() / 2);
    vec![
        ("itself", secret.as_bytes().to_vec()),
        ("its first half", halves.0.as_bytes().to_vec()),
        ("its second half", halves.1.as_bytes().to_vec()),
        ("hex", hex.to_uppercase().into_bytes()),
        ("hex", hex.into_bytes()),
        ("its digits in binary", binary(digits)),
        ("base64", base64(secret.as_bytes())),
        ("reversed", reversed.into_bytes()),
    ]
}

/// What hex digits stand for; the text itself where it is none.
fn binary(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    let decoded: Option<Vec<u8>> =
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    decoded.unwrap_or_else(|| digits.as_bytes().to_vec())
}

/// The base64 that any encoding of a text with `bytes` in it contains, at offset zero.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = Vec::new();
    for group in bytes.chunks_exact(3) {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for shift in [18, 12, 6, 0] {
            encoded.push(ALPHABET[(bits >> shift & 63) as usize]);
        }
    }
    encoded
}
