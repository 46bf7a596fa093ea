//! Days of activity, from activity transactions.

use serde::{Deserialize, Deserializer};

use super::{
    envelope::Envelope,
    limit::{LIST_LIMIT, at_most},
};

/// The summary of a day.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Activity {
    /// Its id in transactions.
    pub id: i64,
    /// The device's local day.
    pub date: String,
    /// When it was stored in AccessLink, UTC.
    pub created: String,
    /// Kilocalories with basal metabolic rate.
    pub calories: Option<f64>,
    /// Kilocalories without basal metabolic rate.
    pub active_calories: Option<f64>,
    /// ISO-8601 duration of being active.
    pub duration: Option<String>,
    /// Steps and step equivalents.
    pub active_steps: Option<f64>,
}

/// Steps over a day.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSamples {
    /// The device's local day; missing in bodies before October 2022.
    pub date: Option<String>,
    /// The samples, in local time.
    pub samples: Vec<StepSample>,
}

impl<'de> Deserialize<'de> for StepSamples {
    fn deserialize<D: Deserializer<'de>>(body: D) -> Result<Self, D::Error> {
        let Envelope { date, list } = Envelope::open(body, &["samples", "step_samples"])?;
        Ok(Self {
            date,
            samples: list,
        })
    }
}

/// Steps within one interval.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StepSample {
    /// The count; none when it is not available.
    pub steps: Option<f64>,
    /// Time of day; none in an entry that stands for nothing.
    pub time: Option<String>,
}

/// Activity zones over a day.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneSamples {
    /// The device's local day; missing in bodies before October 2022.
    pub date: Option<String>,
    /// The samples, in local time.
    pub samples: Vec<ZoneSample>,
}

impl<'de> Deserialize<'de> for ZoneSamples {
    fn deserialize<D: Deserializer<'de>>(body: D) -> Result<Self, D::Error> {
        let Envelope { date, list } = Envelope::open(body, &["samples", "zone_samples"])?;
        Ok(Self {
            date,
            samples: list,
        })
    }
}

/// Activity zones within one interval.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ZoneSample {
    /// Time in each zone.
    #[serde(default, deserialize_with = "at_most::<_, _, LIST_LIMIT>")]
    pub activity_zones: Vec<ActivityZoneTime>,
    /// Time of day; none in an entry that stands for nothing.
    pub time: Option<String>,
}

/// Time in one activity zone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ActivityZoneTime {
    /// Polar's index of the zone.
    pub index: Option<i64>,
    /// ISO-8601 duration. Written without a hyphen here, unlike in heart-rate zones.
    #[serde(alias = "inzone")]
    pub in_zone: Option<String>,
}
