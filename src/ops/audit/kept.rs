//! Compares what is kept raw with the records: what can be compared without Polar, and all that can be
//! of kinds that Polar does not show once they are committed.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date};

use super::compare::{Absent, KindLook, Look, What, read_exercise};
use crate::{
    accesslink::wire,
    model::{
        ConnectionId, Kind,
        record::{Part, Workout, WorkoutSource},
    },
    normalize::{self, ActivityParts, Origin},
    store::{
        Store,
        raw::{RawError, RawKey},
        raw_latest,
        restore::Orphan,
    },
};

/// The part that every item begins with.
pub(super) const SUMMARY: &str = "summary";

/// Two durations of one workout differ at most by this.
const DURATION_TOLERANCE_S: f64 = 2.0;

/// Adds what is kept raw and has no record, and records of which rows are lost.
pub(super) async fn compare(
    store: &Store,
    connection: ConnectionId,
    compared: &mut KindLook,
) -> Result<(), RawError> {
    for damaged in store.damaged(connection, compared.kind).await? {
        compared.add(What::Rows(damaged));
    }
    match compared.kind {
        Kind::Exercise => exercises(store, connection, compared).await,
        Kind::Activity => days(store, connection, compared).await,
        Kind::PhysicalInformation => {
            for orphan in store.orphans(connection, compared.kind, &[]).await? {
                let body = body(store, connection, compared, &orphan).await?;
                if read_physical_information(&body).is_some_and(|id| id.to_string() == orphan.item)
                {
                    compared.add(What::Raw(orphan.item));
                }
            }
            Ok(())
        }
        Kind::Sleep | Kind::NightlyRecharge => nights(store, connection, compared).await,
    }
}

/// Adds what Polar sent of nights and is not kept, though it should be; of others, Polar does not send it
/// again.
pub(super) async fn compare_raw(
    store: &Store,
    connection: ConnectionId,
    kept_since: Timestamp,
    look: &mut Look,
    compared: &mut KindLook,
) -> Result<(), RawError> {
    let kind = compared.kind;
    let mut lost: BTreeSet<_> = store
        .lost_bodies(connection, kind)
        .await?
        .into_iter()
        .collect();
    lost.extend(store.without_raw(connection, kind, kept_since).await?);
    let is_shown = |item: &String| {
        item.parse()
            .is_ok_and(|date| compared.shown.contains(&date))
    };
    let (shown, others): (Vec<_>, Vec<_>) = lost.into_iter().partition(is_shown);
    for item in shown {
        compared.add(What::Body(item));
    }
    if !others.is_empty() {
        let why = format!(
            "what Polar sent of {} of them is not kept any more, and Polar does not send it again",
            others.len()
        );
        look.cannot_tell(kind, why);
    }
    let gone = store
        .lost_without_trace(connection, kind, kept_since)
        .await?;
    if gone > 0 {
        let why = format!("{gone} that were committed are not stored, and nothing of them is kept");
        look.cannot_tell(kind, why);
    }
    Ok(())
}

/// Nights that are kept raw, but for those that Polar shows: these are counted already.
async fn nights(
    store: &Store,
    connection: ConnectionId,
    compared: &mut KindLook,
) -> Result<(), RawError> {
    let kept = store.nights_kept(connection, compared.kind).await?;
    let stored = store.dates_stored(connection, compared.kind, &kept).await?;
    let mut versions = None;
    for date in kept {
        if stored.contains(&date) || compared.shown.contains(&date) {
            continue;
        }
        let versions = match &mut versions {
            Some(versions) => versions,
            none => none.insert(raw_latest::versions(store, connection, compared.kind).await?),
        };
        let item = date.to_string();
        let orphan = Orphan {
            version: versions.get(&item).cloned().unwrap_or_default(),
            item,
        };
        let body = body(store, connection, compared, &orphan).await?;
        if is_night(compared.kind, &body) {
            compared.add(What::Day(date));
        }
    }
    Ok(())
}

/// Whether a night is understood: one that is not waits in quarantine, and has no record.
pub(super) fn is_night(kind: Kind, body: &[u8]) -> bool {
    if kind == Kind::Sleep {
        let night = wire::read::<wire::SleepNight>(body);
        night.is_ok_and(|night| normalize::sleep(&night.body).is_ok())
    } else {
        let night = wire::read::<wire::NightlyRecharge>(body);
        night.is_ok_and(|night| normalize::nightly_recharge(&night.body, None).is_ok())
    }
}

/// The id of physical information that is understood.
fn read_physical_information(body: &[u8]) -> Option<i64> {
    let information = wire::read::<wire::PhysicalInformation>(body).ok()?.body;
    let information = normalize::physical_information(&information).ok()?;
    Some(information.record.polar_id)
}

/// The date of a day of activity that is understood.
fn read_day(body: &[u8]) -> Option<Date> {
    let day = wire::read::<wire::Activity>(body).ok()?.body;
    let parts = ActivityParts {
        steps: Part::NotRequested,
        zones: Part::NotRequested,
    };
    Some(normalize::activity(&day, parts).ok()?.record.date)
}

impl KindLook {
    /// Something that was stored once and is lost.
    fn add(&mut self, what: What) {
        self.checked += 1;
        self.absent.push(Absent {
            what,
            is_new: false,
        });
    }
}

/// Exercises that are kept raw, each once, but for those that Polar shows: these are counted already.
async fn exercises(
    store: &Store,
    connection: ConnectionId,
    compared: &mut KindLook,
) -> Result<(), RawError> {
    let mut counted = Vec::<Workout>::new();
    for orphan in store.orphans(connection, compared.kind, &[]).await? {
        let body = body(store, connection, compared, &orphan).await?;
        let origin = if orphan.is_offered() {
            Origin::Transaction
        } else {
            Origin::Exercises
        };
        // One that is not understood waits in quarantine.
        let kept = read_exercise(&body, origin).filter(|kept| is_named(kept, &orphan.item));
        let Some(kept) = kept else {
            continue;
        };
        let same = compared
            .absent
            .iter_mut()
            .find(|absent| matches!(&absent.what, What::Workout(shown) if is_same(shown, &kept)));
        match same {
            // It was stored once.
            Some(shown) => shown.is_new = false,
            // Each of Polar's interfaces calls it by another id.
            None if counted.iter().any(|other| is_same(other, &kept)) => {}
            None => {
                compared.add(What::Raw(orphan.item));
                counted.push(kept);
            }
        }
    }
    Ok(())
}

fn is_named(workout: &Workout, item: &str) -> bool {
    match &workout.source {
        WorkoutSource::Transactional(id) => id.to_string() == item,
        WorkoutSource::Hashed(id) => id == item,
    }
}

fn is_same(shown: &Workout, kept: &Workout) -> bool {
    shown.start_at.as_second() == kept.start_at.as_second()
        && (shown.duration_s - kept.duration_s).abs() <= DURATION_TOLERANCE_S
}

/// Days of activity that are kept raw. A day is offered again and again, each time under another id.
async fn days(
    store: &Store,
    connection: ConnectionId,
    compared: &mut KindLook,
) -> Result<(), RawError> {
    let mut dates = BTreeSet::new();
    for orphan in store.orphans(connection, compared.kind, &[]).await? {
        dates.extend(read_day(&body(store, connection, compared, &orphan).await?));
    }
    let dates: Vec<_> = dates.into_iter().collect();
    let stored = store
        .dates_stored(connection, compared.kind, &dates)
        .await?;
    for date in dates.into_iter().filter(|date| !stored.contains(date)) {
        compared.add(What::Day(date));
    }
    Ok(())
}

/// The summary of an item that is kept; nothing where it cannot be read, which is counted.
async fn body(
    store: &Store,
    connection: ConnectionId,
    compared: &mut KindLook,
    orphan: &Orphan,
) -> Result<Vec<u8>, RawError> {
    let key = RawKey {
        item: orphan.item.clone(),
        version: orphan.version.clone(),
        part: SUMMARY.to_owned(),
    };
    match raw_latest::body(store, connection, compared.kind, &key).await {
        Ok(body) => Ok(body.map(Vec::from).unwrap_or_default()),
        Err(RawError::Store(error)) => Err(error.into()),
        Err(RawError::Zstd(_) | RawError::TooLong { .. }) => {
            compared.unreadable += 1;
            Ok(Vec::new())
        }
    }
}
