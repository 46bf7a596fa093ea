//! Watches whether Polar's webhook still tells of new data, and has it activated again when it does not.

use std::time::Duration;

use super::{DutyError, Scheduler};
use crate::{
    accesslink::{Answer, Call, Credential, Urgency},
    telemetry::{self, metrics::WEBHOOK_SILENT},
};

/// An event may follow its data by so long before the webhook counts as silent.
const PATIENCE: Duration = Duration::from_mins(10);

/// Between two activations of a webhook that stays silent.
const ACTIVATE_EVERY: Duration = Duration::from_hours(1);

/// Notes a silence, tells of it, and has Polar send events again. Source: AccessLink documentation: a webhook that
/// was not answered for 7 days is deactivated.
pub(super) async fn watch(scheduler: &Scheduler) -> Result<(), DutyError> {
    let store = &scheduler.store;
    let gauge = metrics::gauge!(WEBHOOK_SILENT);
    let Some(webhook) = store.webhook().await? else {
        gauge.set(0.0);
        return Ok(());
    };
    let is_news = store.note_silence(PATIENCE).await?;
    if is_news {
        tracing::error!(
            "Polar's webhook is silent although there is new data: users are polled as often as without it; check that \
             Polar reaches api.public_url, and `polar-sync webhook status`"
        );
    }
    let is_silent = is_news || webhook.silent_since.is_some();
    gauge.set(if is_silent { 1.0 } else { 0.0 });
    if !store.claim_activation(ACTIVATE_EVERY).await? {
        return Ok(());
    }
    let call = Call::activate_webhook();
    let sent = scheduler
        .client
        .send(&call, Credential::Client, Urgency::Normal);
    match sent.await {
        Ok(Answer::Empty) => tracing::error!(
            "Polar has no webhook any more: `polar-sync webhook create --replace` makes one"
        ),
        Ok(Answer::Body(_) | Answer::Done) => tracing::info!("Polar's webhook is activated again"),
        Err(error) => tracing::warn!(
            error = telemetry::chain(&error),
            "Polar's webhook could not be activated again; the next try is in an hour"
        ),
    }
    Ok(())
}
