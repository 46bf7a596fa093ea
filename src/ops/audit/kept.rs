//! Compares what is kept raw with the records: what can be compared without Polar, and all that can be
//! of kinds that Polar does not show once they are committed.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::compare::{Absent, KindLook, Look, What, name_of, read_exercise};
use crate::{
    model::{ConnectionId, Kind, record::Workout},
    normalize::{self, Origin},
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
                compared.add(What::Raw(orphan.item));
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
    for date in kept {
        if !stored.contains(&date) && !compared.shown.contains(&date) {
            compared.add(What::Day(date));
        }
    }
    Ok(())
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

/// Exercises that are kept raw, but for those that Polar shows: these are counted already.
async fn exercises(
    store: &Store,
    connection: ConnectionId,
    compared: &mut KindLook,
) -> Result<(), RawError> {
    for orphan in store.orphans(connection, compared.kind, &[]).await? {
        let body = body(store, connection, compared.kind, &orphan).await?;
        let Some(kept) = read_exercise(&body, Origin::Transaction) else {
            continue;
        };
        let same = compared
            .absent
            .iter_mut()
            .find(|absent| matches!(&absent.what, What::Workout(shown) if is_same(shown, &kept)));
        match same {
            // It was stored once.
            Some(shown) => shown.is_new = false,
            None => compared.add(What::Raw(orphan.item)),
        }
    }
    Ok(())
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
        let body = body(store, connection, compared.kind, &orphan).await?;
        let name = name_of(&String::from_utf8_lossy(&body));
        dates.extend(name.date.and_then(|date| normalize::date_of(&date)));
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

async fn body(
    store: &Store,
    connection: ConnectionId,
    kind: Kind,
    orphan: &Orphan,
) -> Result<Vec<u8>, RawError> {
    let key = RawKey {
        item: orphan.item.clone(),
        version: orphan.version.clone(),
        part: SUMMARY.to_owned(),
    };
    let body = raw_latest::body(store, connection, kind, &key).await?;
    Ok(body.map(Vec::from).unwrap_or_default())
}
