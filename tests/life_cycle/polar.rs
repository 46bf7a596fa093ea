//! A model of AccessLink: what it offers, its transactions, and everything that nobody knows about it
//! as a switch.

use crate::ledger::Violation;

/// The places of [`VERSIONS`].
pub(crate) const A1: usize = 0;
pub(crate) const B1: usize = 1;
pub(crate) const A2: usize = 2;

/// What can be uploaded: `a`, `b`, and a new version of `a`.
pub(crate) const VERSIONS: [Version; 3] = [
    Version {
        name: "a1",
        item: 1,
        text: "1",
        replaces: None,
    },
    Version {
        name: "b1",
        item: 2,
        text: "1",
        replaces: None,
    },
    Version {
        name: "a2",
        item: 1,
        text: "2",
        replaces: Some(A1),
    },
];

/// A version of an item.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: &'static str,
    /// The item's id.
    pub(crate) item: i64,
    /// What its summary says of the version.
    pub(crate) text: &'static str,
    /// The version that it takes the place of, where that one still waits.
    pub(crate) replaces: Option<usize>,
}

/// The version of an item that carries this text.
pub(crate) fn version_of(item: i64, text: &str) -> Option<usize> {
    VERSIONS
        .iter()
        .position(|version| version.item == item && version.text == text)
}

/// A set of versions, by their places in [`VERSIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Set(u8);

impl Set {
    pub(crate) const fn one(version: usize) -> Self {
        Self(1 << version)
    }

    pub(crate) const fn has(self, version: usize) -> bool {
        self.0 & (1 << version) != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..VERSIONS.len()).filter(move |version| self.has(*version))
    }

    /// The items whose versions these are.
    pub(crate) fn items(self) -> impl Iterator<Item = i64> {
        self.iter().map(|version| VERSIONS[version].item)
    }

    /// As it is written in a trace.
    pub(crate) fn text(self) -> String {
        let names: Vec<_> = self.iter().map(|version| VERSIONS[version].name).collect();
        format!("{{{}}}", names.join(" "))
    }
}

/// What a create answers while a transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecondCreate {
    Nothing,
    SameId,
    SameIdMoreItems,
    NewId,
}

/// What a commit of a transaction does that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LatePut {
    NoOp,
    /// Deletes what the transaction held.
    Deletes,
    /// Deletes what is offered of the items that the transaction held, newer versions too.
    DeletesItems,
}

/// What a commit answers that really commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutAnswer {
    Done,
    NoContent,
    NotFound,
    /// None ever comes.
    Lost,
}

/// What nobody knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Switches {
    pub(crate) second_create: SecondCreate,
    /// Whether a resource of a transaction that is over answers 404, else 204.
    pub(crate) gone_is_404: bool,
    pub(crate) late_put: LatePut,
    pub(crate) put_answer: PutAnswer,
}

/// A transaction that is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Open {
    pub(crate) id: u8,
    /// In ticks.
    pub(crate) age: u8,
    pub(crate) entries: Set,
}

/// A transaction that is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Closed {
    pub(crate) id: u8,
    pub(crate) entries: Set,
    pub(crate) is_committed: bool,
}

/// What came of a call, as far as a status says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Body,
    NoContent,
    NotFound,
    Done,
    /// No answer ever comes.
    Silence,
}

/// Polar's side: one user, one kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Polar {
    /// What waits for a transaction.
    pub(crate) pool: Set,
    pub(crate) open: Option<Open>,
    pub(crate) closed: Vec<Closed>,
}

impl Polar {
    /// A new version is there; one of the same item that still waits in the pool gives way.
    pub(crate) fn upload(&mut self, version: usize) {
        if let Some(before) = VERSIONS[version].replaces {
            self.pool = self.pool.without(Set::one(before));
        }
        self.pool = self.pool.and(Set::one(version));
    }

    /// Time passes; a transaction that outlived its life is disbanded.
    pub(crate) fn tick(&mut self, life: u8) {
        if let Some(open) = &mut self.open {
            open.age += 1;
            if open.age >= life {
                self.disband();
            }
        }
    }

    /// What is offered: it is deleted by a commit, and by nothing else.
    pub(crate) fn offered(&self) -> Set {
        self.open
            .as_ref()
            .map_or(self.pool, |open| self.pool.and(open.entries))
    }

    fn disband(&mut self) {
        let Some(open) = self.open.take() else { return };
        let superseded = VERSIONS
            .iter()
            .enumerate()
            .filter(|(version, _)| self.pool.has(*version))
            .filter_map(|(_, version)| version.replaces)
            .fold(Set::default(), |all, one| all.and(Set::one(one)));
        self.pool = self.pool.and(open.entries.without(superseded));
        self.closed.push(Closed {
            id: open.id,
            entries: open.entries,
            is_committed: false,
        });
    }

    /// Takes what waits into the open transaction, one version of an item.
    pub(crate) fn grow(&mut self) {
        let Some(open) = &mut self.open else { return };
        for version in self.pool.iter() {
            if open
                .entries
                .items()
                .all(|item| item != VERSIONS[version].item)
            {
                open.entries = open.entries.and(Set::one(version));
                self.pool = self.pool.without(Set::one(version));
            }
        }
    }

    /// A create arrives; the id of what it opened, if it did. `fresh` is an id that nobody knows yet.
    pub(crate) fn create(&mut self, switches: Switches, fresh: u8) -> Option<u8> {
        if let Some(open) = &self.open {
            let id = open.id;
            match switches.second_create {
                SecondCreate::Nothing => return None,
                SecondCreate::SameId => return Some(id),
                SecondCreate::SameIdMoreItems => {
                    self.grow();
                    return Some(id);
                }
                SecondCreate::NewId => self.disband(),
            }
        }
        if self.pool.is_empty() {
            return None;
        }
        self.open = Some(Open {
            id: fresh,
            age: 0,
            entries: std::mem::take(&mut self.pool),
        });
        Some(fresh)
    }

    /// A list arrives.
    pub(crate) fn list(&self, id: u8, switches: Switches) -> (Reply, Set) {
        match &self.open {
            Some(open) if open.id == id && open.entries.is_empty() => {
                (Reply::NoContent, open.entries)
            }
            Some(open) if open.id == id => (Reply::Body, open.entries),
            _ => (gone(switches), Set::default()),
        }
    }

    /// The version that an item of a transaction shows, or what is answered in its place.
    pub(crate) fn item(&self, id: u8, item: i64, switches: Switches) -> Result<usize, Reply> {
        let Some(open) = self.open.as_ref().filter(|open| open.id == id) else {
            return Err(gone(switches));
        };
        let shown = open
            .entries
            .iter()
            .find(|version| VERSIONS[*version].item == item);
        shown.ok_or(Reply::NotFound)
    }

    /// A commit arrives. `may_delete` judges whether a version may go that is still offered.
    pub(crate) fn put(
        &mut self,
        id: u8,
        switches: Switches,
        may_delete: impl Fn(usize) -> Result<(), Violation>,
    ) -> Result<Reply, Violation> {
        let done = match switches.put_answer {
            PutAnswer::Done => Reply::Done,
            PutAnswer::NoContent => Reply::NoContent,
            PutAnswer::NotFound => Reply::NotFound,
            PutAnswer::Lost => Reply::Silence,
        };
        if let Some(open) = self.open.take_if(|open| open.id == id) {
            for version in open.entries.iter() {
                may_delete(version)?;
            }
            self.closed.push(Closed {
                id,
                entries: open.entries,
                is_committed: true,
            });
            return Ok(done);
        }
        let Some(closed) = self.closed.iter().find(|closed| closed.id == id) else {
            return Ok(gone(switches));
        };
        let entries = closed.entries;
        let is_hit = |version: &usize| match switches.late_put {
            LatePut::NoOp => false,
            LatePut::Deletes => entries.has(*version),
            LatePut::DeletesItems => entries.items().any(|item| item == VERSIONS[*version].item),
        };
        if closed.is_committed || switches.late_put == LatePut::NoOp {
            return Ok(gone(switches));
        }
        for version in self.offered().iter().filter(is_hit) {
            may_delete(version)?;
            self.pool = self.pool.without(Set::one(version));
            if let Some(open) = &mut self.open {
                open.entries = open.entries.without(Set::one(version));
            }
        }
        Ok(done)
    }
}

/// What a resource answers whose transaction is over.
fn gone(switches: Switches) -> Reply {
    if switches.gone_is_404 {
        Reply::NotFound
    } else {
        Reply::NoContent
    }
}
