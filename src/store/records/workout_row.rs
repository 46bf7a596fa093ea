//! A workout's row, and what it becomes when a source offers the workout (again).

use jiff::Timestamp;

use crate::model::{
    RecordId,
    record::{Part, Workout, WorkoutSource},
};

use super::{
    fingerprint::{Fingerprint, Hash},
    part::{PartMark, PartState},
};

/// A row of the table `workout`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WorkoutRow {
    pub(super) record_id: RecordId,
    pub(super) revision: i32,
    pub(super) polar_id: Option<i64>,
    pub(super) polar_hashed_id: Option<String>,
    pub(super) uploaded_at: Timestamp,
    pub(super) workout_type: String,
    pub(super) polar_sport: Option<String>,
    pub(super) start_at: Timestamp,
    pub(super) end_at: Timestamp,
    pub(super) utc_offset_minutes: Option<i16>,
    pub(super) duration_s: f64,
    pub(super) distance_m: Option<f64>,
    pub(super) calories_kcal: Option<i32>,
    pub(super) heart_rate_avg_bpm: Option<i16>,
    pub(super) heart_rate_max_bpm: Option<i16>,
    pub(super) training_load: Option<f64>,
    pub(super) running_index: Option<i32>,
    pub(super) device: Option<String>,
    pub(super) device_id: Option<String>,
    pub(super) has_route: bool,
    pub(super) fat_percentage: Option<i16>,
    pub(super) carbohydrate_percentage: Option<i16>,
    pub(super) protein_percentage: Option<i16>,
    pub(super) club_id: Option<i64>,
    pub(super) club_name: Option<String>,
    pub(super) cardio_load: Option<f64>,
    pub(super) muscle_load: Option<f64>,
    pub(super) perceived_load: Option<f64>,
    pub(super) cardio_load_interpretation: Option<String>,
    pub(super) muscle_load_interpretation: Option<String>,
    pub(super) perceived_load_interpretation: Option<String>,
    pub(super) user_rpe: Option<String>,
    pub(super) samples: WorkoutPart,
    pub(super) zones: WorkoutPart,
    pub(super) route: WorkoutPart,
}

/// What is known of a part, and whether an exercise transaction gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkoutPart {
    pub(super) mark: PartMark,
    pub(super) is_transactional: bool,
}

impl WorkoutPart {
    const fn unknown() -> Self {
        Self {
            mark: PartMark::unknown(),
            is_transactional: false,
        }
    }

    /// Whether content that was offered may take this part's place.
    pub(super) fn yields_to(&self, precedence: Precedence) -> bool {
        match precedence {
            Precedence::Stale => false,
            Precedence::Adds => self.mark.state != PartState::Stored,
            Precedence::Completes => !self.is_transactional,
            Precedence::Overrides => true,
        }
    }

    /// The part after `part` came; `hash` is that of its content, unless that is not to be stored.
    pub(super) fn after<T>(
        &self,
        part: &Part<T>,
        hash: Option<Hash>,
        source: &WorkoutSource,
    ) -> Self {
        Self {
            mark: self.mark.after(part, hash),
            is_transactional: match (hash, source) {
                (None, _) => self.is_transactional,
                (Some(_), WorkoutSource::Transactional(_)) => true,
                (Some(_), WorkoutSource::Hashed(_)) => false,
            },
        }
    }
}

/// How an offered workout stands to the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precedence {
    /// It is an older version.
    Stale,
    /// It is an older version from a source that was not heard yet: it adds what is lacking.
    Adds,
    /// It is the same version from the lesser source: it adds what is lacking, and keeps its own
    /// parts up to date.
    Completes,
    /// It overrides.
    Overrides,
}

/// Sets each field to that of the other row, where it has none itself.
macro_rules! fill {
    ($row:expr, $other:expr, $($field:ident)+) => {
        $(if $row.$field.is_none() {
            $row.$field.clone_from(&$other.$field);
        })+
    };
}

impl WorkoutRow {
    /// The row of a workout that is not stored yet, with no part of it.
    pub(super) fn new(workout: &Workout) -> Self {
        let load = workout.training_load_pro.as_ref();
        let (polar_id, polar_hashed_id) = match &workout.source {
            WorkoutSource::Transactional(id) => (Some(*id), None),
            WorkoutSource::Hashed(id) => (None, Some(id.clone())),
        };
        Self {
            record_id: RecordId::new(),
            revision: 1,
            polar_id,
            polar_hashed_id,
            uploaded_at: workout.uploaded_at,
            workout_type: workout.workout_type.to_owned(),
            polar_sport: workout.polar_sport.clone(),
            start_at: workout.start_at,
            end_at: workout.end_at,
            utc_offset_minutes: workout.utc_offset_minutes,
            duration_s: workout.duration_s,
            distance_m: workout.distance_m,
            calories_kcal: workout.calories_kcal,
            heart_rate_avg_bpm: workout.heart_rate_avg_bpm,
            heart_rate_max_bpm: workout.heart_rate_max_bpm,
            training_load: workout.training_load,
            running_index: workout.running_index,
            device: workout.device.clone(),
            device_id: workout.device_id.clone(),
            has_route: workout.has_route,
            fat_percentage: workout.fat_percentage,
            carbohydrate_percentage: workout.carbohydrate_percentage,
            protein_percentage: workout.protein_percentage,
            club_id: workout.club_id,
            club_name: workout.club_name.clone(),
            cardio_load: load.and_then(|load| load.cardio_load),
            muscle_load: load.and_then(|load| load.muscle_load),
            perceived_load: load.and_then(|load| load.perceived_load),
            cardio_load_interpretation: load.and_then(|l| l.cardio_load_interpretation.clone()),
            muscle_load_interpretation: load.and_then(|l| l.muscle_load_interpretation.clone()),
            perceived_load_interpretation: load
                .and_then(|l| l.perceived_load_interpretation.clone()),
            user_rpe: load.and_then(|load| load.user_rpe.clone()),
            samples: WorkoutPart::unknown(),
            zones: WorkoutPart::unknown(),
            route: WorkoutPart::unknown(),
        }
    }

    /// How an offered workout stands to this one.
    ///
    /// `/v3/exercises` leaves out fractions of seconds: an upload in whole seconds is compared by
    /// the second. Of two sources of one version, exercise transactions have the say: they have
    /// more to tell, and are asked first.
    pub(super) fn precedence_of(&self, offered: &Workout) -> Precedence {
        let same_second = self.uploaded_at.as_second() == offered.uploaded_at.as_second();
        let is_whole = offered.uploaded_at.subsec_nanosecond() == 0;
        if offered.uploaded_at < self.uploaded_at && !(same_second && is_whole) {
            return if self.lacks(&offered.source) {
                Precedence::Adds
            } else {
                Precedence::Stale
            };
        }
        match offered.source {
            WorkoutSource::Hashed(_) if self.polar_id.is_some() && same_second => {
                Precedence::Completes
            }
            WorkoutSource::Hashed(_) | WorkoutSource::Transactional(_) => Precedence::Overrides,
        }
    }

    /// Whether the source has not told of this workout yet.
    pub(super) fn lacks(&self, source: &WorkoutSource) -> bool {
        match source {
            WorkoutSource::Transactional(_) => self.polar_id.is_none(),
            WorkoutSource::Hashed(_) => self.polar_hashed_id.is_none(),
        }
    }

    /// The next revision of this row, with the summary as offered and the parts as they are.
    pub(super) fn next(&self, offered: &Workout, precedence: Precedence) -> Self {
        let offered = Self::new(offered);
        let overrides = precedence == Precedence::Overrides;
        let (mut next, other) = if overrides {
            (offered, self)
        } else {
            (self.clone(), &offered)
        };
        next.polar_id = next.polar_id.or(other.polar_id);
        if next.polar_hashed_id.is_none() {
            next.polar_hashed_id.clone_from(&other.polar_hashed_id);
        }
        if next.polar_id.is_some() && next.polar_hashed_id.is_some() {
            next.fill_gaps(other);
        }
        next.uploaded_at = next.uploaded_at.max(other.uploaded_at);
        next.record_id = self.record_id;
        next.revision = self.revision.saturating_add(1);
        next.samples.clone_from(&self.samples);
        next.zones.clone_from(&self.zones);
        next.route.clone_from(&self.route);
        next
    }

    /// What one source of a workout does not tell is taken from the other.
    fn fill_gaps(&mut self, other: &Self) {
        fill!(self, other,
            polar_sport utc_offset_minutes distance_m calories_kcal heart_rate_avg_bpm
            heart_rate_max_bpm training_load running_index device device_id fat_percentage
            carbohydrate_percentage protein_percentage club_id club_name cardio_load muscle_load
            perceived_load cardio_load_interpretation muscle_load_interpretation
            perceived_load_interpretation user_rpe);
        self.has_route |= other.has_route;
    }

    /// The fingerprint of everything that a reader sees.
    pub(super) fn fingerprint(&self) -> Hash {
        Fingerprint::default()
            .with(&self.polar_id)
            .with(&self.polar_hashed_id)
            .with(&self.uploaded_at)
            .with(&self.workout_type)
            .with(&self.polar_sport)
            .with(&self.start_at)
            .with(&self.end_at)
            .with(&self.utc_offset_minutes)
            .with(&self.duration_s)
            .with(&self.distance_m)
            .with(&self.calories_kcal)
            .with(&self.heart_rate_avg_bpm)
            .with(&self.heart_rate_max_bpm)
            .with(&self.training_load)
            .with(&self.running_index)
            .with(&self.device)
            .with(&self.device_id)
            .with(&self.has_route)
            .with(&self.fat_percentage)
            .with(&self.carbohydrate_percentage)
            .with(&self.protein_percentage)
            .with(&self.club_id)
            .with(&self.club_name)
            .with(&self.cardio_load)
            .with(&self.muscle_load)
            .with(&self.perceived_load)
            .with(&self.cardio_load_interpretation)
            .with(&self.muscle_load_interpretation)
            .with(&self.perceived_load_interpretation)
            .with(&self.user_rpe)
            .with(&self.samples.mark)
            .with(&self.zones.mark)
            .with(&self.route.mark)
            .finish()
    }
}
