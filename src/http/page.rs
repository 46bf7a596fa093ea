//! Pages: the shape of every list, and answers that a client need not fetch twice.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::{cursor::Question, error::ApiError, params::Params};
use crate::secret::sha256;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The rows.
    pub(super) data: Vec<T>,
    /// How to go on.
    pub(super) pagination: Pagination,
    /// What the rows are.
    pub(super) metadata: Metadata,
}

/// How to go on from a page.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Pagination {
    /// Give it as `cursor` to get the next page; null on the last one.
    pub(super) next_cursor: Option<String>,
    /// Give it as `cursor` to get the page before; null on the first one.
    pub(super) previous_cursor: Option<String>,
    /// Whether there is a next page.
    pub(super) has_more: bool,
    /// Rows of all pages; only where `include_total=true` was asked for.
    pub(super) total_count: Option<i64>,
}

/// What the rows of a page are.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Metadata {
    /// The resolution of samples; null where there are none.
    pub(super) resolution: Option<&'static str>,
    /// Rows of this page.
    pub(super) sample_count: usize,
    /// Where the range begins.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) start_time: Option<Timestamp>,
    /// Where the range ends; null where it is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) end_time: Option<Timestamp>,
}

/// Where a page lies: beside the row with this key, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place<K> {
    /// The rows after it.
    After(K),
    /// The rows before it.
    Before(K),
}

impl<K: DeserializeOwned> Place<K> {
    /// The place that `cursor` names, if it is given.
    pub(super) fn read(params: &Params, question: &Question) -> Result<Option<Self>, ApiError> {
        let cursor = params.one("cursor")?;
        cursor.map(|cursor| question.read(cursor)).transpose()
    }
}

impl<K> Place<K> {
    /// The key that the rows come after, and the one that they come before.
    pub(super) fn bounds(place: Option<&Self>) -> (Option<&K>, Option<&K>) {
        match place {
            None => (None, None),
            Some(Self::After(key)) => (Some(key), None),
            Some(Self::Before(key)) => (None, Some(key)),
        }
    }
}

/// Makes a page of rows in the order of the list, of which one more than `limit` was asked for.
pub(super) fn paginate<T, K: Serialize>(
    mut rows: Vec<T>,
    limit: usize,
    place: Option<&Place<K>>,
    question: &Question,
    key: impl Fn(&T) -> K,
) -> (Vec<T>, Pagination) {
    let is_cut = rows.len() > limit;
    let (has_previous, has_more) = match place {
        None => (false, is_cut),
        Some(Place::After(_)) => (true, is_cut),
        Some(Place::Before(_)) => (is_cut, true),
    };
    if matches!(place, Some(Place::Before(_))) && is_cut {
        rows.remove(0);
    }
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more);
    let previous = rows.first().filter(|_| has_previous);
    let pagination = Pagination {
        next_cursor: next.map(|row| question.write(&Place::After(key(row)))),
        previous_cursor: previous.map(|row| question.write(&Place::Before(key(row)))),
        has_more: next.is_some(),
        total_count: None,
    };
    (rows, pagination)
}

/// Answers with JSON and its `ETag`; with 304 and nothing when the client has it already.
pub(super) fn tagged_json(
    headers: &HeaderMap,
    body: &impl Serialize,
) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(body).map_err(|error| ApiError::bug(&error))?;
    let tag = tag(&sha256(&body));
    if is_known(headers, &tag) {
        return Ok(not_modified(tag));
    }
    let json = HeaderValue::from_static("application/json");
    let headers = [(header::CONTENT_TYPE, json), (header::ETAG, tag)];
    Ok((headers, Bytes::from(body)).into_response())
}

/// The `ETag` of what this hash stands for, in the form that this version gives it. Weak, since the same content may go out compressed or not.
pub(super) fn tag(hash: &[u8; 32]) -> HeaderValue {
    let hash = sha256(&[hash.as_slice(), env!("CARGO_PKG_VERSION").as_bytes()].concat());
    let tag = format!("W/\"{}\"", hex::encode(&hash[..16]));
    // Hexadecimal digits can stand in a header.
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("W/\"\""))
}

/// Whether the client says that it has what this tag stands for.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Some(tag) = tag.to_str().ok().map(opaque) else {
        return false;
    };
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || opaque(known) == tag)
}

/// 304.
pub(super) fn not_modified(tag: HeaderValue) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leads_to_both_its_neighbours() {
        let question = Question::of("numbers", &());
        let page = |rows: std::ops::RangeInclusive<u8>, place: Option<Place<u8>>| {
            let (rows, pagination) =
                paginate(rows.collect(), 3, place.as_ref(), &question, |row| *row);
            let place =
                |cursor: Option<String>| cursor.map(|cursor| question.read(&cursor).unwrap());
            (
                rows,
                place(pagination.previous_cursor),
                place(pagination.next_cursor),
            )
        };
        let (after, before) = (
            |key| Some(Place::After(key)),
            |key| Some(Place::Before(key)),
        );
        assert_eq!(page(1..=4, None), (vec![1, 2, 3], None, after(3)));
        assert_eq!(page(4..=7, after(3)), (vec![4, 5, 6], before(4), after(6)));
        assert_eq!(page(7..=8, after(6)), (vec![7, 8], before(7), None));
        assert_eq!(page(3..=6, before(7)), (vec![4, 5, 6], before(4), after(6)));
        assert_eq!(page(1..=3, before(4)), (vec![1, 2, 3], None, after(3)));
    }

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        let first = tagged_json(&HeaderMap::new(), &"body").unwrap();
        let tag = first.headers().get(header::ETAG).unwrap().clone();
        let with = |value: HeaderValue| HeaderMap::from_iter([(header::IF_NONE_MATCH, value)]);
        let status = |headers| tagged_json(&headers, &"body").unwrap().status();
        let strong = tag.to_str().unwrap().trim_start_matches("W/").to_owned();
        let list = format!("\"other\", {strong}");
        assert_eq!(status(with(tag)), 304);
        assert_eq!(status(with(HeaderValue::try_from(list).unwrap())), 304);
        assert_eq!(status(with(HeaderValue::from_static("*"))), 304);
        assert_eq!(status(with(HeaderValue::from_static("\"other\""))), 200);
    }
}
