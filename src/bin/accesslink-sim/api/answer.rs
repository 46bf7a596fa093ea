//! An answer before it becomes HTTP, with a receipt for what it serves.

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::receipt::Receipt;
use crate::quota::Reading;
use crate::switches::{ErrorBody, RetryAfter, Switches};

/// Content type of nearly everything.
pub(super) const JSON: &str = "application/json;charset=UTF-8";
const HTML: &str = "text/html;charset=UTF-8";

/// What is answered, unless a fault spoils it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    pub(super) header: Option<Box<(HeaderName, HeaderValue)>>,
    pub(super) receipt: Option<Receipt>,
}

impl Answer {
    /// An answer without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: "",
            body: Bytes::new(),
            header: None,
            receipt: None,
        }
    }

    /// An answer with a body.
    pub(super) fn with(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            content_type,
            body: body.into(),
            ..Self::empty(status)
        }
    }

    /// 200 with JSON.
    pub(super) fn json(body: impl Into<Bytes>) -> Self {
        Self::with(StatusCode::OK, JSON, body)
    }

    /// 200 with this value.
    pub(super) fn value(value: &Value) -> Self {
        Self::json(value.to_string())
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// A page for people.
    pub(super) fn page(status: StatusCode, html: String) -> Self {
        Self::with(status, HTML, html)
    }

    /// An error with the body that the switch asks for. No such body is documented.
    pub(super) fn error(status: StatusCode, switches: &Switches) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        match switches.error_body {
            _ if status == StatusCode::NO_CONTENT => Self::no_content(),
            ErrorBody::Empty => Self::empty(status),
            ErrorBody::Html => Self::page(status, html(reason)),
            ErrorBody::Json => {
                let error = json!({"error": {"status": status.as_u16(), "error_type": reason}});
                Self::with(status, JSON, error.to_string())
            }
        }
    }

    /// Adds a header.
    pub(super) fn with_header(mut self, name: HeaderName, value: &impl ToString) -> Self {
        let value = HeaderValue::try_from(value.to_string());
        self.header = value.ok().map(|value| Box::new((name, value)));
        self
    }

    /// Adds the receipt for what the answer serves.
    pub(super) fn serving(mut self, receipt: Receipt) -> Self {
        self.receipt = Some(receipt);
        self
    }

    /// The answer with another body, which is then all that it says about itself.
    pub(super) fn into_response_with(self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if !self.content_type.is_empty() {
            let content_type = HeaderValue::from_static(self.content_type);
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, content_type);
        }
        if let Some((name, value)) = self.header.map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(mut self) -> Response {
        let body = Body::from(std::mem::take(&mut self.body));
        self.into_response_with(body)
    }
}

/// The page that stands in the way where JSON was expected.
pub(super) fn html(title: &str) -> String {
    format!(
        "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    )
}

/// 429, with the time to come back where the switch says so.
pub(super) fn too_many_requests(reading: Reading, switches: &Switches) -> Answer {
    let answer = Answer::error(StatusCode::TOO_MANY_REQUESTS, switches);
    match switches.retry_after {
        RetryAfter::Off => answer,
        RetryAfter::On => answer.with_header(header::RETRY_AFTER, &reading.retry_after_s()),
    }
}
