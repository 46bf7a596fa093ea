//! Training sessions, from exercise transactions and from `/v3/exercises`.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    HeartRateZone, ROUTE_LIMIT, Read, SampleSeries, Unreadable,
    decode::{decode_value, object},
    limit::{LIST_LIMIT, at_most},
    read::read_value,
    tolerant::is_nothing,
};

/// The summary of a training session.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Exercise {
    /// A number in transactions, a hash at `/v3/exercises`.
    pub id: String,
    /// When it was uploaded to Polar, UTC.
    pub upload_time: String,
    /// Product name of the device.
    pub device: Option<String>,
    /// Id of the device.
    pub device_id: Option<String>,
    /// Start in local time, even where a `Z` follows.
    pub start_time: String,
    /// Minutes that local time was ahead of UTC at the start.
    pub start_time_utc_offset: Option<f64>,
    /// ISO-8601 duration.
    pub duration: String,
    /// Kilocalories.
    pub calories: Option<f64>,
    /// Metres.
    pub distance: Option<f64>,
    /// Missing without a heart-rate sensor.
    pub heart_rate: Option<HeartRate>,
    /// Polar's training load.
    pub training_load: Option<f64>,
    /// Coarse sport.
    pub sport: Option<String>,
    /// Whether there is a route.
    pub has_route: Option<bool>,
    /// Club of Flow for Club; -1 when Polar failed to look it up.
    pub club_id: Option<i64>,
    /// Club of Flow for Club, or a sentence about the failure.
    pub club_name: Option<String>,
    /// Sport of Polar Flow.
    pub detailed_sport_info: Option<String>,
    /// Percent of calories.
    pub fat_percentage: Option<f64>,
    /// Percent of calories.
    pub carbohydrate_percentage: Option<f64>,
    /// Percent of calories.
    pub protein_percentage: Option<f64>,
    /// Polar's running index.
    pub running_index: Option<f64>,
    /// At most one; older documentation shows a list, so both forms are read.
    #[serde(default, deserialize_with = "at_most::<_, _, LIST_LIMIT>")]
    pub training_load_pro: Vec<TrainingLoadPro>,
}

/// Heart rate of a whole session.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HeartRate {
    /// Beats a minute.
    pub average: Option<f64>,
    /// Beats a minute.
    pub maximum: Option<f64>,
}

/// Training Load Pro of a session; -1 stands for a load that is not available.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TrainingLoadPro {
    /// TRIMP.
    pub cardio_load: Option<f64>,
    /// Kilojoules.
    pub muscle_load: Option<f64>,
    /// From the user's rating.
    pub perceived_load: Option<f64>,
    /// Polar's code.
    pub cardio_load_interpretation: Option<String>,
    /// Polar's code.
    pub muscle_load_interpretation: Option<String>,
    /// Polar's code.
    pub perceived_load_interpretation: Option<String>,
    /// Polar's code.
    pub user_rpe: Option<String>,
}

/// A point of the route that `/v3/exercises` gives.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RoutePoint {
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// ISO-8601 duration from the start.
    pub time: Option<String>,
}

/// A session of `/v3/exercises` with the details that its body carries.
///
/// A detail that cannot be understood takes nothing else with it, and neither does an entry of one. A
/// detail that was not asked for looks the same as one that Polar does not have: an empty list.
#[derive(Debug, Clone, PartialEq)]
pub struct DetailedExercise {
    /// The summary.
    pub exercise: Exercise,
    /// Heart-rate zones.
    pub zones: Result<Vec<HeartRateZone>, Unreadable>,
    /// Sample series.
    pub samples: Result<Vec<SampleSeries>, Unreadable>,
    /// The route.
    pub route: Result<Vec<RoutePoint>, Unreadable>,
    /// What was left out of the summary and of the details.
    pub left_out: Vec<Unreadable>,
}

impl DetailedExercise {
    /// Decodes one session of `/v3/exercises`.
    pub fn decode(body: &[u8]) -> Result<Self, Unreadable> {
        let mut fields = object(body)?;
        let mut left_out = Vec::new();
        let zones = detail(&mut fields, "heart_rate_zones", LIST_LIMIT, &mut left_out);
        let samples = detail(&mut fields, "samples", LIST_LIMIT, &mut left_out);
        let route = detail(&mut fields, "route", ROUTE_LIMIT, &mut left_out);
        let summary: Read<Exercise> = read_value(fields.into(), body.len())?;
        left_out.extend(summary.left_out);
        Ok(Self {
            exercise: summary.body,
            zones,
            samples,
            route,
            left_out,
        })
    }
}

/// The entries of a detail, each decoded by itself. When none of them is understood, the detail is not.
fn detail<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
    limit: usize,
    left_out: &mut Vec<Unreadable>,
) -> Result<Vec<T>, Unreadable> {
    let limited = || Unreadable::new(name, format!("a list of at most {limit} entries"));
    let entries = match fields.shift_remove(name).unwrap_or_default() {
        Value::Null => Vec::new(),
        Value::String(text) if is_nothing(&text) => Vec::new(),
        Value::Array(entries) if entries.len() <= limit => entries,
        Value::Array(_) => return Err(limited()),
        Value::Object(fields) if fields.is_empty() => Vec::new(),
        lone @ Value::Object(_) => vec![lone],
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(Unreadable::new(name, "a list"));
        }
    };
    let mut rows = Vec::with_capacity(entries.len());
    let mut lost = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        let place = |error: Unreadable| error.at_position(position).in_field(name);
        match decode_value(entry) {
            Ok(row) => rows.push(row),
            Err(error) => lost.push(place(error)),
        }
    }
    if rows.is_empty() && !lost.is_empty() {
        return Err(lost.swap_remove(0));
    }
    left_out.extend(lost);
    Ok(rows)
}
