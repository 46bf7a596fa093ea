//! A training session: what is known about it before its samples are recorded.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;

use super::person::Person;
use super::rng::Rng;
use super::sport::Sport;

/// Sample types by their number at Polar.
pub(crate) mod sample_type {
    pub(crate) const HEART_RATE: u8 = 0;
    pub(crate) const SPEED: u8 = 1;
    pub(crate) const CADENCE: u8 = 2;
    pub(crate) const ALTITUDE: u8 = 3;
    pub(crate) const POWER: u8 = 4;
    pub(crate) const PEDALLING_INDEX: u8 = 5;
    pub(crate) const LEFT_RIGHT_BALANCE: u8 = 6;
    pub(crate) const AIR_PRESSURE: u8 = 7;
    pub(crate) const RUNNING_CADENCE: u8 = 8;
    pub(crate) const TEMPERATURE: u8 = 9;
    pub(crate) const DISTANCE: u8 = 10;
    pub(crate) const RR_INTERVAL: u8 = 11;
    /// How many types there are.
    pub(crate) const COUNT: usize = 12;
}

/// One session. Its samples follow from `seed`, so that the same session is always recorded the same way.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) start_at: Timestamp,
    pub(crate) offset_min: i32,
    pub(crate) duration_ms: i64,
    /// Samples of each type at 1 Hz: the last seconds before the stop are often not there.
    pub(crate) recorded_s: i64,
    pub(crate) sport: &'static Sport,
    /// `detailed-sport-info`, usually the code of the sport.
    pub(crate) sport_code: String,
    pub(crate) seed: u64,
    pub(crate) calories_kcal: i64,
    /// Which sample types are recorded, ascending.
    pub(crate) sample_types: Vec<u8>,
    pub(crate) zones: Zones,
    pub(crate) has_route: bool,
    /// Whether sensors drop out now and then.
    pub(crate) has_gaps: bool,
    /// Samples dictated through the control port instead of recorded; `None` is a missing value.
    pub(crate) dictated: BTreeMap<u8, Vec<Option<f64>>>,
    /// What a summary says about the recording, kept because a recording takes its time.
    pub(crate) measured: OnceLock<Measured>,
}

/// What a summary says about a recording.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Average and maximum, where one was recorded.
    pub(crate) heart_rate_bpm: Option<(i64, i64)>,
    /// The distance, where the sport has one.
    pub(crate) distance_m: Option<f64>,
}

/// Where the heart rate zones of a session come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Zones {
    /// There are none.
    None,
    /// Five zones of the person's range, timed from the recorded heart rate.
    Recorded,
    /// As dictated through the control port.
    Dictated(Vec<Zone>),
}

/// Time spent in one heart rate zone.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub(crate) struct Zone {
    pub(crate) lower_limit: u32,
    pub(crate) upper_limit: u32,
    pub(crate) in_zone_s: i64,
}

impl Session {
    /// A session as this person's watch would record it.
    pub(crate) fn of(
        person: &Person,
        start_at: Timestamp,
        offset_min: i32,
        duration_ms: i64,
        sport: &'static Sport,
        rng: &mut Rng,
    ) -> Self {
        let per_minute_kcal = person.weight_kg * (0.04 + 0.16 * sport.effort);
        Self {
            start_at,
            offset_min,
            duration_ms,
            recorded_s: (duration_ms / 1000 - rng.between(0, 3)).max(1),
            sport,
            sport_code: sport.code.to_owned(),
            seed: rng.bits(),
            calories_kcal: (per_minute_kcal * duration_ms as f64 / 60_000.0) as i64,
            sample_types: sample_types(sport, rng),
            zones: Zones::Recorded,
            has_route: sport.is_outdoors(),
            has_gaps: rng.chance(0.3),
            dictated: BTreeMap::new(),
            measured: OnceLock::new(),
        }
    }

    /// When the session ended.
    pub(crate) fn end_at(&self) -> Timestamp {
        self.start_at + jiff::SignedDuration::from_millis(self.duration_ms)
    }
}

/// What a watch records in this sport; straps and pedals are not always worn.
fn sample_types(sport: &Sport, rng: &mut Rng) -> Vec<u8> {
    use sample_type as t;
    let mut types = vec![t::HEART_RATE, t::SPEED, t::TEMPERATURE, t::DISTANCE];
    if sport.is_outdoors() {
        types.push(t::ALTITUDE);
    }
    if sport.cadence_rpm > 0.0 {
        let by_foot_pod = sport.coarse == "RUNNING" && rng.chance(0.2);
        types.push(if by_foot_pod {
            t::RUNNING_CADENCE
        } else {
            t::CADENCE
        });
    }
    if sport.power_w > 0.0 {
        types.push(t::POWER);
        if sport.coarse == "CYCLING" && rng.chance(0.5) {
            types.extend([t::PEDALLING_INDEX, t::LEFT_RIGHT_BALANCE]);
        }
    }
    if sport.code == "HIKING" {
        types.push(t::AIR_PRESSURE);
    }
    if rng.chance(0.15) {
        types.push(t::RR_INTERVAL);
    }
    types.sort_unstable();
    types
}
