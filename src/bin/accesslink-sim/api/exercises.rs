//! `/v3/exercises`: what was uploaded in the last days, whatever was committed of it.

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Exchange;
use super::answer::Answer;
use super::call::Call;
use super::transactions::content_type;
use crate::sim::Sim;
use crate::switches::Switches;
use crate::world::account::Account;
use crate::world::exercise::{Exercise, Flags};
use crate::world::item::{Content, Item, Kind};

/// Answers a call of this family.
pub(super) fn answer(exchange: &Exchange) -> Answer {
    let sim = &exchange.sim;
    let flags = Flags {
        samples: exchange.flag("samples"),
        zones: exchange.flag("zones"),
        route: exchange.flag("route"),
    };
    let answer = sim.with_account(
        exchange.user.unwrap_or_default(),
        |account, now, switches| {
            let id = match &exchange.call {
                Call::Exercise(id) | Call::ExerciseFile(id, _) => id.as_str(),
                _ => return list(sim, account, now, flags, switches),
            };
            let mut kept = kept(account, now, switches).into_iter();
            let Some(position) = kept.find(|position| hash_id(account, *position) == id) else {
                return Answer::error(StatusCode::NOT_FOUND, switches);
            };
            let Account { items, person, .. } = account;
            let item = &mut items[Kind::Exercise.index()][position];
            let Call::ExerciseFile(_, key) = exchange.call else {
                return object(sim, item, person, flags, switches)
                    .map_or_else(Answer::no_content, |object| Answer::value(&object));
            };
            let Item {
                hash_id, revisions, ..
            } = item;
            let latest = revisions.len() - 1;
            match revisions[latest]
                .parts(hash_id, sim.setting(person, switches))
                .get(key)
            {
                Some(part) => Answer::with(StatusCode::OK, content_type(key), part.body.clone()),
                None => Answer::error(StatusCode::NOT_FOUND, switches),
            }
        },
    );
    answer.unwrap_or_else(Answer::no_content)
}

/// All exercises, in the order of their upload.
fn list(sim: &Sim, account: &Account, now: Timestamp, flags: Flags, switches: &Switches) -> Answer {
    let items = &account.items[Kind::Exercise.index()];
    let mut positions = kept(account, now, switches);
    positions.sort_by_key(|position| items[*position].latest().version_at);
    let objects = positions
        .into_iter()
        .filter_map(|position| object(sim, &items[position], &account.person, flags, switches));
    Answer::value(&objects.collect::<Value>())
}

fn object(
    sim: &Sim,
    item: &Item,
    person: &crate::world::person::Person,
    flags: Flags,
    switches: &Switches,
) -> Option<Value> {
    let latest = item.latest();
    let Content::Session(session) = &latest.content else {
        return None;
    };
    let exercise = Exercise {
        person,
        session,
        id: latest.id,
        hash_id: &item.hash_id,
        upload_at: latest.version_at,
        origin: sim.origins(switches).www,
        switches,
    };
    Some(exercise.snake(flags))
}

/// Places of the exercises that were uploaded lately and since the registration.
fn kept(account: &Account, now: Timestamp, switches: &Switches) -> Vec<usize> {
    let days = i64::try_from(switches.exercises_days).unwrap_or_default();
    let oldest = now.checked_sub(SignedDuration::from_hours(24 * days));
    let oldest = oldest.unwrap_or(Timestamp::MIN);
    let is_kept = |item: &Item| !item.is_hidden && item.latest().version_at >= oldest;
    let items = account.items[Kind::Exercise.index()].iter().enumerate();
    items
        .filter(|(_, item)| is_kept(item))
        .map(|(position, _)| position)
        .collect()
}

fn hash_id(account: &Account, position: usize) -> &str {
    &account.items[Kind::Exercise.index()][position].hash_id
}
