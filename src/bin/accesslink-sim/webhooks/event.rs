//! Events: their names, their bodies, and the signature.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::world::instant_s;
use crate::world::news::News;

/// What a webhook can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Event {
    Exercise,
    Sleep,
    /// The simulated watches upload nothing of this kind and of the next two; they can be sent by hand.
    ContinuousHeartRate,
    SleepWiseCircadianBedtime,
    SleepWiseAlertness,
    ActivitySummary,
    PhysicalInformation,
}

impl Event {
    /// The name in headers and bodies.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exercise => "EXERCISE",
            Self::Sleep => "SLEEP",
            Self::ContinuousHeartRate => "CONTINUOUS_HEART_RATE",
            Self::SleepWiseCircadianBedtime => "SLEEP_WISE_CIRCADIAN_BEDTIME",
            Self::SleepWiseAlertness => "SLEEP_WISE_ALERTNESS",
            Self::ActivitySummary => "ACTIVITY_SUMMARY",
            Self::PhysicalInformation => "PHYSICAL_INFORMATION",
        }
    }
}

/// An event with what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) event: Event,
    pub(crate) user: u64,
    pub(crate) entity_id: Option<String>,
    pub(crate) date: Option<Date>,
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
}

impl Message {
    /// The message about new data of this user.
    pub(super) fn of(user: u64, news: &News) -> Self {
        let (event, entity_id, date) = match news {
            News::Exercise { hash_id } => (Event::Exercise, Some(hash_id.clone()), None),
            News::Sleep(date) => (Event::Sleep, None, Some(*date)),
            News::Activity(date) => (Event::ActivitySummary, None, Some(*date)),
            News::PhysicalInformation => (Event::PhysicalInformation, None, None),
        };
        Self {
            event,
            user,
            entity_id,
            date,
            from: None,
            to: None,
        }
    }

    /// The body as it is sent: references, never data.
    pub(crate) fn body(&self, origin: &str, now: Timestamp) -> Value {
        let date = |date: Option<Date>| date.map(|date| date.to_string());
        let mut body = Map::new();
        body.insert("event".to_owned(), self.event.name().into());
        body.insert("user_id".to_owned(), self.user.into());
        let about = [
            ("entity_id", self.entity_id.clone()),
            ("date", date(self.date)),
            ("from", date(self.from)),
            ("to", date(self.to)),
        ];
        for (key, value) in about {
            if let Some(value) = value {
                body.insert(key.to_owned(), value.into());
            }
        }
        body.insert("timestamp".to_owned(), instant_s(now).into());
        let url = format!("{origin}/v3/{}", self.path());
        body.insert("url".to_owned(), url.into());
        body.into()
    }

    /// Where the data is.
    fn path(&self) -> String {
        let text = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        let date = text(self.date);
        let range = || format!("from={}&to={}", text(self.from), text(self.to));
        match self.event {
            Event::Exercise => {
                format!(
                    "exercises/{}",
                    self.entity_id.as_deref().unwrap_or_default()
                )
            }
            Event::Sleep => format!("users/sleep/{date}"),
            Event::ContinuousHeartRate => format!("users/continuous-heart-rate/{date}"),
            Event::SleepWiseCircadianBedtime => {
                format!("users/sleepwise/circadian-bedtime/date?{}", range())
            }
            Event::SleepWiseAlertness => format!("users/sleepwise/alertness/date?{}", range()),
            Event::ActivitySummary => format!("users/activities/{date}"),
            Event::PhysicalInformation => "users/physical-info".to_owned(),
        }
    }
}

/// The signature of a body: HMAC-SHA256 in lowercase hex, with the secret's own characters as the key.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    tag.as_ref()
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        assert_eq!(
            sign("Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_range_keeps_its_query() {
        let message = Message {
            event: Event::SleepWiseAlertness,
            user: 1,
            entity_id: None,
            date: None,
            from: Some(jiff::civil::date(2026, 1, 2)),
            to: Some(jiff::civil::date(2026, 1, 3)),
        };
        let body = message.body("http://polar", Timestamp::UNIX_EPOCH);
        let expected = serde_json::json!({
            "event": "SLEEP_WISE_ALERTNESS",
            "user_id": 1,
            "from": "2026-01-02",
            "to": "2026-01-03",
            "timestamp": "1970-01-01T00:00:00Z",
            "url": "http://polar/v3/users/sleepwise/alertness/date?from=2026-01-02&to=2026-01-03",
        });
        assert_eq!(body, expected);
    }
}
