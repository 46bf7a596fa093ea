//! A kind in one sentence: how it fares, when it is due and why.

use super::{facts::Facts, text::DETAIL};
use crate::{
    model::{ConnectionState, DueCause},
    ops::when::Present,
    store::overview::KindSummary,
};

pub(super) fn line(kind: &KindSummary, facts: &Facts) -> String {
    let now = Present(facts.now);
    let error = kind.error.as_deref().or(kind.error_class.as_deref());
    let because = error.map_or_else(String::new, |error| format!("{DETAIL}because: {error}"));
    let (fares, due) = (fares(kind, now), due(kind, facts, now));
    format!("{}: {fares}{because}{DETAIL}{due}", kind.kind)
}

fn fares(kind: &KindSummary, now: Present) -> String {
    let last = now.at_or(kind.last_success_at, "never");
    if !kind.consent {
        return format!("the user does not allow it at Polar (403); last in step {last}");
    }
    match (kind.attempts, &kind.error_class, kind.last_success_at) {
        (0, None, None) => "not synced yet".to_owned(),
        (0, None, Some(_)) => format!("in step as of {last}"),
        // What only waits has not failed.
        (0, Some(_), _) => format!("waits; last in step {last}"),
        (1, ..) => format!("failed once; last in step {last}"),
        (times, ..) => format!("failed {times} times in a row; last in step {last}"),
    }
}

fn due(kind: &KindSummary, facts: &Facts, now: Present) -> String {
    let is_asked = facts
        .requests
        .iter()
        .any(|request| request.kinds.is_empty() || request.kinds.contains(&kind.kind));
    if is_asked {
        return "a sync of it is asked for already".to_owned();
    }
    let Some(at) = kind.next_due_at else {
        return match facts.state {
            ConnectionState::Active => "not planned yet".to_owned(),
            _ => "put aside until the connection is active".to_owned(),
        };
    };
    let at = now.at(at);
    match kind.due_cause {
        _ if facts.state != ConnectionState::Active => {
            format!("put aside when it is due, {at}, unless the connection is active by then")
        }
        _ if !kind.consent => format!("Polar is asked again {at}"),
        DueCause::Schedule => format!("looked at next {at}, its schedule"),
        DueCause::Retry => format!("tried again {at}"),
        DueCause::Snooze => format!("goes on {at}, when the quota or Polar allows it"),
        DueCause::Doubt => format!(
            "looked at again {at}: until then an earlier transaction may still be open at Polar and hide data, or an \
             earlier create be on its way"
        ),
        DueCause::Blocked => {
            format!("fetched again {at}, since items of it cannot be fetched whole")
        }
        DueCause::Consent => format!("Polar is asked again {at}"),
    }
}
