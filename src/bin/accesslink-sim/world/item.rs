//! What is offered in transactions: items, each with its revisions.
//!
//! ```text
//! pool ──► in_transaction ──► committed
//!  │ ▲            │
//!  │ └── expired ◄┘
//!  └──► aged_out | superseded (a later revision took its place before it was committed)
//! ```

use jiff::Timestamp;

use super::activity::Activity;
use super::body::Body;
use super::exercise::Exercise;
use super::parts::{PartKey, Parts};
use super::person::Person;
use super::session::Session;
use crate::switches::Switches;

/// The three kinds of transactional data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Exercise,
    Activity,
    PhysicalInformation,
}

impl Kind {
    /// All kinds, in the order in which tables are indexed.
    pub(crate) const ALL: [Self; 3] = [Self::Exercise, Self::Activity, Self::PhysicalInformation];

    /// Position in tables of kinds.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Path segment of its transactions.
    pub(crate) fn transactions(self) -> &'static str {
        [
            "exercise-transactions",
            "activity-transactions",
            "physical-information-transactions",
        ][self.index()]
    }

    /// Path segment of its items.
    pub(crate) fn items(self) -> &'static str {
        ["exercises", "activities", "physical-informations"][self.index()]
    }

    /// Key of the list of a transaction.
    pub(crate) fn list_key(self) -> &'static str {
        ["exercises", "activity-log", "physical-informations"][self.index()]
    }

    /// Name in notifications.
    pub(crate) fn data_type(self) -> &'static str {
        ["EXERCISE", "ACTIVITY_SUMMARY", "PHYSICAL_INFORMATION"][self.index()]
    }

    /// Name in the ledger.
    pub(crate) fn name(self) -> &'static str {
        ["exercise", "activity", "physical_information"][self.index()]
    }
}

/// One session, day or entry with all versions that there were of it.
#[derive(Debug)]
pub(crate) struct Item {
    /// Id of the exercise in `/v3/exercises`; empty for other kinds.
    pub(crate) hash_id: String,
    pub(crate) revisions: Vec<Revision>,
    /// How often it was listed in a new transaction.
    pub(crate) offered: u32,
    /// Whether it was uploaded before the account was registered anew, which hides it.
    pub(crate) is_hidden: bool,
}

/// One version of an item.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) id: u64,
    /// Upload time of an exercise, `created` of the others.
    pub(crate) version_at: Timestamp,
    pub(crate) state: State,
    pub(crate) committed_at: Option<Timestamp>,
    pub(crate) content: Content,
    /// Made when first asked for.
    pub(crate) parts: Option<Parts>,
}

/// Where a revision is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pool,
    InTransaction,
    Committed,
    AgedOut,
    Superseded,
}

impl State {
    /// Name in the ledger.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::InTransaction => "in_transaction",
            Self::Committed => "committed",
            Self::AgedOut => "aged_out",
            Self::Superseded => "superseded",
        }
    }
}

/// What an item is about.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Session(Box<Session>),
    Activity(Activity),
    Body(Body),
}

/// What bodies depend on besides the item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) person: &'a Person,
    pub(crate) origin: &'a str,
    pub(crate) switches: &'a Switches,
}

impl Item {
    /// The newest revision.
    pub(crate) fn latest(&self) -> &Revision {
        &self.revisions[self.revisions.len() - 1]
    }

    /// The newest revision, to be changed.
    pub(crate) fn latest_mut(&mut self) -> &mut Revision {
        let last = self.revisions.len() - 1;
        &mut self.revisions[last]
    }

    /// How often any of its bodies left unspoilt.
    pub(crate) fn served(&self) -> u32 {
        let parts = self
            .revisions
            .iter()
            .filter_map(|revision| revision.parts.as_ref());
        parts
            .flat_map(|parts| &parts.parts)
            .map(|part| part.served)
            .sum()
    }

    /// Numbers of the revisions that were committed.
    pub(crate) fn revisions_committed(&self) -> impl Iterator<Item = usize> {
        let revisions = self.revisions.iter().enumerate();
        revisions
            .filter(|(_, revision)| revision.committed_at.is_some())
            .map(|(index, _)| index + 1)
    }
}

impl Revision {
    /// A version that has just been uploaded.
    pub(crate) fn new(id: u64, version_at: Timestamp, content: Content) -> Self {
        Self {
            id,
            version_at,
            state: State::Pool,
            committed_at: None,
            content,
            parts: None,
        }
    }

    /// The bodies, made now unless they are there.
    pub(crate) fn parts(&mut self, hash_id: &str, setting: Setting<'_>) -> &mut Parts {
        if self.parts.as_ref().is_none_or(Parts::are_dropped) {
            let mut made = self.make_parts(hash_id, setting);
            if let Some(dropped) = &self.parts {
                made.take_counters(dropped);
            }
            self.parts = Some(made);
        }
        self.parts.get_or_insert_default()
    }

    /// The first sub-resource that a careful client would have read and that was never served.
    pub(crate) fn unserved(&self) -> Option<PartKey> {
        let Some(parts) = &self.parts else {
            return Some(PartKey::Summary);
        };
        let needed = parts.parts.iter().filter(|part| part.key.is_needed());
        needed
            .filter(|part| part.served == 0)
            .map(|part| part.key)
            .next()
    }

    fn make_parts(&self, hash_id: &str, setting: Setting<'_>) -> Parts {
        let Setting {
            person,
            origin,
            switches,
        } = setting;
        let (id, at) = (self.id, self.version_at);
        match &self.content {
            Content::Session(session) => {
                let upload_at = at;
                Exercise {
                    person,
                    session,
                    id,
                    hash_id,
                    upload_at,
                    origin,
                    switches,
                }
                .parts()
            }
            Content::Activity(activity) => activity.parts(person, id, at, origin, switches),
            Content::Body(body) => body.parts(person, id, at, origin),
        }
    }
}
