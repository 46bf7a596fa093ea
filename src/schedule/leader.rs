//! Leadership: one scheduler leads by a lease with a token, the others stand by.
//!
//! A frozen leader finds its token taken when it wakes up, since every planning transaction checks
//! it; a session lock would have been kept by it.

use std::sync::{Mutex, PoisonError};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    store::{
        Store,
        leader::{Office, Term},
        lease::LEASE_RENEWAL,
    },
    telemetry::{self, metrics::SCHEDULER_LEADER},
};

/// Whether this process leads.
#[derive(Debug, Default)]
pub(super) struct Leader {
    term: Mutex<Option<Term>>,
}

impl Leader {
    /// The term, while this process leads.
    pub(super) fn term(&self) -> Option<Term> {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, term: Option<Term>) {
        let before = std::mem::replace(
            &mut *self.term.lock().unwrap_or_else(PoisonError::into_inner),
            term,
        );
        match (before.is_some(), term.is_some()) {
            (false, true) => tracing::info!("this scheduler leads"),
            (true, false) => tracing::warn!("another scheduler leads"),
            _ => {}
        }
        metrics::gauge!(SCHEDULER_LEADER).set(if term.is_some() { 1.0 } else { 0.0 });
    }

    /// Leads or stands by until `stop`, then lets another one lead at once.
    pub(super) async fn keep(&self, store: &Store, name: &str, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(LEASE_RENEWAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match store.lead(Office::Scheduler, name, self.term()).await {
                Ok(term) => self.set(term),
                // The term stays: whether it still holds is asked in every transaction.
                Err(error) => {
                    tracing::warn!(
                        error = telemetry::chain(&error),
                        "leadership is not renewed"
                    );
                }
            }
        }
        if let Some(term) = self.term()
            && let Err(error) = store.resign(term).await
        {
            tracing::warn!(
                error = telemetry::chain(&error),
                "leadership runs out by itself"
            );
        }
    }
}
