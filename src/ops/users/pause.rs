//! `users pause USER`.

use std::io::Write;

use serde_json::json;

use crate::{
    cli::UserArgs,
    config::Config,
    connection::refuse_open,
    exit::{Code, Failure},
    model::{ConnectionState, UserId},
    ops::{Output, reach, words},
    store::{Store, connection::ConnectionRow, operator::Deed},
};

/// The reason that a paused connection's row gives.
const REASON: &str = "operator";

/// Stops syncing a user until `users resume`.
pub(super) async fn run(
    config: &Config,
    args: &UserArgs,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let store = reach::postgres(config, "users pause").await?;
    let row = reach::connection(&store, &args.user).await?;
    let before = pause(&store, &row, operator).await?;
    let paused =
        json!({ "user_id": args.user, "state_before": before, "state": ConnectionState::Paused });
    let user = &args.user;
    output.show(&paused, |_, out| match before {
        ConnectionState::Paused => writeln!(out, "{user} is paused already"),
        _ => writeln!(
            out,
            "{user} was {before} and is paused; `polar-sync users resume {user}` ends it"
        ),
    })?;
    Ok(())
}

/// The state before.
async fn pause(
    store: &Store,
    row: &ConnectionRow,
    operator: &str,
) -> anyhow::Result<ConnectionState> {
    let mut tx = store.begin("users_pause").await?;
    let locked = tx.lock_connection(row.connection_id).await?;
    let before = locked.ok_or_else(|| reach::no_connection(&row.user_id))?;
    match before {
        ConnectionState::Erasing | ConnectionState::Erased => {
            return Err(erasing(&row.user_id, before).into());
        }
        ConnectionState::Paused => return Ok(before),
        ConnectionState::Active
        | ConnectionState::Suspect
        | ConnectionState::Revoked
        | ConnectionState::ConsentRequired
        | ConnectionState::Expired => {}
    }
    tx.put_state(row.connection_id, ConnectionState::Paused, Some(REASON))
        .await?;
    refuse_open(&mut tx, row).await?;
    tx.log_deed(&Deed {
        operator,
        command: "users pause",
        connection: Some(row.connection_id),
        detail: &format!("was {before}"),
    })
    .await?;
    tx.commit().await?;
    Ok(before)
}

/// What is being erased is past stopping.
pub(super) fn erasing(user: &UserId, state: ConnectionState) -> Failure {
    Failure::new(
        Code::Refused,
        format!("user {user} is {state}: {}", words::meaning(state, false)),
        words::remedy(state, user),
    )
}
