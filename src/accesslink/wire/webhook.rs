//! Webhooks: the answers to their management, and the events that Polar sends.
//! Source: AccessLink documentation, "Webhooks".

use serde::Deserialize;

use super::{
    Unreadable,
    decode::{decode_value, object},
};

/// Webhooks that a list may have; Polar allows one.
const WEBHOOKS_MAX: usize = 16;

/// Our client's webhook at Polar.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Webhook {
    /// Polar's id.
    pub id: String,
    /// Where events are sent.
    #[serde(default)]
    pub url: Option<String>,
    /// Which events.
    #[serde(default)]
    pub events: Vec<String>,
    /// Whether they are sent at present.
    #[serde(default)]
    pub active: Option<bool>,
}

/// The webhook that was just made, with what is told only then.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct CreatedWebhook {
    /// Polar's id.
    pub id: String,
    /// What signs its events.
    pub signature_secret_key: String,
}

impl std::fmt::Debug for CreatedWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedWebhook")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Reads the answer to the creation of a webhook.
pub fn created_webhook(body: &[u8]) -> Result<CreatedWebhook, Unreadable> {
    decode_value(data(body)?).map_err(|error: Unreadable| error.in_field("data"))
}

/// Reads the list of webhooks.
pub fn webhooks(body: &[u8]) -> Result<Vec<Webhook>, Unreadable> {
    let listed = match data(body)? {
        serde_json::Value::Null => Vec::new(),
        serde_json::Value::Array(listed) if listed.len() <= WEBHOOKS_MAX => listed,
        serde_json::Value::Array(_) => {
            return Err(Unreadable::new(
                "data",
                format!("a list of at most {WEBHOOKS_MAX} webhooks"),
            ));
        }
        one => vec![one],
    };
    let read = |webhook| decode_value(webhook).map_err(|error: Unreadable| error.in_field("data"));
    listed.into_iter().map(read).collect()
}

fn data(body: &[u8]) -> Result<serde_json::Value, Unreadable> {
    Ok(object(body)?.shift_remove("data").unwrap_or_default())
}

/// An event. It holds no data: it says that there is some.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct WebhookEvent {
    /// Its name, for example `EXERCISE`.
    pub event: String,
    /// Polar's id of the user; none for a ping.
    #[serde(default)]
    pub user_id: Option<i64>,
    /// What it is about: an exercise.
    #[serde(default)]
    pub entity_id: Option<String>,
    /// A day.
    #[serde(default)]
    pub date: Option<String>,
    /// The begin of a range.
    #[serde(default)]
    pub from: Option<String>,
    /// The end of a range.
    #[serde(default)]
    pub to: Option<String>,
    /// When Polar sent it.
    #[serde(default)]
    pub timestamp: Option<String>,
}

/// What a ping is called.
const PING: &str = "PING";

impl WebhookEvent {
    /// Reads an event.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        super::decode(body)
    }

    /// Whether it is only to find out whether somebody answers.
    pub fn is_ping(&self) -> bool {
        self.event == PING
    }

    /// What it is about, in a text that is the same for every event about the same thing.
    pub fn subject(&self) -> String {
        let Self {
            event,
            user_id,
            entity_id,
            date,
            from,
            to,
            timestamp: _,
        } = self;
        format!("{event:?} {user_id:?} {entity_id:?} {date:?} {from:?} {to:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_list_are_read() {
        let webhook =
            r#"{"id":"abdf33","events":["EXERCISE"],"url":"https://a.example/w","active":true}"#;
        for body in [
            format!(r#"{{"data":[{webhook}]}}"#),
            format!(r#"{{"data":{webhook}}}"#),
        ] {
            let read = webhooks(body.as_bytes()).unwrap();
            assert_eq!(
                (read[0].id.as_str(), read[0].active),
                ("abdf33", Some(true))
            );
        }
        assert_eq!(webhooks(br#"{"data":[]}"#).unwrap(), []);
        assert!(webhooks(b"[]").is_err());
    }

    #[test]
    fn a_secret_is_read_once_and_never_shown() {
        let body = br#"{"data":{"id":"abdf33","events":["SLEEP"],"url":"u","signature_secret_key":"canary"}}"#;
        let created = created_webhook(body).unwrap();
        assert_eq!(created.signature_secret_key, "canary");
        assert!(!format!("{created:?}").contains("canary"));
    }

    #[test]
    fn events_about_the_same_thing_have_the_same_subject() {
        let read = |text: &str| WebhookEvent::read(text.as_bytes()).unwrap();
        let sleep =
            r#"{"event":"SLEEP","user_id":475,"date":"2026-03-01","timestamp":"T","url":"u"}"#;
        let subject = |text: &str| read(text).subject();
        assert_eq!(subject(sleep), subject(&sleep.replace("\"T\"", "\"U\"")));
        assert_ne!(subject(sleep), subject(&sleep.replace("475", "476")));
        assert_ne!(subject(sleep), subject(&sleep.replace("03-01", "03-02")));
        assert_eq!(read(&sleep.replace("475", "\"475\"")).user_id, Some(475));
        assert!(read(r#"{"timestamp":"T","event":"PING"}"#).is_ping());
    }
}
