//! What a watch records during a session: samples of every type at 1 Hz, beat intervals, the route.

use super::person::Person;
use super::rng::Rng;
use super::session::{Session, Zone, Zones, sample_type as t};
use super::watch::{Gaps, Watch};

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
