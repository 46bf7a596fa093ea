//! Sleep and its recovery.

use jiff::civil::date;
use polar_sync::{
    accesslink::wire,
    model::record::{SampleTimes, SleepStage},
    normalize::{self, Night},
};

use crate::fixture::{self, at};

#[test]
fn a_night_and_its_recovery() {
    let body = fixture::body("sleep_nights.json");
    let nights = wire::sleep_nights(&body).unwrap();
    let [night, broken] = nights.as_slice() else {
        panic!("{nights:?}");
    };
    let error = wire::decode::<wire::SleepNight>(broken.as_bytes()).unwrap_err();
    assert_eq!(error.path, "sleep_end_time");
    let body: wire::SleepNight = wire::decode(night.as_bytes()).unwrap();
    let read = normalize::sleep(&body).unwrap();
    assert_eq!(read.leftovers, []);
    let (sleep, night) = (read.record, Night::of(&body).unwrap());
    assert_eq!(sleep.date, date(2031, 5, 6));
    assert_eq!(sleep.start_at, at("2031-05-05T19:48:31.250Z"));
    assert_eq!(sleep.end_at, at("2031-05-06T03:31:01.250Z"));
    assert_eq!(sleep.utc_offset_minutes, Some(180));
    assert_eq!((sleep.light_s, sleep.deep_s), (Some(15_000), Some(5100)));
    assert_eq!((sleep.rem_s, sleep.unrecognized_s), (Some(6300), Some(0)));
    assert_eq!(sleep.interruption_s, Some(1350));
    assert_eq!(sleep.short_interruption_s, Some(900));
    assert_eq!(sleep.long_interruption_s, Some(450));
    assert_eq!((sleep.score, sleep.continuity), (Some(84), Some(4.1)));
    assert_eq!((sleep.continuity_class, sleep.cycles), (Some(4), Some(5)));
    assert_eq!((sleep.sleep_charge, sleep.rating), (None, None));
    assert_eq!(sleep.goal_s, Some(28_800));
    assert_eq!(sleep.duration_score, Some(97.5));
    assert_eq!(sleep.solidity_score, Some(81.0));
    assert_eq!(sleep.regeneration_score, None);
    let stages: Vec<_> = sleep.stages.iter().map(|s| s.stage).collect();
    assert_eq!(
        stages,
        [
            SleepStage::Light,
            SleepStage::Deep,
            SleepStage::Rem,
            SleepStage::Awake,
            SleepStage::Unknown,
            SleepStage::Light
        ]
    );
    assert_eq!(sleep.stages[0].start_at, sleep.start_at);
    assert_eq!(sleep.stages[5].end_at, sleep.end_at);
    let heart_rate = sleep.heart_rate.as_ref().unwrap();
    assert_eq!(heart_rate.started_at, at("2031-05-05T19:49:00Z"));
    assert_eq!(heart_rate.values, [Some(57.0), None, Some(52.0)]);

    let body = fixture::body("nightly_recharges.json");
    let recharges = wire::nightly_recharges(&body).unwrap();
    let recharge = wire::decode(recharges[0].as_bytes()).unwrap();
    let read = normalize::nightly_recharge(&recharge, Some(night)).unwrap();
    assert_eq!(read.leftovers, []);
    let record = read.record;
    assert_eq!(record.date, sleep.date);
    assert_eq!(record.utc_offset_minutes, Some(180));
    assert_eq!(record.hrv_rmssd_ms, Some(63));
    assert_eq!(record.breathing_rate_brpm, Some(13.2));
    assert_eq!(record.heart_rate_avg_bpm, Some(51));
    assert_eq!(record.beat_to_beat_avg_ms, Some(1176));
    assert_eq!(record.ans_charge, Some(3.4));
    assert_eq!(
        (record.ans_charge_status, record.status),
        (Some(4), Some(5))
    );
    let (hrv, breathing) = (record.hrv.unwrap(), record.breathing.unwrap());
    assert_eq!(hrv.started_at, at("2031-05-05T19:53:00Z"));
    assert_eq!(
        hrv.times,
        SampleTimes::Offsets(vec![0, 3_900_000, 4_200_000])
    );
    assert_eq!(breathing.started_at, at("2031-05-05T19:48:00Z"));
    assert_eq!(breathing.values, [Some(13.1), Some(13.4)]);
}
