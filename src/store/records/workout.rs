//! Workouts: the summary, and the parts that have their own resources at Polar.

use crate::model::{
    ConnectionId, Detail, Kind, RecordId, UserId,
    record::{Workout, Zone},
};

use super::{
    super::{Store, StoreError, Tx, restore::Damaged},
    Change, Revision, Upserted,
    chunk::{self, Chunk},
    fingerprint::{Fingerprint, Hash},
    part::content,
    route::Track,
    series,
    stray::Traces,
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
    let (mut next, differing) = match revise(stored, workout, parts) {
        Revised::Leave(upserted) => return Ok(upserted),
        Revised::Write(next, differing) => (next, differing),
    };
    let revision = Revision {
        record_id: next.record_id,
        number: next.revision,
    };
    let traces = differing.traces();
    let revision = revision.adopted(tx, connection, &traces).await?;
    (next.record_id, next.revision) = (revision.record_id, revision.number);
    put(tx, connection, &next).await?;
    differing.store(tx, connection, next.record_id).await?;
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

/// The workouts that are said to have parts of which rows are lost.
pub(in crate::store) async fn damaged_workouts(
    store: &Store,
    connection: ConnectionId,
) -> Result<Vec<Damaged>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT record_id AS "record_id: RecordId", polar_id, polar_hashed_id,
            samples_state = 'stored' AS "has_samples!", samples_hash,
            zones_state = 'stored' AS "has_zones!", zones_hash,
            route_state = 'stored' AND NOT EXISTS (
                SELECT FROM polar_sync.route p
                WHERE p.connection_id = r.connection_id AND p.record_id = r.record_id) AS "lacks_route!",
            ARRAY(SELECT p.content_hash FROM polar_sync.series p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.position) AS "chunks!",
            ARRAY(SELECT p.zone_index FROM polar_sync.workout_zone p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.zone_index) AS "zone_indexes!",
            ARRAY(SELECT p.lower_bpm FROM polar_sync.workout_zone p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.zone_index) AS "zones_lower!",
            ARRAY(SELECT p.upper_bpm FROM polar_sync.workout_zone p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.zone_index) AS "zones_upper!",
            ARRAY(SELECT p.in_zone_s FROM polar_sync.workout_zone p WHERE p.connection_id = r.connection_id
                AND p.record_id = r.record_id ORDER BY p.zone_index) AS "zones_s!"
        FROM polar_sync.workout r WHERE connection_id = $1 ORDER BY start_at"#,
        connection.0,
    )
    .fetch_all(store.pool())
    .await
    .map_err(StoreError::while_doing("look for workouts that lost parts"))?;
    let workouts = rows.into_iter().map(|row| {
        let samples = chunk::hash_of_hashes(row.chunks.iter().map(Vec::as_slice));
        let bounds = row
            .zones_lower
            .iter()
            .zip(&row.zones_upper)
            .zip(&row.zones_s);
        let zones = row.zone_indexes.iter().zip(bounds);
        let zones: Vec<_> = zones
            .map(|(zone_index, ((lower_bpm, upper_bpm), in_zone_s))| Zone {
                zone_index: *zone_index,
                lower_bpm: *lower_bpm,
                upper_bpm: *upper_bpm,
                in_zone_s: *in_zone_s,
            })
            .collect();
        let lacks_samples = row.has_samples && row.samples_hash.as_deref() != Some(&samples);
        let lacks_zones = row.has_zones && row.zones_hash.as_deref() != Some(&hash_of(&zones));
        let lacking = [
            lacks_samples.then_some(Detail::Samples),
            lacks_zones.then_some(Detail::Zones),
            row.lacks_route.then_some(Detail::Route),
        ];
        Damaged {
            record_id: row.record_id,
            polar_id: row.polar_id,
            hashed_id: row.polar_hashed_id,
            date: None,
            details: lacking.into_iter().flatten().collect(),
        }
    });
    Ok(workouts.filter(Damaged::lacks_details).collect())
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

    fn traces(&self) -> Traces<'_> {
        Traces {
            chunks: self.samples.as_deref().unwrap_or_default(),
            zones: self.zones.unwrap_or_default(),
            route: self
                .route
                .as_ref()
                .filter(|route| !route.places().0.is_empty()),
            ..Traces::default()
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
