//! What every stage of a run works with.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    lifecycle::{Rules, Transactions},
};
use crate::{
    accesslink::{Answer, Call},
    clock::Clock,
    config::Brake,
    connection::Session,
    model::{Details, Lane, TransactionalKind, UserId},
    store::{Store, Tx, lease::Lease},
};

/// What the operator decided about syncs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is stored of every workout before its transaction is committed.
    pub include: Details,
    /// Whether transactions are committed.
    pub brake: Brake,
    /// How long AccessLink's transactions live.
    pub transaction_life: Duration,
    /// How many calls one run has under way at once.
    pub fetch_concurrency: usize,
    /// How many calls must be left in a window for a transaction to be created.
    pub open_reserve: u32,
}

/// One run: a lease on a connection, with what it takes to bring it in step.
#[derive(Debug)]
pub struct Run<'a> {
    /// Postgres.
    pub store: &'a Store,
    /// AccessLink, speaking for the connection.
    pub session: &'a Session,
    /// What the operator decided.
    pub settings: &'a Settings,
    /// The time.
    pub clock: &'a Clock,
    /// The fence.
    pub lease: Lease,
    /// The most urgent lane of the requests that it serves.
    pub lane: Lane,
    /// What its requests must see stored, beside `settings.include`.
    pub asked: Details,
    /// Whether it also brings back what Polar still shows, or what is kept raw, and is not stored, of the kind
    /// that has its turn.
    pub restores: bool,
    /// Set when the run has to end at the next safe point.
    pub stop: CancellationToken,
    /// When it has been long enough, and another run goes on.
    pub deadline: Timestamp,
    /// How many calls may be under way at once.
    pub calls: Arc<Semaphore>,
}

impl Run<'_> {
    /// The user whose data it is.
    pub fn user_id(&self) -> &UserId {
        &self.session.connection().user_id
    }

    /// What has to be stored of every workout.
    pub fn wanted(&self) -> Details {
        self.settings.include.union(self.asked)
    }

    pub(super) fn rules(&self) -> Rules {
        Rules {
            life: self.settings.transaction_life,
        }
    }

    /// Sends a call, unless the run has to end.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        // The semaphore is never closed; a closed one would mean the same as a stop.
        let Ok(_permit) = self.calls.acquire().await else {
            return Err(Failure::Stopped);
        };
        self.may_go_on()?;
        Ok(self.session.send(call).await?)
    }

    /// Whether the run has neither to end nor been long enough.
    pub(super) fn may_go_on(&self) -> Result<(), Failure> {
        if self.stop.is_cancelled() {
            Err(Failure::Stopped)
        } else if self.clock.now() >= self.deadline {
            Err(Failure::MoreWaits)
        } else {
            Ok(())
        }
    }

    /// Begins a Postgres transaction that stores records; in a run that brings back what is lost, they
    /// take the place of what is left of lost ones.
    pub(super) async fn begin(&self, name: &'static str) -> Result<Tx, Failure> {
        let mut tx = self.store.begin_fenced(name, &self.lease).await?;
        if self.restores {
            tx.adopt_strays(self.clock.now());
        }
        Ok(tx)
    }

    /// Ends the run between two transactions when something more urgent waits for its connection.
    pub(super) async fn give_way(&self, round: usize) -> Result<(), Failure> {
        self.may_go_on()?;
        let connection = self.lease.connection_id;
        if round > 0
            && self
                .store
                .is_more_urgent_waiting(connection, self.lane)
                .await?
        {
            return Err(Failure::GaveWay);
        }
        Ok(())
    }

    /// Writes down how the transactions of a kind stand.
    pub(super) async fn save(
        &self,
        name: &'static str,
        kind: TransactionalKind,
        transactions: &mut Transactions,
    ) -> Result<(), Failure> {
        let mut tx = self.store.begin_fenced(name, &self.lease).await?;
        tx.save_transactions(&self.lease, kind, transactions.changes())
            .await?;
        tx.commit().await?;
        transactions.saved();
        Ok(())
    }
}
