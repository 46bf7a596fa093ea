//! Numbers the changes: one process at a time, fenced, at most a moment behind the writers.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    store::{
        Store, StoreError, changes,
        leader::{Office, Term},
        lease::LEASE_RENEWAL,
    },
    telemetry,
};

/// Between two looks at the outbox: readers are promised 200 ms.
const EVERY: Duration = Duration::from_millis(100);

/// The sequencer, leading or standing by.
#[derive(Debug)]
pub struct Sequencer {
    store: Store,
    name: String,
}

impl Sequencer {
    /// A sequencer under a name that is unique for every start.
    pub fn new(store: Store, name: String) -> Self {
        Self { store, name }
    }

    /// Numbers changes, or stands by, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ticks_a_renewal = LEASE_RENEWAL.as_millis() / EVERY.as_millis();
        let (mut term, mut tick) = (None, 0);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let is_renewal = tick % ticks_a_renewal == 0;
            tick += 1;
            let result = self.step(&mut term, is_renewal).await;
            if let Err(error) = result {
                tracing::warn!(
                    error = telemetry::chain(&error),
                    "changes wait to be numbered"
                );
            }
        }
        if let Some(term) = term
            && let Err(error) = self.store.resign(term).await
        {
            tracing::warn!(
                error = telemetry::chain(&error),
                "the sequencer's lease runs out by itself"
            );
        }
    }

    async fn step(&self, term: &mut Option<Term>, is_renewal: bool) -> Result<(), StoreError> {
        if is_renewal {
            *term = self
                .store
                .lead(Office::Sequencer, &self.name, *term)
                .await?;
        }
        if let Some(held) = *term
            && changes::sequence(&self.store, held.token).await?.is_none()
        {
            *term = None;
        }
        Ok(())
    }
}
