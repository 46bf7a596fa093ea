//! An AccessLink that answers each user as the user's case says. Tokens that begin with `g` are always accepted; the
//! others are those of a case: `a-NUMBER-NTH`.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use polar_sync::{
    accesslink::oauth::TokenSet,
    connection::{NewTokens, Replace, connect},
    job::request::plain,
    model::{Cause, ConnectionId, Lane, UserId},
    secret::Keyring,
    store::Store,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    case::{Answer, Case, Refresh},
    oracle::Foretold,
    world::FIRST_ACCOUNT,
};

/// Largest form or member id that is read.
const BODY_MAX_BYTES: usize = 4096;

/// What connects users.
pub(crate) struct Office {
    pub(crate) store: Store,
    pub(crate) keyring: Keyring,
}

/// The server's side of all cases.
pub(crate) struct Polar {
    cases: Vec<Case>,
    /// The last round of each.
    lasts: Vec<usize>,
    played: Vec<Mutex<Played>>,
    round: AtomicUsize,
    office: Mutex<Option<Arc<Office>>>,
    /// Calls that no case has an answer for.
    unforeseen: Mutex<Vec<String>>,
}

/// What became of a case so far.
#[derive(Debug, Default, Clone)]
struct Played {
    calls: usize,
    /// The round in which the user was registered last.
    registered_in: Option<usize>,
    helped: bool,
    has_reconnected: bool,
    was_limited: bool,
}

impl Polar {
    pub(crate) fn new(cases: &[Foretold]) -> Arc<Self> {
        Arc::new(Self {
            played: cases.iter().map(|_| Mutex::default()).collect(),
            lasts: cases.iter().map(|case| case.ends.len() - 1).collect(),
            cases: cases.iter().map(|foretold| foretold.case).collect(),
            round: AtomicUsize::new(0),
            office: Mutex::default(),
            unforeseen: Mutex::default(),
        })
    }

    /// Listens until the test ends; the origin.
    pub(crate) async fn listen(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(Arc::clone(self));
        tokio::spawn(async { axum::serve(listener, router).await });
        origin
    }

    /// From now on users can connect again.
    pub(crate) fn open_office(&self, office: &Arc<Office>) {
        *self.office.lock().unwrap() = Some(Arc::clone(office));
    }

    pub(crate) fn begin_round(&self, round: usize) {
        self.round.store(round, Ordering::SeqCst);
    }

    /// Calls for a user so far, whatever their answer.
    pub(crate) fn calls(&self, number: usize) -> usize {
        self.played(number).calls
    }

    pub(crate) fn unforeseen(&self) -> Vec<String> {
        self.unforeseen.lock().unwrap().clone()
    }

    fn played(&self, number: usize) -> MutexGuard<'_, Played> {
        self.played[number].lock().unwrap()
    }

    /// The round in which a case is: one that is over stays at its end.
    fn round(&self, number: usize) -> usize {
        self.round.load(Ordering::SeqCst).min(self.lasts[number])
    }

    /// What a call is answered that is not about the nights.
    async fn answer(&self, number: usize, method: &Method, path: &str) -> Answer {
        let case = &self.cases[number];
        let current = self.round(number);
        let round = &case.rounds[current];
        let is_look = method == Method::GET;
        let is_register = path == "/v3/users";
        let scripted = {
            let mut played = self.played(number);
            if played.helped {
                return Answer::Good;
            }
            if is_register {
                played.registered_in = Some(current);
                round.register
            } else if is_look && played.registered_in == Some(current) {
                played.helped = round.after == Some(Answer::Good);
                round.after
            } else if is_look {
                round.look
            } else {
                round.data
            }
        };
        if is_look && round.reconnects == Some(true) {
            self.reconnect(number).await;
        }
        let is_limited = scripted == Some(Answer::Limited);
        if is_limited && std::mem::replace(&mut self.played(number).was_limited, true) {
            return Answer::Good;
        }
        scripted.unwrap_or_else(|| {
            // Everybody who is active may be drawn as a witness for somebody else.
            if is_look {
                return Answer::Good;
            }
            let name = case.name();
            let call = format!("round {}: {method} {path}: {name}", current + 1);
            self.unforeseen.lock().unwrap().push(call);
            Answer::Good
        })
    }

    async fn reconnect(&self, number: usize) {
        if std::mem::replace(&mut self.played(number).has_reconnected, true) {
            return;
        }
        let office = self.office.lock().unwrap().clone().unwrap();
        office
            .connect(number, &format!("g-{number}-1"), None, None, true)
            .await;
    }

    /// The token endpoint.
    fn refreshed(&self, form: &str) -> Response {
        let token = url::form_urlencoded::parse(form.as_bytes())
            .find_map(|(key, value)| (key == "refresh_token").then(|| value.into_owned()))
            .unwrap();
        let (number, nth) = parse(&token);
        let tokens = |access: String| {
            let refresh = format!("r-{number}-{}", nth + 1);
            json(
                StatusCode::OK,
                &json!({ "access_token": access, "token_type": "bearer", "refresh_token": refresh }),
            )
        };
        match self.cases[number].refresh {
            Some(Refresh::Renews) => tokens(format!("g-{number}-1")),
            Some(Refresh::Useless) => tokens(format!("a-{number}-{}", nth + 1)),
            Some(Refresh::InvalidGrant) => json(
                StatusCode::BAD_REQUEST,
                &json!({ "error": "invalid_grant" }),
            ),
            Some(Refresh::Failed) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Some(Refresh::None) | None => {
                let name = self.cases[number].name();
                self.unforeseen
                    .lock()
                    .unwrap()
                    .push(format!("refresh: {name}"));
                json(
                    StatusCode::BAD_REQUEST,
                    &json!({ "error": "invalid_grant" }),
                )
            }
        }
    }
}

impl Office {
    /// Connects the user of a case with these tokens, and writes down a first request.
    pub(crate) async fn connect(
        &self,
        number: usize,
        access: &str,
        refresh: Option<String>,
        expires_at: Option<jiff::Timestamp>,
        registered: bool,
    ) {
        let account = FIRST_ACCOUNT + i64::try_from(number).unwrap();
        let tokens = TokenSet {
            access_token: access.to_owned().into(),
            refresh_token: refresh.map(Into::into),
            expires_at,
            polar_user_id: Some(account),
        };
        let new = NewTokens {
            user_id: &user(number),
            polar_user_id: account,
            tokens: &tokens,
            registered,
            connection_id: ConnectionId::new(),
        };
        let request = plain(Lane::Periodic, Cause::Connect, Vec::new());
        connect(&self.store, &self.keyring, &new, Replace::Reject, &request)
            .await
            .unwrap();
    }
}

/// The user of a case, numbered from 0.
pub(crate) fn user(number: usize) -> UserId {
    format!("user_{number}").parse().unwrap()
}

fn parse(token: &str) -> (usize, usize) {
    let mut parts = token.split('-').skip(1).map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

async fn handle(State(polar): State<Arc<Polar>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, BODY_MAX_BYTES).await.unwrap();
    let path = head.uri.path();
    if path == "/v2/oauth2/token" {
        return polar.refreshed(std::str::from_utf8(&body).unwrap());
    }
    let credential = head.headers[header::AUTHORIZATION].to_str().unwrap();
    let Some(token) = credential.strip_prefix("Bearer ") else {
        // The client's own calls: there are no notifications.
        return limited(StatusCode::NO_CONTENT.into_response());
    };
    let (number, _) = parse(token);
    let is_known = number < polar.cases.len();
    if is_known {
        polar.played(number).calls += 1;
    }
    let is_nights = path == "/v3/users/sleep";
    let answer = if token.starts_with('g') || !is_known {
        Answer::Good
    } else if is_nights {
        let data = polar.cases[number].rounds[polar.round(number)].data;
        let is_refused = data == Some(Answer::Refused) && !polar.played(number).helped;
        if is_refused {
            Answer::Refused
        } else {
            Answer::Good
        }
    } else {
        polar.answer(number, &head.method, path).await
    };
    let is_create = path.ends_with("-transactions");
    let good = match () {
        () if is_create => StatusCode::NO_CONTENT.into_response(),
        () if is_nights => json(StatusCode::OK, &json!({ "nights": [] })),
        () => json(StatusCode::OK, &json!({ "polar-user-id": number })),
    };
    limited(match answer {
        Answer::Good => good,
        Answer::Refused => StatusCode::UNAUTHORIZED.into_response(),
        Answer::Forbidden => StatusCode::FORBIDDEN.into_response(),
        Answer::NotFound => StatusCode::NOT_FOUND.into_response(),
        Answer::Empty => StatusCode::NO_CONTENT.into_response(),
        Answer::Conflict => StatusCode::CONFLICT.into_response(),
        Answer::Limited => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response()
        }
        Answer::Failed => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Answer::Redirected => {
            (StatusCode::FOUND, [(header::LOCATION, "/v3/users/1")]).into_response()
        }
        Answer::Page => (
            [(header::CONTENT_TYPE, "text/html")],
            "<html><body>Maintenance</body></html>",
        )
            .into_response(),
        Answer::Silent => std::future::pending().await,
    })
}

fn json(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}

/// A window that is never spent.
fn limited(mut response: Response) -> Response {
    let headers = [
        ("ratelimit-usage", "1, 1"),
        ("ratelimit-limit", "1000000, 1000000"),
        ("ratelimit-reset", "900, 86400"),
    ];
    for (name, value) in headers {
        let value = header::HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}
