//! How a request to Amazon is authorized: signed with an access key, or with a key of Bedrock's own.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use keyway_core::clock::Timestamp;
use keyway_core::secret::KeySecret;
use serde::Deserialize;

use super::Failure;

const SERVICE: &str = "bedrock";
/// Where an address does not say.
const REGION_DEFAULT: &str = "us-east-1";
/// How access keys begin: those that last, and those of a session.
const ACCESS_KEY_PREFIXES: [&str; 2] = ["AKIA", "ASIA"];

/// An access key. Written `ID:SECRET`, with `:SESSION` behind it where it is of a session, or as JSON.
#[derive(Debug, Deserialize)]
pub(super) struct AccessKey {
    #[serde(rename = "accessKeyId")]
    id: String,
    #[serde(rename = "secretAccessKey")]
    secret: KeyText,
    #[serde(rename = "sessionToken")]
    session: Option<KeyText>,
}

/// Text that no debugging output shows.
#[derive(Deserialize)]
struct KeyText(String);

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl AccessKey {
    /// `None` where it is a key of another kind, which is presented as it is.
    pub(super) fn read(key: &KeySecret) -> Option<Self> {
        let text = key.expose();
        if text.starts_with('{') {
            return serde_json::from_str(text).ok();
        }
        if !ACCESS_KEY_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return None;
        }
        let mut parts = text.splitn(3, ':').map(str::to_owned);
        Some(Self {
            id: parts.next()?,
            secret: KeyText(parts.next()?),
            session: parts.next().map(KeyText),
        })
    }

    /// Signs `request`, whose body is `body`, as of `now`.
    pub(super) fn sign(
        self,
        request: &mut Request<Full<Bytes>>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let session = self.session.map(|token| token.0);
        let credentials = Credentials::new(self.id, self.secret.0, session, None, SERVICE);
        let identity = credentials.into();
        let uri = request.uri().to_string();
        let region = region(request.uri().host().unwrap_or_default()).to_owned();
        let cannot = || Failure::new("The request could not be signed");
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name(SERVICE)
            .time(time(now))
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| cannot())?
            .into();
        let no_headers = std::iter::empty();
        let signable = SignableRequest::new("POST", &uri, no_headers, SignableBody::Bytes(body));
        let signed = sign(signable.map_err(|_| cannot())?, &parameters).map_err(|_| cannot())?;
        signed.into_parts().0.apply_to_request_http1x(request);
        Ok(())
    }
}

/// `bedrock-runtime.REGION.amazonaws.com`
fn region(host: &str) -> &str {
    let mut labels = host.split('.').skip_while(|label| !label.starts_with("bedrock"));
    labels.nth(1).unwrap_or(REGION_DEFAULT)
}

fn time(now: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.as_seconds()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let read = |text: &str| AccessKey::read(&KeySecret::from_presented(text));
        assert!(read("ABSKQmVkcm9ja0FQSUtleQ==").is_none(), "a key of Bedrock's own");
        let key = read("AKIDEXAMPLE:x").is_none().then(|| read("AKIAEXAMPLE:a/b+c:token"));
        let key = key.flatten().expect("an access key");
        assert_eq!(key.id, "AKIAEXAMPLE");
        assert_eq!(key.session.expect("a session").0, "token");
        let json = read(r#"{"accessKeyId":"AKIAEXAMPLE","secretAccessKey":"s","region":"x"}"#);
        assert_eq!(json.expect("an access key").secret.0, "s");
    }

    #[test]
    fn a_region_is_read_off_the_address() {
        assert_eq!(region("bedrock-runtime.eu-central-1.amazonaws.com"), "eu-central-1");
        assert_eq!(region("vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com"), "us-west-2");
        assert_eq!(region("127.0.0.1"), REGION_DEFAULT);
    }

    #[test]
    fn a_signature_covers_body_and_time() {
        let signed = |body: &'static [u8], micros| {
            let key = KeySecret::from_presented("AKIAEXAMPLE:secret");
            let uri = "https://bedrock-runtime.us-east-1.amazonaws.com/model/a.b%3A0/converse";
            let mut request =
                Request::post(uri).body(Full::new(Bytes::from_static(body))).expect("a request");
            let key = AccessKey::read(&key).expect("an access key");
            key.sign(&mut request, body, Timestamp::from_micros(micros)).expect("signed");
            let authorization = request.headers()["authorization"].to_str().expect("text");
            authorization.to_owned()
        };
        let one = signed(b"{}", 1_700_000_000_000_000);
        let scope =
            "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20231114/us-east-1/bedrock/aws4_request";
        assert!(one.starts_with(scope), "{one}");
        assert!(!one.contains("secret"));
        assert_ne!(one, signed(b"{ }", 1_700_000_000_000_000));
        assert_ne!(one, signed(b"{}", 1_700_000_001_000_000));
    }
}
