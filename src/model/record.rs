//! Normalized records: what readers see, in canonical units, whatever the source called them.
//!
//! Owns the shapes between `normalize`, which makes them, and `store`, which keeps them. Instants are
//! UTC; `utc_offset_minutes` keeps the local time and is `None` where Polar gives no offset.

use jiff::{Timestamp, civil::Date};

super::vocabulary! {
    /// The type of a time series. Names and units are the common ones of the field where one fits.
    SeriesType, "series type" {
        /// Beats a minute.
        HeartRate = "heart_rate",
        /// Metres a second.
        Speed = "speed",
        /// Revolutions a minute; for running, strides of one leg.
        Cadence = "cadence",
        /// Altitude in metres.
        Elevation = "elevation",
        /// Watts.
        Power = "power",
        /// Percent.
        PedallingIndex = "pedalling_index",
        /// Percent.
        LeftRightBalance = "left_right_balance",
        /// Hectopascals.
        AirPressure = "air_pressure",
        /// Steps a minute.
        RunningCadence = "running_cadence",
        /// Degrees Celsius.
        AirTemperature = "air_temperature",
        /// Metres since the start.
        Distance = "distance",
        /// Milliseconds between two heart beats.
        RrInterval = "rr_interval",
        /// Nightly RMSSD in milliseconds.
        HeartRateVariabilityRmssd = "heart_rate_variability_rmssd",
        /// Breaths a minute.
        RespiratoryRate = "respiratory_rate",
        /// Steps within the interval that begins at the sample.
        Steps = "steps",
    }
}

impl SeriesType {
    /// The unit that readers see: where the name is a common one, the common word for its unit.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::HeartRate => "bpm",
            Self::Speed => "m_per_s",
            Self::Cadence => "rpm",
            Self::Elevation => "meters",
            Self::Distance => "m",
            Self::Power => "watts",
            Self::PedallingIndex | Self::LeftRightBalance => "percent",
            Self::AirPressure => "hPa",
            Self::RunningCadence => "spm",
            Self::AirTemperature => "celsius",
            Self::RrInterval | Self::HeartRateVariabilityRmssd => "ms",
            Self::RespiratoryRate => "brpm",
            Self::Steps => "count",
        }
    }
}

/// Where the samples of a series stand in time.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleTimes {
    /// One sample every `interval_ms` from the start.
    Regular {
        /// Milliseconds between two samples.
        interval_ms: i32,
    },
    /// One offset a sample, in milliseconds from the start.
    Offsets(Vec<i32>),
}

/// One series of one record: what is stored as one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What is measured.
    pub series: SeriesType,
    /// The instant of the first position.
    pub started_at: Timestamp,
    /// The offset of local time, where it is known.
    pub utc_offset_minutes: Option<i16>,
    /// Where the samples stand in time.
    pub times: SampleTimes,
    /// The values in the unit of [`SeriesType::unit`]; `None` is a gap. Never empty.
    pub values: Vec<Option<f64>>,
}

/// What is known of a part of a record that has its own resource at Polar.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<T> {
    /// Nobody asked for it: what is stored stays as it is.
    NotRequested,
    /// Polar has none for now: what is stored stays as it is.
    Absent,
    /// Polar no longer has it and it was never stored.
    Gone,
    /// Its body is kept but cannot be understood: what is stored stays as it is, and where nothing
    /// is, readers are told that there is none for now.
    Unreadable,
    /// This is it: it replaces what is stored.
    Present(T),
}

impl<T> Part<T> {
    /// The same part with what it holds turned into something else.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Part<U> {
        match self {
            Self::NotRequested => Part::NotRequested,
            Self::Absent => Part::Absent,
            Self::Gone => Part::Gone,
            Self::Unreadable => Part::Unreadable,
            Self::Present(part) => Part::Present(turn(part)),
        }
    }
}

/// Which of Polar's two interfaces a workout came from, with its id there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkoutSource {
    /// The numeric id of exercise transactions.
    Transactional(i64),
    /// The hashed id of `/v3/exercises`.
    Hashed(String),
}

/// A training session.
#[derive(Debug, Clone, PartialEq)]
pub struct Workout {
    /// Its id at its source.
    pub source: WorkoutSource,
    /// When it was uploaded to Polar: the version of the source.
    pub uploaded_at: Timestamp,
    /// Start, as UTC.
    pub start_at: Timestamp,
    /// End, as UTC.
    pub end_at: Timestamp,
    /// Offset of local time at the start.
    pub utc_offset_minutes: Option<i16>,
    /// Duration in seconds.
    pub duration_s: f64,
    /// The common workout type.
    pub workout_type: &'static str,
    /// Polar's detailed sport code, else the coarse one.
    pub polar_sport: Option<String>,
    /// Metres.
    pub distance_m: Option<f64>,
    /// Kilocalories.
    pub calories_kcal: Option<i32>,
    /// Beats a minute.
    pub heart_rate_avg_bpm: Option<i16>,
    /// Beats a minute.
    pub heart_rate_max_bpm: Option<i16>,
    /// Polar's training load.
    pub training_load: Option<f64>,
    /// Polar's running index.
    pub running_index: Option<i32>,
    /// Product name of the device.
    pub device: Option<String>,
    /// Id of the device.
    pub device_id: Option<String>,
    /// Whether Polar has a route.
    pub has_route: bool,
    /// Percent of calories from fat.
    pub fat_percentage: Option<i16>,
    /// Percent of calories from carbohydrate.
    pub carbohydrate_percentage: Option<i16>,
    /// Percent of calories from protein.
    pub protein_percentage: Option<i16>,
    /// Id of the club, from Flow for Club.
    pub club_id: Option<i64>,
    /// Name of the club, from Flow for Club.
    pub club_name: Option<String>,
    /// Training Load Pro, where the device has it.
    pub training_load_pro: Option<TrainingLoadPro>,
    /// Heart-rate zones.
    pub zones: Part<Vec<Zone>>,
    /// Every sample series.
    pub samples: Part<Vec<Series>>,
    /// The route.
    pub route: Part<Vec<RoutePoint>>,
}

/// Polar's Training Load Pro. Loads that are not available are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingLoadPro {
    /// Cardio load (TRIMP).
    pub cardio_load: Option<f64>,
    /// Muscle load (kJ).
    pub muscle_load: Option<f64>,
    /// Perceived load.
    pub perceived_load: Option<f64>,
    /// Polar's code, for example `VERY_HIGH`.
    pub cardio_load_interpretation: Option<String>,
    /// Polar's code.
    pub muscle_load_interpretation: Option<String>,
    /// Polar's code.
    pub perceived_load_interpretation: Option<String>,
    /// Polar's code of the user's rating of perceived exertion.
    pub user_rpe: Option<String>,
}

/// A heart-rate zone of a workout.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Rank by lower bound, from 1.
    pub zone_index: i16,
    /// Beats a minute.
    pub lower_bpm: i16,
    /// Beats a minute.
    pub upper_bpm: i16,
    /// Seconds.
    pub in_zone_s: f64,
}

/// A point of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct RoutePoint {
    /// When it was passed; `None` where the source has no time.
    pub at: Option<Timestamp>,
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Metres.
    pub altitude_m: Option<f64>,
}

super::vocabulary! {
    /// A stage of sleep.
    SleepStage, "sleep stage" {
        /// Awake.
        Awake = "awake",
        /// REM sleep.
        Rem = "rem",
        /// Light sleep (N1 and N2).
        Light = "light",
        /// Deep sleep (N3).
        Deep = "deep",
        /// Not recognized.
        Unknown = "unknown",
    }
}

/// An interval of one sleep stage.
#[derive(Debug, Clone, PartialEq)]
pub struct SleepStageInterval {
    /// The stage.
    pub stage: SleepStage,
    /// Begin, as UTC.
    pub start_at: Timestamp,
    /// End, as UTC.
    pub end_at: Timestamp,
}

/// A night's sleep.
#[derive(Debug, Clone, PartialEq)]
pub struct Sleep {
    /// The date of waking up.
    pub date: Date,
    /// Begin, as UTC.
    pub start_at: Timestamp,
    /// End, as UTC.
    pub end_at: Timestamp,
    /// Offset of local time at the begin.
    pub utc_offset_minutes: Option<i16>,
    /// Seconds.
    pub light_s: Option<i32>,
    /// Seconds.
    pub deep_s: Option<i32>,
    /// Seconds.
    pub rem_s: Option<i32>,
    /// Seconds.
    pub unrecognized_s: Option<i32>,
    /// Seconds, short and long interruptions together.
    pub interruption_s: Option<i32>,
    /// Seconds, of interruptions under 90 s.
    pub short_interruption_s: Option<i32>,
    /// Seconds, of interruptions of 90 s and more.
    pub long_interruption_s: Option<i32>,
    /// 1-100.
    pub score: Option<i16>,
    /// 1.0-5.0.
    pub continuity: Option<f64>,
    /// 1 (fragmented) to 5 (very continuous).
    pub continuity_class: Option<i16>,
    /// Number of sleep cycles.
    pub cycles: Option<i16>,
    /// 1-5.
    pub sleep_charge: Option<i16>,
    /// The user's own rating, 1-5.
    pub rating: Option<i16>,
    /// Seconds.
    pub goal_s: Option<i32>,
    /// 1-100.
    pub duration_score: Option<f64>,
    /// 1-100.
    pub solidity_score: Option<f64>,
    /// 1-100.
    pub regeneration_score: Option<f64>,
    /// Id of the device.
    pub device_id: Option<String>,
    /// The hypnogram as intervals, in order.
    pub stages: Vec<SleepStageInterval>,
    /// Heart rate over the night.
    pub heart_rate: Option<Series>,
}

/// A night's recovery.
#[derive(Debug, Clone, PartialEq)]
pub struct NightlyRecharge {
    /// The date of waking up.
    pub date: Date,
    /// Offset of local time, taken from the night's sleep.
    pub utc_offset_minutes: Option<i16>,
    /// Milliseconds (RMSSD).
    pub hrv_rmssd_ms: Option<i32>,
    /// Breaths a minute.
    pub breathing_rate_brpm: Option<f64>,
    /// Beats a minute.
    pub heart_rate_avg_bpm: Option<i16>,
    /// Milliseconds.
    pub beat_to_beat_avg_ms: Option<i32>,
    /// -10.0 to +10.0.
    pub ans_charge: Option<f64>,
    /// 1-5.
    pub ans_charge_status: Option<i16>,
    /// 1 (very poor) to 6 (very good).
    pub status: Option<i16>,
    /// RMSSD over the night.
    pub hrv: Option<Series>,
    /// Breathing over the night.
    pub breathing: Option<Series>,
}

/// A day's activity.
#[derive(Debug, Clone, PartialEq)]
pub struct DailyActivity {
    /// Its id in activity transactions.
    pub polar_id: i64,
    /// The device's local day.
    pub date: Date,
    /// When it was stored in AccessLink: the version of the source.
    pub created_at: Timestamp,
    /// Kilocalories with basal metabolic rate.
    pub calories_kcal: Option<i32>,
    /// Kilocalories without basal metabolic rate.
    pub active_calories_kcal: Option<i32>,
    /// Active seconds.
    pub active_s: Option<f64>,
    /// Steps and step equivalents.
    pub steps: Option<i32>,
    /// Steps over the day.
    pub step_samples: Part<Series>,
    /// Time in activity zones over the day.
    pub zone_samples: Part<Vec<ActivityZoneSample>>,
}

super::vocabulary! {
    /// An activity zone.
    ActivityZone, "activity zone" {
        /// Asleep or lying down.
        Rest = "rest",
        /// Sitting.
        Sedentary = "sedentary",
        /// Light activity.
        Light = "light",
        /// Moderate activity.
        Moderate = "moderate",
        /// Vigorous activity.
        Vigorous = "vigorous",
        /// The device was not worn.
        NonWear = "non_wear",
        /// A zone that is not known here.
        Unknown = "unknown",
    }
}

/// Time spent in one activity zone within one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityZoneSample {
    /// Begin of the interval.
    pub at: Timestamp,
    /// The zone.
    pub zone: ActivityZone,
    /// Seconds.
    pub in_zone_s: f64,
}

/// A record of physical information.
#[derive(Debug, Clone, PartialEq)]
pub struct PhysicalInformation {
    /// Its id in physical-information transactions.
    pub polar_id: i64,
    /// When it was recorded: the version of the source.
    pub recorded_at: Timestamp,
    /// Kilograms.
    pub weight_kg: Option<f64>,
    /// Centimetres.
    pub height_cm: Option<f64>,
    /// Beats a minute.
    pub resting_heart_rate_bpm: Option<i16>,
    /// Beats a minute.
    pub max_heart_rate_bpm: Option<i16>,
    /// Beats a minute.
    pub aerobic_threshold_bpm: Option<i16>,
    /// Beats a minute.
    pub anaerobic_threshold_bpm: Option<i16>,
    /// Millilitres a kilogram a minute.
    pub vo2_max: Option<i16>,
    /// Polar's code, for example `SOURCE_MEASURED`.
    pub weight_source: Option<String>,
}
