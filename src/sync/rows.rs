//! From fetched bodies to what is stored: raw parts, the normalized record, and what goes into
//! quarantine. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::item::{Fetched, FetchedItem, SUMMARY, part_of};
use crate::{
    accesslink::{
        call::ItemPart,
        wire::{self, Read, Unreadable},
    },
    model::{
        ConnectionId, Detail, Details, Kind, TransactionalKind,
        record::{DailyActivity, Part, PhysicalInformation, Workout, WorkoutSource},
    },
    normalize::{self, ActivityParts, Leftover, Origin, Piece, Route, WorkoutParts},
    store::raw::{Quarantined, RawBody, RawError, RawPart},
};

/// The most reasons that a quarantine row names.
const REASONS_MAX: usize = 20;

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
    let mut unreadable = NotUnderstood::default();
    let record = match item.body(SUMMARY) {
        Some(summary) => match origins.kind {
            TransactionalKind::Exercise => workout(item, summary, wanted, &mut unreadable),
            TransactionalKind::Activity => activity(item, summary, &mut unreadable),
            TransactionalKind::PhysicalInformation => {
                physical_information(item, summary, &mut unreadable)
            }
        },
        None => None,
    };
    let raw = item
        .parts
        .iter()
        .map(|(part, fetched)| raw_part(origins, item, part, fetched))
        .collect::<Result<Vec<_>, _>>()?;
    let quarantine = unreadable.quarantine(origins.connection, origins.kind.into(), &raw);
    Ok(Rows {
        raw,
        record,
        quarantine,
    })
}

/// What came of an item that was not fetched to its end: its bodies, and nothing of what they mean.
pub(super) fn bodies(origins: Origins, item: &FetchedItem) -> Result<Vec<RawPart>, RawError> {
    let parts = item.parts.iter();
    parts
        .filter(|(_, fetched)| matches!(fetched, Fetched::Body(_)))
        .map(|(part, fetched)| raw_part(origins, item, part, fetched))
        .collect()
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

/// What was not understood: reasons by part, each once and in order, so that the same bodies always
/// give the same rows.
#[derive(Debug, Default)]
pub(super) struct NotUnderstood(BTreeMap<String, BTreeSet<String>>);

impl NotUnderstood {
    pub(super) fn note(&mut self, part: &str, reason: &impl ToString) {
        let reasons = self.0.entry(part.to_owned()).or_default();
        reasons.insert(reason.to_string());
    }

    /// Takes notice of everything that a piece of a record left over; all of it stands in `part`.
    pub(super) fn note_all(&mut self, part: &str, leftovers: &[impl ToString]) {
        for leftover in leftovers {
            self.note(part, leftover);
        }
    }

    /// What is understood, with notice of the rest.
    pub(super) fn unless<T>(&mut self, part: &str, read: Result<Read<T>, Unreadable>) -> Option<T> {
        match read {
            Ok(Read { body, left_out }) => {
                self.note_all(part, &left_out);
                Some(body)
            }
            Err(error) => {
                self.note(part, &error);
                None
            }
        }
    }

    /// One row for each part; for the summary when a part has no body of its own.
    pub(super) fn quarantine(
        self,
        connection: ConnectionId,
        kind: Kind,
        raw: &[RawPart],
    ) -> Vec<Quarantined> {
        let find = |name: &str| {
            raw.iter()
                .position(|raw| raw.part == name && raw.body.is_some())
        };
        let mut by_body = BTreeMap::<usize, BTreeSet<String>>::new();
        for (part, reasons) in self.0 {
            if let Some(place) = find(&part).or_else(|| find(SUMMARY)) {
                by_body.entry(place).or_default().extend(reasons);
            }
        }
        let quarantined = |(place, reasons): (usize, BTreeSet<String>)| {
            let raw = raw.get(place)?;
            Some(Quarantined {
                connection,
                kind,
                key: raw.key(),
                sha256: raw.body.as_ref()?.sha256().to_vec(),
                reason: joined(&reasons),
                quarantined_at: raw.fetched_at,
            })
        };
        by_body.into_iter().filter_map(quarantined).collect()
    }
}

fn joined(reasons: &BTreeSet<String>) -> String {
    let first: Vec<_> = reasons
        .iter()
        .take(REASONS_MAX)
        .map(String::as_str)
        .collect();
    let named = first.join("; ");
    match reasons.len().saturating_sub(REASONS_MAX) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

fn read<T: DeserializeOwned>(body: &[u8], part: &str, unreadable: &mut NotUnderstood) -> Option<T> {
    unreadable.unless(part, wire::read(body))
}

/// Files leftovers under the parts that they stand in; `series` are the parts of the series.
fn note_leftovers(leftovers: &[Leftover], series: &[String], unreadable: &mut NotUnderstood) {
    for leftover in leftovers {
        let part = match leftover.piece {
            Piece::Summary => SUMMARY.to_owned(),
            Piece::Zones => part_of(Detail::Zones).path(),
            Piece::Route => part_of(Detail::Route).path(),
            Piece::Series(position) => series
                .get(position)
                .cloned()
                .unwrap_or_else(|| part_of(Detail::Samples).path()),
            Piece::StepSamples => ItemPart::StepSamples.path(),
            Piece::ZoneSamples => ItemPart::ZoneSamples.path(),
        };
        unreadable.note(&part, leftover);
    }
}

/// A part with a body of its own, read by `read`.
fn part<T>(
    item: &FetchedItem,
    name: &str,
    unreadable: &mut NotUnderstood,
    read: impl FnOnce(&[u8]) -> Result<Read<T>, Unreadable>,
) -> Part<T> {
    match item.body(name) {
        Some(body) => unreadable
            .unless(name, read(body))
            .map_or(Part::Unreadable, Part::Present),
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
    let exercise: wire::Exercise = read(summary, SUMMARY, unreadable)?;
    let zones = part(item, &part_of(Detail::Zones).path(), unreadable, |body| {
        wire::read::<wire::HeartRateZones>(body).map(|read| read.map(|zones| zones.zone))
    });
    let mut route = part(item, &part_of(Detail::Route).path(), unreadable, |body| {
        wire::gpx::decode(body).map(|read| read.map(Route::Gpx))
    });
    if wanted.contains(Detail::Route) && exercise.has_route == Some(false) {
        route = Part::Absent;
    }
    let (samples, series) = samples(item, unreadable);
    let parts = WorkoutParts {
        zones,
        samples,
        route,
    };
    let normalized = normalize::workout(&exercise, Origin::Transaction, parts);
    let normalized = unreadable.unless(SUMMARY, normalized.map(Read::whole))?;
    note_leftovers(&normalized.leftovers, &series, unreadable);
    let is_own = normalized.record.source == WorkoutSource::Transactional(item.item_id);
    own(is_own, unreadable)?;
    Some(Record::Workout(Box::new(normalized.record)))
}

/// A record is known by the id in its body. One that says that it is another would take that one's place.
fn own(is_own: bool, unreadable: &mut NotUnderstood) -> Option<()> {
    if !is_own {
        unreadable.note(SUMMARY, &Unreadable::new("id", "the id that was asked for"));
    }
    is_own.then_some(())
}

/// Every series that is understood, and the part that each stands in; or none: where one could not be
/// fetched, the others would look like all of them.
fn samples(
    item: &FetchedItem,
    unreadable: &mut NotUnderstood,
) -> (Part<Vec<wire::SampleSeries>>, Vec<String>) {
    let list = part_of(Detail::Samples).path();
    let listed = part(item, &list, unreadable, |body| {
        wire::sample_items(body).map(Read::whole)
    });
    let (mut series, mut names) = (Vec::new(), Vec::new());
    for (name, fetched) in item
        .parts
        .iter()
        .filter(|(name, _)| name.starts_with("samples/"))
    {
        if let Fetched::Body(body) = fetched
            && let Some(read) = read(body, name, unreadable)
        {
            series.push(read);
            names.push(name.clone());
        }
    }
    let samples = match listed {
        Part::Present(_) if item.broken.is_some() => Part::NotRequested,
        Part::Present(_) => Part::Present(series),
        // The list is not understood, so every known type was asked for.
        Part::Unreadable if !series.is_empty() => Part::Present(series),
        other => other.map(|_| series),
    };
    (samples, names)
}

fn activity(item: &FetchedItem, summary: &[u8], unreadable: &mut NotUnderstood) -> Option<Record> {
    let activity: wire::Activity = read(summary, SUMMARY, unreadable)?;
    let parts = ActivityParts {
        steps: part(item, &ItemPart::StepSamples.path(), unreadable, wire::read),
        zones: part(item, &ItemPart::ZoneSamples.path(), unreadable, wire::read),
    };
    let normalized = normalize::activity(&activity, parts).map(Read::whole);
    let normalized = unreadable.unless(SUMMARY, normalized)?;
    note_leftovers(&normalized.leftovers, &[], unreadable);
    Some(Record::Activity(Box::new(normalized.record)))
}

fn physical_information(
    item: &FetchedItem,
    summary: &[u8],
    unreadable: &mut NotUnderstood,
) -> Option<Record> {
    let information: wire::PhysicalInformation = read(summary, SUMMARY, unreadable)?;
    let normalized = normalize::physical_information(&information).map(Read::whole);
    let normalized = unreadable.unless(SUMMARY, normalized)?;
    note_leftovers(&normalized.leftovers, &[], unreadable);
    own(normalized.record.polar_id == item.item_id, unreadable)?;
    Some(Record::PhysicalInformation(normalized.record))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXERCISE: &str = r#"{"id":412,"upload-time":"2031-05-06T05:11:42Z",
        "start-time":"2031-05-06T04:00","duration":"PT1H"}"#;

    fn rows_of(kind: TransactionalKind, parts: &[(&str, &str)]) -> Rows {
        let body = |(name, body): &(&str, &str)| {
            let body = body.as_bytes().to_vec();
            ((*name).to_owned(), Fetched::Body(body.into()))
        };
        let item = FetchedItem {
            item_id: 412,
            version: "v".to_owned(),
            parts: parts.iter().map(body).collect(),
            broken: None,
        };
        let origins = Origins {
            connection: ConnectionId::new(),
            kind,
            fetched_at: Timestamp::UNIX_EPOCH,
        };
        rows(origins, &item, Details::ALL).unwrap()
    }

    fn quarantined(rows: &Rows) -> Vec<(&str, &str)> {
        rows.quarantine
            .iter()
            .map(|row| (row.key.part.as_str(), row.reason.as_str()))
            .collect()
    }

    #[test]
    fn what_is_not_understood_is_filed_once_under_its_own_part() {
        let exercise = EXERCISE.replace("PT1H\"", "PT1H\",\"calories\":1e12,\"device\":[1]");
        let zones = r#"{"zone":[{"lower-limit":9e9,"upper-limit":2,"in-zone":"PT1S"},
            {"lower-limit":1,"upper-limit":2,"in-zone":"soon"}]}"#;
        let rows = rows_of(
            TransactionalKind::Exercise,
            &[
                (SUMMARY, &exercise),
                ("heart-rate-zones", zones),
                ("samples", r#"{"samples":["https://h/0","https://h/3"]}"#),
                (
                    "samples/0",
                    r#"{"sample-type":"0","recording-rate":1,"data":"97"}"#,
                ),
                ("samples/3", r#"{"sample-type":"3","data":"97"}"#),
                (
                    "samples/77",
                    r#"{"sample-type":"77","recording-rate":1,"data":"97"}"#,
                ),
                ("gpx", "<gpx><trkpt/></gpx>"),
            ],
        );
        let parts: Vec<_> = quarantined(&rows);
        let names: Vec<_> = parts.iter().map(|(part, _)| *part).collect();
        assert_eq!(
            names,
            [
                SUMMARY,
                "heart-rate-zones",
                "samples/3",
                "samples/77",
                "gpx"
            ]
        );
        let [(_, summary), (_, zones), ..] = parts.as_slice() else {
            panic!("{parts:?}");
        };
        assert!(summary.starts_with("calories: "), "{summary}");
        assert!(summary.contains("; device: "), "{summary}");
        assert!(
            zones.contains("lower_limit") && zones.contains("in_zone"),
            "{zones}"
        );
        let Some(Record::Workout(workout)) = rows.record else {
            panic!("the workout is understood");
        };
        assert_eq!((workout.calories_kcal, workout.device), (None, None));
        assert_eq!(workout.zones, Part::Unreadable);
        assert_eq!(workout.route, Part::Unreadable);
        let Part::Present(samples) = workout.samples else {
            panic!("{:?}", workout.samples);
        };
        assert_eq!(samples.len(), 1);
    }

    #[test]
    fn a_route_that_came_is_there_whatever_the_summary_says() {
        let route = r#"<gpx><trkpt lat="1" lon="2"/></gpx>"#;
        let rows = rows_of(
            TransactionalKind::Exercise,
            &[(SUMMARY, EXERCISE), ("gpx", route)],
        );
        let Some(Record::Workout(workout)) = rows.record else {
            panic!("the workout is understood");
        };
        assert!(workout.has_route);
        assert_eq!(rows.quarantine, []);
    }

    #[test]
    fn a_list_under_an_unknown_name_is_not_taken_for_an_empty_one() {
        let day = r#"{"id":412,"date":"2031-05-06","created":"2031-05-06T20:00:00Z"}"#;
        let rows = rows_of(
            TransactionalKind::Activity,
            &[
                (SUMMARY, day),
                (
                    "step-samples",
                    r#"{"date":"2031-05-06","readings":[{"steps":1}]}"#,
                ),
                ("zone-samples", r#"{"date":"2031-05-06","interval":60}"#),
            ],
        );
        assert_eq!(quarantined(&rows).len(), 1);
        let Some(Record::Activity(day)) = rows.record else {
            panic!("the day is understood");
        };
        assert_eq!(day.step_samples, Part::Unreadable);
        assert_eq!(day.zone_samples, Part::Absent);
    }

    #[test]
    fn a_body_that_says_that_it_is_another_takes_nobodys_place() {
        let information = r#"{"id":412,"created":"2031-05-06T20:00:00Z","weight":70}"#;
        for (kind, body) in [
            (TransactionalKind::Exercise, EXERCISE),
            (TransactionalKind::PhysicalInformation, information),
        ] {
            let rows = rows_of(kind, &[(SUMMARY, body)]);
            assert!(rows.record.is_some() && rows.quarantine.is_empty());
            let rows = rows_of(kind, &[(SUMMARY, &body.replace("412", "413"))]);
            assert!(rows.record.is_none());
            let reason = "id: expected the id that was asked for";
            assert_eq!(quarantined(&rows), [(SUMMARY, reason)]);
        }
    }

    #[test]
    fn a_reason_has_a_limit() {
        let reasons: BTreeSet<_> = (0..25).map(|n| format!("r{n:02}")).collect();
        let joined = joined(&reasons);
        assert!(joined.starts_with("r00; r01; "), "{joined}");
        assert!(joined.ends_with("; r19; and 5 more"), "{joined}");
    }
}
