//! Answers that go out in pieces, so that none of them is in memory as a whole.

use std::{future::Future, io};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};

use super::super::error::Answered;

/// About so long is a piece: long enough that a piece costs little, short enough that a hundred readers do.
pub(super) const PIECE_BYTES: usize = 32 * 1_024;

/// What writes an answer piece by piece.
pub(super) trait Pieces: Send + 'static {
    /// Appends to `out` until it holds [`PIECE_BYTES`], or the rest of the answer; tells whether there is more.
    fn write(&mut self, out: &mut Vec<u8>) -> impl Future<Output = Answered<bool>> + Send;
}

/// Answers with what `pieces` write. The first piece is made before the status is sent, so that what fails at once is
/// a proper refusal; where a later one fails, the answer is cut off, so that nobody takes it for the whole.
pub(super) async fn answer(
    mut pieces: impl Pieces,
    content_type: &'static str,
    tag: Option<HeaderValue>,
) -> Answered<Response> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tag);
    }
    let mut first = Vec::new();
    let has_more = pieces.write(&mut first).await?;
    let first = Bytes::from(first);
    if !has_more {
        return Ok((headers, first).into_response());
    }
    let rest = stream::try_unfold(Some(pieces), async |pieces| {
        let Some(mut pieces) = pieces else {
            return Ok(None);
        };
        let mut piece = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
        let has_more = pieces
            .write(&mut piece)
            .await
            .map_err(|error| io::Error::other(error.detail().to_owned()))?;
        Ok(Some((Bytes::from(piece), has_more.then_some(pieces))))
    });
    let all = stream::once(async { Ok::<_, io::Error>(first) }).chain(rest);
    Ok((headers, Body::from_stream(all)).into_response())
}
