//! Kinds with an endpoint of their own: everything of the last weeks in one answer, without a
//! transaction, and nothing is deleted by reading it.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

use super::{
    Failure, Run,
    failure::put_off,
    item::{SUMMARY, content_version},
    record::count,
    rows::NotUnderstood,
};
use crate::{
    accesslink::{
        Answer, Call,
        error::Meaning,
        wire::{self, Read, Unreadable},
    },
    model::{
        Kind,
        record::{NightlyRecharge, Sleep},
    },
    normalize::{self, Night, Normalized},
    store::{
        Tx,
        event::Counts,
        raw::{self, RawBody, RawPart},
        raw_latest,
        records::{Change, upsert_nightly_recharge, upsert_sleep},
        restore::Damaged,
    },
};

/// The item that stands for an answer as a whole, when it cannot be cut into nights.
const WHOLE_ANSWER: &str = "list";

/// Cuts an answer into nights.
type Cut = fn(&[u8]) -> Result<Vec<&str>, Unreadable>;

/// One night as it was sent.
#[derive(Debug)]
struct Item<'a> {
    /// Its date, where that is understood; else its version.
    name: String,
    version: String,
    body: &'a [u8],
    /// Whether it is only kept raw, because the answer holds a better night of the same date.
    is_lesser: bool,
}

/// Brings a kind in step that has an endpoint of its own.
pub(super) async fn poll(run: &Run<'_>, kind: Kind, counts: &mut Counts) -> Result<(), Failure> {
    let (call, cut): (Call, Cut) = match kind {
        Kind::Sleep => (Call::list_sleep(), wire::sleep_nights),
        Kind::NightlyRecharge => (Call::list_nightly_recharge(), wire::nightly_recharges),
        Kind::Exercise | Kind::Activity | Kind::PhysicalInformation => return Ok(()),
    };
    let body = match run.send(&call).await {
        Ok(Answer::Body(body)) => body,
        Ok(Answer::Empty | Answer::Done) => return restore(run, kind, counts).await,
        // Newer endpoints of Polar say so where others answer 204.
        Err(Failure::Call(error)) if error.meaning == Meaning::NotFound => {
            return restore(run, kind, counts).await;
        }
        Err(failure) => return Err(failure),
    };
    let items = match cut(&body) {
        Ok(nights) => one_a_date(kind, nights.iter().map(|night| item(night.as_bytes()))),
        Err(_) => vec![Item {
            name: WHOLE_ANSWER.to_owned(),
            version: content_version(&body),
            body: &body,
            is_lesser: false,
        }],
    };
    store(run, kind, &items, counts).await?;
    restore(run, kind, counts).await
}

/// In a run that brings back what is lost: reads the nights again that Polar did not show and that are
/// kept raw. What fails of one night keeps no other back, and is told at the end.
async fn restore(run: &Run<'_>, kind: Kind, counts: &mut Counts) -> Result<(), Failure> {
    if !run.restores {
        return Ok(());
    }
    let kept = run.store.nights_kept(run.lease.connection_id, kind).await?;
    let lost = Lost::of(run, kind, &kept).await?;
    let mut first = None;
    for date in kept.iter().filter(|date| lost.holds(**date)) {
        run.may_go_on()?;
        let read = read_again(run, kind, &lost, *date, counts).await;
        put_off(read, &mut first)?;
    }
    first.map_or(Ok(()), Err)
}

/// Stores a lost night again as it is kept raw.
async fn read_again(
    run: &Run<'_>,
    kind: Kind,
    lost: &Lost,
    date: Date,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let mut tx = run.begin("restore").await?;
    let items = [date.to_string()];
    let bodies = raw_latest::bodies(&mut tx, run.lease.connection_id, kind, &items).await?;
    lost.forget(&mut tx, run, kind, date).await?;
    let (mut not_understood, mut changes) = (NotUnderstood::default(), Vec::new());
    for body in &bodies {
        let stored = store_night(&mut tx, run, kind, body, &mut not_understood).await?;
        changes.extend(stored.map(|(_, change)| change));
    }
    tx.commit().await?;
    for change in changes {
        count(kind, change, counts);
    }
    Ok(())
}

fn item(body: &[u8]) -> Item<'_> {
    let version = content_version(body);
    let name = wire::read::<wire::ItemName>(body)
        .ok()
        .and_then(|read| normalize::date_of(&read.body.date?));
    Item {
        name: name.map_or_else(|| version.clone(), |date| date.to_string()),
        version,
        body,
        is_lesser: false,
    }
}

/// Of several nights of one date the fullest stands for the date, else the last. The others go by
/// their versions: they are kept, and do not compete with it in the next poll.
fn one_a_date<'a>(kind: Kind, nights: impl Iterator<Item = Item<'a>>) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'a>> = Vec::new();
    let mut places = HashMap::<String, usize>::new();
    for mut item in nights {
        let place = *places.entry(item.name.clone()).or_insert(items.len());
        if let Some(known) = items.get_mut(place) {
            if fullness(kind, item.body) >= fullness(kind, known.body) {
                std::mem::swap(known, &mut item);
            }
            item.name.clone_from(&item.version);
            item.is_lesser = true;
        }
        items.push(item);
    }
    items
}

/// How much a night holds: how long it was, or how many samples it has. `None` is one that cannot be
/// understood.
fn fullness(kind: Kind, body: &[u8]) -> Option<i128> {
    if kind == Kind::Sleep {
        let night = wire::read(body).ok()?;
        let night = normalize::sleep(&night.body).ok()?.record;
        return Some(night.end_at.duration_since(night.start_at).as_millis());
    }
    let recharge = wire::read::<wire::NightlyRecharge>(body).ok()?.body;
    i128::try_from(recharge.hrv_samples.0.len() + recharge.breathing_samples.0.len()).ok()
}

/// Stores the nights that differ from what was fetched last.
async fn store(
    run: &Run<'_>,
    kind: Kind,
    items: &[Item<'_>],
    counts: &mut Counts,
) -> Result<(), Failure> {
    let connection = run.lease.connection_id;
    let known = raw_latest::versions(run.store, connection, kind).await?;
    let standing = items.iter().filter(|item| !item.is_lesser);
    let dates: Vec<Date> = standing.filter_map(|item| item.name.parse().ok()).collect();
    let lost = Lost::of(run, kind, &dates).await?;
    let (same, differing): (Vec<_>, Vec<_>) = items.iter().partition(|item| {
        known.get(&item.name) == Some(&item.version) && !lost.holds_item(&item.name)
    });
    for _ in same.iter().filter(|item| !item.is_lesser) {
        count(kind, Change::Same, counts);
    }
    if differing.is_empty() {
        return Ok(());
    }
    let mut stored = Counts::default();
    let mut tx = run.begin("record").await?;
    let mut changed_nights = Vec::new();
    for item in differing {
        if let Ok(date) = item.name.parse() {
            lost.forget(&mut tx, run, kind, date).await?;
        }
        if let Some((date, change)) = store_item(&mut tx, run, kind, item).await? {
            count(kind, change, &mut stored);
            if matches!(change, Change::New | Change::Changed) {
                changed_nights.push(date);
            }
        }
    }
    if kind == Kind::Sleep {
        move_recharges(&mut tx, run, &changed_nights).await?;
    }
    tx.commit().await?;
    *counts += stored;
    Ok(())
}

/// The nights of a kind that are to be stored again although they were before; none, unless the run
/// brings back what is lost.
#[derive(Debug, Default)]
struct Lost {
    /// Dates without a record.
    dates: HashSet<Date>,
    /// Records of which rows are lost.
    damaged: Vec<Damaged>,
    /// Items of which what Polar sent is lost.
    bodies: HashSet<String>,
}

impl Lost {
    /// What is lost of these nights.
    async fn of(run: &Run<'_>, kind: Kind, dates: &[Date]) -> Result<Self, Failure> {
        if !run.restores {
            return Ok(Self::default());
        }
        let connection = run.lease.connection_id;
        let stored = run.store.dates_stored(connection, kind, dates).await?;
        let lost = dates.iter().filter(|date| !stored.contains(*date));
        let bodies = run.store.lost_bodies(connection, kind).await?;
        Ok(Self {
            dates: lost.copied().collect(),
            damaged: run.store.damaged(connection, kind).await?,
            bodies: bodies.into_iter().collect(),
        })
    }

    fn damaged(&self, date: Date) -> Option<&Damaged> {
        self.damaged.iter().find(|night| night.date == Some(date))
    }

    /// Whether the record of a date is not whole.
    fn holds(&self, date: Date) -> bool {
        self.dates.contains(&date) || self.damaged(date).is_some()
    }

    fn holds_item(&self, name: &str) -> bool {
        self.bodies.contains(name) || name.parse().is_ok_and(|date| self.holds(date))
    }

    /// Has the record of a date be stored again, whatever was stored of it.
    async fn forget(
        &self,
        tx: &mut Tx,
        run: &Run<'_>,
        kind: Kind,
        date: Date,
    ) -> Result<(), Failure> {
        if let Some(damaged) = self.damaged(date) {
            tx.forget_parts(run.lease.connection_id, kind, damaged)
                .await?;
        }
        Ok(())
    }
}

/// Keeps a night, as the latest of its date, and stores what is understood of it.
async fn store_item(
    tx: &mut Tx,
    run: &Run<'_>,
    kind: Kind,
    item: &Item<'_>,
) -> Result<Option<(Date, Change)>, Failure> {
    let connection = run.lease.connection_id;
    let part = RawPart {
        item: item.name.clone(),
        version: item.version.clone(),
        part: SUMMARY.to_owned(),
        body: Some(RawBody::new(item.body)?),
        fetched_at: run.clock.now(),
    };
    raw::put(tx, connection, kind, std::slice::from_ref(&part)).await?;
    let was_kept = raw::make_latest(tx, connection, kind, &part.key(), part.fetched_at).await?;
    if item.is_lesser {
        return Ok(None);
    }
    let mut not_understood = NotUnderstood::default();
    let stored = store_night(tx, run, kind, item.body, &mut not_understood).await?;
    let quarantine = not_understood.quarantine(connection, kind, std::slice::from_ref(&part));
    if quarantine.is_empty() && was_kept {
        raw::quarantine_resolve(tx, connection, kind, &part.key()).await?;
    }
    for quarantined in quarantine {
        raw::quarantine_put(tx, &quarantined).await?;
    }
    Ok(stored)
}

/// Stores one night, unless it cannot be understood.
async fn store_night(
    tx: &mut Tx,
    run: &Run<'_>,
    kind: Kind,
    body: &[u8],
    not_understood: &mut NotUnderstood,
) -> Result<Option<(Date, Change)>, Failure> {
    if kind == Kind::Sleep {
        let night = wire::read::<wire::SleepNight>(body);
        let Some(night) = not_understood.unless(SUMMARY, night) else {
            return Ok(None);
        };
        let Some(night) = understood(normalize::sleep(&night), not_understood) else {
            return Ok(None);
        };
        return Ok(Some((night.date, store_sleep(tx, run, &night).await?)));
    }
    let recharge = wire::read::<wire::NightlyRecharge>(body);
    let Some(recharge) = not_understood.unless(SUMMARY, recharge) else {
        return Ok(None);
    };
    let night = night_of(tx, run, &recharge).await?;
    let recharge = normalize::nightly_recharge(&recharge, night);
    let Some(recharge) = understood(recharge, not_understood) else {
        return Ok(None);
    };
    let change = store_recharge(tx, run, &recharge).await?;
    Ok(Some((recharge.date, change)))
}

/// The record, with notice of what is left over.
fn understood<T>(
    normalized: Result<Normalized<T>, Unreadable>,
    not_understood: &mut NotUnderstood,
) -> Option<T> {
    let Normalized { record, leftovers } =
        not_understood.unless(SUMMARY, normalized.map(Read::whole))?;
    not_understood.note_all(SUMMARY, &leftovers);
    Some(record)
}

async fn store_sleep(tx: &mut Tx, run: &Run<'_>, night: &Sleep) -> Result<Change, Failure> {
    let connection = run.lease.connection_id;
    let upserted = upsert_sleep(tx, connection, run.user_id(), night, run.clock.now()).await?;
    Ok(upserted.change)
}

async fn store_recharge(
    tx: &mut Tx,
    run: &Run<'_>,
    night: &NightlyRecharge,
) -> Result<Change, Failure> {
    let (connection, now) = (run.lease.connection_id, run.clock.now());
    let upserted = upsert_nightly_recharge(tx, connection, run.user_id(), night, now).await?;
    Ok(upserted.change)
}

/// What the sleep of the same date tells: a recharge has times of day only. The body of the sleep
/// knows the offsets at both of its ends, the record only one.
async fn night_of(
    tx: &mut Tx,
    run: &Run<'_>,
    recharge: &wire::NightlyRecharge,
) -> Result<Option<Night>, Failure> {
    let Some(date) = normalize::date_of(&recharge.date) else {
        return Ok(None);
    };
    let connection = run.lease.connection_id;
    let bodies = raw_latest::bodies(tx, connection, Kind::Sleep, &[date.to_string()]).await?;
    let of_body = |body: &Vec<u8>| {
        let sleep = wire::read::<wire::SleepNight>(body).ok()?;
        Night::of(&sleep.body).ok()
    };
    if let Some(night) = bodies.iter().find_map(of_body) {
        return Ok(Some(night));
    }
    let nights = raw_latest::nights(tx, connection, &[date]).await?;
    Ok(nights
        .get(&date)
        .map(|(start_at, utc_offset_minutes)| Night::beginning(*start_at, *utc_offset_minutes)))
}

/// Recharges that were stored before their night's sleep, or with another one, move to where it
/// says that they belong.
async fn move_recharges(tx: &mut Tx, run: &Run<'_>, dates: &[Date]) -> Result<(), Failure> {
    let dates: Vec<_> = dates.iter().map(ToString::to_string).collect();
    let connection = run.lease.connection_id;
    for body in raw_latest::bodies(tx, connection, Kind::NightlyRecharge, &dates).await? {
        // What cannot be understood of it is in quarantine already.
        let mut known = NotUnderstood::default();
        store_night(tx, run, Kind::NightlyRecharge, &body, &mut known).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn night(date: &str, hours: i32, score: i32) -> String {
        format!(
            r#"{{"date":"{date}","sleep_start_time":"2031-05-06T00:00:00Z",
            "sleep_end_time":"2031-05-06T{hours:02}:00:00Z","sleep_score":{score}}}"#
        )
    }

    /// A night by its name.
    type Named<'a> = (String, &'a [u8]);

    /// The nights that stand for their dates, and those that are only kept.
    fn split(nights: &[String]) -> (Vec<Named<'_>>, Vec<&[u8]>) {
        let items = one_a_date(
            Kind::Sleep,
            nights.iter().map(|night| item(night.as_bytes())),
        );
        let (lesser, first): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.is_lesser);
        assert!(lesser.iter().all(|item| item.name == item.version));
        let first = first.into_iter().map(|item| (item.name, item.body));
        (
            first.collect(),
            lesser.iter().map(|item| item.body).collect(),
        )
    }

    #[test]
    fn of_several_nights_of_a_date_the_longest_stands_for_it_else_the_last() {
        let nights = [
            night("2031-05-06", 7, 80),
            night("2031-05-07", 5, 81),
            night(" 2031-5-6", 8, 82),
            night("2031-05-06", 8, 83),
            night("2031-05-06", 1, 84),
            r#"{"date":"2031-05-06","sleep_end_time":7}"#.to_owned(),
        ];
        let (first, lesser) = split(&nights);
        assert_eq!(
            first,
            [
                ("2031-05-06".to_owned(), nights[3].as_bytes()),
                ("2031-05-07".to_owned(), nights[1].as_bytes())
            ]
        );
        assert_eq!(
            lesser,
            [&nights[0], &nights[2], &nights[4], &nights[5]].map(String::as_bytes)
        );
    }

    #[test]
    fn a_date_that_cannot_be_a_key_gives_way_to_the_version() {
        for date in ["2031-05-06\\u0000", "soon", "", &"2".repeat(10_000)] {
            let body = night(date, 7, 80);
            let item = item(body.as_bytes());
            assert_eq!(item.name, item.version, "{date:.20}");
        }
    }
}
