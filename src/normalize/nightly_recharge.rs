//! A night's recovery.

use jiff::{SignedDuration, Timestamp};

use super::{
    Unreadable,
    night_clock::NightClock,
    number::{positive, whole},
    time::{calendar_date, offset, time_of_day},
};
use crate::{
    accesslink::wire,
    model::record::{NightlyRecharge, SeriesType, Sleep},
};

/// What the sleep of the same date tells of a night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    /// When it began.
    pub start_at: Timestamp,
    /// Offset of local time then.
    pub utc_offset_minutes: Option<i16>,
}

impl From<&Sleep> for Night {
    fn from(sleep: &Sleep) -> Self {
        Self {
            start_at: sleep.start_at,
            utc_offset_minutes: sleep.utc_offset_minutes,
        }
    }
}

/// Normalizes a night's recovery.
///
/// Its series carry times of day only. With the night's sleep they stand next to its start, in its
/// local time: the sleep record keeps one offset, so after a change of clocks in the night they are an
/// hour off. Without the sleep the date of waking up decides, and local time counts as UTC.
pub fn nightly_recharge(
    body: &wire::NightlyRecharge,
    night: Option<Night>,
) -> Result<NightlyRecharge, Unreadable> {
    let date = calendar_date(&body.date, "date")?;
    let clock = match night {
        Some(night) => {
            let offset = night
                .utc_offset_minutes
                .and_then(|minutes| offset(minutes.into()));
            NightClock::around(night.start_at, offset)
        }
        None => NightClock::waking_on(date, first_key(body)?),
    };
    let hrv = SeriesType::HeartRateVariabilityRmssd;
    Ok(NightlyRecharge {
        date,
        utc_offset_minutes: night.and_then(|night| night.utc_offset_minutes),
        hrv_rmssd_ms: whole(
            positive(body.heart_rate_variability_avg),
            "heart_rate_variability_avg",
        )?,
        breathing_rate_brpm: positive(body.breathing_rate_avg),
        heart_rate_avg_bpm: whole(positive(body.heart_rate_avg), "heart_rate_avg")?,
        beat_to_beat_avg_ms: whole(positive(body.beat_to_beat_avg), "beat_to_beat_avg")?,
        ans_charge: body.ans_charge,
        ans_charge_status: whole(positive(body.ans_charge_status), "ans_charge_status")?,
        status: whole(
            positive(body.nightly_recharge_status),
            "nightly_recharge_status",
        )?,
        hrv: clock.series(hrv, &body.hrv_samples, "hrv_samples")?,
        breathing: clock.series(
            SeriesType::RespiratoryRate,
            &body.breathing_samples,
            "breathing_samples",
        )?,
    })
}

/// The time of day at which the night's samples begin; midnight where there are none.
fn first_key(body: &wire::NightlyRecharge) -> Result<SignedDuration, Unreadable> {
    let maps = [
        (&body.hrv_samples, "hrv_samples[0]"),
        (&body.breathing_samples, "breathing_samples[0]"),
    ];
    maps.into_iter()
        .find_map(|(map, path)| map.0.first().map(|(key, _)| time_of_day(key, path)))
        .unwrap_or(Ok(SignedDuration::ZERO))
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
        let record = nightly_recharge(&body(&[], &[]), None).unwrap();
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
        let night = Night {
            start_at: "2031-05-05T20:33:22Z".parse().unwrap(),
            utc_offset_minutes: Some(180),
        };
        let record = nightly_recharge(&body, Some(night)).unwrap();
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
            let record =
                nightly_recharge(&body(&[(first, 40.0)], &[(second, 13.5)]), None).unwrap();
            assert_eq!(record.utc_offset_minutes, None);
            assert_eq!(at(record.hrv.as_ref()), (hrv.to_owned(), None));
            assert_eq!(at(record.breathing.as_ref()), (breathing.to_owned(), None));
        }
    }

    #[test]
    fn a_key_that_is_no_time_of_day_is_named_by_position() {
        let error = nightly_recharge(&body(&[("00:01", 1.0), ("late", 2.0)], &[]), None);
        assert_eq!(error.unwrap_err().path, "hrv_samples[1]");
    }
}
