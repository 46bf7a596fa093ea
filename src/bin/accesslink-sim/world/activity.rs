//! A day of activity: steps and activity zones by the hour, up to the last upload of the watch.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::parts::{Counts, PartKey, Parts};
use super::person::Person;
use super::rng::Rng;
use super::text;
use crate::switches::{DurationStyle, Switches};

/// A day as far as it is known. A day that is not over has fewer hours, and the hours it has never change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activity {
    pub(crate) date: Date,
    /// Hours that the watch has uploaded, 24 for a complete day.
    pub(crate) hours: u32,
    pub(crate) seed: u64,
    /// Steps dictated through the control port, added to the first hour.
    pub(crate) extra_steps: i64,
}

struct Hour {
    steps: i64,
    /// Seconds in the zones 0 to 5; they add up to the hour.
    zones_s: [i64; 6],
}

impl Activity {
    /// Bodies of the activity; `created_at` is when this version reached AccessLink.
    pub(crate) fn parts(
        &self,
        person: &Person,
        id: u64,
        created_at: Timestamp,
        origin: &str,
        switches: &Switches,
    ) -> Parts {
        let hours: Vec<Hour> = (0..self.hours).map(|hour| self.hour(hour)).collect();
        let active_s: i64 = hours
            .iter()
            .map(|hour| hour.zones_s[2..5].iter().sum::<i64>())
            .sum();
        let steps: i64 = hours.iter().map(|hour| hour.steps).sum();
        let active_kcal = active_s / 15 + steps / 40;
        let resting_kcal = (person.weight_kg * 24.0) as i64 * i64::from(self.hours) / 24;
        let duration = text::duration_ms(
            active_s * 1000,
            DurationStyle::Normalised,
            switches.duration_style,
        );
        let summary = json!({
            "id": id,
            "polar-user": format!("{origin}/v3/users/{}", person.polar_user_id),
            "transaction-id": 0,
            "date": self.date.to_string(),
            "created": text::instant_ms(created_at),
            "calories": resting_kcal + active_kcal,
            "active-calories": active_kcal,
            "duration": duration,
            "active-steps": steps,
        });
        let zone_samples: u64 = hours
            .iter()
            .map(|hour| hour.zones_s.iter().filter(|s| **s > 0).count() as u64)
            .sum();
        let counts = Counts {
            step_samples: u64::from(self.hours),
            activity_zone_samples: zone_samples,
            ..Counts::default()
        };
        let mut parts = Parts::new(&summary, counts);
        if !hours.is_empty() {
            parts.add(
                PartKey::StepSamples,
                self.samples(&hours, step_sample).to_string(),
            );
            parts.add(
                PartKey::ZoneSamples,
                self.samples(&hours, zone_sample).to_string(),
            );
        }
        parts
    }

    fn samples(&self, hours: &[Hour], sample: fn(&Hour) -> Map<String, Value>) -> Value {
        let samples = hours.iter().enumerate().map(|(number, hour)| {
            let mut sample = sample(hour);
            sample.insert("time".into(), format!("{number:02}:00:00.000").into());
            Value::from(sample)
        });
        json!({"date": self.date.to_string(), "interval": 60, "samples": samples.collect::<Value>()})
    }

    fn hour(&self, hour: u32) -> Hour {
        let mut rng = Rng::of(&[self.seed, u64::from(hour)]);
        let is_night = !(7..23).contains(&hour);
        let extra_steps = if hour == 0 { self.extra_steps } else { 0 };
        if is_night {
            return Hour {
                steps: extra_steps,
                zones_s: [3600, 0, 0, 0, 0, 0],
            };
        }
        let vigorous_s = if rng.chance(0.08) {
            30 * rng.between(4, 60)
        } else {
            0
        };
        let moderate_s = 30 * rng.between(0, 20);
        let light_s = 30 * rng.between(2, 30);
        let non_wear_s = if rng.chance(0.05) { 300 } else { 0 };
        let sedentary_s = 3600 - vigorous_s - moderate_s - light_s - non_wear_s;
        Hour {
            steps: extra_steps + light_s / 3 + moderate_s * 2 + vigorous_s * 5 / 2,
            zones_s: [
                0,
                sedentary_s.max(0),
                light_s,
                moderate_s,
                vigorous_s,
                non_wear_s,
            ],
        }
    }
}

fn step_sample(hour: &Hour) -> Map<String, Value> {
    Map::from_iter([("steps".to_owned(), hour.steps.into())])
}

fn zone_sample(hour: &Hour) -> Map<String, Value> {
    let zones = hour
        .zones_s
        .iter()
        .enumerate()
        .filter(|(_, seconds)| **seconds > 0);
    // `inzone` has no hyphen here, unlike in heart rate zones.
    let zones =
        zones.map(|(index, seconds)| json!({"index": index, "inzone": text::zone_s(*seconds)}));
    Map::from_iter([("activity-zones".to_owned(), zones.collect())])
}
