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
    let call = Call::notifications();
    let answer = scheduler
        .client
        .send(&call, Credential::Client, Urgency::Normal)
        .await?;
    let Answer::Body(body) = answer else {
        return Ok(());
    };
    let notified = wire::notifications(&body).map_err(|_| Error {
        operation: Operation::Notifications,
        meaning: Meaning::Broken(Broken::Shape),
    })?;
    let known: Vec<_> = notified
        .into_iter()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.user_id, kind_of(&entry.data_type)?))
        })
        .filter(|(_, kind)| scheduler.settings.kinds.contains(&(*kind).into()))
        .collect();
    // An entry that was missing from one answer counts as new in the next.
    let absent_after = scheduler
        .settings
        .schedule
        .notifications_every
        .get()
        .mul_f64(1.5);
    for batch in known.chunks(BATCH_MAX) {
        let mut tx = scheduler.store.begin_leading("notice", term).await?;
        let asked = tx.ask_for_notified(batch, absent_after, REPEAT).await?;
        tx.commit().await?;
        wake(scheduler, &asked).await?;
    }
    Ok(())
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
