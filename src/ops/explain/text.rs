//! The whole explanation, section by section.

use std::io::{self, Write};

use jiff::SignedDuration;

use super::{
    facts::{Facts, QuarantinedItem},
    kinds,
};
use crate::{
    model::RunOutcome,
    ops::{
        when::{Present, span, utc},
        words,
    },
    store::overview::{OpenRequest, RunSummary, TransactionSummary},
};

/// An expiry nearer than this is worth a warning.
const EXPIRY_NEAR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Begins a line that belongs to the one above it.
pub(super) const DETAIL: &str = "\n      ";

pub(super) fn write(facts: &Facts, next: &[String], out: &mut dyn Write) -> io::Result<()> {
    let now = Present(facts.now);
    for line in [
        who(facts, now),
        state(facts, now),
        token(facts, now),
        work(facts, now),
    ] {
        writeln!(out, "{line}")?;
    }
    let runs = facts.runs.iter().map(|run| run_line(run, now));
    section(out, "last runs", runs)?;
    section(
        out,
        "kinds",
        facts.kinds.iter().map(|kind| kinds::line(kind, facts)),
    )?;
    let transactions = facts.transactions.iter();
    section(
        out,
        "open AccessLink transactions",
        transactions.map(|it| transaction(it, facts)),
    )?;
    section(
        out,
        "open requests",
        facts.requests.iter().map(|it| request(it, now)),
    )?;
    section(
        out,
        "in quarantine",
        facts.quarantine.iter().map(|it| quarantined(it, now)),
    )?;
    let dead = facts.dead.iter().map(|row| {
        let what = row
            .kind
            .map_or("a stream entry", crate::model::Kind::as_str);
        let (id, times, error) = (row.id, row.attempts, &row.error);
        format!(
            "{what}, {}, after {times} tries: {error} (id {id})",
            now.at(row.died_at)
        )
    });
    section(out, "given up for now", dead)?;
    if let Some(until) = facts.quota_closed_until {
        writeln!(
            out,
            "\nquota: spent; nobody asks Polar before {}",
            now.at(until)
        )?;
    }
    section(out, "next", next.iter().cloned())
}

/// A heading with lines below it; nothing where there is no line.
fn section(
    out: &mut dyn Write,
    heading: &str,
    lines: impl Iterator<Item = String>,
) -> io::Result<()> {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "\n{heading}:")?;
    lines.try_for_each(|line| writeln!(out, "  {line}"))
}

fn who(facts: &Facts, now: Present) -> String {
    let registered = match facts.registered_at {
        Some(_) => "",
        None => "; not registered by polar-sync yet, the next run sees to it",
    };
    format!(
        "user {}: Polar user {}, connected {}, member id {}{registered}",
        facts.user_id,
        facts.polar_user_id,
        now.at(facts.connected_at),
        facts.connection_id
    )
}

fn state(facts: &Facts, now: Present) -> String {
    let reason = facts
        .state_reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    let meaning = words::meaning(facts.state, facts.is_held);
    let since = now.at(facts.state_since);
    format!("state: {}{reason} since {since}:\n  {meaning}", facts.state)
}

fn token(facts: &Facts, now: Present) -> String {
    let token = &facts.token;
    let refresh = if token.has_refresh_token {
        "it is refreshed when Polar refuses it"
    } else {
        "there is no refresh token, and only a refusal by Polar (401) decides that it ended"
    };
    let expiry = match token.expires_at {
        None => "when it ends is not known".to_owned(),
        Some(at) if now.is_past(at) => format!("WARNING: it should have ended {}", now.at(at)),
        Some(at) if at.duration_since(facts.now) < EXPIRY_NEAR => {
            format!("WARNING: it ends soon, {}", now.at(at))
        }
        Some(at) => format!("it ends {}", now.at(at)),
    };
    format!(
        "token: sealed by key {}, generation {}; {expiry};\n  {refresh}",
        token.key_id, token.generation
    )
}

fn work(facts: &Facts, now: Present) -> String {
    let sync = &facts.sync;
    let owner = sync.lease_owner.as_deref().unwrap_or("a worker");
    match (sync.lease_until, sync.queued_lane.zip(sync.queued_at)) {
        (Some(until), _) if !now.is_past(until) => {
            format!(
                "now: {owner} works on it; its lease ends {} unless it is renewed",
                now.at(until)
            )
        }
        (Some(until), _) => format!(
            "now: {owner} stopped without a word, its lease ended {}; another worker takes over",
            now.at(until)
        ),
        (None, Some((lane, at))) => {
            format!(
                "now: nobody works on it; a wake-up is on the {lane} lane since {}",
                now.at(at)
            )
        }
        (None, None) => "now: nobody works on it".to_owned(),
    }
}

fn run_line(run: &RunSummary, now: Present) -> String {
    let started = now.at(run.started_at);
    let why = format!("{}, on the {} lane", run.cause, run.lane);
    let ids = match run.request_ids.as_slice() {
        [] => String::new(),
        ids => format!(", asked for as {}", ids.join(", ")),
    };
    let Some((finished, outcome)) = run.finished_at.zip(run.outcome) else {
        return format!(
            "{started}: {why}{ids}: under way for {}",
            now.since(run.started_at)
        );
    };
    let took = span(finished.duration_since(run.started_at).unsigned_abs());
    let (new, changed, same) = (run.items_new, run.items_changed, run.items_same);
    let counts = match outcome {
        RunOutcome::Refused => String::new(),
        _ => format!(", {new} new, {changed} changed, {same} as they were"),
    };
    let error = run.error.as_ref().map_or_else(String::new, |error| {
        let class = run.error_class.as_deref().unwrap_or("error");
        format!("{DETAIL}{class}: {error}")
    });
    format!("{started}: {why}{ids}: {outcome} after {took}{counts}{error}")
}

fn transaction(transaction: &TransactionSummary, facts: &Facts) -> String {
    let now = Present(facts.now);
    let items = match transaction.items.as_slice() {
        [] => String::new(),
        items => format!("; items {}", items.join(", ")),
    };
    let given_up = match transaction.accepted_loss.as_slice() {
        [] => String::new(),
        items => format!("; given up by an operator: {}", items.join(", ")),
    };
    let polar_id = transaction.polar_transaction_id;
    format!(
        "{} {}: {}, begun {} (id {}){DETAIL}{}{items}{given_up}",
        transaction.kind,
        polar_id.map_or_else(
            || "without an id of Polar's".to_owned(),
            |id| id.to_string()
        ),
        transaction.phase,
        now.at(transaction.created_at),
        transaction.id,
        words::phase(transaction.phase)
    )
}

fn request(request: &OpenRequest, now: Present) -> String {
    let kinds: Vec<_> = request.kinds.iter().map(|kind| kind.as_str()).collect();
    let kinds = if kinds.is_empty() {
        "all kinds".to_owned()
    } else {
        kinds.join(", ")
    };
    let stands = match request.not_before {
        _ if request.running => "a run serves it".to_owned(),
        Some(until) if !now.is_past(until) => format!("it waits until {}", now.at(until)),
        _ => "it waits for a worker".to_owned(),
    };
    let id = request
        .request_id
        .as_ref()
        .map_or_else(String::new, |id| format!(" as {id}"));
    format!(
        "{kinds}, {}, on the {} lane{id}, since {}: {stands} (task {})",
        request.cause,
        request.lane,
        now.at(request.created_at),
        request.task_id
    )
}

fn quarantined(item: &QuarantinedItem, now: Present) -> String {
    let QuarantinedItem {
        kind,
        item,
        part,
        reason,
        since,
    } = item;
    format!(
        "{kind} {item}, {part}: {reason}; since {}, {}",
        utc(*since),
        now.distance(*since)
    )
}
