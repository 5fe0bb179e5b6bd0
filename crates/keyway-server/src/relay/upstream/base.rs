//! Where a provider is.

use http::Uri;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};

use super::Failure;

/// A provider's address, taken apart once.
#[derive(Debug)]
pub(super) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// What every path begins with; without a slash at its end.
    path: String,
}

impl Base {
    pub(super) fn of(url: &str) -> Self {
        let uri: Uri = url.parse().expect("the configuration was checked");
        let path = uri.path().trim_end_matches('/').to_owned();
        let Parts { scheme, authority, .. } = uri.into_parts();
        Self {
            scheme: scheme.expect("the configuration was checked"),
            authority: authority.expect("the configuration was checked"),
            path,
        }
    }

    pub(super) fn with(&self, path: &str) -> Result<Uri, Failure> {
        let no_path = |error| Failure::new(format!("The request could not be built: {error}"));
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        let whole = [&self.path, path].concat();
        parts.path_and_query = Some(PathAndQuery::try_from(whole).map_err(no_path)?);
        Ok(Uri::from_parts(parts).expect("it has all of its parts"))
    }
}
