//! Nights: sleep and its recovery.

use serde::Deserialize;

use super::ClockMap;

/// A night's sleep.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SleepNight {
    /// The date of waking up.
    pub date: String,
    /// Begin, with its offset.
    pub sleep_start_time: String,
    /// End, with its offset.
    pub sleep_end_time: String,
    /// Id of the device.
    pub device_id: Option<String>,
    /// 1.0-5.0; 0 is not available.
    pub continuity: Option<f64>,
    /// 1-5.
    pub continuity_class: Option<f64>,
    /// Seconds.
    pub light_sleep: Option<f64>,
    /// Seconds.
    pub deep_sleep: Option<f64>,
    /// Seconds.
    pub rem_sleep: Option<f64>,
    /// Seconds.
    pub unrecognized_sleep_stage: Option<f64>,
    /// 1-100.
    pub sleep_score: Option<f64>,
    /// Seconds.
    pub total_interruption_duration: Option<f64>,
    /// Seconds.
    pub short_interruption_duration: Option<f64>,
    /// Seconds.
    pub long_interruption_duration: Option<f64>,
    /// 1-5; -1 is not available.
    pub sleep_charge: Option<f64>,
    /// Seconds.
    pub sleep_goal: Option<f64>,
    /// 1-5; 0 is none.
    pub sleep_rating: Option<f64>,
    /// Count.
    pub sleep_cycles: Option<f64>,
    /// 1-100.
    pub group_duration_score: Option<f64>,
    /// 1-100.
    pub group_solidity_score: Option<f64>,
    /// 1-100.
    pub group_regeneration_score: Option<f64>,
    /// Code of the stage that begins at each time.
    #[serde(default)]
    pub hypnogram: ClockMap,
    /// Beats a minute.
    #[serde(default)]
    pub heart_rate_samples: ClockMap,
}

/// A night's recovery.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NightlyRecharge {
    /// The date of waking up.
    pub date: String,
    /// Beats a minute.
    pub heart_rate_avg: Option<f64>,
    /// Milliseconds.
    pub beat_to_beat_avg: Option<f64>,
    /// Milliseconds (RMSSD).
    pub heart_rate_variability_avg: Option<f64>,
    /// Breaths a minute.
    pub breathing_rate_avg: Option<f64>,
    /// 1-6.
    pub nightly_recharge_status: Option<f64>,
    /// -10.0 to +10.0.
    pub ans_charge: Option<f64>,
    /// 1-5.
    pub ans_charge_status: Option<f64>,
    /// Milliseconds (RMSSD).
    #[serde(default)]
    pub hrv_samples: ClockMap,
    /// Breaths a minute.
    #[serde(default)]
    pub breathing_samples: ClockMap,
}
