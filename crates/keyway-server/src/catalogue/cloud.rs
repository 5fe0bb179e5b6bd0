//! Providers in clouds: the variables that the clouds' own tools read say where one is, and whose it is.

use keyway_core::secret::KeySecret;
use keyway_providers::dialect::Dialect;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::config::cloud::{GLOBAL, address, is_place};
use crate::config::{account, credential};

const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const BEDROCK_KEY: &str = "AWS_BEARER_TOKEN_BEDROCK";
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// Regions that are clouds of their own, with prices of their own.
const APART: [&str; 2] = ["us-gov-", "cn-"];
const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
const LOCATION: &str = "GOOGLE_CLOUD_LOCATION";
const ACCOUNT_FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Which variables switch a provider on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cloud {
    Amazon,
    /// At one location.
    Google,
    /// Where Google has room, which has prices of its own.
    GoogleGlobal,
}

/// Where a provider is asked, and with what.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) base_url: String,
    pub(super) api_key: KeySecret,
}

/// The variables that are set.
#[derive(Clone, Copy)]
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Cloud {
    /// A provider that speaks `dialect`, as its variables say it; `None` where one of them is missing. An
    /// error names the variable, and never says what it holds.
    pub(super) fn find(
        self,
        dialect: Dialect,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Result<Found, String>> {
        let env = Variables(env);
        match self {
            Self::Amazon => amazon(dialect, env),
            Self::Google | Self::GoogleGlobal => {
                let location = env.set(LOCATION)?;
                if (location == GLOBAL) != (self == Self::GoogleGlobal) {
                    return None;
                }
                google(dialect, &location, env)
            }
        }
    }
}

impl Variables<'_> {
    fn set(self, name: &str) -> Option<String> {
        (self.0)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn credential(self, name: &str) -> Result<KeySecret, String> {
        credential(name, self.0).map_err(|problem| format!("{name}: {problem}"))
    }
}

fn amazon(dialect: Dialect, env: Variables<'_>) -> Option<Result<Found, String>> {
    let (variable, region) =
        REGIONS.into_iter().find_map(|name| env.set(name).map(|region| (name, region)))?;
    let has_own = env.set(BEDROCK_KEY).is_some();
    if !has_own {
        env.set(ACCESS_KEY_ID)?;
        env.set(SECRET_ACCESS_KEY)?;
    }
    if APART.iter().any(|apart| region.starts_with(apart)) {
        return Some(Err(format!("{variable}: the catalogue has no prices of this region")));
    }
    let api_key = if has_own { env.credential(BEDROCK_KEY) } else { access_key(env) };
    Some(api_key.and_then(|api_key| found((dialect, variable, &region), None, api_key)))
}

/// An access key in the form that signs requests.
fn access_key(env: Variables<'_>) -> Result<KeySecret, String> {
    let (id, secret) = (env.credential(ACCESS_KEY_ID)?, env.credential(SECRET_ACCESS_KEY)?);
    let session = env.set(SESSION_TOKEN).map(|_| env.credential(SESSION_TOKEN)).transpose()?;
    let key = json!({
        "accessKeyId": id.expose(), "secretAccessKey": secret.expose(),
        "sessionToken": session.as_ref().map(KeySecret::expose),
    });
    Ok(KeySecret::from_presented(&Zeroizing::new(key.to_string())))
}

fn google(dialect: Dialect, location: &str, env: Variables<'_>) -> Option<Result<Found, String>> {
    let (project, file) = (env.set(PROJECT)?, env.set(ACCOUNT_FILE)?);
    if !is_place(&project) {
        return Some(Err(format!("{PROJECT}: is no project")));
    }
    let api_key = account(&file).map_err(|problem| format!("{ACCOUNT_FILE}: {problem}"));
    let api_key = api_key.and_then(|key| {
        if is_service_account(&key) {
            return Ok(key);
        }
        Err(format!("{ACCOUNT_FILE}: names a file that is no service account's"))
    });
    let place = (dialect, LOCATION, location);
    Some(api_key.and_then(|api_key| found(place, Some(&project), api_key)))
}

fn found(
    (dialect, variable, region): (Dialect, &str, &str),
    project: Option<&str>,
    api_key: KeySecret,
) -> Result<Found, String> {
    let base_url = is_place(region).then(|| address(dialect, region, project)).flatten();
    let base_url = base_url.ok_or_else(|| format!("{variable}: is no region"))?;
    Ok(Found { base_url, api_key })
}

/// Google's tools leave other kinds of credentials in such a file, too.
fn is_service_account(key: &KeySecret) -> bool {
    let file: Value = serde_json::from_str(key.expose()).unwrap_or_default();
    ["client_email", "private_key"].iter().all(|field| file[field].is_string())
}
