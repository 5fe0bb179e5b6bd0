//! `/api/v1/management-keys`, beyond OpenRouter's API: the keys that manage.

pub mod create;
pub mod list;
pub mod revoke;
