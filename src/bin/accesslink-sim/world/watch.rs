//! Body and watch during a session: what is sampled at each second.

use super::person::Person;
use super::recording::TrackPoint;
use super::rng::Rng;
use super::session::{Session, sample_type as t};

/// Metres of one degree of latitude.
const METRES_A_DEGREE: f64 = 111_320.0;

/// The seconds at which sensors delivered nothing.
pub(super) struct Gaps(Vec<std::ops::Range<i64>>);

impl Gaps {
    /// The gaps of this session; none where no sensor dropped out.
    pub(super) fn of(session: &Session, rng: &mut Rng) -> Self {
        let gaps = if session.has_gaps {
            rng.between(1, 4)
        } else {
            0
        };
        let end_s = session.duration_ms / 1000;
        let mut gap = |_| {
            let begin_s = rng.between(0, end_s);
            begin_s..begin_s + rng.between(4, 60)
        };
        Self((0..gaps).map(&mut gap).collect())
    }

    /// Sensors worn on the body drop out; what the watch measures itself does not.
    pub(super) fn cover(&self, type_id: u8, second: i64) -> bool {
        matches!(
            type_id,
            t::HEART_RATE | t::CADENCE | t::POWER | t::RUNNING_CADENCE
        ) && self.0.iter().any(|gap| gap.contains(&second))
    }
}

/// The state of body and watch while a session is recorded.
pub(super) struct Watch<'a> {
    person: &'a Person,
    session: &'a Session,
    rng: Rng,
    heart_rate_bpm: f64,
    speed_km_h: f64,
    altitude_m: f64,
    temperature_c: f64,
    distance_m: f32,
    heading: f64,
    latitude: f64,
    longitude: f64,
    beats_ms: f64,
}

impl<'a> Watch<'a> {
    /// The watch when its button is pressed.
    pub(super) fn at_start(person: &'a Person, session: &'a Session, mut rng: Rng) -> Self {
        let reserve_bpm = f64::from(person.heart_rate_max_bpm - person.heart_rate_rest_bpm);
        Self {
            heart_rate_bpm: f64::from(person.heart_rate_rest_bpm) + 0.25 * reserve_bpm,
            speed_km_h: 0.0,
            altitude_m: rng.between(5, 900) as f64,
            temperature_c: rng.between(40, 310) as f64 / 10.0,
            distance_m: 0.0,
            heading: rng.unit() * std::f64::consts::TAU,
            latitude: person.home.0,
            longitude: person.home.1,
            beats_ms: 0.0,
            person,
            session,
            rng,
        }
    }

    /// One second passes.
    pub(super) fn tick(&mut self, second: i64) {
        let wave = (second as f64 / 190.0).sin();
        let noise = self.rng.noise();
        let rest_bpm = f64::from(self.person.heart_rate_rest_bpm);
        let reserve_bpm = f64::from(self.person.heart_rate_max_bpm) - rest_bpm;
        let goal_bpm = rest_bpm + reserve_bpm * (self.session.sport.effort + 0.08 * wave);
        self.heart_rate_bpm += (goal_bpm - self.heart_rate_bpm) * 0.02 + noise;
        self.heart_rate_bpm = self.heart_rate_bpm.clamp(rest_bpm, rest_bpm + reserve_bpm);
        self.temperature_c += 0.01 * noise;
        if self.session.sport.is_outdoors() {
            let goal_km_h = self.session.sport.speed_km_h * (1.0 + 0.15 * wave);
            self.speed_km_h += (goal_km_h - self.speed_km_h) * 0.08 + 0.3 * noise;
            self.speed_km_h = self.speed_km_h.max(0.0);
            self.advance();
        }
    }

    fn advance(&mut self) {
        let metres = self.speed_km_h / 3.6;
        self.distance_m += metres as f32;
        self.altitude_m += 0.04 * metres * self.rng.noise();
        self.heading += 0.12 * self.rng.noise();
        self.latitude += metres * self.heading.cos() / METRES_A_DEGREE;
        self.longitude +=
            metres * self.heading.sin() / (METRES_A_DEGREE * self.latitude.to_radians().cos());
    }

    /// What is sampled of this type now.
    pub(super) fn value(&mut self, type_id: u8) -> f64 {
        let sport = self.session.sport;
        match type_id {
            t::HEART_RATE => self.heart_rate_bpm.round(),
            t::SPEED => rounded(self.speed_km_h, 1e4),
            t::CADENCE => (sport.cadence_rpm + 2.0 * self.rng.noise()).round(),
            t::ALTITUDE => rounded(self.altitude_m, 1e3),
            t::POWER => (sport.power_w * (1.0 + 0.2 * self.rng.noise())).round(),
            t::PEDALLING_INDEX => (60.0 + 8.0 * self.rng.noise()).round(),
            t::LEFT_RIGHT_BALANCE => rounded(50.0 + 2.0 * self.rng.noise(), 10.0),
            t::AIR_PRESSURE => rounded(1013.0 - self.altitude_m / 8.4, 10.0),
            t::RUNNING_CADENCE => (2.0 * sport.cadence_rpm + 3.0 * self.rng.noise()).round(),
            t::TEMPERATURE => rounded(self.temperature_c, 10.0),
            // A 32-bit number printed with 64 bits: the service really sends such tails.
            t::DISTANCE => f64::from(self.distance_m),
            _ => 0.0,
        }
    }

    /// Where the watch is now.
    pub(super) fn position(&self, second: i64) -> TrackPoint {
        TrackPoint {
            offset_ms: second * 1000,
            latitude: rounded(self.latitude, 1e8),
            longitude: rounded(self.longitude, 1e8),
            altitude_m: rounded(self.altitude_m, 1e3),
        }
    }

    /// Adds the beats that end before the next second; the strap misses one now and then.
    pub(super) fn beat(&mut self, second: i64, beats: &mut Vec<Option<f64>>) {
        while self.beats_ms < (second + 1) as f64 * 1000.0 {
            let interval_ms = (60_000.0 / self.heart_rate_bpm + 8.0 * self.rng.noise()).round();
            self.beats_ms += interval_ms;
            beats.push((!self.rng.chance(0.004)).then_some(interval_ms));
        }
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
