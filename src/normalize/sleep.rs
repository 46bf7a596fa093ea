//! A night's sleep.

use jiff::{SignedDuration, Timestamp};

use super::{
    Normalized, Unreadable,
    leftover::{Leftovers, Piece},
    night_clock::NightClock,
    number::{not_negative, positive, real, text, whole},
    time::{DAY, Stamp, calendar_date},
};
use crate::{
    accesslink::wire,
    model::record::{SeriesType, Sleep, SleepStage, SleepStageInterval},
};

/// Normalizes a night's sleep.
///
/// # Errors
/// When its date, its begin or its end is not understood, or the night does not last between nothing
/// and a day: times of day without a date would mean nothing then.
pub fn sleep(body: &wire::SleepNight) -> Result<Normalized<Sleep>, Unreadable> {
    let date = calendar_date(&body.date, "date")?;
    let night = Bounds::of(body)?;
    let mut left = Leftovers::of(Piece::Summary);
    let stages = night.stages(&body.hypnogram, &mut left);
    let heart_rate = night.clock().series(
        SeriesType::HeartRate,
        &body.heart_rate_samples,
        "heart_rate_samples",
        &mut left,
    );
    let mut seconds = |value, path| left.unless(whole(not_negative(value), path));
    let light_s = seconds(body.light_sleep, "light_sleep");
    let deep_s = seconds(body.deep_sleep, "deep_sleep");
    let rem_s = seconds(body.rem_sleep, "rem_sleep");
    let unrecognized_s = seconds(body.unrecognized_sleep_stage, "unrecognized_sleep_stage");
    let interruption_s = seconds(
        body.total_interruption_duration,
        "total_interruption_duration",
    );
    let short_interruption_s = seconds(
        body.short_interruption_duration,
        "short_interruption_duration",
    );
    let long_interruption_s = seconds(
        body.long_interruption_duration,
        "long_interruption_duration",
    );
    let cycles = left.unless(whole(not_negative(body.sleep_cycles), "sleep_cycles"));
    let goal_s = left.unless(whole(positive(body.sleep_goal), "sleep_goal"));
    let mut class = |value, path| left.unless(whole(positive(value), path));
    let score = class(body.sleep_score, "sleep_score");
    let continuity_class = class(body.continuity_class, "continuity_class");
    let sleep_charge = class(body.sleep_charge, "sleep_charge");
    let rating = class(body.sleep_rating, "sleep_rating");
    let mut grade = |value, path| left.unless(real(positive(value), path));
    let record = Sleep {
        date,
        start_at: night.start_at,
        end_at: night.end_at,
        utc_offset_minutes: night.clock().utc_offset_minutes(),
        light_s,
        deep_s,
        rem_s,
        unrecognized_s,
        interruption_s,
        short_interruption_s,
        long_interruption_s,
        score,
        continuity: grade(body.continuity, "continuity"),
        continuity_class,
        cycles,
        sleep_charge,
        rating,
        goal_s,
        duration_score: grade(body.group_duration_score, "group_duration_score"),
        solidity_score: grade(body.group_solidity_score, "group_solidity_score"),
        regeneration_score: grade(body.group_regeneration_score, "group_regeneration_score"),
        device_id: text(body.device_id.as_deref()),
        stages,
        heart_rate,
    };
    Ok(Normalized {
        record,
        leftovers: left.into_vec(),
    })
}

/// Begin and end of a night.
pub(super) struct Bounds {
    start: Stamp,
    end: Stamp,
    start_at: Timestamp,
    end_at: Timestamp,
}

impl Bounds {
    /// Where only one of them has an offset, it is that of both.
    pub(super) fn of(body: &wire::SleepNight) -> Result<Self, Unreadable> {
        let mut start = Stamp::parse(&body.sleep_start_time, "sleep_start_time")?;
        let mut end = Stamp::parse(&body.sleep_end_time, "sleep_end_time")?;
        start.zone = start.zone.or(end.zone);
        end.zone = end.zone.or(start.zone);
        let start_at = start.instant("sleep_start_time")?;
        let end_at = end.instant("sleep_end_time")?;
        let asleep = end_at.duration_since(start_at);
        if asleep <= SignedDuration::ZERO || asleep > DAY {
            let expected = "an end after the begin and within a day of it";
            return Err(Unreadable::new("sleep_end_time", expected));
        }
        Ok(Self {
            start,
            end,
            start_at,
            end_at,
        })
    }

    pub(super) fn clock(&self) -> NightClock {
        NightClock::of_night(&self.start, &self.end)
    }

    /// The hypnogram as intervals within the night: a key begins a stage, which lasts until the next
    /// key; what comes before the first key is not told.
    fn stages(&self, hypnogram: &wire::ClockMap, left: &mut Leftovers) -> Vec<SleepStageInterval> {
        let mut keys = self.clock().read(hypnogram, "hypnogram", left);
        // Keys have no seconds: one in the last minute of the night marks its end.
        let is_end = |at: Timestamp| self.end_at.duration_since(at) < SignedDuration::from_mins(1);
        if keys.len() > 1 && keys.last().is_some_and(|(at, _)| is_end(*at)) {
            keys.pop();
        }
        let ends = keys.iter().skip(1).map(|(at, _)| *at).chain([self.end_at]);
        let mut stages: Vec<SleepStageInterval> = Vec::new();
        for ((begin, code), end) in keys.iter().zip(ends) {
            let start_at = (*begin).max(self.start_at);
            let end_at = end.min(self.end_at);
            let stage = stage(*code);
            match stages.last_mut() {
                _ if start_at >= end_at => {}
                Some(last) if last.stage == stage => last.end_at = end_at,
                _ => stages.push(SleepStageInterval {
                    stage,
                    start_at,
                    end_at,
                }),
            }
        }
        stages
    }
}

/// Polar's code of a stage. 2 and 3 are lighter and deeper parts of light sleep; 6 is a short
/// interruption in older bodies.
fn stage(code: Option<f64>) -> SleepStage {
    match code.and_then(super::number::rounded) {
        Some(0 | 6) => SleepStage::Awake,
        Some(1) => SleepStage::Rem,
        Some(2 | 3) => SleepStage::Light,
        Some(4) => SleepStage::Deep,
        _ => SleepStage::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{accesslink::wire::ClockMap, model::record::SampleTimes};

    fn map(entries: &[(&str, f64)]) -> ClockMap {
        ClockMap(
            entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some(*value)))
                .collect(),
        )
    }

    fn night(start: &str, end: &str) -> wire::SleepNight {
        let body = format!(
            r#"{{"date":"2031-05-06","sleep_start_time":"{start}","sleep_end_time":"{end}"}}"#
        );
        wire::decode(body.as_bytes()).unwrap()
    }

    fn stages(body: &wire::SleepNight) -> Vec<(SleepStage, String, String)> {
        sleep(body)
            .unwrap()
            .record
            .stages
            .into_iter()
            .map(|interval| {
                let (start, end) = (interval.start_at, interval.end_at);
                (interval.stage, start.to_string(), end.to_string())
            })
            .collect()
    }

    fn interval(stage: SleepStage, start: &str, end: &str) -> (SleepStage, String, String) {
        (stage, start.to_owned(), end.to_owned())
    }

    const HYPNOGRAM: [(&str, f64); 7] = [
        ("22:50", 2.0),
        ("23:10", 3.0),
        ("23:58", 4.0),
        ("00:20", 1.0),
        ("00:21", 6.0),
        ("00:22", 9.0),
        ("05:30", 0.0),
    ];

    fn expected() -> Vec<(SleepStage, String, String)> {
        vec![
            interval(
                SleepStage::Light,
                "2031-05-05T20:50:30Z",
                "2031-05-05T21:58:00Z",
            ),
            interval(
                SleepStage::Deep,
                "2031-05-05T21:58:00Z",
                "2031-05-05T22:20:00Z",
            ),
            interval(
                SleepStage::Rem,
                "2031-05-05T22:20:00Z",
                "2031-05-05T22:21:00Z",
            ),
            interval(
                SleepStage::Awake,
                "2031-05-05T22:21:00Z",
                "2031-05-05T22:22:00Z",
            ),
            interval(
                SleepStage::Unknown,
                "2031-05-05T22:22:00Z",
                "2031-05-06T03:30:30.5Z",
            ),
        ]
    }

    #[test]
    fn stages_go_over_midnight_clipped_and_merged() {
        let mut body = night("2031-05-05T22:50:30+02:00", "2031-05-06T05:30:30.500+02:00");
        body.hypnogram = map(&HYPNOGRAM);
        assert_eq!(stages(&body), expected());
    }

    #[test]
    fn the_order_of_the_body_does_not_matter() {
        let mut body = night("2031-05-05T22:50:30+02:00", "2031-05-06T05:30:30.500+02:00");
        let mut shuffled = HYPNOGRAM;
        shuffled.reverse();
        shuffled.swap(1, 4);
        body.hypnogram = map(&shuffled);
        assert_eq!(stages(&body), expected());
    }

    #[test]
    fn a_last_key_before_the_last_minute_begins_a_stage() {
        let mut body = night("2031-05-06T00:39:07Z", "2031-05-06T09:19:37Z");
        body.hypnogram = map(&[("00:39", 2.0), ("00:38", 4.0), ("09:17", 0.0)]);
        assert_eq!(
            stages(&body),
            [
                interval(
                    SleepStage::Light,
                    "2031-05-06T00:39:07Z",
                    "2031-05-06T09:17:00Z"
                ),
                interval(
                    SleepStage::Awake,
                    "2031-05-06T09:17:00Z",
                    "2031-05-06T09:19:37Z"
                ),
            ]
        );
        body.hypnogram = map(&[("00:39", 4.0)]);
        assert_eq!(stages(&body).len(), 1);
    }

    #[test]
    fn no_signal_is_a_gap_in_the_heart_rate() {
        let mut body = night("2031-05-05T23:59:30-05:00", "2031-05-06T08:00:00-05:00");
        body.heart_rate_samples = map(&[("23:59", 61.0), ("00:04", 0.0), ("00:10", 59.0)]);
        let record = sleep(&body).unwrap().record;
        assert_eq!(record.utc_offset_minutes, Some(-300));
        let series = record.heart_rate.unwrap();
        assert_eq!(series.started_at.to_string(), "2031-05-06T04:59:00Z");
        assert_eq!(series.utc_offset_minutes, Some(-300));
        assert_eq!(
            series.times,
            SampleTimes::Offsets(vec![0, 300_000, 660_000])
        );
        assert_eq!(series.values, [Some(61.0), None, Some(59.0)]);
    }

    /// Nights of a change of clocks: every key with the instant at which a clock showed it.
    #[rstest]
    #[case::finland_autumn("2031-10-25T23:00:00+03:00", "2031-10-26T07:00:00+02:00", &[
        ("23:30", "2031-10-25T20:30:00Z"),
        ("02:59", "2031-10-25T23:59:00Z"),
        ("03:20", "2031-10-26T00:20:00Z"),
        ("03:50", "2031-10-26T00:50:00Z"),
        ("03:10", "2031-10-26T01:10:00Z"),
        ("03:45", "2031-10-26T01:45:00Z"),
        ("04:00", "2031-10-26T02:00:00Z"),
        ("06:59", "2031-10-26T04:59:00Z"),
    ])]
    #[case::london_spring("2031-03-29T23:30:00Z", "2031-03-30T08:00:00+01:00", &[
        ("00:55", "2031-03-30T00:55:00Z"),
        ("01:30", "2031-03-30T01:00:00Z"),
        ("02:00", "2031-03-30T01:00:00Z"),
        ("02:05", "2031-03-30T01:05:00Z"),
        ("07:30", "2031-03-30T06:30:00Z"),
    ])]
    #[case::new_york_autumn("2031-11-02T00:10:00-04:00", "2031-11-02T07:00:00-05:00", &[
        ("01:30", "2031-11-02T05:30:00Z"),
        ("01:00", "2031-11-02T06:00:00Z"),
        ("02:00", "2031-11-02T07:00:00Z"),
    ])]
    #[case::sydney_autumn("2031-04-05T22:00:00+11:00", "2031-04-06T06:00:00+10:00", &[
        ("01:59", "2031-04-05T14:59:00Z"),
        ("02:30", "2031-04-05T15:30:00Z"),
        ("02:10", "2031-04-05T16:10:00Z"),
        ("03:00", "2031-04-05T17:00:00Z"),
    ])]
    #[case::journey("2031-05-05T22:00:00+02:00", "2031-05-06T03:00:00-01:00", &[
        ("23:00", "2031-05-05T21:00:00Z"),
        ("03:00", "2031-05-06T01:00:00Z"),
    ])]
    fn a_change_of_clocks_is_followed(
        #[case] start: &str,
        #[case] end: &str,
        #[case] keys: &[(&str, &str)],
    ) {
        let mut body = night(start, end);
        let entries: Vec<_> = keys.iter().map(|(key, _)| (*key, 60.0)).collect();
        body.heart_rate_samples = map(&entries);
        let series = sleep(&body).unwrap().record.heart_rate.unwrap();
        let SampleTimes::Offsets(offsets) = series.times else {
            panic!("a night's series has offsets");
        };
        let instants: Vec<_> = offsets
            .iter()
            .map(|ms| (series.started_at + SignedDuration::from_millis((*ms).into())).to_string())
            .collect();
        let expected: Vec<_> = keys.iter().map(|(_, at)| (*at).to_owned()).collect();
        assert_eq!(instants, expected);
    }

    #[test]
    fn an_entry_that_is_not_understood_costs_only_itself() {
        let mut body = night("2031-05-05T22:50:30+02:00", "2031-05-06T05:30:30.500+02:00");
        let mut keys = HYPNOGRAM.to_vec();
        keys.insert(2, ("late", 4.0));
        body.hypnogram = map(&keys);
        body.heart_rate_samples = map(&[("23:00", 61.0), ("25:00", 60.0)]);
        body.sleep_score = Some(1e300);
        body.group_solidity_score = Some(1e308);
        assert_eq!(stages(&body), expected());
        let Normalized { record, leftovers } = sleep(&body).unwrap();
        assert_eq!((record.score, record.solidity_score), (None, None));
        assert_eq!(record.heart_rate.unwrap().values, [Some(61.0)]);
        let begins = [
            "hypnogram[2]: ",
            "heart_rate_samples[1]: ",
            "sleep_score: ",
            "group_solidity_score: ",
        ];
        assert_eq!(leftovers.len(), begins.len());
        for (leftover, begin) in leftovers.iter().zip(begins) {
            assert!(leftover.to_string().starts_with(begin), "{leftover}");
        }
    }

    #[test]
    fn both_passes_through_a_repeated_hour_are_read() {
        let body = r#"{"date":"2031-10-26","sleep_start_time":"2031-10-25T23:00:00+03:00",
            "sleep_end_time":"2031-10-26T07:00:00+02:00",
            "heart_rate_samples":{"03:00":50,"03:30":51,"03:00":52,"03:30":53,"04:00":54}}"#;
        let body = wire::decode(body.as_bytes()).unwrap();
        let series = sleep(&body).unwrap().record.heart_rate.unwrap();
        let half_hours = (0..5).map(|nth| nth * 1_800_000).collect();
        assert_eq!(series.times, SampleTimes::Offsets(half_hours));
        assert_eq!(
            series.values,
            [50, 51, 52, 53, 54].map(|bpm| Some(f64::from(bpm)))
        );
    }

    #[rstest]
    #[case("2031-05-05T23:00:00+02:00", "2031-05-06T07:00:00")]
    #[case("2031-05-05T23:00:00", "2031-05-06T07:00:00+02:00")]
    fn an_offset_that_is_given_once_holds_for_both_ends(#[case] start: &str, #[case] end: &str) {
        let record = sleep(&night(start, end)).unwrap().record;
        assert_eq!(record.start_at.to_string(), "2031-05-05T21:00:00Z");
        assert_eq!(record.end_at.to_string(), "2031-05-06T05:00:00Z");
        assert_eq!(record.utc_offset_minutes, Some(120));
    }

    #[rstest]
    #[case("2031-05-06T01:00:00+02:00", "2031-05-06T01:00:00+02:00")]
    #[case("2031-05-06T01:00:00+02:00", "2031-05-06T00:59:00+02:00")]
    #[case("2031-05-06T01:00:00+02:00", "2031-05-07T01:00:01+02:00")]
    fn a_night_lasts_between_nothing_and_a_day(#[case] start: &str, #[case] end: &str) {
        assert_eq!(
            sleep(&night(start, end)).unwrap_err().path,
            "sleep_end_time"
        );
    }

    #[test]
    fn a_night_of_a_whole_day_keeps_its_end_at_the_end() {
        let mut body = night("2031-05-05T09:00:00Z", "2031-05-06T08:58:00Z");
        body.hypnogram = map(&[("09:00", 2.0), ("08:58", 0.0)]);
        assert_eq!(
            stages(&body),
            [interval(
                SleepStage::Light,
                "2031-05-05T09:00:00Z",
                "2031-05-06T08:58:00Z"
            )]
        );
    }

    #[test]
    fn sentinels_of_the_summary_are_none() {
        let mut body = night("2031-05-05T23:00:00Z", "2031-05-06T07:00:00Z");
        body.sleep_charge = Some(-1.0);
        body.continuity = Some(0.0);
        body.sleep_rating = Some(0.0);
        body.sleep_score = Some(0.0);
        body.group_duration_score = Some(0.0);
        body.deep_sleep = Some(0.0);
        let record = sleep(&body).unwrap().record;
        assert_eq!((record.sleep_charge, record.continuity), (None, None));
        assert_eq!((record.rating, record.score), (None, None));
        assert_eq!((record.duration_score, record.deep_s), (None, Some(0)));
    }
}
