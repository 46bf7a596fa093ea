//! A night: sleep with its hypnogram and heart rate, and the Nightly Recharge measured in it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::person::{Person, Topic};
use super::rng::Rng;
use super::{text, zone};
use crate::switches::{NightClock, Switches};

/// Length of a sleep epoch; all stages are multiples of it.
const EPOCH_S: i64 = 30;

/// Codes of the hypnogram.
mod stage {
    pub(super) const WAKE: u8 = 0;
    pub(super) const REM: u8 = 1;
    pub(super) const LIGHTER: u8 = 2;
    pub(super) const LIGHT: u8 = 3;
    pub(super) const DEEP: u8 = 4;
    pub(super) const UNKNOWN: u8 = 5;
}

/// A night, known by the day on which it ended.
#[derive(Debug, Clone)]
pub(crate) struct Night {
    pub(crate) date: Date,
    pub(crate) start_at: Timestamp,
    /// Stage codes with their lengths; they fill the night without a hole.
    stages: Vec<(u8, i64)>,
    seed: u64,
    pub(crate) has_recharge: bool,
    /// Set when the night is scored again.
    pub(crate) sleep_score: i64,
}

impl Night {
    /// The night of this person that ends on this day.
    pub(crate) fn of(person: &Person, date: Date, day_number: u64) -> Option<Self> {
        let mut rng = person.rng(Topic::Night, day_number);
        let evening = date.yesterday().ok()?.at(21, 30, 0, 0);
        let bed = evening.to_zoned(person.zone.clone()).ok()?.timestamp();
        let start_at = bed + SignedDuration::from_millis(rng.between(0, 9_000_000));
        let length_s = EPOCH_S * rng.between(720, 1080);
        Some(Self {
            date,
            start_at,
            stages: stages(length_s, &mut rng),
            has_recharge: rng.chance(0.9),
            sleep_score: rng.between(48, 94),
            seed: rng.bits(),
        })
    }

    /// When the person got up.
    pub(crate) fn end_at(&self) -> Timestamp {
        self.start_at + SignedDuration::from_secs(self.stages.iter().map(|(_, s)| s).sum())
    }

    /// The body of the sleep endpoints.
    pub(crate) fn sleep(&self, person: &Person, origin: &str, switches: &Switches) -> Value {
        let clock = Clock::of(self, person, switches);
        let in_stage = |codes: &[u8]| -> i64 {
            self.stages
                .iter()
                .filter(|(code, _)| codes.contains(code))
                .map(|(_, s)| s)
                .sum()
        };
        let interruptions = || self.stages.iter().filter(|(code, _)| *code == stage::WAKE);
        let short_s: i64 = interruptions().map(|(_, s)| *s).filter(|s| *s < 90).sum();
        let long_s: i64 = interruptions().map(|(_, s)| *s).filter(|s| *s >= 90).sum();
        let mut rng = Rng::of(&[self.seed, 1]);
        let score = |rng: &mut Rng| rng.between(300_000, 1_000_000) as f64 / 10_000.0;
        json!({
            "polar_user": format!("{origin}/v3/users/{}", person.polar_user_id),
            "date": self.date.to_string(),
            "sleep_start_time": clock.full(self.start_at),
            "sleep_end_time": clock.full(self.end_at()),
            "device_id": person.device_id,
            "continuity": rng.between(12, 49) as f64 / 10.0,
            "continuity_class": rng.between(1, 5),
            "light_sleep": in_stage(&[stage::LIGHTER, stage::LIGHT]),
            "deep_sleep": in_stage(&[stage::DEEP]),
            "rem_sleep": in_stage(&[stage::REM]),
            "unrecognized_sleep_stage": in_stage(&[stage::UNKNOWN]),
            "sleep_score": self.sleep_score,
            "total_interruption_duration": short_s + long_s,
            "sleep_charge": rng.between(1, 5),
            "sleep_rating": rng.between(0, 5),
            "short_interruption_duration": short_s,
            "long_interruption_duration": long_s,
            "sleep_goal": 28_800,
            "group_duration_score": score(&mut rng),
            "group_solidity_score": score(&mut rng),
            "group_regeneration_score": score(&mut rng),
            "sleep_cycles": rng.between(3, 6),
            "hypnogram": self.hypnogram(&clock),
            "heart_rate_samples": self.every_5_min(&clock, 1, |asleep| {
                (f64::from(person.heart_rate_rest_bpm) + 14.0 * (1.0 - asleep) + 2.0 * rng.noise()).round() as i64
            }),
        })
    }

    /// The body of the Nightly Recharge endpoints.
    pub(crate) fn recharge(&self, person: &Person, origin: &str, switches: &Switches) -> Value {
        let clock = Clock::of(self, person, switches);
        let mut rng = Rng::of(&[self.seed, 2]);
        let heart_rate_bpm = i64::from(person.heart_rate_rest_bpm) + rng.between(2, 9);
        json!({
            "polar_user": format!("{origin}/v3/users/{}", person.polar_user_id),
            "date": self.date.to_string(),
            "heart_rate_avg": heart_rate_bpm,
            "beat_to_beat_avg": 60_000 / heart_rate_bpm,
            "heart_rate_variability_avg": rng.between(22, 96),
            "breathing_rate_avg": rng.between(110, 168) as f64 / 10.0,
            "nightly_recharge_status": rng.between(1, 6),
            "ans_charge": rng.between(-90, 90) as f64 / 10.0,
            "ans_charge_status": rng.between(1, 5),
            "hrv_samples": self.every_5_min(&clock, 2, |_| rng.between(20, 110)),
            "breathing_samples":
                self.every_5_min(&clock, 0, |_| rng.between(100, 185) as f64 / 10.0),
        })
    }

    /// The availability entry of the night.
    pub(crate) fn available(&self, person: &Person, switches: &Switches) -> Value {
        let clock = Clock::of(self, person, switches);
        json!({
            "date": self.date.to_string(),
            "start_time": clock.full(self.start_at),
            "end_time": clock.full(self.end_at()),
        })
    }

    /// Where each stage begins; the last entry is the end of the night.
    fn hypnogram(&self, clock: &Clock<'_>) -> Value {
        let mut map = Map::new();
        let mut at = self.start_at;
        for (code, seconds) in &self.stages {
            map.entry(clock.minute(at))
                .or_insert_with(|| (*code).into());
            at += SignedDuration::from_secs(*seconds);
        }
        map.entry(clock.minute(at))
            .or_insert_with(|| stage::WAKE.into());
        map.into()
    }

    /// A map with a value every five minutes of the whole night; the value is told how far the night is.
    fn every_5_min<T: Into<Value>>(
        &self,
        clock: &Clock<'_>,
        first_min: i64,
        mut value: impl FnMut(f64) -> T,
    ) -> Value {
        let night_s = self.end_at().duration_since(self.start_at).as_secs();
        let mut map = Map::new();
        for offset_s in (first_min * 60..night_s).step_by(300) {
            let value = value(offset_s as f64 / night_s as f64).into();
            map.insert(
                clock.minute(self.start_at + SignedDuration::from_secs(offset_s)),
                value,
            );
        }
        map.into()
    }
}

/// The clock on the watch during a night.
struct Clock<'a> {
    zone: &'a TimeZone,
    start_offset_min: i32,
    follows_wall: bool,
}

impl<'a> Clock<'a> {
    fn of(night: &Night, person: &'a Person, switches: &Switches) -> Self {
        Self {
            zone: &person.zone,
            start_offset_min: zone::offset_min(&person.zone, night.start_at),
            follows_wall: switches.night_clock == NightClock::Wall,
        }
    }

    fn offset_min(&self, at: Timestamp) -> i32 {
        if self.follows_wall {
            zone::offset_min(self.zone, at)
        } else {
            self.start_offset_min
        }
    }

    fn minute(&self, at: Timestamp) -> String {
        text::minute(at, self.offset_min(at))
    }

    fn full(&self, at: Timestamp) -> String {
        text::local_with_offset(at, self.offset_min(at))
    }
}

/// Sleep cycles until the night is full. No stage is shorter than a minute, the resolution of the map.
fn stages(length_s: i64, rng: &mut Rng) -> Vec<(u8, i64)> {
    let mut stages = Vec::new();
    let mut left_s = length_s;
    while left_s > 0 {
        let light = if rng.chance(0.2) {
            stage::LIGHTER
        } else {
            stage::LIGHT
        };
        let cycle = [
            (light, rng.between(20, 60)),
            (stage::DEEP, rng.between(10, 70)),
            (stage::LIGHT, rng.between(10, 50)),
            (stage::REM, rng.between(8, 60)),
            (
                if rng.chance(0.05) {
                    stage::UNKNOWN
                } else {
                    stage::WAKE
                },
                rng.between(2, 12),
            ),
        ];
        for (code, epochs) in cycle {
            let mut seconds = (epochs * EPOCH_S).min(left_s);
            if left_s - seconds < 60 {
                seconds = left_s;
            }
            if seconds > 0 {
                stages.push((code, seconds));
            }
            left_s -= seconds;
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::zone::Zones;
    use jiff::civil::date;

    #[test]
    fn the_parts_of_a_night_add_up_to_its_length() {
        let zones = Zones::around(date(2026, 3, 20)).unwrap();
        for number in 0..40 {
            let person = Person::new(7, number, &zones);
            let night = Night::of(&person, date(2026, 3, 10), number).unwrap();
            let sleep = night.sleep(&person, "http://sim", &Switches::default());
            let seconds = |key: &str| sleep[key].as_i64().unwrap();
            let asleep = seconds("light_sleep") + seconds("deep_sleep") + seconds("rem_sleep");
            let total = asleep
                + seconds("unrecognized_sleep_stage")
                + seconds("total_interruption_duration");
            assert_eq!(
                total,
                night.end_at().duration_since(night.start_at).as_secs()
            );
            assert_eq!(
                sleep["hypnogram"].as_object().unwrap().len(),
                night.stages.len() + 1
            );
        }
    }
}
