//! Completes workouts from `/v3/exercises`, which shows the last 30 days whatever was committed:
//! details that an earlier sync did not ask for, and workouts whose transaction is blocked.

use jiff::{SignedDuration, Timestamp};

use super::{
    Failure, Run,
    item::{SUMMARY, content_version},
    record::count,
};
use crate::{
    accesslink::{Answer, Call, wire},
    model::{Details, Kind, record::Workout},
    normalize::{self, Normalized, Origin, WorkoutParts},
    store::{
        event::Counts,
        lacking::Lacking,
        raw::{self, RawBody, RawPart},
        records::upsert_workout,
    },
};

/// How long `/v3/exercises` shows an exercise after its upload. Source: AccessLink documentation.
const SHOWN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Two durations of one workout differ at most by this.
const DURATION_TOLERANCE_S: f64 = 2.0;

/// After the transactions were run: completes what the requests of this run want to see, and what a
/// blocked transaction keeps back.
pub(super) async fn complete(
    run: &Run<'_>,
    pulled: Result<(), Failure>,
    counts: &mut Counts,
) -> Result<(), Failure> {
    match pulled {
        Ok(()) if run.asked == Details::NONE => Ok(()),
        Ok(()) => {
            let since = run.clock.now() - SHOWN_FOR;
            let lacking = run
                .store
                .workouts_lacking(run.lease.connection_id, run.asked, since)
                .await?;
            if !lacking.is_empty() {
                fill(run, &lacking, counts).await?;
            }
            Ok(())
        }
        Err(blocked @ Failure::Blocked { .. }) => {
            // Whatever comes of it, the transaction stays blocked, and that is what is reported.
            let _ = rescue(run, counts).await;
            Err(blocked)
        }
        Err(failure) => Err(failure),
    }
}

/// Fetches what workouts lack; what Polar no longer shows is noted as gone.
async fn fill(run: &Run<'_>, lacking: &[Lacking], counts: &mut Counts) -> Result<(), Failure> {
    let shown = shown(run).await?;
    for lack in lacking {
        if let Some(workout) = shown.iter().find(|workout| is_same(workout, lack)) {
            fetch(run, workout, lack.details, counts).await?;
        } else {
            let mut tx = run.store.begin_fenced("note_gone", &run.lease).await?;
            tx.note_gone(run.lease.connection_id, run.user_id(), lack)
                .await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Stores the workouts that Polar shows and that are not stored from there yet.
async fn rescue(run: &Run<'_>, counts: &mut Counts) -> Result<(), Failure> {
    let shown = shown(run).await?;
    let ids: Vec<_> = shown
        .iter()
        .filter_map(hashed_id)
        .map(str::to_owned)
        .collect();
    let known = run
        .store
        .known_hashed_ids(run.lease.connection_id, &ids)
        .await?;
    let unknown = |workout: &&Workout| {
        hashed_id(workout).is_some_and(|id| known.iter().all(|known| known != id))
    };
    for workout in shown.iter().filter(unknown) {
        fetch(run, workout, run.wanted(), counts).await?;
    }
    Ok(())
}

/// The workouts that Polar shows, without their details. One that cannot be understood is left out.
async fn shown(run: &Run<'_>) -> Result<Vec<Workout>, Failure> {
    let Answer::Body(body) = run.send(&Call::list_exercises()).await? else {
        return Ok(Vec::new());
    };
    let sessions = wire::exercises(&body).unwrap_or_default();
    Ok(sessions
        .iter()
        .filter_map(|session| wire::decode::<wire::Exercise>(session.as_bytes()).ok())
        .filter_map(|exercise| {
            normalize::workout(&exercise, Origin::Exercises, WorkoutParts::not_requested()).ok()
        })
        .map(|normalized| normalized.record)
        .collect())
}

/// Fetches one workout with details, and stores it.
async fn fetch(
    run: &Run<'_>,
    workout: &Workout,
    details: Details,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let Some(call) = hashed_id(workout).and_then(|id| Call::get_exercise(id, details)) else {
        return Ok(());
    };
    let Answer::Body(body) = run.send(&call).await? else {
        return Ok(());
    };
    let Ok(session) = wire::DetailedExercise::decode(&body) else {
        return Ok(());
    };
    let (exercise, parts, _) = WorkoutParts::embedded(session, details);
    let Ok(Normalized { record, .. }) = normalize::workout(&exercise, Origin::Exercises, parts)
    else {
        return Ok(());
    };
    let connection = run.lease.connection_id;
    let raw = RawPart {
        item: exercise.id.clone(),
        version: content_version(&body),
        part: SUMMARY.to_owned(),
        body: Some(RawBody::new(&body)?),
        fetched_at: run.clock.now(),
    };
    let mut tx = run.store.begin_fenced("complete", &run.lease).await?;
    raw::put(&mut tx, connection, Kind::Exercise, &[raw]).await?;
    let upserted = upsert_workout(&mut tx, connection, run.user_id(), &record).await?;
    tx.commit().await?;
    count(Kind::Exercise, upserted.change, counts);
    Ok(())
}

fn hashed_id(workout: &Workout) -> Option<&str> {
    match &workout.source {
        crate::model::record::WorkoutSource::Hashed(id) => Some(id),
        crate::model::record::WorkoutSource::Transactional(_) => None,
    }
}

fn is_same(workout: &Workout, lack: &Lacking) -> bool {
    let second = |at: Timestamp| at.as_second();
    match &lack.hashed_id {
        Some(id) => hashed_id(workout) == Some(id),
        None => {
            second(workout.start_at) == second(lack.start_at)
                && (workout.duration_s - lack.duration_s).abs() <= DURATION_TOLERANCE_S
        }
    }
}
