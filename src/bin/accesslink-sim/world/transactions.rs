//! The life of transactions: created over the pool, committed as a whole, or disbanded when their life ends.
//!
//! At most one transaction of a kind is open. What is not known about the real service is decided by switches:
//! what a second create answers, and what a late commit does.

use jiff::{SignedDuration, Timestamp};

use super::account::Account;
use super::item::{Kind, State};
use crate::switches::{LatePut, SecondCreate, Switches};

/// All transactions of one account, the open ones by kind.
#[derive(Debug)]
pub(crate) struct Transactions {
    first_id: u64,
    all: Vec<Transaction>,
    open: [Option<usize>; 3],
}

/// One transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) state: TransactionState,
    pub(crate) created_at: Timestamp,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) entries: Vec<Entry>,
}

/// An item of a transaction, in the revision that it had when it was taken in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) item: usize,
    pub(crate) revision: usize,
}

/// Where a transaction is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionState {
    Open,
    Committed,
    Expired,
}

impl TransactionState {
    /// Name in the ledger.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Committed => "committed",
            Self::Expired => "expired",
        }
    }
}

/// What a commit did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    /// The items are gone. Names a part that was deleted without ever having been served.
    Done { unserved: Option<String> },
    /// The transaction was closed before.
    Late,
    /// There never was such a transaction.
    Unknown,
}

const FIRST_TRANSACTION_ID: u64 = 288_000_001;

impl Transactions {
    /// No transactions yet; ids begin so far after the first one of the population.
    pub(crate) fn starting_at(distance: u64) -> Self {
        Self {
            first_id: FIRST_TRANSACTION_ID + distance,
            all: Vec::new(),
            open: [None; 3],
        }
    }

    /// The transaction of this kind and id.
    pub(crate) fn get(&self, kind: Kind, id: u64) -> Option<&Transaction> {
        self.position(kind, id).map(|position| &self.all[position])
    }

    /// All transactions, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transaction> {
        self.all.iter()
    }

    fn position(&self, kind: Kind, id: u64) -> Option<usize> {
        let position = id.checked_sub(self.first_id)? as usize;
        self.all
            .get(position)
            .filter(|transaction| transaction.kind == kind)?;
        Some(position)
    }
}

impl Account {
    /// Disbands what has outlived its life.
    pub(crate) fn transactions_expire(&mut self, now: Timestamp, life_s: u64) {
        let life = SignedDuration::from_secs(life_s as i64);
        for kind in Kind::ALL {
            let Some(position) = self.transactions.open[kind.index()] else {
                continue;
            };
            let end_at = self.transactions.all[position].created_at + life;
            if end_at <= now {
                self.transactions_disband(kind, end_at);
            }
        }
    }

    /// Opens a transaction over what is offered; none where there is nothing to offer.
    pub(crate) fn transactions_create(
        &mut self,
        kind: Kind,
        now: Timestamp,
        switches: &Switches,
    ) -> Option<u64> {
        self.age_out(kind, now, switches.transactional_days);
        let items_max = switches.transaction_items_max as usize;
        if let Some(position) = self.transactions.open[kind.index()] {
            let id = self.transactions.all[position].id;
            match switches.second_create {
                SecondCreate::NoContent => return None,
                SecondCreate::SameId => return Some(id),
                SecondCreate::SameIdMoreItems => {
                    let held = self.transactions.all[position].entries.clone();
                    let more = self.take_from_pool(kind, items_max, &held);
                    self.transactions.all[position].entries.extend(more);
                    return Some(id);
                }
                SecondCreate::NewId => self.transactions_disband(kind, now),
            }
        }
        let entries = self.take_from_pool(kind, items_max, &[]);
        if entries.is_empty() {
            return None;
        }
        let position = self.transactions.all.len();
        let id = self.transactions.first_id + position as u64;
        let (state, closed_at) = (TransactionState::Open, None);
        self.transactions.all.push(Transaction {
            id,
            kind,
            state,
            created_at: now,
            closed_at,
            entries,
        });
        self.transactions.open[kind.index()] = Some(position);
        Some(id)
    }

    /// Deletes what the transaction offered, all or nothing.
    pub(crate) fn transactions_commit(
        &mut self,
        kind: Kind,
        id: u64,
        now: Timestamp,
        late_put: LatePut,
    ) -> Commit {
        let Some(position) = self.transactions.position(kind, id) else {
            return Commit::Unknown;
        };
        let transaction = &mut self.transactions.all[position];
        let entries = transaction.entries.clone();
        match transaction.state {
            TransactionState::Open => {
                transaction.state = TransactionState::Committed;
                transaction.closed_at = Some(now);
                self.transactions.open[kind.index()] = None;
            }
            TransactionState::Expired if late_put == LatePut::Deletes => {
                self.take_from_open(kind, &entries);
            }
            TransactionState::Expired | TransactionState::Committed => return Commit::Late,
        }
        let unserved = entries
            .iter()
            .map(|entry| self.delete(kind, *entry, now))
            .fold(None, Option::or);
        Commit::Done {
            unserved: unserved.map(|part| format!("transaction {id} {part}")),
        }
    }

    /// Closes the open transaction of this kind; what it held is offered again.
    pub(crate) fn transactions_disband(&mut self, kind: Kind, at: Timestamp) {
        let Some(position) = self.transactions.open[kind.index()].take() else {
            return;
        };
        let transaction = &mut self.transactions.all[position];
        transaction.state = TransactionState::Expired;
        transaction.closed_at = Some(at);
        for entry in &transaction.entries {
            let item = &mut self.items[kind.index()][entry.item];
            let newest = item.revisions.len() - 1 == entry.revision;
            item.revisions[entry.revision].state = if newest {
                State::Pool
            } else {
                State::Superseded
            };
        }
    }

    /// Whether items of this kind wait for a commit, in the pool or in a transaction.
    pub(crate) fn has_waiting(&mut self, kind: Kind, now: Timestamp, days: u64) -> bool {
        self.age_out(kind, now, days);
        let mut items = self.items[kind.index()].iter();
        items.any(|item| matches!(item.latest().state, State::Pool | State::InTransaction))
    }

    fn age_out(&mut self, kind: Kind, now: Timestamp, days: u64) {
        let oldest = now.checked_sub(SignedDuration::from_hours(24 * days as i64));
        let oldest = oldest.unwrap_or(Timestamp::MIN);
        for item in &mut self.items[kind.index()] {
            let latest = item.latest_mut();
            if latest.state == State::Pool && latest.version_at < oldest {
                latest.state = State::AgedOut;
            }
        }
    }

    fn take_from_pool(&mut self, kind: Kind, items_max: usize, held: &[Entry]) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (index, item) in self.items[kind.index()].iter_mut().enumerate() {
            if held.len() + entries.len() >= items_max {
                break;
            }
            let is_held = held.iter().any(|entry| entry.item == index);
            if item.latest().state == State::Pool && !is_held {
                item.latest_mut().state = State::InTransaction;
                item.offered += 1;
                entries.push(Entry {
                    item: index,
                    revision: item.revisions.len() - 1,
                });
            }
        }
        entries
    }

    /// What a late commit deletes also disappears from the transaction that is open meanwhile.
    fn take_from_open(&mut self, kind: Kind, entries: &[Entry]) {
        if let Some(position) = self.transactions.open[kind.index()] {
            let same = |a: &Entry, b: &Entry| a.item == b.item && a.revision == b.revision;
            let open = &mut self.transactions.all[position].entries;
            open.retain(|held| !entries.iter().any(|gone| same(held, gone)));
        }
    }

    /// Deletes one revision and names a part of it that nobody ever saw.
    fn delete(&mut self, kind: Kind, entry: Entry, now: Timestamp) -> Option<String> {
        let revision = &mut self.items[kind.index()][entry.item].revisions[entry.revision];
        if !matches!(revision.state, State::Pool | State::InTransaction) {
            return None;
        }
        revision.state = State::Committed;
        revision.committed_at = Some(now);
        let unserved = revision.unserved();
        if let Some(parts) = &mut revision.parts {
            parts.drop_bodies();
        }
        unserved.map(|part| format!("item {} {part}", revision.id))
    }
}
