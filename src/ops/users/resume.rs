//! `users resume USER`: syncs a user again, or has its state looked at again at once.

use std::io::{self, Write};

use serde::Serialize;

use super::pause::erasing;
use crate::{
    cli::UserArgs,
    config::Config,
    job::request::plain,
    model::{Cause, ConnectionState, Kind, Lane, TaskId, UserId},
    ops::{
        Output,
        reach::{self, Queue},
    },
    store::{Tx, connection::ConnectionRow, event::Event, operator::Deed, request::NewRequest},
};

/// The reason that the row of a connection gives which was taken for gone and is asked about again.
const REASON: &str = "resumed";

/// What became of it.
#[derive(Debug, Serialize)]
struct Resumed<'a> {
    user_id: &'a UserId,
    state_before: ConnectionState,
    state: ConnectionState,
    /// The request of the sync that follows; none when nothing waited.
    task_id: Option<TaskId>,
    /// The kinds of that sync; empty for all.
    kinds: Vec<Kind>,
}

/// Resumes a user.
pub(super) async fn run(
    config: &Config,
    args: &UserArgs,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let Queue { store, desk } = reach::queue(config, "users resume").await?;
    let row = reach::connection(&store, &args.user).await?;
    let mut tx = store.begin("users_resume").await?;
    let locked = tx.lock_connection(row.connection_id).await?;
    let before = locked.ok_or_else(|| reach::no_connection(&args.user))?;
    let (state, request) = resume(&mut tx, &row, before).await?;
    tx.log_deed(&Deed {
        operator,
        command: "users resume",
        connection: Some(row.connection_id),
        detail: &format!("was {before}, is {state}"),
    })
    .await?;
    tx.commit().await?;
    let mut resumed = Resumed {
        user_id: &args.user,
        state_before: before,
        state,
        task_id: None,
        kinds: Vec::new(),
    };
    if let Some(request) = request {
        desk.wake(&row.user_id, request.lane, request.cause, request.task_id)
            .await;
        resumed.task_id = Some(request.task_id);
        resumed.kinds = request.kinds;
    }
    output.show(&resumed, write)?;
    Ok(())
}

/// Changes the locked connection; its state now, and the request of the sync that follows.
async fn resume(
    tx: &mut Tx,
    row: &ConnectionRow,
    before: ConnectionState,
) -> anyhow::Result<(ConnectionState, Option<NewRequest>)> {
    let id = row.connection_id;
    let mut kinds = Vec::new();
    let state = match before {
        ConnectionState::Active => {
            kinds = tx.make_waiting_due(id).await?;
            if kinds.is_empty() {
                return Ok((before, None));
            }
            before
        }
        ConnectionState::Paused => {
            tx.put_state(id, ConnectionState::Active, None).await?;
            tx.make_all_due(id).await?;
            tx.insert_event(&Event::connection_active(&row.user_id))
                .await?;
            ConnectionState::Active
        }
        ConnectionState::Suspect | ConnectionState::ConsentRequired => {
            tx.recheck_now(id).await?;
            tx.make_unconsented_due(id).await?;
            before
        }
        // Polar is asked once more; when it still refuses, the connection is revoked again after
        // `revocation.confirm_after`.
        ConnectionState::Revoked | ConnectionState::Expired => {
            tx.put_state(id, ConnectionState::Suspect, Some(REASON))
                .await?;
            tx.recheck_now(id).await?;
            tx.make_unconsented_due(id).await?;
            ConnectionState::Suspect
        }
        ConnectionState::Erasing | ConnectionState::Erased => {
            return Err(erasing(&row.user_id, before).into());
        }
    };
    let request = plain(Lane::Interactive, Cause::Cli, kinds);
    tx.insert_request(id, &request).await?;
    Ok((state, Some(request)))
}

fn write(resumed: &Resumed<'_>, out: &mut dyn Write) -> io::Result<()> {
    let user = resumed.user_id;
    let kinds = || {
        let kinds: Vec<_> = resumed.kinds.iter().map(|kind| kind.as_str()).collect();
        kinds.join(", ")
    };
    match (resumed.state_before, resumed.task_id) {
        (ConnectionState::Active, None) => writeln!(
            out,
            "{user} is active and nothing waits; `polar-sync enqueue {user}` syncs it now"
        ),
        (ConnectionState::Active, Some(_)) => {
            writeln!(
                out,
                "{user} is active; what waited is tried now: {}",
                kinds()
            )
        }
        (ConnectionState::Paused, _) => {
            writeln!(
                out,
                "{user} was paused and is active; everything is synced now"
            )
        }
        (before, _) => writeln!(
            out,
            "{user} is {before}; Polar is asked now, and `polar-sync explain {user}` tells what it says"
        ),
    }
}
