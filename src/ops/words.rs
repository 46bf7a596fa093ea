//! States in plain words: what each means, and what ends it.

use crate::{
    exit::{Code, Failure},
    model::{ConnectionState, UserId},
    store::{connection::ConnectionRow, remote::Phase},
};

/// What a connection's state means.
pub(super) const fn meaning(state: ConnectionState, is_held: bool) -> &'static str {
    match state {
        ConnectionState::Active => "it is kept in step",
        ConnectionState::Suspect if is_held => {
            "Polar refuses its token, and those of many others at once; that is more likely a fault at Polar or of \
             the client than so many users who left, so nobody is revoked"
        }
        ConnectionState::Suspect => {
            "Polar refused its token; that has yet to be confirmed before the user counts as gone"
        }
        ConnectionState::Revoked => {
            "the user revoked access or is no longer registered; Polar is not called any more"
        }
        ConnectionState::ConsentRequired => "the user has yet to give a mandatory consent at Polar",
        ConnectionState::Expired => {
            "the token ended, and there is none to refresh it with; Polar is not called any more"
        }
        ConnectionState::Paused => "an operator stopped it; Polar is not called",
        ConnectionState::Erasing => "its data is being erased",
        ConnectionState::Erased => "its data is erased",
    }
}

/// What ends a state in which no sync runs.
pub(super) fn remedy(state: ConnectionState, user: &UserId) -> String {
    let resume = format!("`polar-sync users resume {user}`");
    match state {
        ConnectionState::Active => format!("`polar-sync enqueue {user}` syncs it now"),
        ConnectionState::Suspect => format!("{resume} asks Polar at once"),
        ConnectionState::Revoked | ConnectionState::Expired => {
            format!("the user has to connect again; {resume} asks Polar once more")
        }
        ConnectionState::ConsentRequired => {
            format!(
                "the user has to accept Polar's consents at account.polar.com; {resume} asks at once"
            )
        }
        ConnectionState::Paused => format!("{resume} ends it"),
        ConnectionState::Erasing => {
            format!(
                "`polar-sync users erase {user}` goes on with it; afterwards the user may connect anew"
            )
        }
        ConnectionState::Erased => "nothing has to be done; the user may connect anew".to_owned(),
    }
}

/// Whether requests of a connection in this state are refused.
pub(super) const fn refuses(state: ConnectionState) -> bool {
    match state {
        ConnectionState::Active | ConnectionState::Suspect => false,
        ConnectionState::Revoked
        | ConnectionState::ConsentRequired
        | ConnectionState::Expired
        | ConnectionState::Paused
        | ConnectionState::Erasing
        | ConnectionState::Erased => true,
    }
}

/// Whether the mass guard holds a suspect.
pub(super) fn is_held(row: &ConnectionRow) -> bool {
    row.state == ConnectionState::Suspect && row.state_reason.as_deref() == Some("held")
}

/// Refuses to sync a user whose connection's state forbids it.
pub(super) fn check_state(state: ConnectionState, user: &UserId) -> Result<(), Failure> {
    if !refuses(state) {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!("user {user} is {state}: {}", meaning(state, false)),
        remedy(state, user),
    ))
}

/// What the phase of an AccessLink transaction means.
pub(super) const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "its create was sent, and the answer is not known",
        Phase::Open => "Polar opened it, and its items are being fetched",
        Phase::Durable => "everything in it is stored; sync.commit keeps it from being committed",
        Phase::Committing => "everything in it is stored; only Polar's confirmation is missing",
        Phase::Blocked => "items of it cannot be fetched whole, so it is not committed",
        Phase::Lapsed => "its life ended before it was committed; Polar offers its data again",
        Phase::Committed => "Polar confirmed its commit",
        Phase::Unconfirmed => {
            "everything in it is stored; whether Polar committed it is not known, and does not matter"
        }
        Phase::Empty => "there was nothing new",
    }
}
