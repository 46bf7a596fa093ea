//! What a call for samples asks for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        super::{
            cursor::Question,
            error::{Answered, ApiError},
            page::Place,
            params::{Params, is_of_ours},
        },
        range::Range,
        words,
    },
    rows::{Rows, Span},
};
use crate::{
    model::{Resolution, UserId, record::SeriesType},
    store::{
        Store,
        read::series::{Direction, SampleKey, SampleRange, Selection, Subject},
    },
};

/// Rows of a page.
const LIMIT_MAX: i64 = 10_000;
const LIMIT_DEFAULT: i64 = 1_000;

/// A row, as a cursor names it, with the beginning of the range of the first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    from: Timestamp,
    key: SampleKey,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) user_id: UserId,
    pub(super) types: Vec<SeriesType>,
    pub(super) resolution: Resolution,
    pub(super) range: Range,
    pub(super) limit: usize,
    pub(super) place: Option<Place<SampleKey>>,
    pub(super) is_counted: bool,
    /// Whether anything was given that is about pages.
    pub(super) is_page_asked: bool,
    question: Question,
}

impl Query {
    pub(super) fn read(params: &Params, user_id: &UserId, now: Timestamp) -> Answered<Self> {
        let mut range = Range::read(params, "start_time", "end_time", now)?;
        let types = words::series_types("types", params.all("types"))?;
        let resolution = params.parsed::<Resolution>("resolution")?;
        let resolution = resolution.unwrap_or(Resolution::Raw);
        let limit = params.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)?;
        let given = (
            params.one("start_time")?,
            params.one("end_time")?,
            &types,
            resolution,
        );
        let question = Question::of("timeseries", &(user_id, given));
        let place = Place::<Named>::read(params, &question)?;
        let named = place.as_ref().map(|place| match place {
            Place::After(named) | Place::Before(named) => *named,
        });
        if let Some(named) = named {
            if !is_of_ours(named.from) || !is_of_ours(named.key.at()) {
                let problem = "it names a time that does not exist";
                return Err(ApiError::parameter("cursor", problem));
            }
            range.from = named.from;
        }
        Ok(Self {
            user_id: user_id.clone(),
            types,
            resolution,
            range,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            is_page_asked: place.is_some() || params.one("limit")?.is_some(),
            place: place.map(|place| match place {
                Place::After(named) => Place::After(named.key),
                Place::Before(named) => Place::Before(named.key),
            }),
            is_counted: params.flag("include_total", false)?,
            question,
        })
    }

    /// All samples of the range.
    pub(super) fn whole(&self) -> Selection {
        self.selection(Span::default())
    }

    /// All rows of the range.
    pub(super) fn rows(&self, store: &Store) -> Rows {
        self.rows_of(store, Span::default(), Direction::Forward)
    }

    /// The rows between two others.
    pub(super) fn rows_of(&self, store: &Store, span: Span, direction: Direction) -> Rows {
        Rows::new(
            store,
            self.selection(span),
            self.resolution,
            span,
            direction,
        )
    }

    fn selection(&self, span: Span) -> Selection {
        let range = SampleRange::between(self.range.from, self.range.end());
        Selection {
            subject: Subject::User(self.user_id.clone()),
            types: self.types.clone(),
            range: self.resolution.samples_of(range, span),
        }
    }

    /// The cursor of the rows after or before one.
    pub(super) fn cursor(&self, place: &Place<SampleKey>) -> String {
        let named = |key: &SampleKey| Named {
            from: self.range.from,
            key: *key,
        };
        self.question.write(&match place {
            Place::After(key) => Place::After(named(key)),
            Place::Before(key) => Place::Before(named(key)),
        })
    }

    /// All that decides about a page beside the data.
    pub(super) fn version(&self) -> Vec<u8> {
        let place = self.place.as_ref().map(|place| self.cursor(place));
        let all = (
            &self.user_id,
            &self.types,
            self.resolution,
            self.range.from,
            self.range.until,
            self.limit,
            place,
            self.is_counted,
        );
        // Plain values, which JSON can hold.
        serde_json::to_vec(&all).unwrap_or_default()
    }
}
