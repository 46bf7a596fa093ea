//! A night's recovery.

use jiff::{SignedDuration, Timestamp};

use super::{
    Normalized, Unreadable,
    leftover::{Leftovers, Piece},
    night_clock::NightClock,
    number::{positive, real, whole},
    sleep::Bounds,
    time::{calendar_date, offset, time_of_day},
};
use crate::{
    accesslink::wire,
    model::record::{NightlyRecharge, SeriesType},
};

/// What the sleep of the same date tells of a night: how its clock went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Night(NightClock);

impl Night {
    /// The night of a sleep, with a change of clocks in it.
    ///
    /// # Errors
    /// When its begin or its end is not understood.
    pub fn of(sleep: &wire::SleepNight) -> Result<Self, Unreadable> {
        Bounds::of(sleep).map(|bounds| Self(bounds.clock()))
    }

    /// A night of which only the begin is known.
    pub fn beginning(start_at: Timestamp, utc_offset_minutes: Option<i16>) -> Self {
        let offset = utc_offset_minutes.and_then(|minutes| offset(minutes.into()));
        Self(NightClock::around(start_at, offset))
    }
}

/// Normalizes a night's recovery.
///
/// Its series carry times of day only. With the night's sleep they stand where the clock of that night
/// showed them. Without it the date of waking up decides, and local time counts as UTC.
///
/// # Errors
/// When its date is not understood.
pub fn nightly_recharge(
    body: &wire::NightlyRecharge,
    night: Option<Night>,
) -> Result<Normalized<NightlyRecharge>, Unreadable> {
    let date = calendar_date(&body.date, "date")?;
    let mut left = Leftovers::of(Piece::Summary);
    let clock = match night {
        Some(Night(clock)) => clock,
        None => NightClock::waking_on(date, first_key(body)),
    };
    let hrv = clock.series(
        SeriesType::HeartRateVariabilityRmssd,
        &body.hrv_samples,
        "hrv_samples",
        &mut left,
    );
    let breathing = clock.series(
        SeriesType::RespiratoryRate,
        &body.breathing_samples,
        "breathing_samples",
        &mut left,
    );
    let hrv_rmssd_ms = left.unless(whole(
        positive(body.heart_rate_variability_avg),
        "heart_rate_variability_avg",
    ));
    let beat_to_beat_avg_ms =
        left.unless(whole(positive(body.beat_to_beat_avg), "beat_to_beat_avg"));
    let mut class = |value, path| left.unless(whole(positive(value), path));
    let heart_rate_avg_bpm = class(body.heart_rate_avg, "heart_rate_avg");
    let ans_charge_status = class(body.ans_charge_status, "ans_charge_status");
    let status = class(body.nightly_recharge_status, "nightly_recharge_status");
    let record = NightlyRecharge {
        date,
        utc_offset_minutes: clock.utc_offset_minutes(),
        hrv_rmssd_ms,
        breathing_rate_brpm: left.unless(real(
            positive(body.breathing_rate_avg),
            "breathing_rate_avg",
        )),
        heart_rate_avg_bpm,
        beat_to_beat_avg_ms,
        ans_charge: left.unless(real(body.ans_charge, "ans_charge")),
        ans_charge_status,
        status,
        hrv,
        breathing,
    };
    Ok(Normalized {
        record,
        leftovers: left.into_vec(),
    })
}

/// The time of day at which the night's samples begin; midnight where there are none.
fn first_key(body: &wire::NightlyRecharge) -> SignedDuration {
    let maps = [&body.hrv_samples, &body.breathing_samples];
    maps.into_iter()
        .flat_map(|map| &map.0)
        .find_map(|(key, _)| time_of_day(key, "").ok())
        .unwrap_or(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accesslink::wire::ClockMap,
        model::record::{SampleTimes, Series},
    };

    fn map(entries: &[(&str, f64)]) -> ClockMap {
        ClockMap(
            entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some(*value)))
                .collect(),
        )
    }

    fn body(hrv: &[(&str, f64)], breathing: &[(&str, f64)]) -> wire::NightlyRecharge {
        wire::NightlyRecharge {
            date: "2031-05-06".to_owned(),
            heart_rate_avg: Some(0.0),
            beat_to_beat_avg: Some(1001.4),
            heart_rate_variability_avg: Some(-1.0),
            breathing_rate_avg: Some(0.0),
            nightly_recharge_status: Some(6.0),
            ans_charge: Some(0.0),
            ans_charge_status: Some(0.0),
            hrv_samples: map(hrv),
            breathing_samples: map(breathing),
        }
    }

    fn at(series: Option<&Series>) -> (String, Option<i16>) {
        let series = series.unwrap();
        (series.started_at.to_string(), series.utc_offset_minutes)
    }

    #[test]
    fn what_was_not_measured_is_none_and_a_usual_charge_is_zero() {
        let record = nightly_recharge(&body(&[], &[]), None).unwrap().record;
        assert_eq!(record.heart_rate_avg_bpm, None);
        assert_eq!(record.hrv_rmssd_ms, None);
        assert_eq!(record.breathing_rate_brpm, None);
        assert_eq!(record.ans_charge_status, None);
        assert_eq!(record.beat_to_beat_avg_ms, Some(1001));
        assert_eq!(record.status, Some(6));
        assert_eq!(record.ans_charge, Some(0.0));
        assert_eq!((record.hrv, record.breathing), (None, None));
    }

    #[test]
    fn series_stand_next_to_the_start_of_sleep_in_its_local_time() {
        let body = body(
            &[("23:35", 40.0), ("23:40", 0.0), ("00:05", 42.0)],
            &[("23:33", 13.5), ("00:03", 14.5)],
        );
        let night = Night::beginning("2031-05-05T20:33:22Z".parse().unwrap(), Some(180));
        let record = nightly_recharge(&body, Some(night)).unwrap().record;
        assert_eq!(record.utc_offset_minutes, Some(180));
        assert_eq!(
            at(record.hrv.as_ref()),
            ("2031-05-05T20:35:00Z".to_owned(), Some(180))
        );
        assert_eq!(
            at(record.breathing.as_ref()),
            ("2031-05-05T20:33:00Z".to_owned(), Some(180))
        );
        let hrv = record.hrv.unwrap();
        assert_eq!(hrv.times, SampleTimes::Offsets(vec![0, 300_000, 1_800_000]));
        assert_eq!(hrv.values, [Some(40.0), None, Some(42.0)]);
    }

    #[test]
    fn without_a_sleep_the_first_key_decides_the_day() {
        for (keys, hrv, breathing) in [
            (
                ["23:35", "23:33"],
                "2031-05-05T23:35:00Z",
                "2031-05-05T23:33:00Z",
            ),
            (
                ["00:01", "23:58"],
                "2031-05-06T00:01:00Z",
                "2031-05-05T23:58:00Z",
            ),
            (
                ["11:59", "12:03"],
                "2031-05-06T11:59:00Z",
                "2031-05-06T12:03:00Z",
            ),
        ] {
            let [first, second] = keys;
            let record = nightly_recharge(&body(&[(first, 40.0)], &[(second, 13.5)]), None)
                .unwrap()
                .record;
            assert_eq!(record.utc_offset_minutes, None);
            assert_eq!(at(record.hrv.as_ref()), (hrv.to_owned(), None));
            assert_eq!(at(record.breathing.as_ref()), (breathing.to_owned(), None));
        }
    }

    #[test]
    fn a_key_that_is_no_time_of_day_costs_only_its_entry() {
        let body = body(&[("late", 2.0), ("23:50", 41.0)], &[]);
        let Normalized { record, leftovers } = nightly_recharge(&body, None).unwrap();
        assert_eq!(
            at(record.hrv.as_ref()),
            ("2031-05-05T23:50:00Z".to_owned(), None)
        );
        let [leftover] = leftovers.as_slice() else {
            panic!("{leftovers:?}");
        };
        assert!(leftover.to_string().starts_with("hrv_samples[0]: "));
    }

    #[test]
    fn a_change_of_clocks_in_the_night_is_followed() {
        let sleep = br#"{"date":"2031-10-26","sleep_start_time":"2031-10-25T23:00:00+03:00",
            "sleep_end_time":"2031-10-26T07:00:00+02:00"}"#;
        let sleep = wire::decode(sleep).unwrap();
        let body = body(&[("23:30", 40.0), ("06:00", 41.0)], &[]);
        let record = nightly_recharge(&body, Some(Night::of(&sleep).unwrap()))
            .unwrap()
            .record;
        assert_eq!(
            at(record.hrv.as_ref()),
            ("2031-10-25T20:30:00Z".to_owned(), Some(180))
        );
        // Seven and a half hours, since one hour was lived twice.
        assert_eq!(
            record.hrv.unwrap().times,
            SampleTimes::Offsets(vec![0, 27_000_000])
        );
    }
}
