//! What can be asked of AccessLink: one constructor a call, with typed ids, so that no path is ever
//! built from text that a server sent.

use std::fmt::Write;

use jiff::Timestamp;
use reqwest::Method;
use url::Url;

use crate::model::{Detail, Details, TransactionAddress, TransactionalKind};

crate::model::vocabulary! {
    /// An operation of AccessLink: the label of its metrics and spans.
    Operation, "operation" {
        /// Registers a user.
        RegisterUser = "users.register",
        /// Reads a user.
        GetUser = "users.get",
        /// Deregisters a user, which revokes the token.
        DeleteUser = "users.delete",
        /// Opens a transaction.
        CreateTransaction = "transaction.create",
        /// Lists a transaction's items.
        ListTransaction = "transaction.list",
        /// Commits a transaction: Polar deletes its data.
        CommitTransaction = "transaction.commit",
        /// Reads an item of a transaction.
        GetItem = "transaction.item",
        /// Reads a part of an item.
        GetPart = "transaction.part",
        /// Lists exercises of the last 30 days.
        ListExercises = "exercises.list",
        /// Reads one exercise.
        GetExercise = "exercises.get",
        /// Lists the nights of the last 28 days.
        ListSleep = "sleep.list",
        /// Lists the recharges of the last 28 days.
        ListNightlyRecharge = "nightly_recharge.list",
        /// Reads which users have data waiting.
        Notifications = "notifications",
        /// Makes the client's webhook, which Polar pings at once.
        CreateWebhook = "webhooks.create",
        /// Reads the client's webhook.
        ListWebhooks = "webhooks.list",
        /// Removes the client's webhook.
        DeleteWebhook = "webhooks.delete",
        /// Has Polar send events again.
        ActivateWebhook = "webhooks.activate",
    }
}

/// The representation that a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// JSON, checked to be complete.
    Json,
    /// GPX, checked to be complete.
    Gpx,
}

impl Operation {
    /// Whether it is sent for its effect, and answered without a body. A registration is answered with the user: a
    /// page in its place says that nothing was done.
    pub(super) const fn is_an_act(self) -> bool {
        matches!(
            self,
            Self::DeleteUser
                | Self::CommitTransaction
                | Self::DeleteWebhook
                | Self::ActivateWebhook
        )
    }
}

impl Accept {
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Gpx => "application/gpx+xml",
        }
    }
}

/// One request, ready to be sent on the configured origin.
#[derive(Debug, Clone)]
pub struct Call {
    pub(super) operation: Operation,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) accept: Accept,
    pub(super) body: Option<String>,
    /// After this instant it is not sent any more.
    pub(super) send_by: Option<Timestamp>,
}

/// A part of an item of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemPart {
    /// Heart-rate zones of an exercise.
    Zones,
    /// The list of an exercise's sample types.
    Samples,
    /// One sample series, by its type id.
    Sample(String),
    /// The route of an exercise.
    Gpx,
    /// Steps of an activity.
    StepSamples,
    /// Zones of an activity.
    ZoneSamples,
}

impl ItemPart {
    /// The path below the item, which is the part's name in the ledger as well.
    pub fn path(&self) -> String {
        match self {
            Self::Zones => "heart-rate-zones".to_owned(),
            Self::Samples => "samples".to_owned(),
            Self::Sample(id) => format!("samples/{id}"),
            Self::Gpx => "gpx".to_owned(),
            Self::StepSamples => "step-samples".to_owned(),
            Self::ZoneSamples => "zone-samples".to_owned(),
        }
    }
}

/// The path of a transaction.
pub(super) fn transaction_path(transaction: &TransactionAddress) -> String {
    let transactions = transactions_path(transaction.polar_user_id, transaction.kind);
    format!("{transactions}/{}", transaction.transaction_id)
}

/// The path of an item of a transaction.
pub(super) fn item_path(transaction: &TransactionAddress, item_id: i64) -> String {
    let items = items_segment(transaction.kind);
    format!("{}/{items}/{item_id}", transaction_path(transaction))
}

fn transactions_path(polar_user_id: i64, kind: TransactionalKind) -> String {
    let segment = match kind {
        TransactionalKind::Exercise => "exercise-transactions",
        TransactionalKind::Activity => "activity-transactions",
        TransactionalKind::PhysicalInformation => "physical-information-transactions",
    };
    format!("/v3/users/{polar_user_id}/{segment}")
}

const fn items_segment(kind: TransactionalKind) -> &'static str {
    match kind {
        TransactionalKind::Exercise => "exercises",
        TransactionalKind::Activity => "activities",
        TransactionalKind::PhysicalInformation => "physical-informations",
    }
}

impl Call {
    /// The operation, for logs and metrics.
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The same call, which is not sent after `send_by` any more, however long the process stood still or the tokens had
    /// to be refreshed before.
    #[must_use]
    pub fn sent_by(self, send_by: Option<Timestamp>) -> Self {
        Self { send_by, ..self }
    }

    /// The path and the query, below the configured origin.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Registers the token's user under our own `member_id`.
    pub fn register_user(member_id: &str) -> Self {
        let body = serde_json::json!({ "member-id": member_id }).to_string();
        Self {
            body: Some(body),
            ..Self::new(Operation::RegisterUser, Method::POST, "/v3/users".into())
        }
    }

    /// Reads a user.
    pub fn get_user(polar_user_id: i64) -> Self {
        Self::get(Operation::GetUser, format!("/v3/users/{polar_user_id}"))
    }

    /// Deregisters a user, which revokes the token.
    pub fn delete_user(polar_user_id: i64) -> Self {
        Self::new(
            Operation::DeleteUser,
            Method::DELETE,
            format!("/v3/users/{polar_user_id}"),
        )
    }

    /// Opens a transaction.
    pub fn create_transaction(polar_user_id: i64, kind: TransactionalKind) -> Self {
        let path = transactions_path(polar_user_id, kind);
        Self::new(Operation::CreateTransaction, Method::POST, path)
    }

    /// Lists a transaction's items.
    pub fn list_transaction(address: &TransactionAddress) -> Self {
        Self::get(Operation::ListTransaction, transaction_path(address))
    }

    /// Commits a transaction: Polar deletes its data.
    pub fn commit_transaction(address: &TransactionAddress) -> Self {
        Self::new(
            Operation::CommitTransaction,
            Method::PUT,
            transaction_path(address),
        )
    }

    /// Reads an item of a transaction.
    pub fn get_item(address: &TransactionAddress, item_id: i64) -> Self {
        Self::get(Operation::GetItem, item_path(address, item_id))
    }

    /// Reads a part of an item.
    pub fn get_part(address: &TransactionAddress, item_id: i64, part: &ItemPart) -> Self {
        let path = format!("{}/{}", item_path(address, item_id), part.path());
        match part {
            ItemPart::Gpx => Self {
                accept: Accept::Gpx,
                ..Self::get(
                    Operation::GetPart,
                    format!("{path}?includePauseTimes=false"),
                )
            },
            _ => Self::get(Operation::GetPart, path),
        }
    }

    /// Lists the exercises of the last 30 days, without their details.
    pub fn list_exercises() -> Self {
        Self::get(Operation::ListExercises, "/v3/exercises".to_owned())
    }

    /// Reads one exercise with the details that are wanted. `None` when `hashed_id` is not of the
    /// alphabet of Polar's ids.
    pub fn get_exercise(hashed_id: &str, details: Details) -> Option<Self> {
        let mut path = format!("/v3/exercises/{hashed_id}");
        for (nth, detail) in details.iter().enumerate() {
            let flag = match detail {
                Detail::Samples => "samples",
                Detail::Zones => "zones",
                Detail::Route => "route",
            };
            // Writing to a string cannot fail.
            let _ = write!(path, "{}{flag}=true", if nth == 0 { '?' } else { '&' });
        }
        is_id(hashed_id).then(|| Self::get(Operation::GetExercise, path))
    }

    /// Lists the nights of the last 28 days.
    pub fn list_sleep() -> Self {
        Self::get(Operation::ListSleep, "/v3/users/sleep".to_owned())
    }

    /// Lists the recharges of the last 28 days.
    pub fn list_nightly_recharge() -> Self {
        Self::get(
            Operation::ListNightlyRecharge,
            "/v3/users/nightly-recharge".to_owned(),
        )
    }

    /// Reads which users have data waiting.
    pub fn notifications() -> Self {
        Self::get(Operation::Notifications, "/v3/notifications".to_owned())
    }

    /// Makes the webhook of our client, of which there can be one, for these events.
    pub fn create_webhook(url: &Url, events: &[&str]) -> Self {
        let body = serde_json::json!({ "events": events, "url": url.as_str() }).to_string();
        let path = "/v3/webhooks".to_owned();
        Self {
            body: Some(body),
            ..Self::new(Operation::CreateWebhook, Method::POST, path)
        }
    }

    /// Reads the webhook of our client.
    pub fn list_webhooks() -> Self {
        Self::get(Operation::ListWebhooks, "/v3/webhooks".to_owned())
    }

    /// Removes a webhook. `None` when `id` is not of the alphabet of Polar's ids.
    pub fn delete_webhook(id: &str) -> Option<Self> {
        let path = format!("/v3/webhooks/{id}");
        let is_plain = is_id(&id.replace(['-', '_'], ""));
        is_plain.then(|| Self::new(Operation::DeleteWebhook, Method::DELETE, path))
    }

    /// Has Polar send events again, after a ping.
    pub fn activate_webhook() -> Self {
        let path = "/v3/webhooks/activate".to_owned();
        Self::new(Operation::ActivateWebhook, Method::POST, path)
    }

    fn get(operation: Operation, path: String) -> Self {
        Self::new(operation, Method::GET, path)
    }

    fn new(operation: Operation, method: Method, path: String) -> Self {
        Self {
            operation,
            method,
            path,
            accept: Accept::Json,
            body: None,
            send_by: None,
        }
    }
}

/// Whether a text is of the alphabet of Polar's ids, so that it can stand in a path.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_deleted_by_an_id_that_can_stand_in_a_path() {
        let path = |id| Call::delete_webhook(id).map(|call| call.path);
        assert_eq!(path("abdf-33_x"), Some("/v3/webhooks/abdf-33_x".to_owned()));
        for id in ["", "..", "a/b", "a?b", "%2e", "a b"] {
            assert_eq!(path(id), None, "{id}");
        }
    }

    #[test]
    fn an_exercise_is_asked_for_with_its_details() {
        let call = Call::get_exercise("PknlZNpd", Details::ALL).unwrap();
        assert_eq!(
            call.path,
            "/v3/exercises/PknlZNpd?samples=true&zones=true&route=true"
        );
        assert!(Call::get_exercise("../users/1", Details::NONE).is_none());
    }
}
