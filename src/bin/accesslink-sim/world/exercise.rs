//! Bodies of an exercise: the kebab-case ones of transactions and the `snake_case` object of `/v3/exercises`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::files;
use super::parts::{Counts, PartKey, Parts};
use super::person::Person;
use super::recording::{Recording, Series};
use super::rng::Rng;
use super::session::{Measured, Session, sample_type};
use super::text;
use crate::switches::{DurationStyle, NestedKeys, NoZones, Switches, TrainingLoadPro};

/// What `/v3/exercises` is asked to add to the summary.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) samples: bool,
    pub(crate) zones: bool,
    pub(crate) route: bool,
}

/// An exercise with what AccessLink knows besides the session itself.
pub(crate) struct Exercise<'a> {
    pub(crate) person: &'a Person,
    pub(crate) session: &'a Session,
    pub(crate) id: u64,
    pub(crate) hash_id: &'a str,
    pub(crate) upload_at: Timestamp,
    pub(crate) origin: &'a str,
    pub(crate) switches: &'a Switches,
}

impl Exercise<'_> {
    /// Every body that the transactional endpoints serve.
    pub(crate) fn parts(&self) -> Parts {
        let recording = self.record();
        let mut parts = Parts::new(&self.summary(), counts(&recording));
        if !recording.zones.is_empty() {
            parts.add(PartKey::HeartRateZones, kebab_zones(&recording).to_string());
        } else if self.switches.no_zones == NoZones::Null {
            parts.add(PartKey::HeartRateZones, r#"{"zone":null}"#);
        }
        for series in &recording.series {
            parts.add(PartKey::Samples(series.type_id), self.kebab_samples(series));
        }
        if !recording.route.is_empty() {
            parts.add(PartKey::Gpx, files::gpx(self.session, &recording.route));
        }
        if !recording.series.is_empty() {
            parts.add(PartKey::Tcx, files::tcx(self.session, &recording));
            parts.add(PartKey::Fit, files::fit(self.session));
        }
        parts
    }

    /// The object of `/v3/exercises`.
    pub(crate) fn snake(&self, flags: Flags) -> Value {
        let mut object: Map<String, Value> = self
            .facts(DurationStyle::Seconds)
            .into_iter()
            .map(|(key, value)| (snake_key(&key), value))
            .collect();
        let nested = |key: &str| match self.switches.nested_keys {
            NestedKeys::Snake => snake_key(key),
            NestedKeys::Kebab => key.to_owned(),
        };
        let mut entire: Map<String, Value> = Map::new();
        entire.insert("id".into(), self.hash_id.into());
        entire.insert("upload_time".into(), text::instant_s(self.upload_at).into());
        entire.insert("polar_user".into(), self.polar_user().into());
        entire.append(&mut object);
        if !(flags.zones || flags.samples || flags.route) {
            return entire.into();
        }
        let recording = self.record();
        if flags.zones && !recording.zones.is_empty() {
            entire.insert("heart_rate_zones".into(), nested_zones(&recording, nested));
        }
        if flags.samples {
            let samples = recording
                .series
                .iter()
                .map(|one| self.nested_samples(one, nested));
            entire.insert("samples".into(), samples.collect());
        }
        if flags.route && !recording.route.is_empty() {
            entire.insert("route".into(), route(&recording));
        }
        entire.into()
    }

    fn polar_user(&self) -> String {
        format!("{}/v3/users/{}", self.origin, self.person.polar_user_id)
    }

    fn summary(&self) -> Value {
        let mut object = Map::new();
        object.insert("id".into(), self.id.into());
        object.insert(
            "upload-time".into(),
            text::instant_ms(self.upload_at).into(),
        );
        object.insert("polar-user".into(), self.polar_user().into());
        object.insert("transaction-id".into(), 0.into());
        object.append(&mut self.facts(DurationStyle::Normalised));
        object.into()
    }

    /// What both families say about an exercise, with the keys of the transactional one.
    fn facts(&self, duration_style: DurationStyle) -> Map<String, Value> {
        let (session, person) = (self.session, self.person);
        let mut rng = Rng::of(&[session.seed, 1]);
        let start = text::wall_time(session.start_at, session.offset_min);
        let duration = text::duration_ms(
            session.duration_ms,
            duration_style,
            self.switches.duration_style,
        );
        let mut facts = Map::new();
        let mut put = |key: &str, value: Value| _ = facts.insert(key.to_owned(), value);
        put("device", person.device.into());
        put("device-id", person.device_id.clone().into());
        put(
            "start-time",
            text::local(start, self.switches.seconds).into(),
        );
        put("start-time-utc-offset", session.offset_min.into());
        put("duration", duration.into());
        put("calories", session.calories_kcal.into());
        if let Some(distance_m) = self.measured().distance_m {
            put("distance", distance_m.into());
        }
        if let Some((average, maximum)) = self.measured().heart_rate_bpm {
            put(
                "heart-rate",
                json!({"average": average, "maximum": maximum}),
            );
        }
        let load = session.duration_ms as f64 / 60_000.0 * session.sport.effort * 1.7;
        let load = (load * 100.0).round() / 100.0;
        if person.device != "Polar Pacer Pro" {
            put("training-load", load.into());
        }
        put("sport", session.sport.coarse.into());
        put("has-route", session.has_route.into());
        put("detailed-sport-info", session.sport_code.clone().into());
        if rng.chance(0.6) {
            let fat = rng.between(15, 60);
            put("fat-percentage", fat.into());
            put("carbohydrate-percentage", (98 - fat).into());
            put("protein-percentage", 2.into());
        }
        if session.sport.code == "RUNNING" && session.has_route {
            put("running-index", rng.between(38, 61).into());
        }
        if !person.polar_user_id.is_multiple_of(3) {
            put("training-load-pro", self.training_load_pro(load));
        }
        facts
    }

    /// Records the session, and keeps what the summary says about it.
    fn record(&self) -> Recording {
        let recording = Recording::of(self.person, self.session);
        self.session
            .measured
            .get_or_init(|| self.measure(&recording));
        recording
    }

    fn measured(&self) -> Measured {
        let measure = || self.measure(&Recording::of(self.person, self.session));
        *self.session.measured.get_or_init(measure)
    }

    /// Recorded values where there are any; a session without samples still has an average.
    fn measure(&self, recording: &Recording) -> Measured {
        let maximum = i64::from(self.person.heart_rate_max_bpm) - 12;
        let heart_rate_bpm = if recording.series.is_empty() {
            Some((maximum - 22, maximum))
        } else {
            recording.heart_rate_bpm()
        };
        Measured {
            heart_rate_bpm,
            distance_m: recording.distance_m(),
        }
    }

    fn training_load_pro(&self, load: f64) -> Value {
        let has_power = self.session.sample_types.contains(&sample_type::POWER);
        let (muscle_load, muscle) = if has_power {
            (load * 9.0, "HIGH")
        } else {
            (-1.0, "NOT_AVAILABLE")
        };
        let object = json!({
            "cardio-load": load,
            "cardio-load-interpretation": if load > 90.0 { "VERY_HIGH" } else { "MEDIUM" },
            "muscle-load": muscle_load,
            "muscle-load-interpretation": muscle,
            "perceived-load": 0.0,
            "perceived-load-interpretation": "NOT_AVAILABLE",
            "user-rpe": "UNKNOWN",
        });
        match self.switches.training_load_pro {
            TrainingLoadPro::Object => object,
            TrainingLoadPro::Array => json!([object]),
        }
    }

    fn kebab_samples(&self, series: &Series) -> String {
        let data = series.data(self.switches.null_token.name());
        json!({
            "recording-rate": series.rate_s,
            "sample-type": series.type_id.to_string(),
            "data": data,
        })
        .to_string()
    }

    fn nested_samples(&self, series: &Series, key: impl Fn(&str) -> String) -> Value {
        let type_id: Value = match self.switches.nested_keys {
            NestedKeys::Snake => series.type_id.into(),
            NestedKeys::Kebab => series.type_id.to_string().into(),
        };
        let mut object = Map::new();
        object.insert(key("recording-rate"), series.rate_s.into());
        object.insert(key("sample-type"), type_id);
        object.insert(
            "data".into(),
            series.data(self.switches.null_token.name()).into(),
        );
        object.into()
    }
}

fn snake_key(key: &str) -> String {
    key.replace('-', "_")
}

/// Zones of the transactional family, whose index begins with 1.
fn kebab_zones(recording: &Recording) -> Value {
    let zones = recording.zones.iter().enumerate().map(|(position, zone)| {
        json!({
            "index": position + 1,
            "lower-limit": zone.lower_limit,
            "upper-limit": zone.upper_limit,
            "in-zone": text::zone_s(zone.in_zone_s),
        })
    });
    json!({ "zone": zones.collect::<Value>() })
}

/// Zones of `/v3/exercises`, whose index begins with 0.
fn nested_zones(recording: &Recording, key: impl Fn(&str) -> String) -> Value {
    let zones = recording.zones.iter().enumerate().map(|(position, zone)| {
        let mut object = Map::new();
        object.insert("index".into(), position.into());
        object.insert(key("lower-limit"), zone.lower_limit.into());
        object.insert(key("upper-limit"), zone.upper_limit.into());
        object.insert(key("in-zone"), text::zone_s(zone.in_zone_s).into());
        Value::from(object)
    });
    zones.collect()
}

fn route(recording: &Recording) -> Value {
    let points = recording.route.iter().map(|point| {
        let time = text::duration_ms(
            point.offset_ms,
            DurationStyle::Seconds,
            DurationStyle::AsObserved,
        );
        json!({
            "latitude": point.latitude,
            "longitude": point.longitude,
            "time": time,
            "satellites": 9,
            "fix": 1,
        })
    });
    points.collect()
}

fn counts(recording: &Recording) -> Counts {
    let mut counts = Counts {
        zones: recording.zones.len() as u64,
        route_points: recording.route.len() as u64,
        ..Counts::default()
    };
    for series in &recording.series {
        if let Some(values) = counts.sample_values.get_mut(usize::from(series.type_id)) {
            *values += series.present();
        }
    }
    counts
}
