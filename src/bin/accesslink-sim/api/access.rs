//! Who calls, and whether that is allowed: tokens, client credentials, consent, registration.

use axum::http::request::Parts as Head;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::sync::atomic::Ordering;

use super::answer::Answer;
use super::call::Call;
use super::{Exchange, parameter};
use crate::grants::Bearer;
use crate::lock::lock;
use crate::sim::Sim;
use crate::switches::{Switches, Unregistered, UnregisteredUser};
use crate::violations;

/// Calls that may come after a revocation: those on their way, and the ones that confirm it.
const CALLS_AFTER_REVOCATION_MAX: u64 = 16;

/// Whose token the request carries, dead or alive.
pub(super) fn bearer(sim: &Sim, head: &Head) -> Option<Bearer> {
    let token = credential(head, "Bearer ")?;
    let (now, expiry) = (sim.clock.now(), sim.switches().token_expiry);
    lock(&sim.grants).bearer(token, now, expiry)
}

/// The user that the request is about: named by its path, its token, its code or its refresh token.
pub(super) fn user(sim: &Sim, call: &Call, head: &Head, body: &[u8]) -> Option<u64> {
    if *call == Call::Token {
        let grants = lock(&sim.grants);
        let given = parameter(body, "code").or_else(|| parameter(body, "refresh_token"));
        return given.and_then(|grant| grants.owner(&grant));
    }
    call.user()
        .or_else(|| bearer(sim, head).map(|bearer| bearer.user))
}

/// Whether the request carries the client's own credentials.
pub(super) fn is_client(sim: &Sim, head: &Head) -> bool {
    let expected = format!("{}:{}", sim.settings.client_id, sim.settings.client_secret);
    credential(head, "Basic ")
        .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
        .is_some_and(|given| given == expected.as_bytes())
}

/// Everything that can forbid a call before it is looked at.
pub(super) fn check(exchange: &Exchange, switches: &Switches) -> Result<(), Answer> {
    let Exchange {
        sim, head, call, ..
    } = exchange;
    let error = |status| Err(Answer::error(status, switches));
    match call {
        Call::ConsentPage | Call::Consent | Call::Token | Call::Unknown => return Ok(()),
        Call::Notifications | Call::Webhook(_) if is_client(sim, head) => return Ok(()),
        Call::Notifications | Call::Webhook(_) => return error(StatusCode::UNAUTHORIZED),
        _ => {}
    }
    let Some(bearer) = bearer(sim, head) else {
        return error(StatusCode::UNAUTHORIZED);
    };
    if !bearer.alive || sim.all_revoked.load(Ordering::Relaxed) {
        count_dead_call(exchange, bearer.user);
        return error(StatusCode::UNAUTHORIZED);
    }
    if let Some(user) = call.user().filter(|user| *user != bearer.user) {
        let example = format!("{} of user {user} by user {}", call.op(), bearer.user);
        sim.violations.add(violations::FOREIGN_USER, example);
        return error(StatusCode::FORBIDDEN);
    }
    let state = sim.with_account(bearer.user, |account, _, _| {
        (account.consent, account.registration.is_some())
    });
    match (state, call) {
        (None, _) => error(StatusCode::UNAUTHORIZED),
        (Some((false, _)), call) if !matches!(call, Call::Deregister(_)) => {
            error(StatusCode::FORBIDDEN)
        }
        (Some((_, false)), Call::User(_)) => error(match switches.unregistered_user {
            UnregisteredUser::NoContent => StatusCode::NO_CONTENT,
            UnregisteredUser::Forbidden => StatusCode::FORBIDDEN,
            UnregisteredUser::NotFound => StatusCode::NOT_FOUND,
        }),
        (Some((_, false)), call) if call.is_data() => Err(unregistered(call, switches)),
        _ => Ok(()),
    }
}

/// What a data call answers before the registration.
fn unregistered(call: &Call, switches: &Switches) -> Answer {
    match (switches.unregistered, call) {
        (Unregistered::Forbidden, _) => Answer::error(StatusCode::FORBIDDEN, switches),
        (Unregistered::Empty, Call::Exercises) => Answer::json("[]"),
        (Unregistered::Empty, Call::Nights) => Answer::json(r#"{"nights":[]}"#),
        (Unregistered::Empty, Call::NightsAvailable) => Answer::json(r#"{"available":[]}"#),
        (Unregistered::Empty, Call::Recharges) => Answer::json(r#"{"recharges":[]}"#),
        (Unregistered::Empty | Unregistered::NoContent, _) => Answer::no_content(),
    }
}

fn count_dead_call(exchange: &Exchange, user: u64) {
    let calls = exchange.sim.with_account(user, |account, _, _| {
        account.calls_since_revoked += u64::from(account.revoked);
        account.calls_since_revoked
    });
    if calls.is_some_and(|calls| calls > CALLS_AFTER_REVOCATION_MAX) {
        let example = format!("{} of user {user}", exchange.call.op());
        exchange
            .sim
            .violations
            .add(violations::CALLED_AFTER_REVOCATION, example);
    }
}

fn credential<'a>(head: &'a Head, scheme: &str) -> Option<&'a str> {
    head.headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix(scheme)
}
