//! Days of activity.
//!
//! Everything within a day is local time of a device whose zone Polar does not tell: it counts as
//! UTC, and `utc_offset_minutes` says that local time is not known.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::Offset};

use super::{
    Normalized, Unreadable,
    leftover::{Leftovers, Piece},
    number::{not_negative, whole},
    part,
    samples::measured,
    time::{calendar_date, duration, milliseconds_between, time_of_day, to_utc, utc},
};
use crate::{
    accesslink::wire,
    model::record::{
        ActivityZone, ActivityZoneSample, DailyActivity, Part, SampleTimes, Series, SeriesType,
    },
};

/// The parts of a day, as far as they were fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityParts {
    /// Steps over the day.
    pub steps: Part<wire::StepSamples>,
    /// Activity zones over the day.
    pub zones: Part<wire::ZoneSamples>,
}

/// Normalizes a day of activity with its parts.
///
/// # Errors
/// When it is not understood which day it is, or which version; anything else that is not becomes a
/// leftover.
pub fn activity(
    body: &wire::Activity,
    parts: ActivityParts,
) -> Result<Normalized<DailyActivity>, Unreadable> {
    let date = calendar_date(&body.date, "date")?;
    let created_at = utc(&body.created, "created")?;
    let mut left = Leftovers::of(Piece::Summary);
    let active = body.duration.as_deref();
    let active = left.unless(active.map(|text| duration(text, "duration")).transpose());
    let mut whole = |value, path| left.unless(whole(not_negative(value), path));
    let calories_kcal = whole(body.calories, "calories");
    let active_calories_kcal = whole(body.active_calories, "active_calories");
    let steps = whole(body.active_steps, "active_steps");
    let mut leftovers = left.into_vec();
    let record = DailyActivity {
        polar_id: body.id,
        date,
        created_at,
        calories_kcal,
        active_calories_kcal,
        active_s: active.map(|duration| duration.as_secs_f64()),
        steps,
        step_samples: part::normalize(
            parts.steps,
            Piece::StepSamples,
            &mut leftovers,
            |body, left| step_series(&body, date, left),
        ),
        zone_samples: part::normalize(
            parts.zones,
            Piece::ZoneSamples,
            &mut leftovers,
            |body, left| Ok(zone_samples(&body, date, left)),
        ),
    };
    Ok(Normalized { record, leftovers })
}

/// The steps, but for entries without a time: they stand for nothing.
fn step_series(
    body: &wire::StepSamples,
    date: Date,
    left: &mut Leftovers,
) -> Result<Option<Series>, Unreadable> {
    let day = day(body.date.as_deref(), date, "step_samples.date", left);
    let mut samples = Vec::with_capacity(body.samples.len());
    for (position, sample) in body.samples.iter().enumerate() {
        let path = format!("step_samples[{position}].time");
        let steps = sample
            .steps
            .and_then(|steps| measured(steps, SeriesType::Steps));
        if let Some(at) = left.unless(instant(day, sample.time.as_deref(), &path)) {
            samples.push((at, steps));
        }
    }
    samples.sort_by_key(|(at, _)| *at);
    let Some((started_at, _)) = samples.first().copied() else {
        return Ok(None);
    };
    let (instants, values): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
    Ok(Some(Series {
        series: SeriesType::Steps,
        started_at,
        utc_offset_minutes: None,
        times: times(started_at, &instants)
            .ok_or_else(|| Unreadable::new("step_samples", "times within 24 days"))?,
        values,
    }))
}

/// Evenly spaced samples need one interval; others, and a lone one, need an offset each. Polar's own
/// `interval` is not trusted: hours without data are left out, and it is documented as 0.
fn times(started_at: Timestamp, instants: &[Timestamp]) -> Option<SampleTimes> {
    let offsets = instants
        .iter()
        .map(|at| milliseconds_between(started_at, *at))
        .collect::<Option<Vec<i32>>>()?;
    let interval_ms = offsets.get(1).copied().unwrap_or(0);
    let regular = offsets
        .windows(2)
        .all(|pair| matches!(pair, [one, next] if next - one == interval_ms));
    Some(if interval_ms > 0 && regular {
        SampleTimes::Regular { interval_ms }
    } else {
        SampleTimes::Offsets(offsets)
    })
}

/// Time in zones, in order; a zone that an interval names twice is one entry with the sum. Entries
/// without a time stand for nothing.
fn zone_samples(
    body: &wire::ZoneSamples,
    date: Date,
    left: &mut Leftovers,
) -> Option<Vec<ActivityZoneSample>> {
    let day = day(body.date.as_deref(), date, "zone_samples.date", left);
    let mut in_zone = BTreeMap::<(Timestamp, ActivityZone), SignedDuration>::new();
    for (position, sample) in body.samples.iter().enumerate() {
        let path = format!("zone_samples[{position}].time");
        let Some(at) = left.unless(instant(day, sample.time.as_deref(), &path)) else {
            continue;
        };
        for time in &sample.activity_zones {
            let path = format!("zone_samples[{position}].in_zone");
            let read = time.in_zone.as_deref().map(|text| duration(text, &path));
            if let Some(duration) = left.unless(read.transpose()) {
                let sum = in_zone.entry((at, zone(time.index))).or_default();
                *sum = sum.saturating_add(duration);
            }
        }
    }
    let samples = in_zone
        .into_iter()
        .map(|((at, zone), in_zone)| ActivityZoneSample {
            at,
            zone,
            in_zone_s: in_zone.as_secs_f64(),
        });
    part::unless_empty(samples.collect())
}

fn zone(index: Option<i64>) -> ActivityZone {
    match index {
        Some(0) => ActivityZone::Rest,
        Some(1) => ActivityZone::Sedentary,
        Some(2) => ActivityZone::Light,
        Some(3) => ActivityZone::Moderate,
        Some(4) => ActivityZone::Vigorous,
        Some(5) => ActivityZone::NonWear,
        _ => ActivityZone::Unknown,
    }
}

/// The samples' own day; where it is left out or not understood, it is the activity's.
fn day(own: Option<&str>, activity: Date, path: &str, left: &mut Leftovers) -> Date {
    let own = own.map(|date| calendar_date(date, path)).transpose();
    left.unless(own).unwrap_or(activity)
}

/// The instant of a time of day, if there is one; `24:00` is the end of the day.
fn instant(day: Date, time: Option<&str>, path: &str) -> Result<Option<Timestamp>, Unreadable> {
    let Some(time) = time else {
        return Ok(None);
    };
    let local = day
        .at(0, 0, 0, 0)
        .checked_add(time_of_day(time, path)?)
        .map_err(|_| Unreadable::new(path, "a time before the year 9999"))?;
    to_utc(local, Offset::UTC, path).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &str = r#"{"date":"2031-05-06","interval":60,"samples":[
        {"steps":120,"time":"09:00:00.000"},{"steps":"80","time":"08:00"},{"time":"10:00"}]}"#;

    const ZONES: &str = r#"{"date":"2031-05-06","interval":60,"samples":[
        {"time":"24:00","activity-zones":[{"index":5,"inzone":"PT1M"}]},
        {"time":"08:00","activity-zones":[
            {"index":3,"inzone":"PT10M5S"},{"index":7,"inzone":"PT1S"},{"inzone":"PT2S"}]}]}"#;

    fn read(steps: Part<&str>, zones: Part<&str>) -> Normalized<DailyActivity> {
        let body = br#"{"id":81,"date":"2031-05-06","created":"2031-05-06T20:00:00",
            "calories":2200,"active-calories":-1,"duration":"PT2H1M","active-steps":9000.0}"#;
        let body = wire::decode(body).unwrap();
        let parts = ActivityParts {
            steps: steps.map(|body| wire::decode(body.as_bytes()).unwrap()),
            zones: zones.map(|body| wire::decode(body.as_bytes()).unwrap()),
        };
        activity(&body, parts).unwrap()
    }

    #[test]
    fn a_day_is_read_with_its_parts() {
        let Normalized { record, leftovers } = read(Part::Present(STEPS), Part::Present(ZONES));
        assert_eq!(leftovers, []);
        assert_eq!(record.created_at.to_string(), "2031-05-06T20:00:00Z");
        assert_eq!((record.steps, record.active_s), (Some(9000), Some(7260.0)));
        assert_eq!(
            (record.calories_kcal, record.active_calories_kcal),
            (Some(2200), None)
        );
        let Part::Present(steps) = record.step_samples else {
            panic!("{:?}", record.step_samples);
        };
        assert_eq!(steps.started_at.to_string(), "2031-05-06T08:00:00Z");
        assert_eq!(steps.utc_offset_minutes, None);
        assert_eq!(
            steps.times,
            SampleTimes::Regular {
                interval_ms: 3_600_000
            }
        );
        assert_eq!(steps.values, [Some(80.0), Some(120.0), None]);
        let Part::Present(zones) = record.zone_samples else {
            panic!("{:?}", record.zone_samples);
        };
        let zones: Vec<_> = zones
            .iter()
            .map(|sample| (sample.at.to_string(), sample.zone, sample.in_zone_s))
            .collect();
        assert_eq!(
            zones,
            [
                (
                    "2031-05-06T08:00:00Z".to_owned(),
                    ActivityZone::Moderate,
                    605.0
                ),
                (
                    "2031-05-06T08:00:00Z".to_owned(),
                    ActivityZone::Unknown,
                    3.0
                ),
                (
                    "2031-05-07T00:00:00Z".to_owned(),
                    ActivityZone::NonWear,
                    60.0
                ),
            ]
        );
    }

    #[test]
    fn hours_left_out_need_an_offset_each() {
        let steps = r#"{"samples":[{"steps":1,"time":"08:00"},{"steps":2,"time":"09:00"},
            {"steps":3,"time":"11:00"}]}"#;
        let lone = r#"{"samples":[{"steps":1,"time":"08:00"}]}"#;
        let twice = r#"{"samples":[{"steps":1,"time":"08:00"},{"steps":2,"time":"08:00"}]}"#;
        for (body, offsets) in [
            (steps, vec![0, 3_600_000, 10_800_000]),
            (lone, vec![0]),
            (twice, vec![0, 0]),
        ] {
            let record = read(Part::Present(body), Part::Absent).record;
            let Part::Present(series) = record.step_samples else {
                panic!("{:?}", record.step_samples);
            };
            assert_eq!(series.times, SampleTimes::Offsets(offsets));
        }
    }

    #[test]
    fn an_unreadable_entry_costs_only_itself() {
        let late = r#"{"samples":[{"steps":1,"time":"08:00"},{"steps":7,"time":"24:01"}]}"#;
        let Normalized { record, leftovers } = read(Part::Present(late), Part::NotRequested);
        let Part::Present(steps) = record.step_samples else {
            panic!("{:?}", record.step_samples);
        };
        assert_eq!(steps.values, [Some(1.0)]);
        assert_eq!(record.zone_samples, Part::NotRequested);
        let [leftover] = leftovers.as_slice() else {
            panic!("{leftovers:?}");
        };
        assert_eq!(leftover.piece, Piece::StepSamples);
        let leftover = leftover.to_string();
        assert!(leftover.starts_with("step_samples[1].time: "), "{leftover}");
    }

    #[test]
    fn a_part_of_which_nothing_is_understood_is_marked() {
        let zones = r#"{"samples":[{"time":"string","activity-zones":[{"inzone":"PT1S"}]}]}"#;
        let Normalized { record, leftovers } = read(Part::Gone, Part::Present(zones));
        assert_eq!(record.zone_samples, Part::Unreadable);
        assert_eq!(record.step_samples, Part::Gone);
        assert_eq!(leftovers[0].piece, Piece::ZoneSamples);
    }

    #[test]
    fn entries_that_stand_for_nothing_are_skipped() {
        let steps = r#"{"samples":[{"steps":null,"time":null},{},{"steps":3,"time":"08:00"}]}"#;
        let zones = r#"{"samples":[{},{"time":"09:00","activity-zones":[{"index":1,"inzone":null},
            {"index":1},{"index":2,"inzone":"PT5S"}]}]}"#;
        let Normalized { record, leftovers } = read(Part::Present(steps), Part::Present(zones));
        assert_eq!(leftovers, []);
        let Part::Present(steps) = record.step_samples else {
            panic!("{:?}", record.step_samples);
        };
        assert_eq!(steps.values, [Some(3.0)]);
        let Part::Present(zones) = record.zone_samples else {
            panic!("{:?}", record.zone_samples);
        };
        assert_eq!(zones.len(), 1);
        assert_eq!(
            (zones[0].zone, zones[0].in_zone_s),
            (ActivityZone::Light, 5.0)
        );
    }

    #[test]
    fn a_day_without_samples_replaces_nothing() {
        for empty in [r#"{"samples":null}"#, "{}", r#"{"samples":[{}]}"#, "[]"] {
            let record = read(Part::Present(empty), Part::Present(empty)).record;
            assert_eq!(record.step_samples, Part::Absent, "{empty}");
            assert_eq!(record.zone_samples, Part::Absent, "{empty}");
        }
    }
}
