//! Before the transactions of a run that is to bring back what is not stored any more: what is kept raw
//! is read again, without a call to Polar.
//!
//! A record of which rows are lost is mended in one Postgres transaction: until then it says what it said
//! before, so that a run that fails half-way leaves everything to be found by the next one.

use std::collections::HashSet;

use super::{
    Failure, Run,
    complete::read_session,
    failure::put_off,
    item::{Fetched, FetchedItem, SUMMARY},
    record::{count, store_record},
    rows::{NotUnderstood, Origins, Record, rows},
};
use crate::{
    accesslink::{
        Error, Operation,
        call::ItemPart,
        error::{Broken, Meaning},
        wire,
    },
    model::{Detail, Details, Kind, TransactionalKind, record::Part},
    store::{
        event::Counts,
        raw::{self, RawKey},
        raw_latest,
        records::Change,
        restore::{Damaged, Orphan},
    },
};

/// The beginning of the names of parts that hold a series.
const SERIES: &str = "samples/";

/// Reads again what is kept raw of a kind and has no record, or one of which rows are lost. Samples of a
/// day that are not kept raw either are nowhere else, and gone. What fails of one item keeps no other back,
/// and is told at the end.
pub(super) async fn restore(
    run: &Run<'_>,
    kind: TransactionalKind,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let connection = run.lease.connection_id;
    let mut damaged = run.store.damaged(connection, kind.into()).await?;
    let also: Vec<_> = damaged.iter().flat_map(items_of).collect();
    let orphans = run.store.orphans(connection, kind.into(), &also).await?;
    let (offered, shown): (Vec<_>, Vec<_>) = orphans.iter().partition(|orphan| orphan.is_offered());
    let (mut first, mut failed) = (None, HashSet::new());
    for orphan in offered {
        run.may_go_on()?;
        let read = read_again(run, kind, orphan, its(&damaged, orphan), counts).await;
        if read.is_err() {
            failed.insert(orphan.item.clone());
        }
        put_off(read, &mut first)?;
    }
    if !shown.is_empty() {
        damaged = run.store.damaged(connection, kind.into()).await?;
    }
    for orphan in shown {
        run.may_go_on()?;
        // What was damaged and is whole by now has better parts than those.
        let its = its(&damaged, orphan);
        if its.is_some() || !also.contains(&orphan.item) {
            let read = read_shown(run, orphan, its, counts).await;
            put_off(read, &mut first)?;
        }
    }
    if kind == TransactionalKind::Activity {
        for damaged in run.store.damaged(connection, kind.into()).await? {
            run.may_go_on()?;
            // What is kept raw of it may yet be read.
            if !items_of(&damaged).any(|item| failed.contains(&item)) {
                put_off(note_gone(run, kind.into(), &damaged).await, &mut first)?;
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// The items that a record is known by at Polar.
fn items_of(damaged: &Damaged) -> impl Iterator<Item = String> {
    let offered = damaged.polar_id.map(|id| id.to_string());
    offered.into_iter().chain(damaged.hashed_id.clone())
}

fn its<'a>(damaged: &'a [Damaged], orphan: &Orphan) -> Option<&'a Damaged> {
    let mut damaged = damaged.iter();
    damaged.find(|damaged| items_of(damaged).any(|item| item == orphan.item))
}

/// Stores the workout again that `/v3/exercises` showed once, or what is lost of it.
async fn read_shown(
    run: &Run<'_>,
    orphan: &Orphan,
    damaged: Option<&Damaged>,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let connection = run.lease.connection_id;
    let key = RawKey {
        item: orphan.item.clone(),
        version: orphan.version.clone(),
        part: SUMMARY.to_owned(),
    };
    let body = raw_latest::body(run.store, connection, Kind::Exercise, &key).await?;
    let details = damaged.map_or(run.wanted(), |damaged| damaged.details);
    // What is not understood of it is in quarantine already.
    let mut known = NotUnderstood::default();
    let workout = body.and_then(|body| read_session(&orphan.item, &body, details, &mut known));
    let Some(workout) = workout else {
        return Ok(());
    };
    let record = Record::Workout(Box::new(workout));
    if let Some(damaged) = damaged {
        return mend(run, damaged, &record, counts).await;
    }
    let mut tx = run.begin("restore").await?;
    let change = store_record(&mut tx, run, &record).await?;
    tx.commit().await?;
    count(Kind::Exercise, change, counts);
    Ok(())
}

/// Stores the record of an item that is kept raw. An older offer of what is stored changes nothing.
async fn read_again(
    run: &Run<'_>,
    kind: TransactionalKind,
    orphan: &Orphan,
    damaged: Option<&Damaged>,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let connection = run.lease.connection_id;
    let kept = raw::load(
        run.store,
        connection,
        kind.into(),
        &orphan.item,
        &orphan.version,
    )
    .await?;
    let Some(item) = kept_item(orphan, kept) else {
        return Ok(());
    };
    let origins = Origins {
        connection,
        kind,
        fetched_at: run.clock.now(),
    };
    let rows = rows(origins, &item, run.wanted())?;
    if let Some(damaged) = damaged {
        return match &rows.record {
            Some(record) => mend(run, damaged, record, counts).await,
            None => Ok(()),
        };
    }
    let mut tx = run.begin("restore").await?;
    let change = match &rows.record {
        Some(record) => Some(store_record(&mut tx, run, record).await?),
        None => None,
    };
    for body in &rows.quarantine {
        raw::quarantine_put(&mut tx, body).await?;
    }
    tx.commit().await?;
    if let Some(change) = change {
        count(kind.into(), change, counts);
    }
    Ok(())
}

/// Stores the lost parts of a record again that it comes with.
pub(super) async fn mend(
    run: &Run<'_>,
    damaged: &Damaged,
    record: &Record,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let brought = record.details();
    let lost = damaged.details.iter();
    let details = lost.filter(|detail| brought.contains(*detail)).collect();
    if details == Details::NONE {
        return Ok(());
    }
    let damaged = Damaged {
        details,
        ..damaged.clone()
    };
    let kind = record.kind();
    let mut tx = run.store.begin_fenced("mend", &run.lease).await?;
    tx.forget_parts(run.lease.connection_id, kind, &damaged)
        .await?;
    let change = store_record(&mut tx, run, record).await?;
    // Of an older version than what is stored nothing is taken; then the parts are not forgotten either.
    if change == Change::Changed {
        tx.commit().await?;
        count(kind, change, counts);
    }
    Ok(())
}

/// Has a record say that parts of it are lost for good.
pub(super) async fn note_gone(run: &Run<'_>, kind: Kind, damaged: &Damaged) -> Result<(), Failure> {
    let (connection, user) = (run.lease.connection_id, run.user_id());
    let mut tx = run.store.begin_fenced("note_lost", &run.lease).await?;
    tx.forget_parts(connection, kind, damaged).await?;
    tx.tell_of_loss(connection, user, kind, damaged.record_id)
        .await?;
    tx.commit().await?;
    Ok(())
}

impl Record {
    const fn kind(&self) -> Kind {
        match self {
            Self::Workout(_) => Kind::Exercise,
            Self::Activity(_) => Kind::Activity,
            Self::PhysicalInformation(_) => Kind::PhysicalInformation,
        }
    }

    /// The details that it comes with; of a day of activity, the steps are its samples.
    fn details(&self) -> Details {
        let (samples, zones, route) = match self {
            Self::Workout(workout) => (
                is_present(&workout.samples),
                is_present(&workout.zones),
                is_present(&workout.route),
            ),
            Self::Activity(day) => (
                is_present(&day.step_samples),
                is_present(&day.zone_samples),
                false,
            ),
            Self::PhysicalInformation(_) => (false, false, false),
        };
        [
            samples.then_some(Detail::Samples),
            zones.then_some(Detail::Zones),
            route.then_some(Detail::Route),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

const fn is_present<T>(part: &Part<T>) -> bool {
    matches!(part, Part::Present(_))
}

/// The item as it was fetched.
fn kept_item(
    orphan: &Orphan,
    kept: impl IntoIterator<Item = (String, Option<Vec<u8>>)>,
) -> Option<FetchedItem> {
    let fetched =
        |body: Option<Vec<u8>>| body.map_or(Fetched::Absent, |it| Fetched::Body(it.into()));
    let mut parts: Vec<_> = kept
        .into_iter()
        .map(|(part, body)| (part, fetched(body)))
        .collect();
    parts.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut item = FetchedItem {
        item_id: orphan.item.parse().ok()?,
        version: orphan.version.clone(),
        parts,
        broken: None,
    };
    item.body(SUMMARY)?;
    if lacks_series(&item) {
        item.broken = Some(Error {
            operation: Operation::GetPart,
            meaning: Meaning::Broken(Broken::CutOff),
        });
    }
    Some(item)
}

/// Whether its list of samples names more series than are kept: those that are would look like all.
fn lacks_series(item: &FetchedItem) -> bool {
    let list = item.body(&ItemPart::Samples.path());
    let Some(Ok(named)) = list.map(|list| wire::sample_items(list)) else {
        return false;
    };
    let is_series = |part: &&(String, Fetched)| part.0.starts_with(SERIES);
    item.parts.iter().filter(is_series).count() < named.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(parts: &[(&str, Option<&str>)]) -> Option<FetchedItem> {
        let orphan = Orphan {
            item: "412".to_owned(),
            version: "v".to_owned(),
        };
        let kept = parts.iter().map(|(part, body)| {
            let body = body.map(|body| body.as_bytes().to_vec());
            ((*part).to_owned(), body)
        });
        kept_item(&orphan, kept)
    }

    #[test]
    fn an_item_that_was_kept_in_part_is_not_taken_for_whole() {
        let list = r#"{"samples":["https://h/0","https://h/3"]}"#;
        let whole = [
            ("summary", Some("{}")),
            ("samples", Some(list)),
            ("samples/0", Some("{}")),
            ("samples/3", None),
        ];
        assert_eq!(item(&whole).unwrap().broken, None);
        assert!(item(&whole[..3]).unwrap().broken.is_some());
        assert_eq!(item(&whole[..1]).unwrap().broken, None);
    }

    #[test]
    fn without_a_summary_there_is_nothing_to_read() {
        assert!(item(&[("samples", Some("{}")), ("summary", None)]).is_none());
    }
}
