//! What a watch records during a session: samples of every type at 1 Hz, beat intervals, the route.

use super::person::Person;
use super::rng::Rng;
use super::session::{Session, Zone, Zones, sample_type as t};

/// All that was recorded in one session.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) series: Vec<Series>,
    pub(crate) zones: Vec<Zone>,
    pub(crate) route: Vec<TrackPoint>,
}

/// The samples of one type.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) type_id: u8,
    /// Seconds between two samples; none where there is one sample a heart beat.
    pub(crate) rate_s: Option<u32>,
    pub(crate) values: Vec<Option<f64>>,
}

/// A position on the route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrackPoint {
    pub(crate) offset_ms: i64,
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) altitude_m: f64,
}

/// Metres of one degree of latitude.
const METRES_A_DEGREE: f64 = 111_320.0;

impl Recording {
    /// Records the session; the same session always gives the same recording.
    pub(crate) fn of(person: &Person, session: &Session) -> Self {
        let mut rng = Rng::of(&[session.seed]);
        let gaps = Gaps::of(session, &mut rng);
        let wanted = |type_id| session.sample_types.contains(&type_id);
        let at_1_hz = session
            .sample_types
            .iter()
            .filter(|id| **id != t::RR_INTERVAL);
        let mut series: Vec<Series> = at_1_hz
            .map(|id| Series {
                type_id: *id,
                rate_s: Some(1),
                values: Vec::new(),
            })
            .collect();
        let (mut route, mut beats) = (Vec::new(), Vec::new());
        if !series.is_empty() || session.has_route {
            let mut watch = Watch::at_start(person, session, rng);
            for second in 0..session.recorded_s {
                watch.tick(second);
                for one in &mut series {
                    let value = watch.value(one.type_id);
                    one.values
                        .push((!gaps.cover(one.type_id, second)).then_some(value));
                }
                if session.has_route {
                    route.push(watch.position(second));
                }
                if wanted(t::RR_INTERVAL) {
                    watch.beat(second, &mut beats);
                }
            }
        }
        if !beats.is_empty() {
            series.push(Series {
                type_id: t::RR_INTERVAL,
                rate_s: None,
                values: beats,
            });
        }
        if !session.dictated.is_empty() {
            series = dictated(session);
        }
        let zones = zones(person, session, &series);
        Self {
            series,
            zones,
            route,
        }
    }

    /// The series of this type, where it was recorded.
    pub(crate) fn series(&self, type_id: u8) -> Option<&Series> {
        self.series.iter().find(|series| series.type_id == type_id)
    }

    /// Average and maximum heart rate, where one was recorded.
    pub(crate) fn heart_rate_bpm(&self) -> Option<(i64, i64)> {
        let values = &self.series(t::HEART_RATE)?.values;
        let present: Vec<f64> = values.iter().flatten().copied().collect();
        let maximum = present.iter().copied().fold(f64::NAN, f64::max);
        let average = present.iter().sum::<f64>() / present.len() as f64;
        (!present.is_empty()).then_some((average.round() as i64, maximum as i64))
    }

    /// The distance covered, where the sport has one.
    pub(crate) fn distance_m(&self) -> Option<f64> {
        let last = self
            .series(t::DISTANCE)?
            .values
            .iter()
            .flatten()
            .next_back()
            .copied()?;
        (last > 0.0).then_some((last * 10.0).round() / 10.0)
    }
}

impl Series {
    /// The values as AccessLink writes them, with this text for a missing one.
    pub(crate) fn data(&self, missing: &str) -> String {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(self.values.len() * 5);
        for (position, value) in self.values.iter().enumerate() {
            if position > 0 {
                text.push(',');
            }
            match value {
                Some(value) => _ = write!(text, "{value}"),
                None => text.push_str(missing),
            }
        }
        text
    }

    /// How many values are there, gaps not counted.
    pub(crate) fn present(&self) -> u64 {
        self.values.iter().flatten().count() as u64
    }
}

/// The seconds at which sensors delivered nothing.
struct Gaps(Vec<std::ops::Range<i64>>);

impl Gaps {
    fn of(session: &Session, rng: &mut Rng) -> Self {
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
    fn cover(&self, type_id: u8, second: i64) -> bool {
        matches!(
            type_id,
            t::HEART_RATE | t::CADENCE | t::POWER | t::RUNNING_CADENCE
        ) && self.0.iter().any(|gap| gap.contains(&second))
    }
}

/// The state of body and watch while a session is recorded.
struct Watch<'a> {
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
    fn at_start(person: &'a Person, session: &'a Session, mut rng: Rng) -> Self {
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

    fn tick(&mut self, second: i64) {
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

    fn value(&mut self, type_id: u8) -> f64 {
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

    fn position(&self, second: i64) -> TrackPoint {
        TrackPoint {
            offset_ms: second * 1000,
            latitude: rounded(self.latitude, 1e8),
            longitude: rounded(self.longitude, 1e8),
            altitude_m: rounded(self.altitude_m, 1e3),
        }
    }

    /// Adds the beats that end before the next second; the strap misses one now and then.
    fn beat(&mut self, second: i64, beats: &mut Vec<Option<f64>>) {
        while self.beats_ms < (second + 1) as f64 * 1000.0 {
            let interval_ms = (60_000.0 / self.heart_rate_bpm + 8.0 * self.rng.noise()).round();
            self.beats_ms += interval_ms;
            beats.push((!self.rng.chance(0.004)).then_some(interval_ms));
        }
    }
}

fn dictated(session: &Session) -> Vec<Series> {
    let one = |(type_id, values): (&u8, &Vec<Option<f64>>)| Series {
        type_id: *type_id,
        rate_s: (*type_id != t::RR_INTERVAL).then_some(1),
        values: values.clone(),
    };
    session.dictated.iter().map(one).collect()
}

fn zones(person: &Person, session: &Session, series: &[Series]) -> Vec<Zone> {
    let heart_rate = series.iter().find(|series| series.type_id == t::HEART_RATE);
    match (&session.zones, heart_rate) {
        (Zones::Dictated(zones), _) => zones.clone(),
        (Zones::Recorded, Some(heart_rate)) => (5..10)
            .map(|tenths| zone(person, tenths, heart_rate))
            .collect(),
        (Zones::None, _) | (Zones::Recorded, None) => Vec::new(),
    }
}

/// The zone that begins at so many tenths of the maximum heart rate; the upper limit is not part of it.
fn zone(person: &Person, tenths: u32, heart_rate: &Series) -> Zone {
    let limit = |tenths: u32| person.heart_rate_max_bpm * tenths / 10;
    let (lower_limit, upper_limit) = (limit(tenths), limit(tenths + 1));
    let last = tenths == 9;
    let inside =
        |bpm: &&f64| **bpm >= f64::from(lower_limit) && (last || **bpm < f64::from(upper_limit));
    let in_zone_s = heart_rate.values.iter().flatten().filter(inside).count() as i64;
    Zone {
        lower_limit,
        upper_limit,
        in_zone_s,
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
