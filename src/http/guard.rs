//! Around every call: its id, its limits, its line in the log, its headers.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};
use tracing::{Instrument, field};
use uuid::Uuid;

use super::{Api, error::ApiError};
use crate::telemetry::metrics::{HTTP_REQUEST_DURATION, HTTP_REQUESTS, HTTP_SHED};

/// The header of a call's id.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id of a caller's own that is repeated.
const REQUEST_ID_MAX_BYTES: usize = 128;

/// The longest that an answer may take to be read, and the longest between two pieces of it: a reader who stands
/// still gives the place back.
const STREAM_MAX: Duration = Duration::from_mins(10);
const STALL_MAX: Duration = Duration::from_secs(30);

/// Pieces of an answer that wait for a slow reader.
const PIECES_MAX: usize = 2;

/// A complete answer up to this size needs no place while it is read: a socket's buffers hold most of it.
const SMALL_BYTES: u64 = 64 * 1024;

/// When a caller who was sent away should come back.
const SHED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The id of a call, in its extensions: of the caller's choice or ours.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

/// Gives a call its id, and tells of its answer.
pub(super) async fn watch(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!(
        "http", request.id = id, %method, route, api_key = field::Empty
    );
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (took, status) = (started.elapsed(), response.status().as_u16());
    span.in_scope(|| {
        tracing::info!(status, duration_ms = took.as_secs_f64() * 1e3, "answered");
    });
    metrics::counter!(HTTP_REQUESTS, "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!(HTTP_REQUEST_DURATION, "route" => route).record(took.as_secs_f64());
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    secure(response.headers_mut(), api.is_public_https());
    response
}

/// Answers a call if there is a place for it, and within its time.
pub(super) async fn limit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let slots = api.slots_of(route.map_or("", MatchedPath::as_str));
    let Ok(permit) = Arc::clone(slots).try_acquire_owned() else {
        metrics::counter!(HTTP_SHED).increment(1);
        let detail = "too many calls at once; call again, or raise api.concurrency";
        return ApiError::later("too_busy", detail, SHED_RETRY_AFTER).into_response();
    };
    let answered = tokio::time::timeout(api.call_timeout(), next.run(request)).await;
    answered.map_or_else(
        |_| {
            let detail = "the call took too long; call again, or ask for less";
            ApiError::later("timed_out", detail, SHED_RETRY_AFTER).into_response()
        },
        |response| hold(response, permit),
    )
}

/// A large answer occupies its place until its end. The pieces are handed over by a task of their own, since nobody asks
/// for the next one while a reader stands still.
fn hold(response: Response, permit: OwnedSemaphorePermit) -> Response {
    let exact = response.body().size_hint().exact();
    if exact.is_some_and(|bytes| bytes <= SMALL_BYTES) {
        return response;
    }
    response.map(|body| {
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        tokio::spawn(async move {
            let handed = tokio::time::timeout(STREAM_MAX, hand_over(body, &sender)).await;
            if handed.is_err() {
                tracing::info!("a reader is cut off: the answer took too long to be read");
            }
            drop(permit);
        });
        // A channel that ends without its last piece cuts the answer off, so that nobody takes it for the whole.
        let pieces =
            stream::try_unfold(
                receiver,
                async |mut receiver: mpsc::Receiver<Piece>| match receiver.recv().await {
                    Some(Piece::More(chunk)) => Ok(Some((chunk?, receiver))),
                    Some(Piece::End) => Ok(None),
                    None => Err(axum::Error::new(CutOff)),
                },
            );
        Body::from_stream(pieces)
    })
}

/// What is handed over to a reader.
enum Piece {
    More(Result<Bytes, axum::Error>),
    End,
}

/// A reader stood still.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut off, since it was not read")]
struct CutOff;

async fn hand_over(body: Body, sender: &mpsc::Sender<Piece>) {
    let mut body = body.into_data_stream();
    while let Some(chunk) = body.next().await {
        let is_broken = chunk.is_err();
        let sent = sender.send_timeout(Piece::More(chunk), STALL_MAX).await;
        if sent.is_err() || is_broken {
            return;
        }
    }
    // Whoever does not take the end has gone.
    let _ = sender.send_timeout(Piece::End, STALL_MAX).await;
}

/// The caller's own id of the call, if it can be repeated anywhere, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_plain = |id: &&str| {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"._:@=+|~-".contains(&c);
        (1..=REQUEST_ID_MAX_BYTES).contains(&id.len()) && id.bytes().all(plain)
    };
    given
        .filter(is_plain)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Headers that keep browsers from doing more with an answer than was meant. A handler's own headers win.
fn secure(headers: &mut HeaderMap, is_https: bool) {
    const ALWAYS: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // The address of our callback holds a code.
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        // Health data: no cache but the client's own, which asks each time whether it still holds.
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    for (name, value) in ALWAYS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if is_https {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    /// An answer in pieces, and the place that it occupies.
    fn answer(pieces: Vec<Result<Bytes, &'static str>>) -> (Response, Arc<Semaphore>) {
        let slots = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&slots).try_acquire_owned().unwrap();
        let body = Body::from_stream(stream::iter(pieces));
        (hold(Response::new(body), permit), slots)
    }

    #[tokio::test]
    async fn a_large_answer_occupies_its_place_until_its_end() {
        let pieces = vec![Ok(Bytes::from(vec![7; 40_000])); 10];
        let (response, slots) = answer(pieces);
        assert_eq!(slots.available_permits(), 0);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        assert_eq!(body.len(), 400_000);
        let _free = slots.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_not_taken_for_the_whole() {
        let (response, slots) = answer(vec![Ok(Bytes::from_static(b"x")), Err("broken")]);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        assert!(body.is_err());
        let _free = slots.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_who_leaves_gives_the_place_back() {
        let pieces = vec![Ok(Bytes::from(vec![7; 40_000])); 10];
        let (response, slots) = answer(pieces);
        drop(response);
        let _free = slots.acquire().await.unwrap();
    }

    #[test]
    fn a_callers_id_is_repeated_if_it_is_plain() {
        let given = |id: &'static str| {
            request_id(&HeaderMap::from_iter([(
                REQUEST_ID,
                HeaderValue::from_static(id),
            )]))
        };
        assert_eq!(given("abc-1"), "abc-1");
        assert_ne!(given("a b"), "a b");
        assert_ne!(given(""), "");
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
