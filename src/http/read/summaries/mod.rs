//! Summaries: a row a day, and the state of the body.
//!
//! To add a list of days: a file with its row and a handler that reads a [`Days`].

mod activity;
mod body;
mod recovery;
mod sleep;

use std::sync::Arc;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;

use super::{
    super::{
        Api,
        cursor::Question,
        error::Answered,
        page::{Metadata, Page, Pagination},
        params::Params,
    },
    listing::{Limits, Listing, Order},
    range::Range,
};
use crate::{
    model::{SortOrder, UserId},
    store::{StoreError, read::Key},
};

/// Rows of a page.
const LIMITS: Limits = Limits {
    allowed: 1..=400,
    default: 50,
};

/// The routes of summaries.
pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(activity::routes())
        .merge(sleep::routes())
        .merge(recovery::routes())
        .merge(body::routes())
}

/// Which days are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters; the handler reads them")]
struct DaysQuery {
    /// This date and later ones; without it, from thirty days before `end_date` or before today on.
    start_date: Option<String>,
    /// This date and earlier ones.
    end_date: Option<String>,
    /// `asc` or `desc`.
    #[param(default = "asc")]
    sort_order: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 400, default = 50)]
    limit: Option<i64>,
    /// Count all pages.
    #[param(default = false)]
    include_total: Option<bool>,
}

/// A list of days that a page is asked of.
struct Days {
    listing: Listing<Date>,
    range: Range,
    /// The first date that no longer belongs to it.
    until: Date,
    is_counted: bool,
}

impl Days {
    fn read(params: &Params, call: &str, user_id: &UserId, api: &Api) -> Answered<Self> {
        let range = Range::read(params, "start_date", "end_date", api.clock.now())?;
        let sort = params.parsed::<SortOrder>("sort_order")?;
        let order = match sort.unwrap_or(SortOrder::Ascending) {
            SortOrder::Ascending => Order::OldestFirst,
            SortOrder::Descending => Order::NewestFirst,
        };
        let given = (params.one("start_date")?, params.one("end_date")?, sort);
        let question = Question::of(call, &(user_id, given));
        let dates = range.dates();
        Ok(Self {
            listing: Listing::read(params, question, order, dates, LIMITS)?,
            range,
            until: dates.1,
            is_counted: params.flag("include_total", false)?,
        })
    }

    /// The number of rows of all pages, where it is asked for; the count is begun only then.
    async fn total(
        &self,
        count: impl Future<Output = Result<i64, StoreError>>,
    ) -> Answered<Option<i64>> {
        if self.is_counted {
            Ok(Some(count.await?))
        } else {
            Ok(None)
        }
    }

    /// The page of rows of the slice.
    fn page<R, T: Serialize>(
        &self,
        rows: Vec<R>,
        total: Option<i64>,
        key: impl Fn(&R) -> Key<Date>,
        turn: impl Fn(R) -> T,
    ) -> Page<T> {
        let (rows, pagination) = self.listing.page(rows, key);
        let data: Vec<_> = rows.into_iter().map(turn).collect();
        let metadata = Metadata {
            resolution: None,
            sample_count: data.len(),
            start_time: midnight(self.listing.from()),
            end_time: self.range.until,
        };
        let pagination = Pagination {
            total_count: total,
            ..pagination
        };
        Page {
            data,
            pagination,
            metadata,
        }
    }
}

/// Where a date begins in UTC.
fn midnight(date: Date) -> Option<Timestamp> {
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}
