//! `/v3/exercises`: what was uploaded in the last days, whatever was committed of it.

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Exchange;
use super::answer::Answer;
use super::call::Call;
use super::receipt::Receipt;
use super::transactions::content_type;
use crate::sim::Sim;
use crate::switches::Switches;
use crate::world::account::Account;
use crate::world::exercise::{Exercise, Flags};
use crate::world::item::{Content, Item, Kind};
use crate::world::parts::PartKey;
use crate::world::person::Person;

/// Answers a call of this family.
pub(super) fn answer(exchange: &Exchange) -> Answer {
    let sim = &exchange.sim;
    let flags = Flags {
        samples: exchange.flag("samples"),
        zones: exchange.flag("zones"),
        route: exchange.flag("route"),
    };
    let user = exchange.user.unwrap_or_default();
    let answer = sim.with_account(user, |account, now, switches| {
        let kept = kept(account, now, switches);
        let find = |id: &str| {
            kept.iter()
                .copied()
                .find(|position| hash_id(account, *position) == id)
        };
        match &exchange.call {
            Call::Exercise(id) => find(id).map(|item| one(sim, account, item, flags, switches)),
            Call::ExerciseFile(id, key) => {
                find(id).and_then(|item| file(sim, account, item, *key, switches))
            }
            _ => Some(list(sim, account, kept, flags, switches)),
        }
        .unwrap_or_else(|| Answer::error(StatusCode::NOT_FOUND, switches))
    });
    answer.unwrap_or_else(Answer::no_content)
}

fn one(sim: &Sim, account: &mut Account, item: usize, flags: Flags, switches: &Switches) -> Answer {
    make_parts(sim, account, &[item], flags, switches);
    let exercise = &account.items[Kind::Exercise.index()][item];
    let object = object(sim, exercise, &account.person, flags, switches);
    let object = object.unwrap_or_default();
    Answer::value(&object).serving(Receipt::Exercises {
        item: Some(item),
        flags,
    })
}

/// All exercises, in the order of their upload.
fn list(
    sim: &Sim,
    account: &mut Account,
    mut kept: Vec<usize>,
    flags: Flags,
    switches: &Switches,
) -> Answer {
    make_parts(sim, account, &kept, flags, switches);
    let items = &account.items[Kind::Exercise.index()];
    kept.sort_by_key(|position| items[*position].latest().version_at);
    let exercises = kept.into_iter().map(|position| &items[position]);
    let objects = exercises.filter_map(|it| object(sim, it, &account.person, flags, switches));
    Answer::value(&objects.collect::<Value>()).serving(Receipt::Exercises { item: None, flags })
}

fn file(
    sim: &Sim,
    account: &mut Account,
    item: usize,
    key: PartKey,
    switches: &Switches,
) -> Option<Answer> {
    let Account { items, person, .. } = account;
    let Item {
        hash_id, revisions, ..
    } = &mut items[Kind::Exercise.index()][item];
    let revision = revisions.len() - 1;
    let parts = revisions[revision].parts(hash_id, sim.setting(person, switches));
    let body = parts.get(key)?.body.clone();
    let receipt = Receipt::Part {
        kind: Kind::Exercise,
        item,
        revision,
        key,
    };
    Some(Answer::with(StatusCode::OK, content_type(key), body).serving(receipt))
}

/// Samples, zones and routes served here count for the transactional parts, so those must be there.
fn make_parts(sim: &Sim, account: &mut Account, at: &[usize], flags: Flags, switches: &Switches) {
    let Account { items, person, .. } = account;
    if !(flags.samples || flags.zones || flags.route) {
        return;
    }
    for position in at {
        let Item {
            hash_id, revisions, ..
        } = &mut items[Kind::Exercise.index()][*position];
        let latest = revisions.len() - 1;
        if revisions[latest].parts.is_none() {
            revisions[latest].parts(hash_id, sim.setting(person, switches));
        }
    }
}

fn object(
    sim: &Sim,
    item: &Item,
    person: &Person,
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
