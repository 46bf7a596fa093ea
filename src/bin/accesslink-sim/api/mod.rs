//! AccessLink over HTTP: one pipeline for all requests, a file for each family of calls.
//!
//! ```text
//! request → call → fault? → quota → credential → the call itself → fault? → headers, counters → answer
//! ```
//!
//! Owns statuses, headers and the order of checks; what is behind a call belongs to the world. To add a call: a
//! variant with its path and operation in `call.rs`, and an arm in `dispatch` below.

mod access;
mod answer;
mod call;
mod exercises;
mod nights;
mod oauth;
mod receipt;
mod spoil;
mod transactions;
mod users;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts as Head;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use self::answer::Answer;
use self::call::Call;
use self::receipt::Receipt;
use crate::faults::{Action, Hit, Subject, When};
use crate::quota::Reading;
use crate::sim::Sim;
use crate::violations;

/// Longest body that a request may have.
const REQUEST_BODY_MAX_BYTES: usize = 64 * 1024;
/// After this time a hanging answer gives up.
const HANG_LIMIT: Duration = Duration::from_hours(1);
/// A client may not have heard of a closed window for so long: answers were on their way.
const CLOSED_GRACE_MS: u64 = 2_000;

/// The routes of AccessLink.
pub(crate) fn router(sim: Arc<Sim>) -> Router {
    Router::new().fallback(handle).with_state(sim)
}

/// A request with what is known about it before it is answered.
struct Exchange {
    sim: Arc<Sim>,
    head: Head,
    body: Bytes,
    call: Call,
    user: Option<u64>,
}

async fn handle(State(sim): State<Arc<Sim>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let call = Call::parse(head.method.as_str(), head.uri.path());
    let body = if call.has_body() {
        match axum::body::to_bytes(body, REQUEST_BODY_MAX_BYTES).await {
            Ok(body) => body,
            Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        }
    } else {
        Bytes::new()
    };
    let user = access::user(&sim, &call, &head, &body);
    let exchange = Exchange {
        sim,
        head,
        body,
        call,
        user,
    };
    let subject = Subject {
        op: exchange.call.op(),
        user,
        path: exchange.head.uri.path(),
    };
    match exchange.sim.faults.hit(subject) {
        // A request that waits here has been sent: it takes effect even if its caller dies meanwhile.
        hit if hit
            .as_ref()
            .map_or(exchange.call.is_of_webhooks(), Hit::only_waits) =>
        {
            let answer = tokio::spawn(exchange.answer(hit));
            answer
                .await
                .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
        hit => exchange.answer(hit).await,
    }
}

impl Exchange {
    async fn answer(self, hit: Option<Hit>) -> Response {
        let _in_flight = self.sim.stats.begin();
        let reading = self.call.is_metered().then(|| self.sim.count_request());
        let (mut response, receipt) = match hit {
            None => whole(self.dispatch(reading).await),
            Some(hit) => self.answer_with_fault(hit, reading).await,
        };
        if let (Some(receipt), Some(user)) = (receipt, self.user) {
            self.sim
                .with_account(user, |account, _, _| receipt.record(account));
        }
        if let Some(reading) = reading {
            add_quota_headers(&mut response, reading);
        }
        self.sim
            .answered(self.call.op(), self.user, response.status());
        response
    }

    async fn answer_with_fault(
        &self,
        mut hit: Hit,
        reading: Option<Reading>,
    ) -> (Response, Option<Receipt>) {
        if hit.only_waits() {
            let early = match hit.when {
                When::Before => None,
                When::After => Some(self.dispatch(reading).await),
            };
            match hit.action {
                Action::Delay { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
                _ => hit.wait_for_release().await,
            }
            return whole(match early {
                Some(answer) => answer,
                None => self.dispatch(reading).await,
            });
        }
        // Reading has no effect that could be withheld, so there is always an answer to spoil.
        let answer = if hit.when == When::After || self.head.method == Method::GET {
            self.dispatch(reading).await
        } else {
            Answer::empty(StatusCode::OK)
        };
        if matches!(hit.action, Action::Hang) {
            tokio::time::sleep(HANG_LIMIT).await;
        }
        let switches = self.sim.switches();
        // A dictated body is complete, whatever is in it: the client has seen all there is.
        let seen = matches!(hit.action, Action::Body { .. });
        let receipt = answer.receipt.filter(|_| seen);
        (
            spoil::spoil(hit.action, answer, self.sim.origins(&switches)),
            receipt,
        )
    }

    async fn dispatch(&self, reading: Option<Reading>) -> Answer {
        let switches = self.sim.switches();
        if let Some(reading) = reading.filter(|reading| reading.refused) {
            if reading.closed_for_ms > CLOSED_GRACE_MS {
                let example = format!("{} {} ms after", self.call.op(), reading.closed_for_ms);
                self.sim
                    .violations
                    .add(violations::CALLED_WHILE_CLOSED, example);
            }
            return answer::too_many_requests(reading, &switches);
        }
        if let Err(refused) = access::check(self, &switches) {
            return refused;
        }
        match &self.call {
            Call::ConsentPage | Call::Consent | Call::Token => oauth::answer(self),
            Call::Register | Call::User(_) | Call::Deregister(_) | Call::Notifications => {
                users::answer(self)
            }
            Call::Create(..) | Call::List(..) | Call::Commit(..) | Call::Resource { .. } => {
                transactions::answer(self)
            }
            Call::Exercises | Call::Exercise(_) | Call::ExerciseFile(..) => exercises::answer(self),
            Call::Nights
            | Call::NightsAvailable
            | Call::Night(_)
            | Call::Recharges
            | Call::Recharge(_) => nights::answer(self),
            // Boxed: it alone waits for somebody, and the future of every other call stays small.
            Call::Webhook(call) => Box::pin(webhooks::answer(self, call)).await,
            Call::Unknown => {
                let path = format!("{} {}", self.head.method, self.head.uri.path());
                self.sim.violations.add(violations::UNKNOWN_PATH, path);
                Answer::error(StatusCode::NOT_FOUND, &switches)
            }
        }
    }

    /// A parameter of the query.
    fn query(&self, key: &str) -> Option<String> {
        parameter(self.head.uri.query().unwrap_or_default().as_bytes(), key)
    }

    /// A flag of the query, `true` where it is on.
    fn flag(&self, key: &str) -> bool {
        self.query(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// A parameter of a query or of a form.
fn parameter(encoded: &[u8], key: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(encoded);
    pairs
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
}

fn whole(answer: Answer) -> (Response, Option<Receipt>) {
    let receipt = answer.receipt;
    (answer.into_response(), receipt)
}

/// Both windows on every answer; a fault's own headers stay.
fn add_quota_headers(response: &mut Response<Body>, reading: Reading) {
    let Reading {
        used,
        limit,
        reset_s,
        ..
    } = reading;
    let headers = [
        ("ratelimit-usage", format!("{}, {}", used[0], used[1])),
        ("ratelimit-limit", format!("{}, {}", limit[0], limit[1])),
        ("ratelimit-reset", format!("{}, {}", reset_s[0], reset_s[1])),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response
                .headers_mut()
                .entry(header::HeaderName::from_static(name))
                .or_insert(value);
        }
    }
}
