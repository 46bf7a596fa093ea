//! OAuth as AccessLink v3 has it: the consent page and the token endpoint.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use serde_json::json;
use url::Url;

use super::answer::{Answer, JSON};
use super::call::Call;
use super::{Exchange, access, parameter};
use crate::grants::{Issued, Refusal};
use crate::lock::lock;
use crate::switches::{InvalidClient, RefreshTokens};
use crate::violations;

/// Accounts that the consent page lists.
const LISTED_ACCOUNTS_MAX: usize = 200;

/// Answers a call of this family.
pub(super) fn answer(exchange: &Exchange) -> Answer {
    match exchange.call {
        Call::Token => token(exchange),
        Call::Consent => authorize(exchange, &exchange.body),
        _ => {
            let query = exchange.head.uri.query().unwrap_or_default();
            authorize(exchange, query.as_bytes())
        }
    }
}

/// The page, or the redirect once the query or the form says what was decided.
fn authorize(exchange: &Exchange, query: &[u8]) -> Answer {
    let get = |key| parameter(query, key);
    if get("client_id").as_ref() != Some(&exchange.sim.settings.client_id) {
        return Answer::page(
            StatusCode::BAD_REQUEST,
            "<p>Unknown client_id</p>".to_owned(),
        );
    }
    let Some(target) = get("redirect_uri").and_then(|uri| Url::parse(&uri).ok()) else {
        return Answer::page(
            StatusCode::BAD_REQUEST,
            "<p>redirect_uri is missing</p>".to_owned(),
        );
    };
    let back = |pair: (&str, &str)| redirect(target.clone(), pair, get("state"));
    if get("response_type").as_deref() != Some("code") {
        return back(("error", "unsupported_response_type"));
    }
    match get("decision").as_deref() {
        None => Answer::page(StatusCode::OK, page(exchange, query)),
        Some("allow") => {
            let user = get("account").and_then(|id| id.parse().ok());
            match user.and_then(|user| consent(exchange, user, get("redirect_uri"))) {
                Some(code) => back(("code", &code)),
                None => back(("error", "invalid_request")),
            }
        }
        Some(_) => back(("error", "access_denied")),
    }
}

/// The person allows the client to read; whatever was revoked before is over.
fn consent(exchange: &Exchange, user: u64, redirect_uri: Option<String>) -> Option<String> {
    let sim = &exchange.sim;
    let now = sim.with_account(user, |account, now, _| {
        account.revoked = false;
        account.calls_since_revoked = 0;
        now
    })?;
    Some(lock(&sim.grants).issue_code(user, redirect_uri, now))
}

fn redirect(mut target: Url, (key, value): (&str, &str), state: Option<String>) -> Answer {
    target.query_pairs_mut().append_pair(key, value);
    if let Some(state) = state {
        target.query_pairs_mut().append_pair("state", &state);
    }
    Answer::empty(StatusCode::FOUND).with_header(header::LOCATION, &target)
}

fn page(exchange: &Exchange, query: &[u8]) -> String {
    let mut carried = String::new();
    for (key, value) in url::form_urlencoded::parse(query) {
        let (key, value) = (escaped(&key), escaped(&value));
        _ = write!(
            carried,
            r#"<input type="hidden" name="{key}" value="{value}">"#
        );
    }
    let mut accounts = String::new();
    for account in exchange.sim.accounts().iter().take(LISTED_ACCOUNTS_MAX) {
        let person = &lock(account).person;
        let (id, first, last) = (person.polar_user_id, person.first_name, person.last_name);
        _ = write!(
            accounts,
            r#"<option value="{id}">{first} {last} ({id})</option>"#
        );
    }
    format!(
        "<!DOCTYPE html><html><head><title>Polar Flow (simulated)</title>\
         <link rel=\"icon\" href=\"data:,\"></head><body>\
         <h1>Share your training data?</h1><form method=\"post\" action=\"/oauth2/authorization\">\
         {carried}<p><select name=\"account\">{accounts}</select></p>\
         <button name=\"decision\" value=\"allow\">Allow</button> \
         <button name=\"decision\" value=\"deny\">Deny</button></form></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn token(exchange: &Exchange) -> Answer {
    let sim = &exchange.sim;
    let switches = sim.switches();
    if !access::is_client(sim, &exchange.head) {
        return refused(
            "invalid_client",
            match switches.invalid_client {
                InvalidClient::Unauthorized => StatusCode::UNAUTHORIZED,
                InvalidClient::BadRequest => StatusCode::BAD_REQUEST,
            },
        );
    }
    let get = |key| parameter(&exchange.body, key);
    let (now, mut grants) = (sim.clock.now(), lock(&sim.grants));
    let issued = match (
        get("grant_type").as_deref(),
        get("code"),
        get("refresh_token"),
    ) {
        (Some("authorization_code"), Some(code), _) => {
            grants.redeem_code(&code, get("redirect_uri").as_deref(), now, &switches)
        }
        (Some("refresh_token"), _, Some(token))
            if switches.refresh_tokens == RefreshTokens::Rotating =>
        {
            grants.redeem_refresh_token(&token, now, &switches)
        }
        (Some("authorization_code"), None, _) | (None, ..) => {
            return refused("invalid_request", StatusCode::BAD_REQUEST);
        }
        _ => return refused("unsupported_grant_type", StatusCode::BAD_REQUEST),
    };
    match issued {
        Ok(issued) => Answer::with(StatusCode::OK, JSON, issued.to_body()),
        Err(refusal) => {
            if let Refusal::Reused { user } = refusal {
                sim.violations
                    .add(violations::CODE_REUSED, format!("user {user}"));
            }
            refused("invalid_grant", StatusCode::BAD_REQUEST)
        }
    }
}

fn refused(error: &str, status: StatusCode) -> Answer {
    Answer::with(status, JSON, json!({"error": error}).to_string())
}

impl Issued {
    /// The answer of the token endpoint.
    fn to_body(&self) -> Bytes {
        let mut body = json!({
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": self.expires_in_s,
            "x_user_id": self.user,
        });
        if let Some(refresh_token) = &self.refresh_token {
            body["refresh_token"] = refresh_token.as_str().into();
        }
        Bytes::from(body.to_string())
    }
}
