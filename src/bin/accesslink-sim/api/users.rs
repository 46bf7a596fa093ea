//! Users and pull notifications.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Exchange;
use super::answer::Answer;
use super::call::Call;
use crate::lock::lock;
use crate::switches::{ExtraInfo, Switches};
use crate::world::account::Account;
use crate::world::instant_ms;
use crate::world::item::Kind;

/// Answers a call of this family.
pub(super) fn answer(exchange: &Exchange) -> Answer {
    let sim = &exchange.sim;
    let user = exchange.user.unwrap_or_default();
    let known = match exchange.call {
        Call::Notifications => return notifications(exchange),
        Call::Register => return register(exchange, user),
        Call::Deregister(_) => deregister(exchange, user),
        _ => sim.with_account(user, |account, _, switches| {
            Answer::value(&profile(account, switches))
        }),
    };
    known.unwrap_or_else(Answer::no_content)
}

/// 409 where the account is registered or somebody else has this member id.
fn register(exchange: &Exchange, user: u64) -> Answer {
    let sim = &exchange.sim;
    let switches = sim.switches();
    let body: Value = serde_json::from_slice(&exchange.body).unwrap_or_default();
    let Some(member_id) = body["member-id"].as_str().filter(|id| !id.is_empty()) else {
        return Answer::error(StatusCode::BAD_REQUEST, &switches);
    };
    let is_taken = sim.accounts().iter().any(|account| {
        let registration = &lock(account).registration;
        registration
            .as_ref()
            .is_some_and(|registration| registration.member_id == member_id)
    });
    let registered = sim.with_account(user, |account, now, switches| {
        if is_taken || account.registration.is_some() {
            return Answer::error(StatusCode::CONFLICT, switches);
        }
        sim.register(account, member_id.to_owned(), now);
        Answer::value(&profile(account, switches))
    });
    registered.unwrap_or_else(Answer::no_content)
}

/// Deregistering also kills the token that asked for it.
fn deregister(exchange: &Exchange, user: u64) -> Option<Answer> {
    let sim = &exchange.sim;
    let answer = sim.with_account(user, |account, now, switches| {
        if account.registration.is_none() {
            return Answer::error(StatusCode::NOT_FOUND, switches);
        }
        sim.deregister(account, now);
        Answer::no_content()
    })?;
    if answer.status == StatusCode::NO_CONTENT {
        lock(&sim.grants).revoke(user);
    }
    Some(answer)
}

fn profile(account: &Account, switches: &Switches) -> Value {
    let person = &account.person;
    let registration = account.registration.as_ref();
    json!({
        "polar-user-id": person.polar_user_id,
        "member-id": registration.map(|registration| registration.member_id.as_str()),
        "registration-date": registration.map(|registration| instant_ms(registration.at)),
        "first-name": person.first_name,
        "last-name": person.last_name,
        "birthdate": person.birthdate.to_string(),
        "gender": person.gender,
        "weight": person.weight_kg,
        "height": person.height_cm,
        "extra-info": match switches.extra_info {
            ExtraInfo::Empty => json!([]),
            ExtraInfo::Null => Value::Null,
        },
    })
}

/// One entry for each user and kind with something to commit. Reading consumes nothing.
fn notifications(exchange: &Exchange) -> Answer {
    let sim = &exchange.sim;
    let mut entries = Vec::new();
    for account in sim.accounts() {
        sim.with(&account, |account, now, switches| {
            if account.registration.is_none() || account.revoked || !account.consent {
                return;
            }
            let user = account.person.polar_user_id;
            let origin = sim.origins(switches).www;
            for kind in Kind::ALL {
                if account.has_waiting(kind, now, switches.transactional_days) {
                    entries.push(json!({
                        "user-id": user,
                        "data-type": kind.data_type(),
                        "url": format!("{origin}/v3/users/{user}/{}", kind.transactions()),
                    }));
                }
            }
        });
    }
    if entries.is_empty() {
        return Answer::no_content();
    }
    Answer::value(&json!({"available-user-data": entries}))
}
