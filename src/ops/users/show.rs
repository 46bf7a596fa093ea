//! `users show USER`.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::UserArgs,
    config::Config,
    model::{ConnectionId, ConnectionState},
    ops::{
        Output, reach,
        table::{Table, cell},
        when::{Present, utc},
    },
    store::{Store, connection::ConnectionRow, overview::KindSummary},
};

/// Everything that is known of a connection but its tokens.
#[derive(Debug, Serialize)]
struct Shown {
    user_id: String,
    polar_user_id: i64,
    connection_id: ConnectionId,
    /// At Polar, the connection's id.
    member_id: ConnectionId,
    state: ConnectionState,
    state_reason: Option<String>,
    state_since: Timestamp,
    recheck_at: Option<Timestamp>,
    connected_at: Timestamp,
    registered_at: Option<Timestamp>,
    key_id: String,
    token_generation: i64,
    token_expires_at: Option<Timestamp>,
    has_refresh_token: bool,
    last_success_at: Option<Timestamp>,
    next_due_at: Option<Timestamp>,
    kinds: Vec<KindSummary>,
}

/// Prints one connection.
pub(super) async fn run(
    config: &Config,
    args: &UserArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let store = reach::postgres(config, "users show").await?;
    let row = reach::connection(&store, &args.user).await?;
    let now = Present(store.now().await?);
    let shown = gather(&store, row).await?;
    output.show(&shown, |shown, out| write(shown, now, out))?;
    Ok(())
}

async fn gather(store: &Store, row: ConnectionRow) -> anyhow::Result<Shown> {
    let kinds = store.kinds_of(row.connection_id).await?;
    let sync = store.sync_of(row.connection_id).await?;
    Ok(Shown {
        user_id: row.user_id.to_string(),
        polar_user_id: row.polar_user_id,
        connection_id: row.connection_id,
        member_id: row.connection_id,
        state: row.state,
        state_reason: row.state_reason,
        state_since: row.state_since,
        recheck_at: row.recheck_at,
        connected_at: row.connected_at,
        registered_at: row.registered_at,
        key_id: row.tokens.key_id,
        token_generation: row.token_generation,
        token_expires_at: row.tokens.expires_at,
        has_refresh_token: row.tokens.refresh_token.is_some(),
        last_success_at: sync.last_success_at,
        next_due_at: kinds.iter().filter_map(|kind| kind.next_due_at).min(),
        kinds,
    })
}

fn write(shown: &Shown, now: Present, out: &mut dyn Write) -> io::Result<()> {
    let reason = shown.state_reason.as_deref().unwrap_or("-");
    let refresh = if shown.has_refresh_token { "yes" } else { "no" };
    let lines = [
        ("user", shown.user_id.clone()),
        ("polar user", shown.polar_user_id.to_string()),
        ("member id", shown.member_id.to_string()),
        ("state", shown.state.to_string()),
        ("reason", reason.to_owned()),
        ("since", now.at(shown.state_since)),
        ("re-check", now.at_or(shown.recheck_at, "-")),
        ("connected", now.at(shown.connected_at)),
        (
            "registered",
            now.at_or(shown.registered_at, "not by polar-sync yet"),
        ),
        ("token sealed by", format!("key {}", shown.key_id)),
        ("token generation", shown.token_generation.to_string()),
        (
            "token expires",
            now.at_or(shown.token_expires_at, "unknown"),
        ),
        ("refresh token", refresh.to_owned()),
        ("last success", now.at_or(shown.last_success_at, "never")),
        ("next due", now.at_or(shown.next_due_at, "-")),
    ];
    let width = lines
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    for (name, value) in lines {
        writeln!(out, "{name:width$}  {value}")?;
    }
    writeln!(out)?;
    table(&shown.kinds).write(out, "no kinds")
}

fn table(kinds: &[KindSummary]) -> Table<7> {
    let mut table = Table::new([
        "kind",
        "last success",
        "last found",
        "failures",
        "next due",
        "because",
        "error",
    ]);
    for kind in kinds {
        let because = if kind.consent {
            kind.due_cause.as_str()
        } else {
            "no consent"
        };
        table.row([
            kind.kind.to_string(),
            cell(kind.last_success_at.map(utc)),
            cell(kind.last_found_at.map(utc)),
            kind.attempts.to_string(),
            cell(kind.next_due_at.map(utc)),
            because.to_owned(),
            cell(kind.error_class.as_ref()),
        ]);
    }
    table
}
