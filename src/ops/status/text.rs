//! `status` for people.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{LaneStatus, Status};
use crate::ops::{
    table::Table,
    when::{Present, span, utc},
};

/// Kinds that are due for longer wait for a scheduler, or for room on a lane.
const LATE_AFTER: Duration = Duration::from_mins(1);

pub(super) fn write(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let now = Present(status.at);
    writeln!(out, "{}", utc(status.at))?;
    write_lanes(status, out)?;
    write_numbers(status, out)?;
    write_quota(status, now, out)?;
    write_intervals(status, out)?;
    write_webhook(status, now, out)?;
    write_leaders(status, now, out)?;
    let mut needs = needs(status, now);
    if status.leaders.iter().any(|leader| leader.owner.is_none()) {
        needs.push("no scheduler leads: start `polar-sync scheduler`".to_owned());
    }
    if needs.is_empty() {
        return writeln!(out, "\nnothing needs somebody");
    }
    writeln!(out, "\nneeds somebody:")?;
    needs.iter().try_for_each(|need| writeln!(out, "  {need}"))
}

fn write_lanes(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    if let Some(error) = &status.redis_error {
        return writeln!(out, "\nlanes: unknown, Redis cannot be asked: {error}");
    }
    writeln!(out)?;
    let mut table = Table::new(["lane", "entries", "running", "oldest"]);
    for LaneStatus {
        lane,
        entries,
        pending,
        oldest_s,
    } in status.lanes.iter().flatten()
    {
        let oldest = oldest_s.map_or_else(|| "-".to_owned(), seconds);
        table.row([
            lane.to_string(),
            entries.to_string(),
            pending.to_string(),
            oldest,
        ]);
    }
    table.write(out, "")
}

fn write_numbers(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let minutes = f64::from(status.runs_within_min);
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of runs are far below 2^52"
    )]
    let rate = |runs: i64| runs as f64 / minutes;
    let runs: Vec<_> = status
        .runs
        .iter()
        .map(|rate_of| format!("{:.1} {}", rate(rate_of.runs), rate_of.outcome))
        .collect();
    writeln!(
        out,
        "\nruns a minute (last {minutes} min): {}",
        joined(&runs)
    )?;
    let connections: Vec<_> = status
        .connections
        .iter()
        .map(|count| format!("{} {}", count.count, count.state))
        .collect();
    writeln!(out, "connections: {}", joined(&connections))?;
    let (open, due) = (status.needs.open_requests, status.needs.due_kinds);
    writeln!(
        out,
        "open requests: {open}; kinds due and not taken up: {due}"
    )
}

fn write_quota(status: &Status, now: Present, out: &mut dyn Write) -> io::Result<()> {
    let Some(quota) = &status.quota else {
        return writeln!(out, "quota: unknown");
    };
    for window in &quota.windows {
        let resets = match window.resets_at {
            Some(at) if !now.is_past(at) => format!("resets {}", now.distance(at)),
            _ => "not begun".to_owned(),
        };
        let (name, used, limit) = (window.window, window.used, window.limit);
        writeln!(out, "quota of {name}: {used} of {limit} used, {resets}")?;
    }
    if status.redis_error.is_some() {
        writeln!(out, "  as of {}", now.at(quota.at))?;
    }
    match quota.closed_until {
        Some(until) if !now.is_past(until) => {
            writeln!(
                out,
                "Polar refused (429): nobody asks before {}",
                now.at(until)
            )
        }
        _ => Ok(()),
    }
}

fn write_intervals(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let intervals: Vec<_> = status
        .intervals
        .iter()
        .map(|interval| format!("{} {}", interval.kind, seconds(interval.effective_s)))
        .collect();
    let stretch = status.stretch;
    writeln!(
        out,
        "effective intervals (configured x {stretch:.2}): {}",
        joined(&intervals)
    )?;
    if let Some(failing_s) = status.notifications_failing_s {
        let failing = seconds(failing_s);
        writeln!(
            out,
            "notifications of Polar have been failing for {failing}: what they tell of is polled more often"
        )?;
    }
    Ok(())
}

fn write_leaders(status: &Status, now: Present, out: &mut dyn Write) -> io::Result<()> {
    for leader in &status.leaders {
        match (&leader.owner, leader.until) {
            (Some(owner), Some(until)) => {
                writeln!(
                    out,
                    "{}: {owner} leads, until {}",
                    leader.office,
                    now.at(until)
                )?;
            }
            _ => writeln!(out, "{}: nobody leads", leader.office)?,
        }
    }
    Ok(())
}

fn write_webhook(status: &Status, now: Present, out: &mut dyn Write) -> io::Result<()> {
    let Some(webhook) = &status.webhook else {
        return Ok(());
    };
    match webhook.last_event_at {
        Some(at) => writeln!(out, "webhook: the last event came {}", now.distance(at)),
        None => writeln!(out, "webhook: no event has come yet"),
    }
}

/// What somebody should look at beside who leads, each with the command that shows more.
pub(in crate::ops) fn needs(status: &Status, now: Present) -> Vec<String> {
    let needs = &status.needs;
    let mut told = Vec::new();
    let mut tell = |count: i64, what: &str, command: &str| {
        if count > 0 {
            told.push(format!("{what}: {count}; see {command}"));
        }
    };
    tell(needs.dead, "given up for now", "`polar-sync dead list`");
    let quarantine: Vec<_> = status
        .quarantined_users
        .iter()
        .map(|user| format!("`polar-sync explain {user}`"))
        .collect();
    tell(
        needs.quarantined,
        "bodies in quarantine, kept for a version that understands them",
        &quarantine.join(", "),
    );
    tell(
        needs.blocked_transactions,
        "AccessLink transactions blocked by items that cannot be fetched whole",
        "`polar-sync transactions list`",
    );
    tell(
        needs.held,
        "suspects held, since too many tokens are refused at once",
        "`polar-sync users list --state suspect`",
    );
    tell(
        needs.erasing,
        "users whose erasure has not come to its end, which `polar-sync users erase USER` goes on with",
        "`polar-sync users list --state erasing`",
    );
    if let Some(since) = needs
        .due_since
        .filter(|since| now.0.duration_since(*since).unsigned_abs() > LATE_AFTER)
    {
        told.push(format!(
            "{} kinds are due, the first for {}: is a scheduler running, and has the periodic lane room \
             (schedule.backlog_max)?",
            needs.due_kinds,
            now.since(since)
        ));
    }
    if let Some(since) = status
        .webhook
        .as_ref()
        .and_then(|webhook| webhook.silent_since)
    {
        told.push(format!(
            "Polar's webhook has been silent for {} although there is new data; see `polar-sync webhook status`",
            now.since(since)
        ));
    }
    told
}

fn seconds(seconds: f64) -> String {
    span(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn joined(parts: &[String]) -> String {
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ConnectionState, Kind, Lane, RunOutcome},
        ops::status::{Interval, Quota, StateCount, WindowStatus},
        store::{
            overview::{LeaderSummary, Needs, RunRate},
            webhook::WebhookRow,
        },
    };

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    fn status() -> Status {
        let window = |window, used, limit, resets_at| WindowStatus {
            window,
            used,
            limit,
            resets_at,
        };
        let leader = |office: &str, owner: Option<&str>| LeaderSummary {
            office: office.to_owned(),
            owner: owner.map(str::to_owned),
            until: Some(at("2026-03-20T12:00:08Z")),
        };
        Status {
            at: at("2026-03-20T12:00:00Z"),
            redis_error: None,
            lanes: Some(vec![LaneStatus {
                lane: Lane::Periodic,
                entries: 12,
                pending: 2,
                oldest_s: Some(70.0),
            }]),
            runs_within_min: 5,
            runs: vec![RunRate {
                outcome: RunOutcome::Ok,
                runs: 12,
            }],
            connections: vec![StateCount {
                state: ConnectionState::Active,
                count: 10,
            }],
            quota: Some(Quota {
                at: at("2026-03-20T11:59:55Z"),
                windows: [
                    window("15 min", 520, 520, Some(at("2026-03-20T12:03:00Z"))),
                    window("24 h", 700, 5100, None),
                ],
                closed_until: Some(at("2026-03-20T12:03:00Z")),
            }),
            stretch: 1.5,
            notifications_failing_s: None,
            webhook: Some(WebhookRow {
                webhook_id: "abdf33".to_owned(),
                url: "https://sync.example.org/api/v1/providers/polar/webhooks".to_owned(),
                created_at: at("2026-03-01T12:00:00Z"),
                last_event_at: Some(at("2026-03-20T10:00:00Z")),
                unannounced_since: Some(at("2026-03-20T11:30:00Z")),
                silent_since: Some(at("2026-03-20T11:40:00Z")),
                activated_at: None,
            }),
            intervals: vec![Interval {
                kind: Kind::Exercise,
                configured: "6h".parse().unwrap(),
                effective_s: 32_400.0,
            }],
            leaders: vec![
                leader("scheduler", Some("host-1")),
                leader("sequencer", None),
            ],
            needs: Needs {
                dead: 1,
                quarantined: 2,
                blocked_transactions: 1,
                held: 4,
                erasing: 0,
                open_requests: 3,
                due_kinds: 9,
                due_since: Some(at("2026-03-20T11:00:00Z")),
                unnumbered_changes: 0,
            },
            quarantined_users: vec!["user_001".to_owned()],
        }
    }

    fn text(status: &Status) -> String {
        let mut out = Vec::new();
        write(status, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_needs_somebody_is_told_with_its_command() {
        insta::assert_snapshot!(text(&status()));
    }

    #[test]
    fn without_redis_the_rest_is_told() {
        let mut status = status();
        status.redis_error = Some("Redis does not answer at redis.url".to_owned());
        status.lanes = None;
        insta::assert_snapshot!(text(&status));
    }
}
