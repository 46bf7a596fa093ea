//! `enqueue USER`: asks for a sync, and may wait for its end.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    Output,
    reach::{self, Queue},
    when::{Present, span},
    words,
};
use crate::{
    cli::EnqueueArgs,
    config::Config,
    exit::{Code, Failure},
    model::{Cause, ConnectionState, Details, Lane, TaskId, UserId},
    store::{
        connection::ConnectionRow,
        event::Counts,
        overview::{Followed, RequestState, Served},
        request::NewRequest,
    },
};

/// The longest wait of `--wait`: longer than a job may take with the defaults.
const WAIT_MAX: Duration = Duration::from_mins(10);

/// Between two looks at the request.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is printed of a request.
#[derive(Debug, Serialize)]
struct Asked<'a> {
    task_id: TaskId,
    user_id: &'a UserId,
    lane: Lane,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    state: RequestState,
    #[serde(flatten)]
    run: Option<Served>,
}

/// Runs the command.
pub async fn run(
    config: &Config,
    args: EnqueueArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let queue = reach::queue(config, "enqueue").await?;
    let row = reach::connection(&queue.store, &args.user).await?;
    words::check_state(row.state, &row.user_id)?;
    let wait = args.wait;
    let request = request(args);
    queue
        .desk
        .ask(row.connection_id, &row.user_id, &request)
        .await?;
    let mut asked = Asked {
        task_id: request.task_id,
        user_id: &row.user_id,
        lane: request.lane,
        request_id: request.request_id.as_deref(),
        state: RequestState::Open,
        run: None,
    };
    if !wait {
        let now = Present(queue.store.now().await?);
        output.show(&asked, |asked, out| write_asked(asked, &row, now, out))?;
        return Ok(());
    }
    let followed = follow(&queue, &row, request.task_id).await?;
    let now = Present(queue.store.now().await?);
    asked.state = followed.state;
    asked.run.clone_from(&followed.run);
    output.show(&asked, |asked, out| write_end(asked, out))?;
    judge(&followed, &row.user_id, now)?;
    Ok(())
}

fn write_asked(
    asked: &Asked<'_>,
    row: &ConnectionRow,
    now: Present,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (user, task, lane) = (asked.user_id, asked.task_id, asked.lane);
    writeln!(out, "task {task}: a sync of {user} is on the {lane} lane")?;
    if row.state == ConnectionState::Suspect {
        let when = now.at_or(row.recheck_at, "soon");
        writeln!(
            out,
            "{user} is suspect: Polar is asked about it first, {when}"
        )?;
    }
    Ok(())
}

fn request(args: EnqueueArgs) -> NewRequest {
    NewRequest {
        task_id: TaskId::new(),
        request_id: args.request_id,
        include: Details::from(args.include),
        kinds: args.kinds,
        lane: args.lane,
        cause: Cause::Cli,
        reason: args.reason,
        traceparent: None,
        entry: None,
    }
}

/// Waits until the request has ended, is known to wait for longer than a person would, or the time is
/// up.
async fn follow(queue: &Queue, row: &ConnectionRow, task: TaskId) -> anyhow::Result<Followed> {
    let deadline = Instant::now() + WAIT_MAX;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let followed = look(queue, row, task).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        let waits_longer = match followed.not_before {
            Some(at) if followed.state == RequestState::Open => {
                at > queue.store.now().await? + left
            }
            _ => false,
        };
        let is_over = !matches!(followed.state, RequestState::Open | RequestState::Running);
        if is_over || waits_longer || left.is_zero() {
            return Ok(followed);
        }
    }
}

async fn look(queue: &Queue, row: &ConnectionRow, task: TaskId) -> anyhow::Result<Followed> {
    let followed = queue.store.follow_request(row.connection_id, task).await?;
    followed.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            format!("request {task} is no longer in the ledger"),
            "was the connection erased meanwhile? `polar-sync users list` shows it otherwise",
        )
        .into()
    })
}

fn write_end(asked: &Asked<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "task {} is {}", asked.task_id, asked.state)?;
    let Some(run) = &asked.run else { return Ok(()) };
    let Counts { new, changed, same } = run.counts;
    writeln!(out, "run {}: {}", run.run_id, run.outcome)?;
    writeln!(
        out,
        "items: {new} new, {changed} changed, {same} as they were"
    )?;
    if let Some(error) = &run.error {
        writeln!(out, "because: {error}")?;
    }
    Ok(())
}

/// Only a request that was served is a success.
fn judge(followed: &Followed, user: &UserId, now: Present) -> Result<(), Failure> {
    let what = match (followed.state, followed.not_before) {
        (RequestState::Done, _) => return Ok(()),
        (RequestState::Failed, _) => "the sync failed, and is tried again by itself".to_owned(),
        (RequestState::Refused, _) => "the sync is refused".to_owned(),
        (RequestState::Open, Some(until)) if !now.is_past(until) => {
            format!("the sync waits until {}", now.at(until))
        }
        (RequestState::Open, _) => format!(
            "no worker has taken the sync within {}; does one run?",
            span(WAIT_MAX)
        ),
        (RequestState::Running, _) => format!("the sync is not finished after {}", span(WAIT_MAX)),
    };
    let error = followed.run.as_ref().and_then(|run| run.error.as_deref());
    let cause = error.map_or_else(|| what.clone(), |error| format!("{what}: {error}"));
    let next_step = format!("`polar-sync explain {user}` tells more");
    Err(Failure::new(Code::Refused, cause, next_step))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: &str = "2026-03-20T12:00:00Z";

    #[rstest]
    #[case(RequestState::Done, None, None)]
    #[case(RequestState::Refused, None, Some("the sync is refused"))]
    #[case(RequestState::Failed, None, Some("tried again by itself"))]
    #[case(
        RequestState::Open,
        None,
        Some("no worker has taken the sync within 10 min")
    )]
    #[case(RequestState::Running, None, Some("not finished after 10 min"))]
    #[case(
        RequestState::Open,
        Some("2026-03-20T12:15:00Z"),
        Some("waits until 2026-03-20 12:15:00 UTC (in 15 min)")
    )]
    fn only_what_was_served_is_a_success(
        #[case] state: RequestState,
        #[case] not_before: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let followed = Followed {
            state,
            not_before: not_before.map(|at| at.parse().unwrap()),
            run: None,
        };
        let user = "user_001".parse().unwrap();
        let judged = judge(&followed, &user, Present(NOW.parse().unwrap()));
        let text = judged.err().map(|failure| failure.to_string());
        assert_eq!(text.is_some(), expected.is_some(), "{text:?}");
        assert!(
            text.unwrap_or_default()
                .contains(expected.unwrap_or_default()),
            "{state}"
        );
    }
}
