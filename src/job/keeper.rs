//! Keeps the leases of a worker's runs alive, and tells a run when its lease is lost.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    model::ConnectionId,
    store::{
        Store,
        lease::{LEASE_RENEWAL, Lease},
    },
    telemetry,
};

/// The leases of one worker.
#[derive(Debug, Clone, Default)]
pub struct Keeper {
    held: Arc<Mutex<HashMap<ConnectionId, (Lease, CancellationToken)>>>,
}

/// A lease that is kept alive until this is dropped.
#[derive(Debug)]
pub struct Kept {
    keeper: Keeper,
    lease: Lease,
    /// Cancelled when the lease is lost.
    pub lost: CancellationToken,
}

impl Keeper {
    /// Keeps a lease alive.
    pub fn keep(&self, lease: Lease) -> Kept {
        let lost = CancellationToken::new();
        self.lock()
            .insert(lease.connection_id, (lease, lost.clone()));
        Kept {
            keeper: self.clone(),
            lease,
            lost,
        }
    }

    /// Renews what is held, again and again, until `stop`.
    pub async fn run(&self, store: &Store, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(LEASE_RENEWAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let leases: Vec<_> = self.lock().values().map(|(lease, _)| *lease).collect();
            if leases.is_empty() {
                continue;
            }
            match store.renew_leases(&leases).await {
                Ok(renewed) => self.drop_lost(&leases, &renewed),
                // The leases may run out; whoever takes over increments the token.
                Err(error) => {
                    tracing::warn!(
                        error = telemetry::chain(&error),
                        "leases could not be renewed"
                    );
                }
            }
        }
    }

    fn drop_lost(&self, leases: &[Lease], renewed: &[ConnectionId]) {
        let held = self.lock();
        for lease in leases
            .iter()
            .filter(|lease| !renewed.contains(&lease.connection_id))
        {
            if let Some((current, lost)) = held.get(&lease.connection_id)
                && current.token == lease.token
            {
                lost.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, (Lease, CancellationToken)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut held = self.keeper.lock();
        if held
            .get(&self.lease.connection_id)
            .is_some_and(|(lease, _)| *lease == self.lease)
        {
            held.remove(&self.lease.connection_id);
        }
    }
}
