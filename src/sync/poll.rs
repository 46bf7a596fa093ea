//! Kinds with an endpoint of their own: everything of the last weeks in one answer, without a
//! transaction, and nothing is deleted by reading it.

use jiff::civil::Date;

use super::{
    Failure, Run,
    item::{SUMMARY, content_version},
    record::count,
};
use crate::{
    accesslink::{
        Answer, Call,
        wire::{self, Unreadable},
    },
    model::{
        Kind,
        record::{NightlyRecharge, Sleep},
    },
    normalize::{self, Night},
    store::{
        Tx,
        event::Counts,
        raw::{self, Quarantined, RawBody, RawKey, RawPart},
        raw_latest,
        records::{Change, upsert_nightly_recharge, upsert_sleep},
    },
};

/// The item that stands for an answer as a whole, when it cannot be cut into nights.
const WHOLE_ANSWER: &str = "list";

/// Cuts an answer into nights.
type Cut = fn(&[u8]) -> Result<Vec<&str>, Unreadable>;

/// One night as it was sent.
struct Item<'a> {
    name: String,
    version: String,
    body: &'a [u8],
}

/// Brings a kind in step that has an endpoint of its own.
pub(super) async fn poll(run: &Run<'_>, kind: Kind, counts: &mut Counts) -> Result<(), Failure> {
    let (call, cut): (Call, Cut) = match kind {
        Kind::Sleep => (Call::list_sleep(), wire::sleep_nights),
        Kind::NightlyRecharge => (Call::list_nightly_recharge(), wire::nightly_recharges),
        Kind::Exercise | Kind::Activity | Kind::PhysicalInformation => return Ok(()),
    };
    let Answer::Body(body) = run.send(&call).await? else {
        return Ok(());
    };
    let nights = cut(&body);
    let items = match &nights {
        Ok(nights) => nights.iter().map(|night| item(night.as_bytes())).collect(),
        Err(_) => vec![Item {
            name: WHOLE_ANSWER.to_owned(),
            version: content_version(&body),
            body: &body,
        }],
    };
    store(run, kind, &items, counts).await
}

fn item(body: &[u8]) -> Item<'_> {
    /// All that is needed to name a night.
    #[derive(serde::Deserialize)]
    struct Dated {
        date: String,
    }
    let version = content_version(body);
    let date = wire::decode::<Dated>(body).map(|dated| dated.date);
    Item {
        name: date.unwrap_or_else(|_| version.clone()),
        version,
        body,
    }
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
    let (same, differing): (Vec<_>, Vec<_>) = items
        .iter()
        .partition(|item| known.get(&item.name) == Some(&item.version));
    for _ in same {
        count(kind, Change::Same, counts);
    }
    if differing.is_empty() {
        return Ok(());
    }
    let mut stored = Counts::default();
    let mut tx = run.store.begin_fenced("record", &run.lease).await?;
    let mut changed_nights = Vec::new();
    for item in differing {
        let part = raw_part(run, item)?;
        raw::put(&mut tx, connection, kind, std::slice::from_ref(&part)).await?;
        match store_night(&mut tx, run, kind, item.body).await? {
            Ok((date, change)) => {
                count(kind, change, &mut stored);
                changed_nights.push(date);
            }
            Err(unreadable) => quarantine(&mut tx, run, kind, &part, &unreadable).await?,
        }
    }
    if kind == Kind::Sleep {
        move_recharges(&mut tx, run, &changed_nights).await?;
    }
    tx.commit().await?;
    *counts += stored;
    Ok(())
}

fn raw_part(run: &Run<'_>, item: &Item<'_>) -> Result<RawPart, Failure> {
    Ok(RawPart {
        item: item.name.clone(),
        version: item.version.clone(),
        part: SUMMARY.to_owned(),
        body: Some(RawBody::new(item.body)?),
        fetched_at: run.clock.now(),
    })
}

async fn quarantine(
    tx: &mut Tx,
    run: &Run<'_>,
    kind: Kind,
    part: &RawPart,
    unreadable: &Unreadable,
) -> Result<(), Failure> {
    let Some(body) = &part.body else {
        return Ok(());
    };
    let quarantined = Quarantined {
        connection: run.lease.connection_id,
        kind,
        key: RawKey {
            item: part.item.clone(),
            version: part.version.clone(),
            part: part.part.clone(),
        },
        sha256: body.sha256().to_vec(),
        reason: unreadable.to_string(),
        quarantined_at: part.fetched_at,
    };
    Ok(raw::quarantine_put(tx, &quarantined).await?)
}

/// Stores one night, unless it cannot be understood.
async fn store_night(
    tx: &mut Tx,
    run: &Run<'_>,
    kind: Kind,
    body: &[u8],
) -> Result<Result<(Date, Change), Unreadable>, Failure> {
    if kind == Kind::Sleep {
        let night = match wire::decode(body).and_then(|night| normalize::sleep(&night)) {
            Ok(night) => night,
            Err(unreadable) => return Ok(Err(unreadable)),
        };
        return Ok(Ok((night.date, store_sleep(tx, run, &night).await?)));
    }
    let recharge = match wire::decode::<wire::NightlyRecharge>(body) {
        Ok(recharge) => recharge,
        Err(unreadable) => return Ok(Err(unreadable)),
    };
    let night = night_of(tx, run, &recharge).await?;
    match normalize::nightly_recharge(&recharge, night) {
        Ok(recharge) => Ok(Ok((
            recharge.date,
            store_recharge(tx, run, &recharge).await?,
        ))),
        Err(unreadable) => Ok(Err(unreadable)),
    }
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

/// What the sleep of the same date tells: a recharge has times of day only.
async fn night_of(
    tx: &mut Tx,
    run: &Run<'_>,
    recharge: &wire::NightlyRecharge,
) -> Result<Option<Night>, Failure> {
    let Ok(date) = recharge.date.parse::<Date>() else {
        return Ok(None);
    };
    let nights = raw_latest::nights(tx, run.lease.connection_id, &[date]).await?;
    Ok(nights
        .get(&date)
        .map(|(start_at, utc_offset_minutes)| Night {
            start_at: *start_at,
            utc_offset_minutes: *utc_offset_minutes,
        }))
}

/// Recharges that were stored before their night's sleep, or with another one, move to where it
/// says that they belong.
async fn move_recharges(tx: &mut Tx, run: &Run<'_>, dates: &[Date]) -> Result<(), Failure> {
    let dates: Vec<_> = dates.iter().map(ToString::to_string).collect();
    let connection = run.lease.connection_id;
    for body in raw_latest::bodies(tx, connection, Kind::NightlyRecharge, &dates).await? {
        // One that cannot be understood is in quarantine already.
        let _ = store_night(tx, run, Kind::NightlyRecharge, &body).await?;
    }
    Ok(())
}
