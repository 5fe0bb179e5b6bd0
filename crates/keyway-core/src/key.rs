//! API keys: what may be said of one, and what is known of one.

use crate::budget::{ResetInterval, WindowKind};
use crate::clock::Timestamp;
use crate::id::{AccountId, KeyHash, KeyId, WorkspaceId};
use crate::money::Nanos;
use crate::rate::{RateLimits, RateLimitsPatch};
use crate::secret::{InstallationSecret, KeySecret, Tag};

/// What a key may be used for. Management keys manage and never infer, inference keys the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    Management,
    Inference,
}

/// A key's name: 1 to 256 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    pub const CHARACTERS_MAX: usize = 256;

    pub fn new(name: &str) -> Result<Self, KeyNameError> {
        match name.chars().count() {
            0 => return Err(KeyNameError::Empty),
            count if count > Self::CHARACTERS_MAX => return Err(KeyNameError::TooLong),
            _ => {}
        }
        if name.chars().any(char::is_control) {
            return Err(KeyNameError::ControlCharacter);
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a key's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyNameError {
    #[error("must not be empty")]
    Empty,
    #[error("must not be longer than 256 characters")]
    TooLong,
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// The terms under which a key may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What may be spent per window; `None` is unlimited.
    pub limit: Option<Nanos>,
    /// Which window the limit counts; `None` counts all time.
    pub reset: Option<ResetInterval>,
    /// Whether spend on the operator's own provider credentials counts against the limit.
    pub include_byok_in_limit: bool,
}

impl Terms {
    /// The kind of window that the limit counts.
    pub fn window(self) -> WindowKind {
        self.reset.map_or(WindowKind::Total, ResetInterval::window)
    }

    /// What of `spend` counts against the limit.
    pub fn counted(self, spend: WindowSpend) -> Nanos {
        let byok = if self.include_byok_in_limit { spend.byok } else { Nanos::ZERO };
        spend.spent.saturating_add(byok)
    }
}

/// What becomes of a request that may cost more than is left, unless it says so itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLimit {
    /// It is refused.
    #[default]
    Refuse,
    /// Its `max_tokens` is lowered to what can be paid.
    Clamp,
}

impl OnLimit {
    pub const ALL: [Self; 2] = [Self::Refuse, Self::Clamp];

    /// The word of the API: `refuse`, `clamp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Clamp => "clamp",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

/// What a new key is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    pub kind: KeyKind,
    pub name: KeyName,
    pub workspace: WorkspaceId,
    pub terms: Terms,
    pub rates: RateLimits,
    pub on_limit: OnLimit,
    /// Whether what is said with it is kept.
    pub log_content: bool,
    pub expires_at: Option<Timestamp>,
    pub creator_user_id: Option<String>,
    pub external_user: Option<String>,
}

impl NewKey {
    /// A key that manages, as it is made here: unlimited and for ever.
    pub fn management(name: KeyName, workspace: WorkspaceId) -> Self {
        Self {
            kind: KeyKind::Management,
            name,
            workspace,
            terms: Terms::default(),
            rates: RateLimits::default(),
            on_limit: OnLimit::default(),
            log_content: false,
            expires_at: None,
            creator_user_id: None,
            external_user: None,
        }
    }

    /// The key in the moment of its creation.
    pub fn record(
        &self,
        id: KeyId,
        account: AccountId,
        secret: &SecretRecord,
        now: Timestamp,
    ) -> KeyRecord {
        KeyRecord {
            id,
            account,
            kind: self.kind,
            workspace: self.workspace,
            hash: secret.hash,
            label: secret.label.clone(),
            name: self.name.clone(),
            disabled: false,
            terms: self.terms,
            rates: self.rates,
            on_limit: self.on_limit,
            log_content: self.log_content,
            creator_user_id: self.creator_user_id.clone(),
            external_user: self.external_user.clone(),
            created_at: now,
            updated_at: None,
            expires_at: self.expires_at,
            spend: KeySpend::default(),
        }
    }

    /// Whether it would be expired before it is made.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at < now)
    }
}

/// One secret of a key, as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRecord {
    pub hash: KeyHash,
    pub tag: Tag,
    /// The masked key string.
    pub label: String,
    /// Made by Keyway, with prefix and checksum; `false` for a key that the operator brought.
    pub minted: bool,
    /// When it stops being valid because the key was rotated; `None` for the newest.
    pub valid_until: Option<Timestamp>,
}

impl SecretRecord {
    /// What a store keeps of a key that Keyway made.
    pub fn minted(secret: &KeySecret, installation: &InstallationSecret) -> Self {
        Self {
            hash: secret.hash(),
            tag: installation.tag(secret.expose()),
            label: secret.label(),
            minted: true,
            valid_until: None,
        }
    }

    /// What a store keeps of a key that its operator made up. It may be short, and its masked form
    /// would tell half of it.
    pub fn brought(secret: &KeySecret, installation: &InstallationSecret) -> Self {
        let label = "brought by the operator".to_owned();
        Self { label, minted: false, ..Self::minted(secret, installation) }
    }

    pub fn is_live(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| now < until)
    }
}

/// A change to a key: `None` leaves the field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPatch {
    pub name: Option<KeyName>,
    pub disabled: Option<bool>,
    /// `Some(None)` takes the limit away.
    pub limit: Option<Option<Nanos>>,
    /// `Some(None)` makes the limit one for all time.
    pub reset: Option<Option<ResetInterval>>,
    pub include_byok_in_limit: Option<bool>,
    pub rates: RateLimitsPatch,
    pub on_limit: Option<OnLimit>,
    pub log_content: Option<bool>,
}

/// What was spent in one window, in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSpend {
    /// Charged to the key.
    pub spent: Nanos,
    /// Spent with the operator's own provider credentials, at list price.
    pub byok: Nanos,
}

/// What a key has spent, by [`crate::budget::WindowKind::index`], in the windows open at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySpend {
    pub windows: [WindowSpend; 4],
    /// Leased to nodes: held for requests in flight, and kept ready for the next ones.
    pub leased: Nanos,
    pub last_used_at: Option<Timestamp>,
}

/// A key as the management API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    pub id: KeyId,
    pub account: AccountId,
    pub kind: KeyKind,
    pub workspace: WorkspaceId,
    /// The newest secret's.
    pub hash: KeyHash,
    /// The newest secret's.
    pub label: String,
    pub name: KeyName,
    pub disabled: bool,
    pub terms: Terms,
    pub rates: RateLimits,
    pub on_limit: OnLimit,
    /// Whether what is said with it is kept.
    pub log_content: bool,
    pub creator_user_id: Option<String>,
    pub external_user: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub spend: KeySpend,
}

impl KeyRecord {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// What is spent in the window that the limit counts.
    pub fn spend_against_limit(&self) -> Nanos {
        self.terms.counted(self.spend.windows[self.terms.window().index()])
    }

    /// What is left under the limit in the window that it counts; `None` when unlimited.
    ///
    /// Never below zero: where the limit was lowered below what is spent, nothing is left.
    pub fn limit_remaining(&self) -> Option<Nanos> {
        let left = self.terms.limit?.saturating_sub(self.spend_against_limit());
        Some(left.max(Nanos::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_bounds() {
        assert!(KeyName::new("Customer Instance Key").is_ok());
        assert!(KeyName::new(&"ä".repeat(256)).is_ok());
        assert_eq!(KeyName::new(""), Err(KeyNameError::Empty));
        assert_eq!(KeyName::new(&"ä".repeat(257)), Err(KeyNameError::TooLong));
        assert_eq!(KeyName::new("a\u{7}b"), Err(KeyNameError::ControlCharacter));
    }
}
