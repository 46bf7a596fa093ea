//! The parameters of a call: each given once, of the form that is asked for, or a clear refusal.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, RawPathParams, Request,
        rejection::{BytesRejection, JsonRejection},
    },
    http::{StatusCode, request::Parts},
};
use jiff::{Timestamp, civil, tz::TimeZone};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::{Api, error::ApiError};
use crate::model::UserId;

/// The most parameters that are looked at.
const PARAMETERS_MAX: usize = 100;

/// The longest wait for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The query of a call. A parameter that nobody asks for is ignored, and one without a value is not given.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl FromRequestParts<Arc<Api>> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ApiError> {
        Self::of(parts.uri.query().unwrap_or_default())
    }
}

impl Params {
    /// Reads a query.
    pub(super) fn of(query: &str) -> Result<Self, ApiError> {
        if !is_utf8(query) {
            return Err(ApiError::parameter(
                "query",
                "it is not UTF-8; encode it as UTF-8 and percent-encode that",
            ));
        }
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes())
            .take(PARAMETERS_MAX + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if pairs.len() > PARAMETERS_MAX {
            let problem = format!("there are more than {PARAMETERS_MAX} parameters");
            return Err(ApiError::parameter("query", problem));
        }
        // Postgres cannot keep NUL in a text.
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.contains('\0')) {
            return Err(ApiError::parameter(name, "it contains NUL"));
        }
        Ok(Self(pairs))
    }

    /// A parameter that may be given once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut given = self
            .0
            .iter()
            .filter(|(key, value)| key == name && !value.is_empty());
        let first = given.next().map(|(_, value)| value.as_str());
        if given.next().is_some() {
            return Err(ApiError::parameter(
                name,
                "it is given more than once; give it once",
            ));
        }
        Ok(first)
    }

    /// Every value of a parameter that may be given often.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that has to be given.
    pub(super) fn required<T>(&self, name: &str) -> Result<T, ApiError>
    where
        T: FromStr<Err: Display>,
    {
        self.parsed(name)?
            .ok_or_else(|| ApiError::parameter(name, "it is missing"))
    }

    /// A parameter of a form of its own.
    pub(super) fn parsed<T>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T: FromStr<Err: Display>,
    {
        let parse = |text: &str| {
            text.parse()
                .map_err(|error| ApiError::parameter(name, error))
        };
        self.one(name)?.map(parse).transpose()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.one(name)? {
            None => Ok(default),
            Some("true" | "True" | "1") => Ok(true),
            Some("false" | "False" | "0") => Ok(false),
            Some(_) => Err(ApiError::parameter(name, "it is neither true nor false")),
        }
    }

    /// A whole number within a range.
    pub(super) fn number(
        &self,
        name: &str,
        range: RangeInclusive<i64>,
        default: i64,
    ) -> Result<i64, ApiError> {
        let Some(text) = self.one(name)? else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (min, max) = range.into_inner();
                ApiError::parameter(
                    name,
                    format!("it is not a whole number from {min} to {max}"),
                )
            })
    }

    /// An instant. A date means its beginning in UTC.
    pub(super) fn from(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.instant(name, Edge::Beginning)
    }

    /// An instant that is no longer included. A date is included as a whole.
    pub(super) fn until(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.instant(name, Edge::End)
    }

    fn instant(&self, name: &str, edge: Edge) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        let at = instant(text, edge).ok_or_else(|| {
            ApiError::parameter(
                name,
                "it is neither a date (2026-03-01), nor a date-time (2026-03-01T06:30:00Z), nor Unix seconds, \
                 within the years 1 to 9999",
            )
        })?;
        Ok(Some(at))
    }
}

/// Which end of a day a date means.
#[derive(Debug, Clone, Copy)]
enum Edge {
    Beginning,
    End,
}

fn instant(text: &str, edge: Edge) -> Option<Timestamp> {
    let at = unix_seconds(text)
        .or_else(|| date(text, edge))
        .or_else(|| date_time(text))?;
    is_of_ours(at).then_some(at)
}

/// Whether an instant lies in a year that Postgres has too.
pub(super) fn is_of_ours(at: Timestamp) -> bool {
    is_year_of_ours(at.to_zoned(TimeZone::UTC).year())
}

/// Whether a year is one that Postgres has too.
pub(super) fn is_year_of_ours(year: i16) -> bool {
    (1..=9_999).contains(&year)
}

fn unix_seconds(text: &str) -> Option<Timestamp> {
    Timestamp::from_second(text.parse().ok()?).ok()
}

fn date(text: &str, edge: Edge) -> Option<Timestamp> {
    // A date parser takes a date-time too, and forgets its time.
    let is_date = text.len() == "2026-03-01".len();
    let date: civil::Date = text.parse().ok().filter(|_| is_date)?;
    let date = match edge {
        Edge::Beginning => Some(date),
        Edge::End => date.tomorrow().ok(),
    };
    // Instants end a little earlier than dates.
    let at = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    Some(at.map_or(Timestamp::MAX, |at| at.timestamp()))
}

/// With an offset, or in UTC. A `+` that was not encoded arrives as a space.
fn date_time(text: &str) -> Option<Timestamp> {
    let parse = |text: &str| {
        let with_offset = text.parse::<Timestamp>().ok();
        with_offset.or_else(|| {
            let local: civil::DateTime = text.parse().ok()?;
            Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
        })
    };
    let repaired = || {
        let (head, offset) = text.rsplit_once(' ')?;
        head.contains(['T', ' '])
            .then(|| format!("{head}+{offset}"))
    };
    match repaired() {
        Some(text) => parse(&text),
        None => parse(text),
    }
}

/// Whether what is percent-encoded is UTF-8.
fn is_utf8(query: &str) -> bool {
    percent_decode_str(query).decode_utf8().is_ok()
}

/// A body as it comes, within its time and size.
#[derive(Debug)]
pub(super) struct WholeBody(pub(super) Bytes);

impl FromRequest<Arc<Api>> for WholeBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        in_time(Bytes::from_request(request, api), BytesRejection::status)
            .await
            .map(Self)
    }
}

/// A body of JSON.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        let Json(body) = in_time(Json::from_request(request, api), JsonRejection::status).await?;
        Ok(Self(body))
    }
}

/// Waits for a body, but not for one that drips.
async fn in_time<T, R: Display>(
    body: impl Future<Output = Result<T, R>>,
    status: impl Fn(&R) -> StatusCode,
) -> Result<T, ApiError> {
    let refused = |status, detail| ApiError::new(status, "invalid_body", detail);
    let Ok(body) = tokio::time::timeout(BODY_TIMEOUT, body).await else {
        let detail = format!(
            "the body did not come whole within {} s",
            BODY_TIMEOUT.as_secs()
        );
        return Err(refused(StatusCode::REQUEST_TIMEOUT, detail));
    };
    body.map_err(|refusal| refused(status(&refusal), refusal.to_string()))
}

/// The user of a call's path.
#[derive(Debug)]
pub(super) struct PathUser(pub(super) UserId);

impl FromRequestParts<Arc<Api>> for PathUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        from_path(parts, api, "user_id").await.map(Self)
    }
}

/// A value of a call's path.
pub(super) async fn from_path<T>(
    parts: &mut Parts,
    api: &Arc<Api>,
    name: &str,
) -> Result<T, ApiError>
where
    T: FromStr<Err: Display>,
{
    let path = RawPathParams::from_request_parts(parts, api).await;
    let path = path.map_err(|_| ApiError::parameter("path", "it is not UTF-8"))?;
    let value = path
        .iter()
        .find_map(|(key, value)| (key == name).then_some(value));
    let value = value.ok_or_else(|| ApiError::parameter(name, "it is missing"))?;
    value
        .parse()
        .map_err(|error| ApiError::parameter(name, error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params(query: &str) -> Params {
        Params::of(query).unwrap()
    }

    fn told(error: &ApiError) -> &str {
        error.detail()
    }

    #[test]
    fn a_parameter_is_given_once_and_of_its_form() {
        let query = params("limit=5&twice=1&twice=1&empty=&on=true&odd=maybe");
        assert_eq!(query.number("limit", 1..=10, 3).unwrap(), 5);
        assert_eq!(query.number("empty", 1..=10, 3).unwrap(), 3);
        assert!(query.flag("on", false).unwrap());
        for (error, cause) in [
            (
                query.number("limit", 1..=4, 3).unwrap_err(),
                "limit: it is not a whole number from 1 to 4",
            ),
            (
                query.one("twice").unwrap_err(),
                "twice: it is given more than once",
            ),
            (
                query.flag("odd", true).unwrap_err(),
                "odd: it is neither true nor false",
            ),
            (
                query.required::<u32>("missing").unwrap_err(),
                "missing: it is missing",
            ),
            (Params::of("a=%ff").unwrap_err(), "it is not UTF-8"),
            (Params::of("a=%00").unwrap_err(), "a: it contains NUL"),
            (Params::of(&"a&".repeat(101)).unwrap_err(), "more than 100"),
        ] {
            assert!(told(&error).contains(cause), "{}", told(&error));
        }
    }

    #[test]
    fn an_instant_has_many_forms() {
        let at = |text: &str| {
            let query = Params(vec![("t".to_owned(), text.to_owned())]);
            query.from("t").map(|at| at.unwrap().to_string()).ok()
        };
        let expected = Some("2026-03-01T00:00:00Z".to_owned());
        for text in [
            "2026-03-01",
            "1772323200",
            "2026-03-01T00:00:00Z",
            "2026-03-01T00:00:00",
            "2026-03-01 00:00:00",
            "2026-03-01T02:00:00+02:00",
            "2026-03-01T02:00:00 02:00",
            "2026-03-01T00:00:00.000Z",
        ] {
            assert_eq!(at(text), expected, "{text}");
        }
        for text in [
            "yesterday",
            "2026-13-01",
            "2026-3-1",
            "1e9",
            "99999999999999",
            "-62167219201",
            "infinity",
            "0000-01-01",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_that_ends_a_range_is_included() {
        let query = params("end=2026-03-01&at=2026-03-01T12:00:00Z");
        assert_eq!(
            query.until("end").unwrap().unwrap().to_string(),
            "2026-03-02T00:00:00Z"
        );
        assert_eq!(
            query.until("at").unwrap().unwrap().to_string(),
            "2026-03-01T12:00:00Z"
        );
        let last = params("end=9999-12-31").until("end").unwrap();
        assert_eq!(last, Some(Timestamp::MAX));
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "\\PC{0,80}|([a-c]=[%0-9a-fA-F+&;=]{0,12}&){0,8}") {
            if let Ok(params) = Params::of(&query) {
                for name in ["a", "b", "c"] {
                    let _ = (params.one(name), params.flag(name, true), params.number(name, 0..=9, 1));
                    let ends = [params.from(name), params.until(name)];
                    for at in ends.into_iter().filter_map(Result::ok).flatten() {
                        prop_assert!(is_of_ours(at), "{at}");
                    }
                    prop_assert!(params.all(name).all(|value| !value.contains('\0')));
                }
            }
        }

        #[test]
        fn any_time_is_within_the_years_that_postgres_has(
            text in "[-+]?[0-9]{1,20}|[-+]?[0-9]{1,6}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[ +-][0-9]{2}:[0-9]{2})?)?",
        ) {
            for edge in [Edge::Beginning, Edge::End] {
                if let Some(at) = instant(&text, edge) {
                    prop_assert!(is_of_ours(at), "{at}");
                }
            }
        }
    }
}
