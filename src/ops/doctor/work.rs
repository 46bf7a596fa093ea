//! The work: who leads, what waits, and what needs somebody.

use super::Findings;
use crate::{
    config::{Config, Switch},
    ops::{
        status::{LaneStatus, gather, needs},
        when::{Present, span},
    },
    store::Store,
};

const WORK: &str = "work";

/// An entry that nobody has taken for so long has nobody to take it.
const UNTAKEN_MAX_S: f64 = 60.0;

pub(super) async fn look(
    config: &Config,
    store: &Store,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let status = gather(config, store, config.for_queue("doctor")?.redis_url).await?;
    for leader in &status.leaders {
        match &leader.owner {
            Some(owner) => findings.ok(WORK, format!("{}: {owner} leads", leader.office)),
            None => findings.fails(
                WORK,
                format!(
                    "{}: nobody leads; start `polar-sync scheduler`",
                    leader.office
                ),
            ),
        }
    }
    for LaneStatus {
        lane,
        entries,
        pending,
        oldest_s,
    } in status.lanes.iter().flatten()
    {
        let oldest_s = oldest_s.unwrap_or_default();
        if *pending == 0 && oldest_s > UNTAKEN_MAX_S {
            let oldest = span(std::time::Duration::try_from_secs_f64(oldest_s).unwrap_or_default());
            findings.fails(
                WORK,
                format!(
                    "nobody takes the {entries} entries of lane {lane}, the oldest of {oldest}; start `polar-sync worker`"
                ),
            );
        }
    }
    if config.sync.commit == Switch::Off {
        findings.warns(
            WORK,
            "sync.commit is off: everything is stored, and Polar offers it again; switch it on once you trust what you see",
        );
    }
    let told = needs(&status, Present(status.at));
    if told.is_empty() {
        findings.ok(WORK, "nothing needs somebody");
    }
    for need in told {
        findings.warns(WORK, need);
    }
    Ok(())
}
