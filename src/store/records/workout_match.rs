//! Which stored workout an incoming one is.
//!
//! Polar offers a workout through two interfaces under two ids that nothing connects. They are one
//! workout when they start in the same second on the same device and last equally long.

use crate::model::record::{Workout, WorkoutSource};

use super::workout_row::WorkoutRow;

/// The durations of one workout differ by at most this much between the two sources.
const DURATION_TOLERANCE_S: f64 = 2.0;

/// Which stored workout it is.
#[derive(Debug, PartialEq)]
pub(super) enum Match<'a> {
    /// This one: it has the id already, or is what the other source called it.
    Stored(&'a WorkoutRow),
    /// None yet.
    New,
    /// One of two that are equally near: it stays by itself rather than be mistaken.
    Ambiguous,
}

/// Finds the workout among those that have its id or start in its second.
pub(super) fn find<'a>(candidates: &'a [WorkoutRow], workout: &Workout) -> Match<'a> {
    if let Some(known) = candidates.iter().find(|row| has_id(row, &workout.source)) {
        return Match::Stored(known);
    }
    let mut near: Vec<_> = candidates
        .iter()
        // Two ids of the same source are two workouts, however alike.
        .filter(|row| row.lacks(&workout.source))
        .filter(|row| row.start_at.as_second() == workout.start_at.as_second())
        .filter(|row| same_device(row, workout))
        .map(|row| ((row.duration_s - workout.duration_s).abs(), row))
        .filter(|(difference_s, _)| *difference_s <= DURATION_TOLERANCE_S)
        .collect();
    near.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    match near.as_slice() {
        [] => Match::New,
        [(first_s, _), (second_s, _), ..] if first_s.total_cmp(second_s).is_eq() => {
            Match::Ambiguous
        }
        [(_, nearest), ..] => Match::Stored(nearest),
    }
}

fn has_id(row: &WorkoutRow, source: &WorkoutSource) -> bool {
    match source {
        WorkoutSource::Transactional(id) => row.polar_id == Some(*id),
        WorkoutSource::Hashed(id) => row.polar_hashed_id.as_ref() == Some(id),
    }
}

/// A device that one side does not name counts as the same.
fn same_device(row: &WorkoutRow, workout: &Workout) -> bool {
    match (&row.device_id, &workout.device_id) {
        (Some(stored), Some(given)) => stored == given,
        _ => true,
    }
}
