//! Accounts: listing, adding, revoking, consent, registration, tokens.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::{Answered, Refused, Sims};
use crate::lock::lock;
use crate::sim::Sim;
use crate::world::account::Account;

pub(super) async fn list(State(sim): Sims) -> Json<Value> {
    let users = sim
        .accounts()
        .iter()
        .map(|account| describe(&lock(account)))
        .collect::<Value>();
    Json(json!({"users": users}))
}

pub(super) async fn add(State(sim): Sims) -> Answered {
    let user = sim.add_account();
    changed(&sim, user, |_| ())
}

/// The user disconnects the client in Flow: every token of the account is dead.
pub(super) async fn revoke(State(sim): Sims, Path(user): Path<u64>) -> Answered {
    lock(&sim.grants).revoke(user);
    changed(&sim, user, |account| account.revoked = true)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Consent {
    given: bool,
}

pub(super) async fn consent(
    State(sim): Sims,
    Path(user): Path<u64>,
    JsonBody(body): JsonBody<Consent>,
) -> Answered {
    changed(&sim, user, |account| account.consent = body.given)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deregister {
    /// Whether the tokens die too, as they do when the client itself deregisters the user.
    #[serde(default)]
    revoke: bool,
}

pub(super) async fn deregister(
    State(sim): Sims,
    Path(user): Path<u64>,
    JsonBody(body): JsonBody<Deregister>,
) -> Answered {
    if body.revoke {
        lock(&sim.grants).revoke(user);
    }
    let now = sim.clock.now();
    changed(&sim, user, |account| sim.deregister(account, now))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    #[serde(default)]
    refresh: bool,
    /// Registers or deregisters the account; left out, it stays as it is.
    registered: Option<bool>,
}

pub(super) async fn token(
    State(sim): Sims,
    Path(user): Path<u64>,
    JsonBody(body): JsonBody<Token>,
) -> Answered {
    let now = sim.clock.now();
    _ = changed(&sim, user, |account| {
        account.revoked = false;
        match (body.registered, account.registration.is_some()) {
            (Some(true), false) => sim.register(account, format!("imported-{user}"), now),
            (Some(false), true) => sim.deregister(account, now),
            _ => {}
        }
    })?;
    let issued = lock(&sim.grants).issue_directly(user, body.refresh, now, &sim.switches());
    let mut answer =
        json!({"access_token": issued.access_token, "expires_in": issued.expires_in_s});
    if let Some(refresh_token) = issued.refresh_token {
        answer["refresh_token"] = refresh_token.into();
    }
    Ok(Json(answer))
}

fn changed(sim: &Sim, user: u64, change: impl FnOnce(&mut Account)) -> Answered {
    let described = sim.with_account(user, |account, _, _| {
        change(account);
        describe(account)
    });
    described
        .map(Json)
        .ok_or_else(|| Refused::no_such("account", user))
}

fn describe(account: &Account) -> Value {
    let registration = account.registration.as_ref();
    json!({
        "polar_user_id": account.person.polar_user_id,
        "registered": registration.is_some(),
        "member_id": registration.map(|registration| registration.member_id.as_str()),
        "revoked": account.revoked,
        "consent": account.consent,
    })
}
