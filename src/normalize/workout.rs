//! Training sessions.

use jiff::tz::Offset;

use super::{
    Leftover, Normalized, Route, Unreadable,
    leftover::{Leftovers, Piece},
    number::{not_negative, positive, real, text, whole},
    part,
    route::route,
    samples::sample_series,
    sports::workout_type,
    time::{Stamp, duration, offset, offset_minutes, to_utc, utc},
    zones::zones,
};
use crate::{
    accesslink::wire,
    model::{
        Detail, Details,
        record::{Part, Series, TrainingLoadPro, Workout, WorkoutSource},
    },
};

/// Which of Polar's interfaces a summary came from: its id means something else at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An exercise transaction.
    Transaction,
    /// `/v3/exercises`.
    Exercises,
}

/// The parts of a workout, as far as they were fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkoutParts {
    /// Heart-rate zones.
    pub zones: Part<Vec<wire::HeartRateZone>>,
    /// Every sample series.
    pub samples: Part<Vec<wire::SampleSeries>>,
    /// The route.
    pub route: Part<Route>,
}

impl WorkoutParts {
    /// Nothing but the summary was asked for.
    pub const fn not_requested() -> Self {
        Self {
            zones: Part::NotRequested,
            samples: Part::NotRequested,
            route: Part::NotRequested,
        }
    }

    /// The parts that came with a session of `/v3/exercises`, asked for with `requested`, and what
    /// could not be understood of them.
    pub fn embedded(
        session: wire::DetailedExercise,
        requested: Details,
    ) -> (wire::Exercise, Self, Vec<Leftover>) {
        let unreadable = |error| Leftover::unreadable(Piece::Summary, error);
        let mut leftovers = session.left_out.into_iter().map(unreadable).collect();
        let parts = Self {
            zones: embedded(Detail::Zones, requested, session.zones, &mut leftovers),
            samples: embedded(Detail::Samples, requested, session.samples, &mut leftovers),
            route: embedded(Detail::Route, requested, session.route, &mut leftovers)
                .map(Route::Points),
        };
        (session.exercise, parts, leftovers)
    }
}

/// A detail that came in the body of the summary.
fn embedded<T>(
    detail: Detail,
    requested: Details,
    rows: Result<Vec<T>, Unreadable>,
    leftovers: &mut Vec<Leftover>,
) -> Part<Vec<T>> {
    if !requested.contains(detail) {
        return Part::NotRequested;
    }
    part::normalize(Part::Present(rows), Piece::Summary, leftovers, |rows, _| {
        rows.map(part::unless_empty)
    })
}

/// Normalizes a training session with its parts.
///
/// The start is local time and UTC = local − offset; a `Z` behind it changes nothing. Without an
/// offset it counts as UTC, and the record says that local time is not known.
///
/// # Errors
/// When the session itself is not understood; a part that is not becomes a leftover.
pub fn workout(
    exercise: &wire::Exercise,
    origin: Origin,
    parts: WorkoutParts,
) -> Result<Normalized<Workout>, Unreadable> {
    let mut left = Leftovers::of(Piece::Summary);
    let mut record = summary(exercise, origin, &mut left)?;
    let mut leftovers = left.into_vec();
    record.zones = part::normalize(parts.zones, Piece::Zones, &mut leftovers, |body, left| {
        zones(&body, left)
    });
    record.route = part::normalize(parts.route, Piece::Route, &mut leftovers, |body, left| {
        Ok(route(&body, record.start_at, left))
    });
    record.samples = samples(parts.samples, &record, &mut leftovers);
    // A route that came is there, whatever the summary says. Where neither tells, it may be.
    record.has_route = match (&record.route, exercise.has_route) {
        (Part::Present(_), _) | (Part::NotRequested | Part::Unreadable, None) => true,
        (_, said) => said.unwrap_or(false),
    };
    Ok(Normalized { record, leftovers })
}

/// Series that are understood replace what is stored. When none is, there are two reasons: Polar has
/// no samples, or what it has is not understood.
fn samples(
    samples: Part<Vec<wire::SampleSeries>>,
    record: &Workout,
    leftovers: &mut Vec<Leftover>,
) -> Part<Vec<Series>> {
    let read = samples.map(|body| sample_series(&body, record.start_at, record.utc_offset_minutes));
    let Part::Present((series, not_understood)) = read else {
        return read.map(|(series, _)| series);
    };
    let part = match (series.is_empty(), not_understood.is_empty()) {
        (true, true) => Part::Absent,
        (true, false) => Part::Unreadable,
        (false, _) => Part::Present(series),
    };
    leftovers.extend(not_understood);
    part
}

fn summary(
    exercise: &wire::Exercise,
    origin: Origin,
    left: &mut Leftovers,
) -> Result<Workout, Unreadable> {
    let heart_rate = exercise.heart_rate.as_ref();
    let start = Start::of(exercise)?;
    let duration = duration(&exercise.duration, "duration")?;
    let club_id = exercise.club_id.filter(|id| *id >= 0);
    Ok(Workout {
        source: source(&exercise.id, origin)?,
        uploaded_at: utc(&exercise.upload_time, "upload_time")?,
        start_at: start.at,
        end_at: start
            .at
            .checked_add(duration)
            .map_err(|_| Unreadable::new("duration", "an end before the year 9999"))?,
        utc_offset_minutes: start.utc_offset_minutes,
        duration_s: duration.as_secs_f64(),
        workout_type: workout_type(
            exercise.detailed_sport_info.as_deref(),
            exercise.sport.as_deref(),
        ),
        polar_sport: text(exercise.detailed_sport_info.as_deref())
            .or_else(|| text(exercise.sport.as_deref())),
        distance_m: left.unless(real(not_negative(exercise.distance), "distance")),
        calories_kcal: left.unless(whole(not_negative(exercise.calories), "calories")),
        heart_rate_avg_bpm: left.unless(whole(
            positive(heart_rate.and_then(|rate| rate.average)),
            "heart_rate.average",
        )),
        heart_rate_max_bpm: left.unless(whole(
            positive(heart_rate.and_then(|rate| rate.maximum)),
            "heart_rate.maximum",
        )),
        training_load: left.unless(real(not_negative(exercise.training_load), "training_load")),
        running_index: left.unless(whole(positive(exercise.running_index), "running_index")),
        device: text(exercise.device.as_deref()),
        device_id: text(exercise.device_id.as_deref()),
        has_route: false,
        fat_percentage: left.unless(whole(
            not_negative(exercise.fat_percentage),
            "fat_percentage",
        )),
        carbohydrate_percentage: left.unless(whole(
            not_negative(exercise.carbohydrate_percentage),
            "carbohydrate_percentage",
        )),
        protein_percentage: left.unless(whole(
            not_negative(exercise.protein_percentage),
            "protein_percentage",
        )),
        club_id,
        // When Polar fails to look up the club, its name is a sentence about the failure.
        club_name: club_id.and_then(|_| text(exercise.club_name.as_deref())),
        training_load_pro: exercise
            .training_load_pro
            .first()
            .map(|load| training_load_pro(load, left)),
        zones: Part::NotRequested,
        samples: Part::NotRequested,
        route: Part::NotRequested,
    })
}

fn source(id: &str, origin: Origin) -> Result<WorkoutSource, Unreadable> {
    match origin {
        Origin::Transaction => id
            .trim()
            .parse()
            .map(WorkoutSource::Transactional)
            .map_err(|_| Unreadable::new("id", "a whole number")),
        Origin::Exercises => text(Some(id))
            .map(WorkoutSource::Hashed)
            .ok_or_else(|| Unreadable::new("id", "text")),
    }
}

fn training_load_pro(load: &wire::TrainingLoadPro, left: &mut Leftovers) -> TrainingLoadPro {
    let mut real = |value, path| left.unless(real(not_negative(value), path));
    TrainingLoadPro {
        cardio_load: real(load.cardio_load, "training_load_pro.cardio_load"),
        muscle_load: real(load.muscle_load, "training_load_pro.muscle_load"),
        perceived_load: real(load.perceived_load, "training_load_pro.perceived_load"),
        cardio_load_interpretation: text(load.cardio_load_interpretation.as_deref()),
        muscle_load_interpretation: text(load.muscle_load_interpretation.as_deref()),
        perceived_load_interpretation: text(load.perceived_load_interpretation.as_deref()),
        user_rpe: text(load.user_rpe.as_deref()),
    }
}

/// The start of a session.
struct Start {
    at: jiff::Timestamp,
    utc_offset_minutes: Option<i16>,
}

impl Start {
    /// The offset is the field of that name; where it is missing, an offset that is written behind
    /// the start. UTC written there is no offset: Polar's older form puts a `Z` behind local time.
    fn of(exercise: &wire::Exercise) -> Result<Self, Unreadable> {
        let path = "start_time_utc_offset";
        let start = Stamp::parse(&exercise.start_time, "start_time")?;
        let said = whole(exercise.start_time_utc_offset, path)?
            .map(|minutes| {
                offset(minutes)
                    .ok_or_else(|| Unreadable::new(path, "minutes between -12:00 and +14:00"))
            })
            .transpose()?;
        let offset = said.or(start.zone.filter(|zone| *zone != Offset::UTC));
        Ok(Self {
            at: to_utc(start.local, offset.unwrap_or(Offset::UTC), "start_time")?,
            utc_offset_minutes: offset.and_then(offset_minutes),
        })
    }
}
