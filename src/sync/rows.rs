//! From fetched bodies to what is stored: raw parts, the normalized record, and what goes into
//! quarantine. Pure.

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::item::{Fetched, FetchedItem, SUMMARY, part_of};
use crate::{
    accesslink::{
        call::ItemPart,
        wire::{self, Unreadable},
    },
    model::{
        ConnectionId, Detail, Details, Kind, TransactionalKind,
        record::{DailyActivity, Part, PhysicalInformation, Workout},
    },
    normalize::{self, ActivityParts, Leftover, Origin, Route, WorkoutParts},
    store::raw::{Quarantined, RawBody, RawError, RawKey, RawPart},
};

/// A normalized record.
#[derive(Debug)]
pub(super) enum Record {
    Workout(Box<Workout>),
    Activity(Box<DailyActivity>),
    PhysicalInformation(PhysicalInformation),
}

/// What is stored of one item.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) raw: Vec<RawPart>,
    pub(super) record: Option<Record>,
    pub(super) quarantine: Vec<Quarantined>,
}

/// Whose item it is, and when its fetch began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origins {
    pub(super) connection: ConnectionId,
    pub(super) kind: TransactionalKind,
    pub(super) fetched_at: Timestamp,
}

/// Turns a fetched item into rows. What cannot be understood is quarantined by itself.
pub(super) fn rows(
    origins: Origins,
    item: &FetchedItem,
    wanted: Details,
) -> Result<Rows, RawError> {
    let mut unreadable = Vec::new();
    let record = match item.body(SUMMARY) {
        Some(summary) => match origins.kind {
            TransactionalKind::Exercise => workout(item, summary, wanted, &mut unreadable),
            TransactionalKind::Activity => activity(item, summary, &mut unreadable),
            TransactionalKind::PhysicalInformation => {
                physical_information(summary, &mut unreadable)
            }
        },
        None => None,
    };
    let raw = item
        .parts
        .iter()
        .map(|(part, fetched)| raw_part(origins, item, part, fetched))
        .collect::<Result<Vec<_>, _>>()?;
    let quarantine = unreadable
        .into_iter()
        .filter_map(|(part, reason)| quarantined(origins, &raw, &part, reason))
        .collect();
    Ok(Rows {
        raw,
        record,
        quarantine,
    })
}

fn raw_part(
    origins: Origins,
    item: &FetchedItem,
    part: &str,
    fetched: &Fetched,
) -> Result<RawPart, RawError> {
    let body = match fetched {
        Fetched::Body(body) => Some(RawBody::new(body)?),
        Fetched::Absent | Fetched::Missing => None,
    };
    Ok(RawPart {
        item: item.item_id.to_string(),
        version: item.version.clone(),
        part: part.to_owned(),
        body,
        fetched_at: origins.fetched_at,
    })
}

/// A quarantine row for a part; for the summary when the part has no body of its own.
fn quarantined(
    origins: Origins,
    raw: &[RawPart],
    part: &str,
    reason: String,
) -> Option<Quarantined> {
    let with_body = |name: &str| {
        raw.iter()
            .find(|raw| raw.part == name && raw.body.is_some())
    };
    let raw = with_body(part).or_else(|| with_body(SUMMARY))?;
    Some(Quarantined {
        connection: origins.connection,
        kind: Kind::from(origins.kind),
        key: RawKey {
            item: raw.item.clone(),
            version: raw.version.clone(),
            part: raw.part.clone(),
        },
        sha256: raw.body.as_ref()?.sha256().to_vec(),
        reason,
        quarantined_at: origins.fetched_at,
    })
}

/// Part and reason of what was not understood.
type NotUnderstood = Vec<(String, String)>;

fn decode<T: DeserializeOwned>(
    body: &[u8],
    part: &str,
    unreadable: &mut NotUnderstood,
) -> Option<T> {
    note(wire::decode(body), part, unreadable)
}

fn note<T>(result: Result<T, Unreadable>, part: &str, unreadable: &mut NotUnderstood) -> Option<T> {
    result
        .map_err(|error| unreadable.push((part.to_owned(), error.to_string())))
        .ok()
}

fn note_leftovers(leftovers: &[Leftover], unreadable: &mut NotUnderstood) {
    unreadable.extend(leftovers.iter().map(|leftover| {
        let part = match leftover {
            Leftover::UnknownSampleType { id } => ItemPart::Sample(id.to_string()).path(),
            Leftover::NoRecordingRate { .. } => ItemPart::Samples.path(),
            Leftover::Unreadable(_) => SUMMARY.to_owned(),
        };
        (part, leftover.to_string())
    }));
}

/// A part with a body of its own, read by `read`.
fn part<T>(
    item: &FetchedItem,
    name: &str,
    unreadable: &mut NotUnderstood,
    read: impl FnOnce(&[u8]) -> Result<T, Unreadable>,
) -> Part<T> {
    match item.body(name) {
        Some(body) => note(read(body), name, unreadable).map_or(Part::Unreadable, Part::Present),
        None if item.was_fetched(name) => Part::Absent,
        None => Part::NotRequested,
    }
}

fn workout(
    item: &FetchedItem,
    summary: &[u8],
    wanted: Details,
    unreadable: &mut NotUnderstood,
) -> Option<Record> {
    let exercise: wire::Exercise = decode(summary, SUMMARY, unreadable)?;
    let zones = part(item, &part_of(Detail::Zones).path(), unreadable, |body| {
        wire::decode::<wire::HeartRateZones>(body).map(|zones| zones.zone)
    });
    let mut route = part(item, &part_of(Detail::Route).path(), unreadable, |body| {
        wire::gpx::decode(body).map(Route::Gpx)
    });
    if wanted.contains(Detail::Route) && exercise.has_route == Some(false) {
        route = Part::Absent;
    }
    let parts = WorkoutParts {
        zones,
        samples: samples(item, unreadable),
        route,
    };
    let normalized = note(
        normalize::workout(&exercise, Origin::Transaction, parts),
        SUMMARY,
        unreadable,
    )?;
    note_leftovers(&normalized.leftovers, unreadable);
    Some(Record::Workout(Box::new(normalized.record)))
}

/// Every series, or none: a part of them would look like all of them.
fn samples(item: &FetchedItem, unreadable: &mut NotUnderstood) -> Part<Vec<wire::SampleSeries>> {
    let list = part_of(Detail::Samples).path();
    let listed = part(item, &list, unreadable, |body| {
        wire::sample_items(body).map(|list| list.len())
    });
    let mut series = Vec::new();
    for (name, fetched) in item
        .parts
        .iter()
        .filter(|(name, _)| name.starts_with("samples/"))
    {
        if let Fetched::Body(body) = fetched {
            series.extend(decode::<wire::SampleSeries>(body, name, unreadable));
        }
    }
    match listed {
        Part::Present(_) if item.broken.is_some() => Part::NotRequested,
        Part::Present(_) => Part::Present(series),
        // The list is not understood, so every known type was asked for.
        Part::Unreadable if !series.is_empty() => Part::Present(series),
        other => other.map(|_| series),
    }
}

fn activity(item: &FetchedItem, summary: &[u8], unreadable: &mut NotUnderstood) -> Option<Record> {
    let activity: wire::Activity = decode(summary, SUMMARY, unreadable)?;
    let parts = ActivityParts {
        steps: part(
            item,
            &ItemPart::StepSamples.path(),
            unreadable,
            wire::decode,
        ),
        zones: part(
            item,
            &ItemPart::ZoneSamples.path(),
            unreadable,
            wire::decode,
        ),
    };
    let normalized = note(normalize::activity(&activity, parts), SUMMARY, unreadable)?;
    note_leftovers(&normalized.leftovers, unreadable);
    Some(Record::Activity(Box::new(normalized.record)))
}

fn physical_information(summary: &[u8], unreadable: &mut NotUnderstood) -> Option<Record> {
    let information: wire::PhysicalInformation = decode(summary, SUMMARY, unreadable)?;
    let record = note(
        normalize::physical_information(&information),
        SUMMARY,
        unreadable,
    )?;
    Some(Record::PhysicalInformation(record))
}
