//! AccessLink: whether it takes our client.

use std::time::Duration;

use super::Findings;
use crate::{
    accesslink::{Call, Credential, Urgency, error::Meaning},
    config::Config,
    role::Ground,
    telemetry,
};

const POLAR: &str = "polar";

/// Asks for the notifications, which is one call of the quota.
pub(super) async fn look(config: &Config, findings: &mut Findings) {
    let ground = match Ground::lay(config, Duration::ZERO).await {
        Ok(ground) => ground,
        Err(error) => {
            findings.broken(POLAR, &error);
            return;
        }
    };
    let call = Call::notifications();
    let answer = ground
        .client
        .send(&call, Credential::Client, Urgency::Interactive)
        .await;
    // What the call took of the quota is told to everybody.
    ground.permits.give_back().await;
    match answer {
        Ok(_) => findings.ok(POLAR, "AccessLink answers, and accepts our client"),
        Err(error) => match &error.meaning {
            Meaning::Unauthorized | Meaning::Forbidden => findings.fails(
                POLAR,
                format!("{error}: check accesslink.client_id and accesslink.client_secret"),
            ),
            Meaning::WindowClosed(closed) => {
                findings.warns(POLAR, format!("it was not asked: {closed}"));
            }
            _ => findings.warns(
                POLAR,
                format!(
                    "AccessLink gave no usable answer ({}): nothing is lost, and syncs wait",
                    telemetry::chain(&error)
                ),
            ),
        },
    }
}
