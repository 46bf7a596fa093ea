//! The normalized records: how they get into the tables behind `api_v1`.
//!
//! Owns one file for each kind of record, and what they share: series chunks, fingerprints, the
//! states of parts. An upsert reads what is stored, decides in pure code, and writes only what
//! differs. That is safe because every caller's transaction holds its connection's ledger row, so
//! that no two upserts of one connection overlap.
//!
//! Must never let an older version overwrite a newer one, and must never write a row that is
//! stored already: no revision, no change, no dead tuple.
//!
//! To add a kind of record: a table and a view in a new migration, and a file here with
//! `fingerprint`, a read of the stored head, `judge`, and the write.

mod activity;
mod chunk;
mod encoding;
mod fingerprint;
mod nightly_recharge;
mod part;
mod physical_information;
mod route;
mod series;
mod sleep;
mod stray;
mod workout;
mod workout_match;
mod workout_row;
mod workout_table;

pub use activity::upsert_daily_activity;
pub use nightly_recharge::upsert_nightly_recharge;
pub use physical_information::upsert_physical_information;
pub use sleep::upsert_sleep;
pub use workout::{StoredWorkout, find_workouts, upsert_workout};

pub(super) use activity::damaged_days;
pub(super) use chunk::SPAN_MAX;
pub(super) use encoding::Values;
pub(super) use nightly_recharge::damaged_recharges;
pub(super) use sleep::damaged_sleeps;
pub(super) use workout::damaged_workouts;

use jiff::Timestamp;

use crate::model::{ConnectionId, Kind, RecordId, UserId};

use super::{StoreError, Tx, changes};
use fingerprint::Hash;

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upserted {
    /// The record's id, made at its first insert.
    pub record_id: RecordId,
    /// What became of it.
    pub change: Change,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not stored before.
    New,
    /// It differs from what was stored.
    Changed,
    /// It was stored already; nothing was touched.
    Same,
    /// A newer version is stored; nothing was touched.
    Stale,
}

/// What an upsert needs to know of the stored record.
#[derive(Debug)]
struct Head {
    record_id: RecordId,
    version: Timestamp,
    content_hash: Vec<u8>,
    revision: i32,
}

/// What an upsert has to do.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing.
    Leave(Upserted),
    /// Store this revision; the first one is an insert.
    Write(Revision),
}

/// A revision that is about to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revision {
    record_id: RecordId,
    number: i32,
}

impl Revision {
    /// The first revision of a record.
    fn first() -> Self {
        Self {
            record_id: RecordId::new(),
            number: 1,
        }
    }

    /// The revision after the stored one.
    fn after(record_id: RecordId, number: i32) -> Self {
        Self {
            record_id,
            number: number.saturating_add(1),
        }
    }

    /// Tells readers of the change feed, in the transaction that stored the revision.
    async fn announce(
        self,
        tx: &mut Tx,
        connection: ConnectionId,
        user: &UserId,
        kind: Kind,
    ) -> Result<Upserted, StoreError> {
        let (kind_of_change, change) = if self.number == 1 {
            (changes::ChangeKind::Added, Change::New)
        } else {
            (changes::ChangeKind::Updated, Change::Changed)
        };
        changes::append(
            tx,
            connection,
            user,
            kind,
            self.record_id,
            kind_of_change,
            self.number,
        )
        .await?;
        Ok(Upserted {
            record_id: self.record_id,
            change,
        })
    }
}

/// Decides about a record that replaces its stored form as a whole.
fn judge(stored: Option<&Head>, version: Timestamp, content_hash: &Hash) -> Verdict {
    let Some(stored) = stored else {
        return Verdict::Write(Revision::first());
    };
    let leave = |change| {
        Verdict::Leave(Upserted {
            record_id: stored.record_id,
            change,
        })
    };
    if stored.content_hash == content_hash {
        leave(Change::Same)
    } else if version < stored.version {
        leave(Change::Stale)
    } else {
        Verdict::Write(Revision::after(stored.record_id, stored.revision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_content_of_no_older_version_is_written() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let head = Head {
            record_id: RecordId::new(),
            version: at(100),
            content_hash: vec![1; 16],
            revision: 3,
        };
        let change = |version, hash: u8| match judge(Some(&head), at(version), &[hash; 16]) {
            Verdict::Leave(upserted) => upserted.change,
            Verdict::Write(revision) => {
                assert_eq!(revision, Revision::after(head.record_id, 3));
                Change::Changed
            }
        };
        assert_eq!(change(99, 1), Change::Same);
        assert_eq!(change(100, 1), Change::Same);
        assert_eq!(change(101, 1), Change::Same);
        assert_eq!(change(99, 2), Change::Stale);
        assert_eq!(change(100, 2), Change::Changed);
        assert_eq!(change(101, 2), Change::Changed);
    }
}
