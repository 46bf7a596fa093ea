//! The one place that sends a request to AccessLink's API.

use std::{sync::Arc, time::Duration};

use ::metrics::{counter, histogram};
use bytes::{Bytes, BytesMut};
use reqwest::{
    Response,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE},
    redirect,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use tracing::Instrument;
use url::Url;

use super::{
    Accept, Call, Error, Operation,
    circuit::Circuit,
    error::{Broken, Meaning, Status, read_status},
    meter::{Closed, Meter, Permit, RateLimit, Urgency, retry_after},
    wire,
};
use crate::{clock::Clock, config::Live, secret::Token, telemetry::metrics};

/// Idle connections that are kept to the host.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a call that is worth repeating is sent in place, the first time included.
const SENDS_MAX: usize = 3;

/// The first pause before a repetition; full jitter, doubling.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// The longest pause before a repetition.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A body that is larger waits for its turn to be read on, in bytes. The route of a marathon has some 2 MB.
const LARGE_BYTES: usize = 2 * 1024 * 1024;

/// Large bodies that are read at once, so that the memory of a process has an end whatever Polar sends to hundreds of
/// calls.
const LARGE_MAX: usize = 8;

/// What the client needs to know.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The origin of the API; every path is built on it.
    pub origin: Url,
    /// The client's id, for calls that are not a user's.
    pub client_id: String,
    /// The client's secret, which may change.
    pub client_secret: Live<SecretString>,
    /// How long a call may take, to the end of its body.
    pub request_timeout: Duration,
    /// The largest body that is taken, in bytes after decompression.
    pub body_max_bytes: usize,
}

/// Who a call speaks for.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// The client itself.
    Client,
    /// A user.
    User(&'a Token),
}

/// A usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The complete body that was asked for.
    Body(Bytes),
    /// 200 to a call that was sent for its effect.
    Done,
    /// 204: nothing new, no data, no such user.
    Empty,
}

/// AccessLink over HTTP.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    settings: Arc<ClientSettings>,
    meter: Arc<dyn Meter>,
    circuit: Arc<Circuit>,
    large: Arc<Semaphore>,
    clock: Clock,
}

/// The HTTP client could not be made, for example without the system's certificates.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made; are the system's CA certificates installed?")]
pub struct BuildError(#[source] reqwest::Error);

/// The HTTP client with our limits, for the API and for OAuth.
pub(super) fn http_client(request_timeout: Duration) -> Result<reqwest::Client, BuildError> {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(request_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .user_agent(concat!("polar-sync/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(BuildError)
}

impl Client {
    /// A client whose calls are granted by `meter`.
    pub fn new(
        settings: ClientSettings,
        meter: Arc<dyn Meter>,
        clock: Clock,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            http: http_client(settings.request_timeout)?,
            settings: Arc::new(settings),
            meter,
            circuit: Arc::default(),
            large: Arc::new(Semaphore::new(LARGE_MAX)),
            clock,
        })
    }

    /// The origin of the API.
    pub fn origin(&self) -> &Url {
        &self.settings.origin
    }

    /// Whether `calls` more may be sent now.
    pub async fn room_for(&self, calls: u32, urgency: Urgency) -> Result<(), Closed> {
        self.meter.room_for(calls, urgency).await
    }

    /// Sends a call; repeats it in place a few times when that is worth it. The creation of a
    /// transaction and its commit are never repeated here: the answer may have been lost after it took
    /// effect, or a repetition come too late, which only the life cycle can judge. Nor is the creation of
    /// the webhook, whose first answer alone holds its secret.
    pub async fn send(
        &self,
        call: &Call,
        credential: Credential<'_>,
        urgency: Urgency,
    ) -> Result<Answer, Error> {
        let sends = match call.operation {
            Operation::CreateTransaction
            | Operation::CommitTransaction
            | Operation::CreateWebhook => 1,
            _ => SENDS_MAX,
        };
        let pauses = backon::ExponentialBuilder::default()
            .with_min_delay(PAUSE_MIN)
            .with_max_delay(PAUSE_MAX)
            .with_jitter()
            .with_max_times(sends - 1);
        let span = tracing::debug_span!("accesslink", operation = call.operation.as_str());
        backon::Retryable::retry(|| self.send_once(call, credential, urgency), pauses)
            .when(Meaning::is_worth_repeating)
            .instrument(span)
            .await
            .map_err(|meaning| Error {
                operation: call.operation,
                meaning,
            })
    }

    async fn send_once(
        &self,
        call: &Call,
        credential: Credential<'_>,
        urgency: Urgency,
    ) -> Result<Answer, Meaning> {
        self.circuit
            .admit(self.clock.now())
            .map_err(|until| Meaning::CircuitOpen { until })?;
        let permit = self
            .meter
            .acquire(urgency)
            .await
            .map_err(Meaning::WindowClosed)?;
        let started = self.clock.now();
        // The permit counts as spent: it is rare, and an uncounted request would be worse.
        if call.send_by.is_some_and(|send_by| started > send_by) {
            return Err(Meaning::TooLate);
        }
        let result = self.exchange(call, credential, permit).await;
        let code = match &result {
            Ok((status, _)) => status.to_string(),
            Err(meaning) => meaning.class().to_owned(),
        };
        let took = self.clock.now().duration_since(started);
        counter!(metrics::REQUESTS, "operation" => call.operation.as_str(), "code" => code)
            .increment(1);
        histogram!(metrics::REQUEST_DURATION, "operation" => call.operation.as_str())
            .record(took.as_secs_f64());
        match &result {
            Err(meaning) if meaning.is_outage() => self.circuit.failed(self.clock.now()),
            _ => self.circuit.succeeded(),
        }
        result.map(|(_, answer)| answer)
    }

    async fn exchange(
        &self,
        call: &Call,
        credential: Credential<'_>,
        permit: Box<dyn Permit>,
    ) -> Result<(u16, Answer), Meaning> {
        let response = match self.request(call, credential).send().await {
            Ok(response) => response,
            Err(error) => {
                permit.answered(None);
                return Err(transport(&error));
            }
        };
        let status = response.status().as_u16();
        let limit = RateLimit::from_headers(response.headers());
        if status == 429 {
            permit.refused(retry_after(response.headers()), limit).await;
        } else {
            permit.answered(limit);
        }
        match read_status(call.operation, status)? {
            Status::Done => {
                // A page for people, of a proxy or about maintenance, says that nothing was done.
                if begins_as_a_page(response).await {
                    return Err(Meaning::Broken(Broken::WrongType));
                }
                Ok((status, Answer::Done))
            }
            Status::Empty => Ok((status, Answer::Empty)),
            Status::Body => {
                let body = self.complete_body(response, call.accept).await?;
                Ok((status, Answer::Body(body)))
            }
        }
    }

    fn request(&self, call: &Call, credential: Credential<'_>) -> reqwest::RequestBuilder {
        let mut url = self.settings.origin.clone();
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        url.set_path(path);
        url.set_query((!query.is_empty()).then_some(query));
        let request = self
            .http
            .request(call.method.clone(), url)
            .header(ACCEPT, call.accept.media_type());
        let request = match credential {
            Credential::User(token) => request.bearer_auth(token.expose()),
            Credential::Client => request.basic_auth(
                &self.settings.client_id,
                Some(self.settings.client_secret.get().expose_secret()),
            ),
        };
        match &call.body {
            Some(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone()),
            None if call.method == reqwest::Method::GET => request,
            // Polar's servers want a length even where there is no body.
            None => request.header(CONTENT_LENGTH, 0),
        }
    }

    /// The whole body, if it is one of the type that was asked for.
    async fn complete_body(
        &self,
        mut response: Response,
        accept: Accept,
    ) -> Result<Bytes, Meaning> {
        let max = self.settings.body_max_bytes;
        let mut body = BytesMut::new();
        let mut turn = None;
        while let Some(chunk) = response.chunk().await.map_err(|error| cut_off(&error))? {
            let length = body.len() + chunk.len();
            if length > max {
                return Err(Meaning::Broken(Broken::TooLarge));
            }
            if length > LARGE_BYTES && turn.is_none() {
                // The semaphore is never closed. The call's time-out ends the wait at the next chunk.
                turn = self.large.acquire().await.ok();
            }
            body.extend_from_slice(&chunk);
        }
        let body = body.freeze();
        if body.is_empty() {
            return Err(Meaning::Broken(Broken::CutOff));
        }
        let complete = match accept {
            Accept::Json => wire::check_complete(&body),
            Accept::Gpx => wire::gpx::check_complete(&body),
        };
        match complete {
            Ok(()) => Ok(body),
            Err(_) if looks_like_markup(&body) && accept == Accept::Json => {
                Err(Meaning::Broken(Broken::WrongType))
            }
            Err(_) => Err(Meaning::Broken(Broken::CutOff)),
        }
    }
}

/// Whether an answer of which no body is needed has one that begins as a page does.
async fn begins_as_a_page(mut response: Response) -> bool {
    let beginning = response.chunk().await;
    beginning.is_ok_and(|body| body.is_some_and(|body| looks_like_markup(&body)))
}

fn looks_like_markup(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

fn transport(error: &reqwest::Error) -> Meaning {
    if error.is_timeout() {
        Meaning::TimedOut
    } else {
        Meaning::ConnectionFailed
    }
}

fn cut_off(error: &reqwest::Error) -> Meaning {
    if error.is_timeout() {
        Meaning::TimedOut
    } else {
        Meaning::Broken(Broken::CutOff)
    }
}
