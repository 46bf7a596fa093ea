//! Workouts: the summary, and the parts that have their own resources at Polar.

use crate::model::{
    ConnectionId, Kind, RecordId, UserId,
    record::{Workout, Zone},
};

use super::{
    super::{Store, StoreError, Tx},
    Change, Revision, Upserted,
    chunk::{self, Chunk},
    fingerprint::{Fingerprint, Hash},
    part::content,
    route::Track,
    series,
    workout_match::{self, Match},
    workout_row::{Precedence, WorkoutRow},
    workout_table::{candidates, put, replace_zones},
};

/// Stores a workout. Its version is its upload time.
///
/// A summary alone costs three statements, each part one more.
pub async fn upsert_workout(
    tx: &mut Tx,
    connection: ConnectionId,
    user: &UserId,
    workout: &Workout,
) -> Result<Upserted, StoreError> {
    let candidates = candidates(tx, connection, workout).await?;
    let stored = match workout_match::find(&candidates, workout) {
        Match::Stored(row) => Some(row),
        Match::New => None,
        Match::Ambiguous => {
            metrics::counter!("polar_sync_workouts_ambiguous_total").increment(1);
            None
        }
    };
    let parts = Parts::of(workout);
    let (next, differing) = match revise(stored, workout, parts) {
        Revised::Leave(upserted) => return Ok(upserted),
        Revised::Write(next, differing) => (next, differing),
    };
    put(tx, connection, &next).await?;
    differing.store(tx, connection, next.record_id).await?;
    let revision = Revision {
        record_id: next.record_id,
        number: next.revision,
    };
    revision
        .announce(tx, connection, user, Kind::Exercise)
        .await
}

/// Under which ids a workout is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredWorkout {
    /// Ours.
    pub record_id: RecordId,
    /// Whether an exercise transaction told of it.
    pub is_transactional: bool,
}

/// Which of these workouts are stored, be it as the other source calls them; `None` for those that are
/// not. One that two stored workouts may equally be is one of them.
pub async fn find_workouts(
    store: &Store,
    connection: ConnectionId,
    workouts: &[Workout],
) -> Result<Vec<Option<StoredWorkout>>, StoreError> {
    let mut tx = store.begin("find_workouts").await?;
    let mut found = Vec::with_capacity(workouts.len());
    for workout in workouts {
        let candidates = candidates(&mut tx, connection, workout).await?;
        let row = match workout_match::find(&candidates, workout) {
            Match::Stored(row) => Some(row),
            Match::Ambiguous => candidates.first(),
            Match::New => None,
        };
        found.push(row.map(|row| StoredWorkout {
            record_id: row.record_id,
            is_transactional: row.polar_id.is_some(),
        }));
    }
    Ok(found)
}

/// The hashes of parts that are stored and hold nothing.
#[derive(Debug)]
pub(in crate::store) struct NoParts {
    pub(in crate::store) samples: Hash,
    pub(in crate::store) zones: Hash,
    pub(in crate::store) route: Hash,
}

/// The hashes of nothing.
pub(in crate::store) fn no_parts() -> NoParts {
    NoParts {
        samples: chunk::hash_of(&[]),
        zones: hash_of(&[]),
        route: Track::of(&[]).hash(),
    }
}

/// The contents of a workout's parts, as they are stored.
#[derive(Debug, PartialEq)]
struct Parts<'a> {
    samples: Option<Vec<Chunk>>,
    zones: Option<&'a [Zone]>,
    route: Option<Track>,
}

/// What to do about an offered workout.
#[derive(Debug, PartialEq)]
enum Revised<'a> {
    Leave(Upserted),
    /// Store this row, and these parts of it.
    Write(Box<WorkoutRow>, Parts<'a>),
}

/// Decides what the workout's row becomes, and which of its parts have to be written.
fn revise<'a>(stored: Option<&WorkoutRow>, workout: &Workout, offered: Parts<'a>) -> Revised<'a> {
    let before = stored.cloned().unwrap_or_else(|| WorkoutRow::new(workout));
    let leave = |change| {
        Revised::Leave(Upserted {
            record_id: before.record_id,
            change,
        })
    };
    let precedence = before.precedence_of(workout);
    let mut next = match (stored, precedence) {
        (None, _) => before.clone(),
        (Some(_), Precedence::Stale) => return leave(Change::Stale),
        (Some(row), Precedence::Adds | Precedence::Completes | Precedence::Overrides) => {
            row.next(workout, precedence)
        }
    };
    let samples = offered
        .samples
        .filter(|_| before.samples.yields_to(precedence));
    let zones = offered.zones.filter(|_| before.zones.yields_to(precedence));
    let route = offered.route.filter(|_| before.route.yields_to(precedence));
    let samples_hash = samples.as_deref().map(chunk::hash_of);
    let route_hash = route.as_ref().map(Track::hash);
    let source = &workout.source;
    next.samples = before.samples.after(&workout.samples, samples_hash, source);
    next.zones = before
        .zones
        .after(&workout.zones, zones.map(hash_of), source);
    next.route = before.route.after(&workout.route, route_hash, source);
    if stored.is_some() && next.fingerprint() == before.fingerprint() {
        return leave(Change::Same);
    }
    let differing = Parts {
        samples: samples.filter(|_| next.samples.mark.differs_from(&before.samples.mark)),
        zones: zones.filter(|_| next.zones.mark.differs_from(&before.zones.mark)),
        route: route.filter(|_| next.route.mark.differs_from(&before.route.mark)),
    };
    Revised::Write(Box::new(next), differing)
}

impl<'a> Parts<'a> {
    fn of(workout: &'a Workout) -> Self {
        Self {
            samples: content(&workout.samples).map(chunk::chunks),
            zones: content(&workout.zones).map(Vec::as_slice),
            route: content(&workout.route).map(|points| Track::of(points)),
        }
    }

    async fn store(
        &self,
        tx: &mut Tx,
        connection: ConnectionId,
        record: RecordId,
    ) -> Result<(), StoreError> {
        if let Some(samples) = &self.samples {
            series::replace(tx, connection, record, samples).await?;
        }
        if let Some(zones) = self.zones {
            replace_zones(tx, connection, record, zones).await?;
        }
        if let Some(route) = &self.route {
            route.store(tx, connection, record).await?;
        }
        Ok(())
    }
}

fn hash_of(zones: &[Zone]) -> Hash {
    let all = zones.iter().fold(Fingerprint::default(), |all, zone| {
        all.with(&zone.zone_index)
            .with(&zone.lower_bpm)
            .with(&zone.upper_bpm)
            .with(&zone.in_zone_s)
    });
    all.finish()
}
