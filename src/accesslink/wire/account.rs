//! Users and the notifications about them.

use serde::Deserialize;

use super::{
    NOTIFICATION_LIMIT, Unreadable,
    decode::{decode_value, object},
};

/// A registered user. Name, birthday, sex and the answers to a partner's questions are not read:
/// nothing here needs them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Polar's id of the user.
    pub polar_user_id: i64,
    /// Our id of the connection, as given at registration.
    pub member_id: Option<String>,
    /// When the user was registered with this client, UTC: older data is not visible.
    pub registration_date: Option<String>,
}

/// Polar says that a user has data of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notification {
    /// Polar's id of the user.
    pub user_id: i64,
    /// `EXERCISE`, `ACTIVITY_SUMMARY`, `PHYSICAL_INFORMATION`, or something newer.
    pub data_type: String,
}

/// The pull notifications. An entry that cannot be understood hides no other user's.
pub fn notifications(body: &[u8]) -> Result<Vec<Result<Notification, Unreadable>>, Unreadable> {
    let field = "available_user_data";
    match object(body)?.shift_remove(field).unwrap_or_default() {
        serde_json::Value::Null => Ok(Vec::new()),
        serde_json::Value::Array(entries) if entries.len() <= NOTIFICATION_LIMIT => Ok(entries
            .into_iter()
            .enumerate()
            .map(|(position, entry)| {
                decode_value(entry)
                    .map_err(|error: Unreadable| error.at_position(position).in_field(field))
            })
            .collect()),
        _ => Err(Unreadable::new(
            field,
            format!("a list of at most {NOTIFICATION_LIMIT} entries"),
        )),
    }
}
