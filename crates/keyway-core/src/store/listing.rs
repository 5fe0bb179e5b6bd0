//! What a list of keys shows.

use crate::id::{KeyHash, WorkspaceId};
use crate::key::{KeyKind, KeyRecord};

/// Which keys a list shows, and in what order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyQuery {
    pub kind: KeyKind,
    pub workspace: WorkspaceId,
    pub include_disabled: bool,
    pub include_expired: bool,
    /// Only keys whose name or label contains this; ASCII letters match in either case.
    pub contains: Option<String>,
    pub sort: KeySort,
    pub start: PageStart,
    /// Rows at most, 1 to 1,000.
    pub limit: u32,
}

/// The order of a list. Keys that are equal in it stand newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySort {
    #[default]
    Newest,
    Oldest,
    /// By name, in the order of its bytes.
    Name,
    NameDescending,
    /// By all-time spend, largest first.
    UsageDescending,
}

impl KeySort {
    pub const ALL: [Self; 5] =
        [Self::Newest, Self::Oldest, Self::Name, Self::NameDescending, Self::UsageDescending];

    /// The word of the query: a field, with `-` before it for the largest first.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "-created_at",
            Self::Oldest => "created_at",
            Self::Name => "name",
            Self::NameDescending => "-name",
            Self::UsageDescending => "-usage",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// Skips this many rows.
    Offset(u64),
    /// Starts behind the key that has or had this hash, deleted ones included.
    After(KeyHash),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPage {
    Keys(Vec<KeyRecord>),
    /// [`PageStart::After`] names no key.
    UnknownCursor,
}
