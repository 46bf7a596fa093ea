//! A model of our Postgres, as far as the life cycle reads and writes it; and what must always hold.

use std::time::Duration;

use jiff::Timestamp;
use polar_sync::{
    accesslink::call::ItemPart,
    model::{Detail, Details},
    store::{
        raw::Held,
        remote::{Doubt, Phase, Remote},
    },
    sync::{
        decide::{Fetched, FetchedItem, SUMMARY},
        lifecycle::{Rules, Transactions},
    },
};
use uuid::Uuid;

use crate::polar::{Set, VERSIONS, version_of};

/// Ticks of a transaction's life.
pub(crate) const LIFE: u8 = 5;

/// How long a tick is.
pub(crate) const TICK: Duration = Duration::from_mins(2);

/// What is older than this many ticks is as old as this: all of it is over for certain.
const AGED: u32 = 6;

/// The rules that production runs by.
pub(crate) const RULES: Rules = Rules {
    life: Duration::from_mins(10),
};

/// The present. It stands still, and what is past moves away from it, so that states that differ in
/// nothing but the time of day are one.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

/// An instant, after a tick.
pub(crate) fn aged(at: Timestamp) -> Timestamp {
    (at - TICK).max(now() - TICK * AGED)
}

/// An instant in ticks before the present.
fn ticks_ago(at: Timestamp) -> f64 {
    now().duration_since(at).as_secs_f64() / TICK.as_secs_f64()
}

/// A promise that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) how: String,
}

/// What must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Nothing is deleted at Polar that is not durable in every wanted part.
    DeletedOnlyWhenDurable,
    /// Who hears that there is nothing new has everything.
    NothingNewIsTrue,
    /// From everywhere, whatever the order of events, everything ends durable and committed.
    EndsInStep,
}

impl Promise {
    pub(crate) fn broken(self, how: String) -> Violation {
        Violation { promise: self, how }
    }
}

/// Parts of an item, the summary among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Parts(u8);

impl Parts {
    const SUMMARY: Self = Self(0b1);

    fn of(detail: Detail) -> Self {
        match detail {
            Detail::Samples => Self(0b10),
            Detail::Zones => Self(0b100),
            Detail::Route => Self(0b1000),
        }
    }

    /// The part of this name.
    fn named(name: &str) -> Self {
        let details = Detail::ALL.iter();
        details
            .copied()
            .find(|detail| part_of(*detail).path() == name)
            .map_or(Self::SUMMARY, Self::of)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether Polar has them of a version: `b` has no zones.
    fn exist(self, version: usize) -> bool {
        VERSIONS[version].item == 1 || self != Self::of(Detail::Zones)
    }
}

/// The part that holds a detail. One series stands for the samples, so that all parts can be kept.
pub(crate) fn part_of(detail: Detail) -> ItemPart {
    match detail {
        Detail::Samples => ItemPart::Sample("0".to_owned()),
        Detail::Zones => ItemPart::Zones,
        Detail::Route => ItemPart::Gpx,
    }
}

/// Whether Polar has a detail of a version.
pub(crate) fn exists(version: usize, detail: Detail) -> bool {
    Parts::of(detail).exist(version)
}

/// Our transaction as the ledger knows it, and what is doubted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Row {
    pub(crate) remote: Option<Remote>,
    pub(crate) doubt: Option<Doubt>,
}

impl Row {
    /// What stands in memory, once it is read.
    pub(crate) fn read(&self) -> Transactions {
        Transactions::new(self.remote.clone(), self.doubt)
    }

    /// What memory says. Our ids tell nothing here, so they are all the same.
    pub(crate) fn of(transactions: &Transactions) -> Self {
        Self {
            remote: transactions.current().map(|remote| Remote {
                remote_id: Uuid::nil(),
                ..remote.clone()
            }),
            doubt: transactions
                .changes()
                .doubt
                .filter(|doubt| now() < doubt.until),
        }
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.is_in(Phase::Opening)
    }

    pub(crate) fn is_committing(&self) -> bool {
        self.is_in(Phase::Committing)
    }

    fn is_in(&self, phase: Phase) -> bool {
        let remote = self.remote.as_ref();
        remote.is_some_and(|remote| remote.phase == phase)
    }

    /// Polar's id of the transaction.
    pub(crate) fn id(&self) -> Option<u8> {
        let id = self.remote.as_ref()?.transaction_id?;
        u8::try_from(id).ok()
    }

    pub(crate) fn tick(&mut self) {
        if let Some(remote) = &mut self.remote {
            remote.created_at = aged(remote.created_at);
            remote.last_create_at = aged(remote.last_create_at);
        }
        let later = self.doubt.map(|doubt| Doubt {
            since: aged(doubt.since),
            until: doubt.until - TICK,
        });
        self.doubt = later.filter(|doubt| now() < doubt.until);
    }

    /// As it is written in a trace.
    pub(crate) fn text(&self) -> String {
        let remote = self.remote.as_ref().map_or("-".to_owned(), |remote| {
            format!(
                "{}{} created {:.0} ago",
                remote.phase.as_str(),
                remote
                    .transaction_id
                    .map_or(String::new(), |id| format!(" #{id}")),
                ticks_ago(remote.created_at)
            )
        });
        match self.doubt {
            Some(Doubt { since, until }) => format!(
                "{remote}, doubt since {:.0} ago for {:.1}",
                ticks_ago(since),
                -ticks_ago(until)
            ),
            None => remote,
        }
    }
}

/// Postgres.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    pub(crate) row: Row,
    /// Who holds the lease; what happened to its token.
    pub(crate) holder: Option<usize>,
    /// When the kind is due.
    pub(crate) due: Option<Timestamp>,
    /// What every sync stores.
    pub(crate) include: Details,
    /// What requests want that no run took yet.
    pub(crate) open: Details,
    /// What requests want that a run has taken.
    pub(crate) taken: Details,
    /// Bodies, by version.
    held: [Parts; VERSIONS.len()],
    /// What Polar said that there is nothing of, by version.
    nothing: [Parts; VERSIONS.len()],
    /// What was wanted when a transaction was sealed; nothing of production.
    pub(crate) sealed: Vec<(u8, Details)>,
}

impl Ledger {
    pub(crate) fn new(include: Details) -> Self {
        Self {
            row: Row::default(),
            holder: None,
            due: None,
            include,
            open: Details::NONE,
            taken: Details::NONE,
            held: Default::default(),
            nothing: Default::default(),
            sealed: Vec::new(),
        }
    }

    pub(crate) fn tick(&mut self) {
        self.row.tick();
        self.due = self.due.map(|due| due - TICK).filter(|due| now() < *due);
    }

    /// What somebody wants to see stored.
    pub(crate) fn wanted(&self) -> Details {
        self.include.union(self.open).union(self.taken)
    }

    /// What is kept of a part.
    pub(crate) fn of_part(&self, item: i64, version: &str, part: &ItemPart) -> Option<Held> {
        let (version, part) = (version_of(item, version)?, Parts::named(&part.path()));
        if self.held[version].has(part) {
            Some(Held::Body)
        } else if self.nothing[version].has(part) {
            Some(Held::Nothing)
        } else {
            None
        }
    }

    /// Stores a fetched item; whether that changed a record.
    pub(crate) fn store(&mut self, item: &FetchedItem) -> bool {
        // Without a summary nobody knows the version; what there is, is kept apart.
        let Some(version) = version_of(item.item_id, &item.version) else {
            return false;
        };
        let before = self.held[version];
        for (name, fetched) in &item.parts {
            let part = if name == SUMMARY {
                Parts::SUMMARY
            } else {
                Parts::named(name)
            };
            match fetched {
                Fetched::Body(_) => self.held[version].add(part),
                Fetched::Absent | Fetched::Missing => self.nothing[version].add(part),
            }
        }
        self.held[version] != before
    }

    /// Keeps the bodies of an item that was not fetched to its end.
    pub(crate) fn keep(&mut self, item: &FetchedItem) {
        let bodies = item.parts.iter();
        let bodies = bodies.filter(|(_, fetched)| matches!(fetched, Fetched::Body(_)));
        let kept = FetchedItem {
            parts: bodies.cloned().collect(),
            ..item.clone()
        };
        self.store(&kept);
    }

    /// Whether a version is durable with these details, as far as Polar has them.
    pub(crate) fn is_durable(&self, version: usize, details: Details) -> bool {
        let mut parts = details.iter().map(Parts::of);
        self.held[version].has(Parts::SUMMARY)
            && parts.all(|part| self.held[version].has(part) || !part.exist(version))
    }

    /// Whether all of these are durable with what every sync stores.
    pub(crate) fn are_durable(&self, versions: Set) -> bool {
        versions
            .iter()
            .all(|version| self.is_durable(version, self.include))
    }

    /// Whether a commit of this transaction may delete a version: with everything that was wanted when
    /// it was sealed, it is durable.
    pub(crate) fn may_delete(&self, id: u8, version: usize) -> Result<(), Violation> {
        let sealed = self.sealed.iter().find(|(sealed, _)| *sealed == id);
        let wanted = sealed.map_or(self.wanted(), |(_, wanted)| *wanted);
        if self.is_durable(version, wanted) {
            return Ok(());
        }
        let how = format!(
            "the commit of #{id} deletes {}, and {} is stored",
            VERSIONS[version].name,
            self.stored()
        );
        Err(Promise::DeletedOnlyWhenDurable.broken(how))
    }

    /// The versions that are durable, as they are written in a trace.
    pub(crate) fn stored(&self) -> String {
        let letters = |version: usize| {
            let parts = Detail::ALL.iter().zip(["s", "z", "r"]);
            let held = parts.filter(|(part, _)| self.held[version].has(Parts::of(**part)));
            held.map(|(_, letter)| letter).collect::<String>()
        };
        let names: Vec<_> = (0..VERSIONS.len())
            .filter(|version| self.held[*version] != Parts::default())
            .map(|version| format!("{}+{}", VERSIONS[version].name, letters(version)))
            .collect();
        format!("{{{}}}", names.join(" "))
    }
}
