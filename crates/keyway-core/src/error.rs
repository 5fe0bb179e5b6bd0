//! Errors without HTTP in them: who is at fault, what the caller may read, what the log needs.

use std::fmt;

/// What went wrong, in the kinds that a caller tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed or says something that is not allowed.
    Invalid,
    /// No credential, or none that is valid now.
    Unauthenticated,
    /// Nothing is left under a limit that the request could spend, or what is left is too little.
    PaymentRequired,
    /// The credential may not do this.
    Forbidden,
    NotFound,
    /// The method is not one of the route's.
    MethodNotAllowed,
    /// It took too long: the caller to say it, or us to look for it.
    Timeout,
    /// The state of the object stands against it.
    Conflict,
    TooLarge,
    /// Well-formed, but contradicts an earlier request.
    Unprocessable,
    /// The caller, or the provider on the caller's behalf, has to wait.
    RateLimited,
    /// A broken promise of our own.
    Internal,
    /// The provider failed.
    Upstream,
    /// The store cannot be written, or there is no room for more; it passes.
    Unavailable,
}

/// An error on its way to a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: ErrorKind,
    /// For the caller: what was wrong and what to do. Never a secret.
    pub message: String,
    /// For the log only.
    pub detail: Option<String>,
    /// The field of the request that is at fault.
    pub field: Option<String>,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None, field: None }
    }

    /// A field of the request says something that is not allowed; `why` completes the sentence.
    pub fn invalid(field: &str, why: impl fmt::Display) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, format!("{field}: {why}"));
        error.field = Some(field.to_owned());
        error
    }

    pub fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "Resource not found")
    }

    /// A broken promise of our own; the caller learns only that.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "Internal Server Error").with_detail(detail)
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        let message = "Service temporarily unavailable: the store cannot be written. Nothing was changed; try again.";
        Self::new(ErrorKind::Unavailable, message).with_detail(detail)
    }

    /// Looking for it was given up; the same again would be too.
    pub fn too_long(detail: impl Into<String>) -> Self {
        let message = "Looking through so many keys takes too long: search for less, or page with `after` in the default order.";
        Self::new(ErrorKind::Timeout, message).with_detail(detail)
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
