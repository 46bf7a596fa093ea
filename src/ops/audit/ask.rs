//! Asks for the sync that brings back what is missing, and waits for its end.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::{compare::Look, report::Sync};
use crate::{
    job::request::Desk,
    model::{Cause, Details, DueCause, Kind, Lane, TaskId},
    ops::when::{Present, span},
    store::{
        Store, StoreError,
        connection::ConnectionRow,
        overview::{Followed, RequestState},
        request::NewRequest,
    },
};

/// Between two looks at the request.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The reason that the request gives.
const REASON: &str = "audit";

/// Hands in a request for what a look found missing.
pub(super) async fn ask(
    desk: &Desk,
    row: &ConnectionRow,
    look: &Look,
    lane: Lane,
) -> Result<TaskId, StoreError> {
    let request = NewRequest {
        task_id: TaskId::new(),
        request_id: None,
        include: Details::NONE,
        kinds: look.kinds_lacking(),
        lane,
        cause: Cause::Backfill,
        reason: Some(REASON.to_owned()),
        traceparent: None,
        entry: None,
    };
    desk.ask(row.connection_id, &row.user_id, &request).await?;
    Ok(request.task_id)
}

/// How long a sync is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) wait: Duration,
    /// When that is over.
    pub(super) deadline: Instant,
}

impl Patience {
    pub(super) fn from_now(wait: Duration) -> Self {
        let deadline = Instant::now() + wait;
        Self { wait, deadline }
    }
}

/// Waits until the request has ended, is known to wait for longer than that, or it is over. One whose
/// kinds were tried and failed is tried again later: nobody waits for that.
pub(super) async fn follow(
    store: &Store,
    row: &ConnectionRow,
    task_id: TaskId,
    kinds: &[Kind],
    patience: Patience,
) -> Result<Sync, StoreError> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let followed = store.follow_request(row.connection_id, task_id).await?;
        // Gone with its connection, which was erased meanwhile.
        let Some(followed) = followed else {
            return Ok(Sync {
                task_id,
                state: RequestState::Refused,
                waits: false,
                because: Some("the connection is erased".to_owned()),
            });
        };
        let left = patience.deadline.saturating_duration_since(Instant::now());
        let now = store.now().await?;
        let waits_longer = followed.state == RequestState::Open
            && followed.not_before.is_some_and(|at| at > now + left);
        let is_over = !matches!(followed.state, RequestState::Open | RequestState::Running);
        let has_failed = followed.state == RequestState::Open
            && followed.run.is_some()
            && has_failed(store, row, kinds).await?;
        if is_over || has_failed || waits_longer || left.is_zero() {
            let because = why(&followed, Present(now), patience.wait, has_failed);
            return Ok(Sync {
                task_id,
                state: followed.state,
                waits: has_failed || followed.not_before.is_some_and(|at| at > now),
                because,
            });
        }
    }
}

/// Whether one of these kinds failed when it last had its turn.
async fn has_failed(
    store: &Store,
    row: &ConnectionRow,
    kinds: &[Kind],
) -> Result<bool, StoreError> {
    let states = store.kinds_of(row.connection_id).await?;
    let mut asked = states.iter().filter(|state| kinds.contains(&state.kind));
    Ok(asked.any(|state| {
        state.attempts > 0 && matches!(state.due_cause, DueCause::Retry | DueCause::Blocked)
    }))
}

/// Why the sync has not done everything, if it has not.
fn why(followed: &Followed, now: Present, waited: Duration, has_failed: bool) -> Option<String> {
    let error = followed.run.as_ref().and_then(|run| run.error.clone());
    match (followed.state, followed.not_before) {
        (RequestState::Done | RequestState::Failed | RequestState::Refused, _) => error,
        (RequestState::Open, Some(until)) if !now.is_past(until) => {
            let until = now.at(until);
            Some(match error.filter(|_| has_failed) {
                Some(error) => format!("{error}; it is tried again, not before {until}"),
                None => format!("it waits until {until}"),
            })
        }
        (RequestState::Open, _) => Some(format!(
            "no worker has taken it within {}; does one run?",
            span(waited)
        )),
        (RequestState::Running, _) => Some(format!("it is not finished after {}", span(waited))),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: &str = "2026-03-20T12:00:00Z";

    #[rstest]
    #[case(RequestState::Done, None, None)]
    #[case(RequestState::Open, None, Some("no worker has taken it within 5 min"))]
    #[case(RequestState::Running, None, Some("not finished after 5 min"))]
    #[case(
        RequestState::Open,
        Some("2026-03-20T12:15:00Z"),
        Some("waits until 2026-03-20 12:15:00 UTC (in 15 min)")
    )]
    #[case(
        RequestState::Open,
        Some("2026-03-20T11:15:00Z"),
        Some("no worker has taken it")
    )]
    fn it_is_said_what_the_sync_waits_for(
        #[case] state: RequestState,
        #[case] not_before: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let followed = Followed {
            state,
            not_before: not_before.map(|at| at.parse().unwrap()),
            run: None,
        };
        let said = why(
            &followed,
            Present(NOW.parse().unwrap()),
            Duration::from_mins(5),
            false,
        );
        assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
        assert!(
            said.unwrap_or_default()
                .contains(expected.unwrap_or_default())
        );
    }
}
