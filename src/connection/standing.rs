//! What Polar says of a user: asked where an answer to a data call leaves it open.

use super::session::{Session, SessionError};
use crate::accesslink::{Answer, Call, error::Meaning};

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

/// Asks how the user stands.
pub async fn ask(session: &Session) -> Result<Standing, SessionError> {
    let polar_user_id = session.connection().polar_user_id;
    read(session.send(&Call::get_user(polar_user_id)).await)
}

/// Asks how the user stands, as a witness for somebody else: its own tokens are left as they are,
/// since a run of its own may be refreshing them.
pub async fn ask_witness(session: &Session) -> Result<Standing, SessionError> {
    let polar_user_id = session.connection().polar_user_id;
    read(session.send_as_it_is(&Call::get_user(polar_user_id)).await)
}

fn read(answer: Result<Answer, SessionError>) -> Result<Standing, SessionError> {
    match answer {
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

/// Registers the user once, and asks how it stands then. A conflict means that the user is
/// registered already, or that somebody else has our member id: asking tells which.
pub async fn register(session: &Session) -> Result<Standing, SessionError> {
    let member_id = session.connection().connection_id.to_string();
    match session.send(&Call::register_user(&member_id)).await {
        Ok(_) => ask(session).await,
        Err(SessionError::Call(error)) => match error.meaning {
            Meaning::Conflict | Meaning::Forbidden => ask(session).await,
            Meaning::Unauthorized => Ok(Standing::Unauthorized),
            _ => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}
