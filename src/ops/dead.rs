//! `dead`: what was given up for now.

use std::io::{self, Write};

use serde::Serialize;
use uuid::Uuid;

use super::{
    Output, consent,
    reach::{self, Queue},
    table::{Table, cell},
    when::utc,
    words,
};
use crate::{
    cli::{DeadCommand, DeadDropArgs, DeadListArgs, DeadRetryArgs},
    config::Config,
    exit::{Code, Failure},
    job::request::plain,
    model::{Cause, Lane},
    store::{
        Store,
        operator::{Buried, Deed},
        overview::DeadSummary,
    },
};

/// Rows that one `--all` takes; the next one takes what is left.
const ALL_MAX: i64 = 10_000;

/// Runs the command for `operator`.
pub async fn run(
    config: &Config,
    command: DeadCommand,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    match command {
        DeadCommand::List(args) => list(config, &args, output).await,
        DeadCommand::Retry(args) => retry(config, args, operator, output).await,
        DeadCommand::Drop(args) => forget(config, &args, operator, output).await,
    }
}

async fn list(
    config: &Config,
    args: &DeadListArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let store = reach::postgres(config, "dead list").await?;
    let connection = match &args.user {
        Some(user) => Some(reach::connection(&store, user).await?.connection_id),
        None => None,
    };
    let rows = store.dead(connection, args.limit.into()).await?;
    output.show(&rows, |rows, out| {
        table(rows).write(out, "nothing was given up")
    })?;
    Ok(())
}

fn table(rows: &[DeadSummary]) -> Table<7> {
    let mut table = Table::new(["id", "user", "what", "class", "error", "attempts", "when"]);
    for row in rows {
        let entry = || {
            format!(
                "entry {} of lane {}",
                cell(row.entry.as_ref()),
                cell(row.lane)
            )
        };
        table.row([
            row.id.to_string(),
            cell(row.user_id.as_ref()),
            row.kind.map_or_else(entry, |kind| kind.to_string()),
            row.error_class.clone(),
            row.error.clone(),
            row.attempts.to_string(),
            utc(row.died_at),
        ]);
    }
    table
}

/// What became of each id.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// Tried again, or forgotten.
    done: Vec<Uuid>,
    unknown: Vec<Uuid>,
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    id: Uuid,
    reason: String,
}

impl Outcome {
    fn write(&self, verb: &str, out: &mut dyn Write) -> io::Result<()> {
        for id in &self.done {
            writeln!(out, "{id} {verb}")?;
        }
        for Refused { id, reason } in &self.refused {
            writeln!(out, "{id} is left: {reason}")?;
        }
        if self.done.is_empty() && self.refused.is_empty() && self.unknown.is_empty() {
            writeln!(out, "nothing was given up")?;
        }
        Ok(())
    }

    fn judge(&self) -> Result<(), Failure> {
        if !self.unknown.is_empty() {
            let ids: Vec<_> = self.unknown.iter().map(Uuid::to_string).collect();
            let cause = format!(
                "nothing was given up under {}; the others are done",
                ids.join(", ")
            );
            return Err(Failure::new(
                Code::NotFound,
                cause,
                "`polar-sync dead list` shows the ids",
            ));
        }
        let Some(first) = self.refused.first() else {
            return Ok(());
        };
        let cause = format!("{} rows are left: {}", self.refused.len(), first.reason);
        let next_step = "do that and retry, or forget them with `polar-sync dead drop`";
        Err(Failure::new(Code::Refused, cause, next_step))
    }
}

async fn retry(
    config: &Config,
    args: DeadRetryArgs,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let queue = reach::queue(config, "dead retry").await?;
    let ids = if args.all {
        let rows = queue.store.dead(None, ALL_MAX).await?;
        rows.into_iter().map(|row| row.id).collect()
    } else {
        args.ids
    };
    let mut done = Outcome::default();
    for id in ids {
        match retry_one(&queue, id, operator).await? {
            Retried::Done => done.done.push(id),
            Retried::Unknown => done.unknown.push(id),
            Retried::Refused(reason) => done.refused.push(Refused { id, reason }),
        }
    }
    output.show(&done, |done, out| done.write("is tried again", out))?;
    Ok(done.judge()?)
}

enum Retried {
    Done,
    Unknown,
    Refused(String),
}

/// Takes up one row: a kind begins anew, a stream entry becomes a new request for all kinds.
async fn retry_one(queue: &Queue, id: Uuid, operator: &str) -> anyhow::Result<Retried> {
    let mut tx = queue.store.begin("dead_retry").await?;
    let Some(Buried { connection, kind }) = tx.lock_dead(id).await? else {
        return Ok(Retried::Unknown);
    };
    let Some((connection, user_id, state)) = connection else {
        return Ok(Retried::Refused("its connection has ended".to_owned()));
    };
    if words::refuses(state) {
        let remedy = words::remedy(state, &user_id);
        return Ok(Retried::Refused(format!(
            "user {user_id} is {state}; {remedy}"
        )));
    }
    if let Some(kind) = kind {
        tx.revive_kind(connection, kind).await?;
    }
    let request = plain(Lane::Periodic, Cause::Cli, kind.into_iter().collect());
    tx.insert_request(connection, &request).await?;
    tx.delete_dead(id).await?;
    tx.log_deed(&Deed {
        operator,
        command: "dead retry",
        connection: Some(connection),
        detail: &id.to_string(),
    })
    .await?;
    tx.commit().await?;
    queue
        .desk
        .wake(&user_id, request.lane, request.cause, request.task_id)
        .await;
    Ok(Retried::Done)
}

async fn forget(
    config: &Config,
    args: &DeadDropArgs,
    operator: &str,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let store = reach::postgres(config, "dead drop").await?;
    let count = args.ids.len();
    consent::ask(
        args.consent,
        &format!("this forgets {count} rows of what was given up"),
    )?;
    let mut done = Outcome::default();
    for id in &args.ids {
        let known = forget_one(&store, *id, operator).await?;
        if known {
            &mut done.done
        } else {
            &mut done.unknown
        }
        .push(*id);
    }
    output.show(&done, |done, out| done.write("is forgotten", out))?;
    Ok(done.judge()?)
}

/// Tells whether there was such a row.
async fn forget_one(store: &Store, id: Uuid, operator: &str) -> anyhow::Result<bool> {
    let mut tx = store.begin("dead_drop").await?;
    let Some(buried) = tx.lock_dead(id).await? else {
        return Ok(false);
    };
    tx.delete_dead(id).await?;
    tx.log_deed(&Deed {
        operator,
        command: "dead drop",
        connection: buried.connection.map(|(connection, ..)| connection),
        detail: &id.to_string(),
    })
    .await?;
    tx.commit().await?;
    Ok(true)
}
