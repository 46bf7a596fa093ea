//! Polar's pull notifications: which users have transactional data waiting.

use std::time::Duration;

use super::{DutyError, Scheduler, planner::wake};
use crate::{
    accesslink::{
        Answer, Call, Credential, Error, Operation, Urgency,
        error::{Broken, Meaning},
        wire,
    },
    model::TransactionalKind,
    store::leader::Term,
};

/// How often an entry that stays after a good run leads to another one.
const REPEAT: Duration = Duration::from_hours(1);

/// Entries taken in by one Postgres transaction.
const BATCH_MAX: usize = 5_000;

/// Reads the notifications, and asks for what they show.
pub(super) async fn notice(scheduler: &Scheduler, term: Term) -> Result<(), DutyError> {
    let schedule = &scheduler.settings.schedule;
    let pace = scheduler.store.pace().await?;
    let mut every = schedule.notifications_every.get();
    if pace.webhook_works {
        every = every.max(schedule.notifications_with_webhook.get());
        // A tick that comes a little early is this look's, too.
        let is_early = |before| before + schedule.notifications_every.get() / 2 < every;
        if pace.notifications_read_before.is_some_and(is_early) {
            return Ok(());
        }
    }
    let read = read(scheduler).await;
    // Quota and a resting host say nothing about the notifications themselves.
    let not_sent = |error: &Error| {
        let meaning = &error.meaning;
        matches!(meaning, Meaning::WindowClosed(_) | Meaning::RateLimited)
    };
    if !read.as_ref().is_err_and(not_sent) {
        scheduler.store.note_notifications(read.is_ok()).await?;
    }
    let known: Vec<_> = read?
        .into_iter()
        .filter_map(|entry| Some((entry.user_id, kind_of(&entry.data_type)?)))
        .filter(|(_, kind)| scheduler.settings.kinds.contains(&(*kind).into()))
        .collect();
    // An entry that was missing from one answer counts as new in the next, however long ago that was.
    let gap = pace
        .notifications_read_before
        .unwrap_or_default()
        .max(every);
    let absent_after = gap.mul_f64(1.5);
    for batch in known.chunks(BATCH_MAX) {
        let mut tx = scheduler.store.begin_leading("notice", term).await?;
        let asked = tx.ask_for_notified(batch, absent_after, REPEAT).await?;
        if asked.iter().any(|asked| asked.is_unannounced) {
            tx.note_unannounced().await?;
        }
        tx.commit().await?;
        let asked: Vec<_> = asked.into_iter().map(|asked| asked.to_wake).collect();
        wake(scheduler, &asked).await?;
    }
    Ok(())
}

/// What Polar lists.
async fn read(scheduler: &Scheduler) -> Result<Vec<wire::Notification>, Error> {
    let call = Call::notifications();
    let sent = scheduler
        .client
        .send(&call, Credential::Client, Urgency::Normal);
    let Answer::Body(body) = sent.await? else {
        return Ok(Vec::new());
    };
    let notified = wire::notifications(&body).map_err(|_| Error {
        operation: Operation::Notifications,
        meaning: Meaning::Broken(Broken::Shape),
    })?;
    Ok(notified.into_iter().filter_map(Result::ok).collect())
}

/// The kind that Polar's name of a data type stands for. Source: AccessLink documentation, "Pull
/// notifications".
fn kind_of(data_type: &str) -> Option<TransactionalKind> {
    match data_type {
        "EXERCISE" => Some(TransactionalKind::Exercise),
        "ACTIVITY_SUMMARY" => Some(TransactionalKind::Activity),
        "PHYSICAL_INFORMATION" => Some(TransactionalKind::PhysicalInformation),
        _ => None,
    }
}
