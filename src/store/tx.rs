//! A Postgres transaction.

use jiff::Timestamp;
use sqlx::{PgConnection, Postgres, Transaction};

use super::StoreError;
use crate::telemetry::metrics::STORE_TX;

/// An open Postgres transaction. Dropping it rolls it back; [`Tx::commit`] makes it durable.
#[must_use = "a transaction that is not committed is rolled back"]
#[derive(Debug)]
pub struct Tx {
    name: &'static str,
    inner: Transaction<'static, Postgres>,
    adopts_at: Option<Timestamp>,
}

impl Tx {
    pub(super) fn new(name: &'static str, inner: Transaction<'static, Postgres>) -> Self {
        Self {
            name,
            inner,
            adopts_at: None,
        }
    }

    /// Commits. When this returns, what was written is durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.inner
            .commit()
            .await
            .map_err(StoreError::while_doing("commit"))?;
        metrics::counter!(STORE_TX, "name" => self.name).increment(1);
        Ok(())
    }

    /// Has records that are stored anew, at this instant, take the id that rows of theirs still have: their own row was lost.
    pub fn adopt_strays(&mut self, at: Timestamp) {
        self.adopts_at = Some(at);
    }

    pub(super) const fn adopts_at(&self) -> Option<Timestamp> {
        self.adopts_at
    }

    /// The connection, for statements of this module.
    pub(super) fn db(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}
