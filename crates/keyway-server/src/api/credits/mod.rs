//! `/api/v1/credits`: what all keys together may spend, added by the operator.

pub mod add;
pub mod get;

use keyway_core::budget::WindowKind;
use keyway_core::error::Error;
use keyway_core::id::AccountId;
use keyway_core::money::Nanos;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::usd::Usd;

/// In USD. The balance is their difference.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Credits {
    /// What was ever added, and what was spent before; 0 where nothing was, and nothing is enforced.
    #[schema(value_type = f64)]
    total_credits: Usd,
    /// What all keys were ever charged.
    #[schema(value_type = f64)]
    total_usage: Usd,
}

/// `{"data": …}`
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct CreditsAnswer {
    data: Credits,
}

impl CreditsAnswer {
    async fn read(app: &App) -> Result<Self, ApiError> {
        let total = app.store.credits_total().await?.unwrap_or(Nanos::ZERO);
        let account = app.store.account_get(AccountId::INSTALLATION, app.clock.now()).await?;
        let account = account.ok_or_else(|| Error::internal("the installation has no account"))?;
        let spent = account.spend.windows[WindowKind::Total.index()].spent;
        Ok(Self { data: Credits { total_credits: Usd(total), total_usage: Usd(spent) } })
    }
}
