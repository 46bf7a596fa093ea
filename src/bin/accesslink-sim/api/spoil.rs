//! What a fault makes of an answer.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, StreamExt as _};
use serde_json::{Map, Value};

use super::answer::{self, Answer};
use crate::faults::Action;
use crate::sim::Origins;

/// Where foreign URLs point to: a name that can never be resolved.
const FOREIGN_ORIGIN: &str = "https://accesslink.invalid";
/// A huge body is sent in pieces of this size.
const HUGE_PIECE_BYTES: usize = 64 * 1024;

/// The spoilt answer.
pub(super) fn spoil(action: Action, mut answer: Answer, origins: Origins<'_>) -> Response {
    match action {
        Action::Status {
            status,
            headers,
            body,
        } => with_status(status, &headers, body),
        Action::Html => Answer::page(StatusCode::OK, answer::html("Maintenance")).into_response(),
        Action::Body { body, content_type } => {
            let headers = Map::from_iter([("content-type".to_owned(), content_type.into())]);
            with_status(StatusCode::OK.as_u16(), &headers, body)
        }
        Action::Redirect { location } => Answer::empty(StatusCode::FOUND)
            .with_header(header::LOCATION, &location)
            .into_response(),
        Action::Truncate { after_bytes } => {
            answer.body.truncate(after_bytes);
            answer.into_response()
        }
        Action::ForeignUrl => {
            answer.body = foreign(&answer.body, origins);
            answer.into_response()
        }
        Action::Reset { after_bytes } => reset(answer, after_bytes),
        Action::Huge { bytes } => huge(answer, bytes),
        // The waiting is over: nothing is left but to give up.
        Action::Hang | Action::Hold | Action::Delay { .. } => {
            Answer::empty(StatusCode::SERVICE_UNAVAILABLE).into_response()
        }
    }
}

fn with_status(status: u16, headers: &Map<String, Value>, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(text));
        if let (Ok(name), Ok(value)) = pair {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn foreign(body: &Bytes, origins: Origins<'_>) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let text = text
        .replace(origins.www, FOREIGN_ORIGIN)
        .replace(origins.bare, FOREIGN_ORIGIN);
    Bytes::from(text)
}

/// Announces the whole body and breaks the connection after so many bytes of it.
fn reset(answer: Answer, after_bytes: usize) -> Response {
    let body = answer.body.clone();
    let sent = body.slice(..after_bytes.min(body.len()));
    // One byte more than there is, so that the break can never pass for the end.
    let announced = body.len().max(sent.len() + 1);
    let broken = stream::once(async {
        // Lets what came before be written first.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let stream = stream::iter([Ok(sent)]).chain(broken);
    let mut response = answer.into_response_with(Body::from_stream(stream));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(announced));
    response
}

/// Blanks without an end that anybody would wait for.
fn huge(answer: Answer, bytes: usize) -> Response {
    let piece = Bytes::from(vec![b' '; HUGE_PIECE_BYTES]);
    let pieces = (0..bytes)
        .step_by(HUGE_PIECE_BYTES)
        .map(move |from| Ok::<_, io::Error>(piece.slice(..HUGE_PIECE_BYTES.min(bytes - from))));
    answer.into_response_with(Body::from_stream(stream::iter(pieces)))
}
