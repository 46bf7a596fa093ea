//! The simulated Polar, as seen from its control port: who has an account, what was offered, what was spent.

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::loopback::Loopback;
use std::collections::BTreeMap;

/// The simulated Polar.
#[derive(Debug, Clone)]
pub(super) struct Polar {
    pub(super) http: Loopback,
    control: Url,
}

/// What was offered so far, and the transactions by what became of them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Ledger {
    pub(super) totals: Offered,
    pub(super) transactions: Transactions,
}

/// How much registered accounts were offered.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Offered {
    pub(super) users: i64,
    pub(super) exercises: i64,
    pub(super) nights: i64,
    pub(super) recharges: i64,
    pub(super) activities: i64,
    pub(super) physical_informations: i64,
    /// By the id of the sample type.
    pub(super) sample_values: BTreeMap<String, i64>,
    pub(super) zones: i64,
    pub(super) route_points: i64,
    pub(super) step_samples: i64,
    pub(super) sleep_heart_rate_values: i64,
    pub(super) hrv_values: i64,
    pub(super) breathing_values: i64,
}

/// Transactions of all accounts.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Transactions {
    pub(super) open: i64,
}

/// The two windows of the rate limit.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub(super) struct Windows {
    pub(super) short: Window,
    pub(super) long: Window,
}

/// A window of the rate limit.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub(super) struct Window {
    pub(super) used: u64,
    pub(super) limit: u64,
}

impl Polar {
    /// The one whose control port this is.
    pub(super) fn new(control: Url) -> anyhow::Result<Self> {
        let http = Loopback::new()?;
        Ok(Self { http, control })
    }

    /// The ids of all accounts, in their order.
    pub(super) async fn accounts(&self) -> anyhow::Result<Vec<i64>> {
        #[derive(Deserialize)]
        struct Accounts {
            users: Vec<Account>,
        }
        #[derive(Deserialize)]
        struct Account {
            polar_user_id: i64,
        }
        let accounts: Accounts = self.http.get(self.at("users")?).await?;
        let ids = accounts.users.iter().map(|account| account.polar_user_id);
        Ok(ids.collect())
    }

    /// What was offered so far. Adding it up takes a while.
    pub(super) async fn ledger(&self) -> anyhow::Result<Ledger> {
        self.http.get(self.at("ledger")?).await
    }

    /// The windows as they are.
    pub(super) async fn windows(&self) -> anyhow::Result<Windows> {
        #[derive(Deserialize)]
        struct Stats {
            windows: Windows,
        }
        let stats: Stats = self.http.get(self.at("stats")?).await?;
        Ok(stats.windows)
    }

    /// Lets the world go on to the present: what its people did since it began is uploaded.
    pub(super) async fn go_on_to(&self, now: Timestamp) -> anyhow::Result<()> {
        #[derive(Deserialize)]
        struct Shown {
            now: Timestamp,
        }
        let at = self.at("clock")?;
        let shown: Shown = self.http.get(at.clone()).await?;
        let behind_s = now.duration_since(shown.now).as_secs().max(0);
        let _: Value = self
            .http
            .post(at, &json!({ "advance_s": behind_s }))
            .await?;
        Ok(())
    }

    fn at(&self, path: &str) -> anyhow::Result<Url> {
        self.control
            .join(path)
            .context("a path of the control port")
    }
}
