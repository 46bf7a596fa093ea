//! What Polar says of a user: asked where an answer to a data call leaves it open.

use super::session::{Session, SessionError};
use crate::{
    accesslink::{Answer, Call, error::Meaning},
    model::ConnectionId,
};

/// How a user stands with Polar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Registered, with a token that is accepted.
    Good,
    /// The token is not accepted.
    Unauthorized,
    /// A mandatory consent is missing, or the user is not registered.
    Forbidden,
    /// Polar does not know the user.
    Unknown,
}

/// Whoever can call AccessLink in the name of one user.
pub(super) trait Speaker {
    /// Sends a call.
    async fn send(&self, call: &Call) -> Result<Answer, SessionError>;
}

impl Speaker for Session {
    async fn send(&self, call: &Call) -> Result<Answer, SessionError> {
        Self::send(self, call).await
    }
}

/// A session whose tokens are used as they are.
struct Witness<'a>(&'a Session);

impl Speaker for Witness<'_> {
    async fn send(&self, call: &Call) -> Result<Answer, SessionError> {
        self.0.send_as_it_is(call).await
    }
}

/// Asks how the user stands.
pub async fn ask(session: &Session) -> Result<Standing, SessionError> {
    ask_as(session, session.connection().polar_user_id).await
}

/// Asks how the user stands, as a witness for somebody else: its own tokens are left as they are,
/// since a run of its own may be refreshing them.
pub async fn ask_witness(session: &Session) -> Result<Standing, SessionError> {
    ask_as(&Witness(session), session.connection().polar_user_id).await
}

/// Registers the user once, and asks how it stands then. A conflict means that the user is
/// registered already, or that somebody else has our member id: asking tells which.
pub async fn register(session: &Session) -> Result<Standing, SessionError> {
    let connection = session.connection();
    register_as(session, connection.connection_id, connection.polar_user_id).await
}

/// [`ask`], by whoever speaks for the user.
async fn ask_as(speaker: &impl Speaker, polar_user_id: i64) -> Result<Standing, SessionError> {
    match speaker.send(&Call::get_user(polar_user_id)).await {
        Ok(Answer::Body(_) | Answer::Done) => Ok(Standing::Good),
        Ok(Answer::Empty) => Ok(Standing::Unknown),
        Err(SessionError::Call(error)) => match error.meaning {
            Meaning::Unauthorized => Ok(Standing::Unauthorized),
            Meaning::Forbidden => Ok(Standing::Forbidden),
            Meaning::NotFound => Ok(Standing::Unknown),
            _ => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// [`register`], by whoever speaks for the user.
pub(super) async fn register_as(
    speaker: &impl Speaker,
    connection: ConnectionId,
    polar_user_id: i64,
) -> Result<Standing, SessionError> {
    let call = Call::register_user(&connection.to_string());
    match speaker.send(&call).await {
        Ok(_) => ask_as(speaker, polar_user_id).await,
        Err(SessionError::Call(error)) => match error.meaning {
            Meaning::Conflict | Meaning::Forbidden => ask_as(speaker, polar_user_id).await,
            Meaning::Unauthorized => Ok(Standing::Unauthorized),
            _ => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}
