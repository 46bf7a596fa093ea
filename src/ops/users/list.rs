//! `users list`.

use std::io::Write;

use crate::{
    cli::UsersListArgs,
    config::Config,
    ops::{
        Output, reach,
        table::{Table, cell},
        when::utc,
    },
    store::overview::ConnectionSummary,
};

/// Prints connections in the order of their users.
pub(super) async fn run(
    config: &Config,
    args: &UsersListArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let store = reach::postgres(config, "users list").await?;
    let after = args.after.as_ref().map(crate::model::UserId::as_str);
    let connections = store.connections(args.state, after, args.limit.into());
    output.show(&connections.await?, |connections, out| {
        table(connections).write(out, "no connection")?;
        match connections.last() {
            Some(last) if connections.len() == args.limit as usize => {
                writeln!(
                    out,
                    "there may be more: add --after {} or raise --limit",
                    last.user_id
                )
            }
            _ => Ok(()),
        }
    })?;
    Ok(())
}

fn table(connections: &[ConnectionSummary]) -> Table<7> {
    let mut table = Table::new([
        "user",
        "polar user",
        "state",
        "reason",
        "since",
        "last success",
        "next due",
    ]);
    for connection in connections {
        table.row([
            connection.user_id.clone(),
            connection.polar_user_id.to_string(),
            connection.state.to_string(),
            cell(connection.state_reason.as_ref()),
            utc(connection.state_since),
            cell(connection.last_success_at.map(utc)),
            cell(connection.next_due_at.map(utc)),
        ]);
    }
    table
}
