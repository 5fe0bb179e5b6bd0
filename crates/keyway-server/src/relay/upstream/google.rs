//! Access tokens for Vertex: had for a service account's signed word, and kept until shortly before they
//! expire.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use keyway_core::clock::Timestamp;
use keyway_core::secret::KeySecret;
use keyway_providers::dialect::Dialect;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::Failure;
use crate::egress::Egress;

/// Where tokens are had, unless the configuration says otherwise. What a credential says of it is not
/// followed: it would choose where Keyway connects.
pub(super) const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// For how long a word is good; Google takes no more.
const WORD_SECONDS: i64 = 3_600;
/// A token is had anew this long before it expires.
const AHEAD_SECONDS: i64 = 300;
/// Accounts whose tokens are kept. Beyond that all are had anew.
const TOKENS_MAX: usize = 256;
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What of a service account's file is needed.
#[derive(Deserialize)]
struct Account {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

struct Token {
    text: KeySecret,
    expires: Timestamp,
}

/// The tokens of one provider's accounts, by the digest of the credential.
pub(super) struct Tokens {
    url: String,
    known: Mutex<HashMap<[u8; 32], Token>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whether a credential for `dialect` is a service account's file, and not a token or key.
pub(super) fn is_account(dialect: Dialect, key: &KeySecret) -> bool {
    dialect.is_at_vertex() && key.expose().trim_start().starts_with('{')
}

impl Tokens {
    pub(super) fn new(url: String) -> Self {
        Self { url, known: Mutex::default() }
    }

    /// A token of the account `key`, good for some minutes from `now` on. Who waits for the same token
    /// waits for one request.
    pub(super) async fn token(
        &self,
        key: &KeySecret,
        egress: &Egress,
        now: Timestamp,
    ) -> Result<KeySecret, Failure> {
        let digest = Sha256::digest(key.expose()).into();
        let mut known = self.known.lock().await;
        if let Some(token) = known.get(&digest)
            && now.plus_seconds(AHEAD_SECONDS) < token.expires
        {
            return Ok(token.text.clone());
        }
        let had = tokio::time::timeout(ANSWER_TIMEOUT, self.ask(key, egress, now)).await;
        let token = had.map_err(|_| failed("did not answer in time"))??;
        if known.len() >= TOKENS_MAX {
            known.clear();
        }
        let text = token.text.clone();
        known.insert(digest, token);
        Ok(text)
    }

    async fn ask(
        &self,
        key: &KeySecret,
        egress: &Egress,
        now: Timestamp,
    ) -> Result<Token, Failure> {
        let word = word(key, &self.url, now)?;
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(
                json!({"grant_type": GRANT, "assertion": word}).to_string(),
            )))
            .map_err(|_| failed("has no valid address"))?;
        let response = egress.send(request).await.map_err(|_| failed("cannot be reached"))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| failed("broke off its answer"))?.to_bytes();
        if !status.is_success() {
            return Err(Failure { status: Some(status), ..failed(&format!("answered {status}")) });
        }
        let granted: Granted =
            serde_json::from_slice(&body).map_err(|_| failed("answered no token"))?;
        let expires = now.plus_seconds(granted.expires_in);
        Ok(Token { text: KeySecret::from_presented(&granted.access_token), expires })
    }
}

fn failed(why: &str) -> Failure {
    Failure::new(format!("Google's token server {why}"))
}

/// What a service account signs: who it is, and what it wants (RFC 7523).
fn word(key: &KeySecret, audience: &str, now: Timestamp) -> Result<String, Failure> {
    let unfit = || Failure::new("The provider's key is no service account's file");
    let account: Account = serde_json::from_str(key.expose()).map_err(|_| unfit())?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(account.private_key.as_bytes());
    let key = RsaKeyPair::from_pkcs8(key.map_err(|_| unfit())?.secret_pkcs8_der());
    let key = key.map_err(|_| unfit())?;
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": account.private_key_id});
    let issued = now.as_seconds();
    let claims = json!({
        "iss": account.client_email, "scope": SCOPE, "aud": audience, "iat": issued,
        "exp": issued + WORD_SECONDS,
    });
    let encoded = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| unfit())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    const ACCOUNT: &str = include_str!("../../../../keyway-testkit/fixtures/service-account.json");

    #[test]
    fn a_word_is_signed_by_the_account_for_the_server_that_is_asked() {
        let key = KeySecret::from_presented(ACCOUNT);
        let word = word(&key, TOKEN_URL, Timestamp::from_micros(1_700_000_000_000_000));
        let word = word.expect("a word");
        let (signed, signature) = word.rsplit_once('.').expect("a signature");
        let (_, claims) = signed.split_once('.').expect("claims");
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64");
        let claims: Value = serde_json::from_slice(&decode(claims)).expect("JSON");
        assert_eq!(claims["aud"], TOKEN_URL, "not where the file says");
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&json!(1_700_000_000), &json!(1_700_003_600))
        );
        let account: Account = serde_json::from_str(ACCOUNT).expect("an account");
        let pem = PrivatePkcs8KeyDer::from_pem_slice(account.private_key.as_bytes());
        let pair = RsaKeyPair::from_pkcs8(pem.expect("a key").secret_pkcs8_der()).expect("RSA");
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref());
        assert!(public.verify(signed.as_bytes(), &decode(signature)).is_ok());
    }

    #[test]
    fn what_is_no_account_is_refused_without_being_repeated() {
        let now = Timestamp::from_micros(0);
        for key in ["{}", r#"{"client_email": "a", "private_key": "secret"}"#, "{"] {
            let failure = word(&KeySecret::from_presented(key), TOKEN_URL, now).expect_err(key);
            assert!(!failure.message.contains("secret"), "{failure:?}");
        }
    }
}
