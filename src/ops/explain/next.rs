//! What happens next by itself, and what an operator can do.

use std::time::Duration;

use super::facts::Facts;
use crate::{
    model::ConnectionState,
    ops::{when::Present, words},
    store::remote::Phase,
};

/// A request that no worker takes for so long hints at missing workers.
const WAITS_LONG: Duration = Duration::from_mins(2);

pub(super) fn next(facts: &Facts) -> Vec<String> {
    let mut next = match facts.state {
        ConnectionState::Active => active(facts),
        _ => vec![stopped(facts)],
    };
    for row in &facts.dead {
        let id = row.id;
        next.push(format!(
            "`polar-sync dead retry {id}` takes up at once what was given up"
        ));
    }
    if !facts.quarantine.is_empty() {
        next.push(
            "what is in quarantine is stored and keeps nothing up; a later version may understand it"
                .to_owned(),
        );
    }
    next
}

fn stopped(facts: &Facts) -> String {
    let now = Present(facts.now);
    let remedy = words::remedy(facts.state, &facts.user_id);
    let again = now.at_or(facts.recheck_at, "soon");
    match facts.state {
        ConnectionState::Suspect if facts.is_held => format!(
            "Polar is asked again {again}; it is released when Polar accepts it, and revoked only when other users \
             are accepted and it is not. `polar-sync users list --state suspect` shows how many; {remedy}"
        ),
        ConnectionState::Suspect => format!(
            "Polar is asked again {again}: accepted, it is active again; refused, it is revoked; {remedy}"
        ),
        ConnectionState::ConsentRequired => format!("Polar is asked again {again}; {remedy}"),
        _ => format!("nothing happens by itself; {remedy}"),
    }
}

fn active(facts: &Facts) -> Vec<String> {
    let (now, user) = (Present(facts.now), &facts.user_id);
    let mut next = Vec::new();
    let works = facts
        .sync
        .lease_until
        .is_some_and(|until| !now.is_past(until));
    let waiting = facts.requests.iter().filter(|request| !request.running);
    let oldest = waiting.clone().map(|request| request.created_at).min();
    let until = waiting
        .clone()
        .filter_map(|request| request.not_before)
        .max();
    if works {
        next.push("a run is under way; look again in a minute".to_owned());
    } else if let Some(until) = facts.quota_closed_until {
        next.push(format!(
            "it goes on {}, when the quota opens; nothing has to be done",
            now.at(until)
        ));
    } else if let Some(until) = until.filter(|until| !now.is_past(*until)) {
        next.push(format!(
            "what is asked for goes on {}; nothing has to be done",
            now.at(until)
        ));
    } else if let Some(oldest) = oldest {
        let hint = if facts.now.duration_since(oldest).unsigned_abs() > WAITS_LONG {
            "; that is long: `polar-sync status` shows whether workers run"
        } else {
            ""
        };
        next.push(format!(
            "a worker takes what is asked for, since {}{hint}",
            now.at(oldest)
        ));
    } else {
        next.extend(due(facts, now));
        next.push(format!("`polar-sync enqueue {user} --wait` syncs it now"));
    }
    next.extend(transactions(facts, now));
    next
}

fn due(facts: &Facts, now: Present) -> Option<String> {
    let kinds = facts.kinds.iter();
    let (at, kind) = kinds
        .filter_map(|kind| Some((kind.next_due_at?, kind.kind)))
        .min()?;
    let text = if now.is_past(at) {
        format!(
            "{kind} is due since {}; the scheduler takes it up",
            now.at(at)
        )
    } else {
        format!("{kind} is due first, {}", now.at(at))
    };
    Some(text)
}

/// What becomes of transactions that are not over.
fn transactions(facts: &Facts, now: Present) -> Vec<String> {
    let told = |transaction: &crate::store::overview::TransactionSummary| {
        let (kind, id) = (transaction.kind, transaction.id);
        let row = facts.kinds.iter().find(|row| row.kind == kind.into());
        let when = now.at_or(row.and_then(|row| row.next_due_at), "with the next run");
        match transaction.phase {
            Phase::Blocked => {
                let left = |item: &&String| !transaction.accepted_loss.contains(item);
                if !transaction.items.iter().any(|item| left(&item)) {
                    return Some(format!(
                        "the {kind} items that were given up are tried once more {when}, then the transaction is \
                         committed without those that still fail"
                    ));
                }
                Some(format!(
                    "the blocked {kind} items are fetched again {when}; should they never come whole, \
                     `polar-sync transactions accept-loss {id}` gives them up for good, and the rest is committed"
                ))
            }
            Phase::Durable if !facts.commits => Some(format!(
                "the {kind} transaction is committed once sync.commit is on"
            )),
            Phase::Committing => Some(format!(
                "the commit of the {kind} transaction is sent again {when}"
            )),
            Phase::Opening => Some(format!(
                "a create of {kind} is sent again {when}; an empty answer is not believed while the first one may \
                 hide data"
            )),
            _ => None,
        }
    };
    facts.transactions.iter().filter_map(told).collect()
}
