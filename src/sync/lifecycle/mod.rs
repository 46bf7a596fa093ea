//! The life of an AccessLink transaction, as a pure state machine: what happened goes in, the next
//! step comes out. No I/O, no clock; the pipeline and the tests drive the same code.
//!
//! ```text
//!            201                  everything durable,         200
//! opening ────────► open ───────► listed once more ► committing ───────► committed
//!  │ ▲ 204           │  │ broken item                    │  204, 404, or its life is over
//!  ▼ └─ answer lost  │  └────────► blocked               └──────────────► unconfirmed
//! empty              └─ 404, or its life is over ──────────────────────► lapsed
//! ```
//!
//! Five rules keep data from being lost:
//!
//! * `committing` is the point of no return. It is written before any PUT is sent, only when every
//!   item is durable, and nobody fetches from the transaction afterwards; so a PUT that a frozen
//!   worker sends late deletes nothing that is not stored.
//! * No PUT is started late in a transaction's life ([`Rules::commit_until`]), because one that
//!   arrives after its end may hit something that is not this transaction any more.
//! * Nothing is sealed by a list that was sent while a create of ours may still have been on its way
//!   of which nothing was heard ([`NotYet::Unsettled`]): it may be given the open transaction when it
//!   arrives, with what came meanwhile. One that is not there after a tenth of a life never comes.
//! * A create or commit that was written down long ago is not sent any more ([`Transactions::send_by`]).
//! * An empty answer to a create (204) is not believed while an earlier transaction of ours may
//!   still be open at Polar and hide what it holds.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::remote::{Changes, Doubt, Phase, Remote};

/// How long AccessLink's transactions live.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// `accesslink.transaction_life`.
    pub life: Duration,
}

impl Rules {
    /// Until when a commit may be started: four fifths of the life of the youngest possible
    /// transaction.
    fn commit_until(self, remote: &Remote) -> Timestamp {
        remote.created_at + self.life * 4 / 5
    }

    /// Whether a commit may be started. Not of a transaction that a clock dated in the future which was wrong, and
    /// set right since.
    fn is_in_time(self, remote: &Remote, now: Timestamp) -> bool {
        remote.created_at <= now + self.on_the_way() && now < self.commit_until(remote)
    }

    /// When the transaction is over for certain.
    fn over_at(self, remote: &Remote) -> Timestamp {
        remote.last_create_at + self.whole_life()
    }

    /// How long a create may take until it arrives, if it does.
    fn on_the_way(self) -> Duration {
        self.life / 10
    }

    fn whole_life(self) -> Duration {
        self.life + self.on_the_way()
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send a create; write [`Transactions::create_sent`] down before.
    Create,
    /// Go on with the open transaction: list, fetch, record.
    Fetch {
        /// Polar's id.
        transaction_id: i64,
    },
    /// Send the commit.
    Commit {
        /// Polar's id.
        transaction_id: i64,
    },
    /// Nothing can be done before this instant.
    Wait {
        /// When to look again.
        until: Timestamp,
    },
}

/// Why a transaction of which everything is durable cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotYet {
    /// It is too late for its commit, or will be before a list shows everything.
    TooOld {
        /// When a new one can be created.
        until: Timestamp,
    },
    /// A create of which nothing was heard may have added to it since it was listed.
    Unsettled {
        /// From when on a list shows everything.
        until: Timestamp,
    },
}

/// What an empty answer to a create means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// There is nothing new.
    New,
    /// An earlier transaction of ours may hide something until then.
    Doubtful {
        /// When to ask again.
        until: Timestamp,
    },
}

/// Our transactions of one connection and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transactions {
    current: Option<Remote>,
    closed: Vec<Remote>,
    doubt: Option<Doubt>,
    /// Items that an operator gave up: the next transaction offers them again.
    accepted_loss: Vec<String>,
    /// Whether the last create may be given what an earlier one opened whose answer was lost.
    is_second_create: bool,
}

impl Transactions {
    /// What the ledger knows.
    pub fn new(current: Option<Remote>, doubt: Option<Doubt>) -> Self {
        Self {
            accepted_loss: current
                .as_ref()
                .map(|remote| remote.accepted_loss.clone())
                .unwrap_or_default(),
            current,
            closed: Vec::new(),
            doubt,
            is_second_create: false,
        }
    }

    /// The transaction that is not over.
    pub fn current(&self) -> Option<&Remote> {
        self.current.as_ref()
    }

    /// Items that an operator gave up.
    pub fn accepted_loss(&self) -> &[String] {
        &self.accepted_loss
    }

    /// What has to be written down: the transactions that ended since [`Self::saved`], and the
    /// current one.
    pub fn changes(&self) -> Changes<'_> {
        Changes {
            remotes: self.closed.iter().chain(&self.current).collect(),
            doubt: self.doubt,
        }
    }

    /// Whether transactions ended that are not written down yet.
    pub fn is_dirty(&self) -> bool {
        !self.closed.is_empty()
    }

    /// What [`Self::changes`] said is written down.
    pub fn saved(&mut self) {
        self.closed.clear();
    }

    /// What to do next.
    pub fn step(&self, rules: Rules, now: Timestamp) -> Step {
        let Some(remote) = &self.current else {
            return Step::Create;
        };
        let (in_time, over) = (rules.is_in_time(remote, now), now >= rules.over_at(remote));
        match (remote.phase, remote.transaction_id) {
            (Phase::Committing, Some(transaction_id)) if in_time => Step::Commit { transaction_id },
            (Phase::Open | Phase::Durable | Phase::Blocked, Some(transaction_id)) if in_time => {
                Step::Fetch { transaction_id }
            }
            // Too late to commit, too early to be sure that it is over: a create now could be given
            // the same transaction again.
            (_, Some(_)) if !over => Step::Wait {
                until: rules.over_at(remote),
            },
            _ => Step::Create,
        }
    }

    /// A create is about to be sent.
    pub fn create_sent(&mut self, rules: Rules, now: Timestamp) {
        self.is_second_create = false;
        let Some(before) = self.current.take() else {
            self.current = Some(self.opening(now));
            return;
        };
        self.doubt(rules, &before);
        // The answer to an earlier create was lost, and may have opened what this one is given: its
        // age counts from then.
        if before.phase == Phase::Opening && now < rules.over_at(&before) {
            self.is_second_create = true;
            self.current = Some(Remote {
                last_create_at: now,
                ..before
            });
            return;
        }
        self.current = Some(before);
        self.close_over();
        self.current = Some(self.opening(now));
    }

    /// Until when the create or commit that is written down may be sent. Half of the time that a create may take is
    /// left to the network; a commit has a fifth of the transaction's life.
    pub fn send_by(&self, rules: Rules) -> Option<Timestamp> {
        let remote = self.current.as_ref()?;
        match remote.phase {
            Phase::Opening => Some(remote.last_create_at + rules.on_the_way() / 2),
            Phase::Committing => Some(rules.commit_until(remote)),
            Phase::Open
            | Phase::Blocked
            | Phase::Durable
            | Phase::Committed
            | Phase::Unconfirmed
            | Phase::Lapsed
            | Phase::Empty => None,
        }
    }

    /// Polar opened a transaction. A worker may have stood still with the create on its way, so that
    /// the transaction's life began as late as just now.
    pub fn created(&mut self, rules: Rules, now: Timestamp, transaction_id: i64) {
        if let Some(remote) = &mut self.current {
            remote.phase = Phase::Open;
            remote.transaction_id = Some(transaction_id);
            remote.last_create_at = remote.last_create_at.max(now - rules.on_the_way());
        }
    }

    /// The create was refused, or not sent after all: it opened nothing. An earlier one whose answer
    /// was lost may have; it keeps its place, and its age.
    pub fn create_refused(&mut self) {
        if !self.is_second_create {
            self.close(Phase::Empty);
        }
    }

    /// Polar has nothing new to open a transaction for, or does not say so.
    pub fn created_nothing(&mut self, now: Timestamp) -> Nothing {
        let phase = match self
            .current
            .as_ref()
            .and_then(|remote| remote.transaction_id)
        {
            Some(_) => Phase::Lapsed,
            None => Phase::Empty,
        };
        self.close(phase);
        self.doubt_at(now)
            .map_or(Nothing::New, |Doubt { until, .. }| Nothing::Doubtful {
                until,
            })
    }

    /// Polar no longer knows the transaction that was being fetched.
    pub fn gone(&mut self, rules: Rules) {
        self.doubt_current(rules);
        self.close(Phase::Lapsed);
    }

    /// An item could not be fetched whole.
    pub fn blocked(&mut self, items: Vec<String>) {
        self.set(Phase::Blocked, items);
    }

    /// Everything is durable, but commits are switched off.
    pub fn durable(&mut self, items: Vec<String>) {
        self.set(Phase::Durable, items);
    }

    /// Everything is durable that was in it at `listed_at`, before its last list was sent: from here on
    /// the commit may be sent by anybody.
    pub fn committing(
        &mut self,
        rules: Rules,
        now: Timestamp,
        listed_at: Timestamp,
        items: Vec<String>,
    ) -> Result<(), NotYet> {
        if let Some(remote) = &self.current {
            let settled_at = self.settled_at(rules, remote);
            let unsettled = settled_at.filter(|settled_at| listed_at < *settled_at);
            let earliest = unsettled.map_or(now, |settled_at| now.max(settled_at));
            if !rules.is_in_time(remote, earliest) {
                let until = rules.over_at(remote);
                return Err(NotYet::TooOld { until });
            }
            if unsettled.is_some() {
                return Err(NotYet::Unsettled { until: earliest });
            }
        }
        self.set(Phase::Committing, items);
        Ok(())
    }

    /// Polar confirmed the commit.
    pub fn committed(&mut self) {
        self.close(Phase::Committed);
    }

    /// Polar does not know the transaction that was to be committed. Everything is durable, so
    /// nothing is lost; but whether it was committed or had ended is not known.
    pub fn unconfirmed(&mut self, rules: Rules) {
        self.doubt_current(rules);
        self.close(Phase::Unconfirmed);
    }

    fn set(&mut self, phase: Phase, items: Vec<String>) {
        if let Some(remote) = &mut self.current {
            remote.phase = phase;
            remote.items = items;
        }
    }

    /// Closes a transaction whose life ended on its own.
    fn close_over(&mut self) {
        match self.current.as_ref().map(|remote| remote.phase) {
            Some(Phase::Committing) => self.close(Phase::Unconfirmed),
            Some(Phase::Opening) => self.close(Phase::Empty),
            _ => self.close(Phase::Lapsed),
        }
    }

    fn close(&mut self, phase: Phase) {
        self.closed
            .extend(self.current.take().map(|remote| Remote { phase, ..remote }));
    }

    fn doubt_current(&mut self, rules: Rules) {
        if let Some(remote) = self.current.clone() {
            self.doubt(rules, &remote);
        }
    }

    fn doubt(&mut self, rules: Rules, remote: &Remote) {
        let added = Doubt {
            since: remote.created_at,
            until: rules.over_at(remote),
        };
        // What was over before this one's life can have begun says nothing about its age.
        let earlier = self.doubt_at(remote.created_at);
        self.doubt = Some(earlier.map_or(added, |earlier| Doubt {
            since: earlier.since.min(added.since),
            until: earlier.until.max(added.until),
        }));
    }

    /// The doubt that is not over at an instant.
    fn doubt_at(&self, at: Timestamp) -> Option<Doubt> {
        self.doubt.filter(|doubt| at < doubt.until)
    }

    /// When every create has arrived, or never will, that may have been on its way beside the last
    /// one: all of them were sent before it. `None` when there can be none.
    fn settled_at(&self, rules: Rules, remote: &Remote) -> Option<Timestamp> {
        self.doubt_at(remote.last_create_at)
            .map(|_| remote.last_create_at + rules.on_the_way())
    }

    /// As long as an earlier transaction may be open, a create may be given that one again: its age
    /// then counts from the earliest time that the earlier one can have been opened.
    fn opening(&self, now: Timestamp) -> Remote {
        let created_at = self.doubt_at(now).map_or(now, |doubt| now.min(doubt.since));
        Remote {
            remote_id: Uuid::now_v7(),
            phase: Phase::Opening,
            transaction_id: None,
            created_at,
            last_create_at: now,
            items: Vec::new(),
            accepted_loss: self.accepted_loss.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
