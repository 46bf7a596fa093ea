//! Lists of records in pages: which slice a call asks for, and the page that is made of it.

use std::ops::RangeInclusive;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::super::{
    cursor::Question,
    error::{Answered, ApiError},
    page::{Pagination, Place, paginate},
    params::{Params, is_of_ours, is_year_of_ours},
};
use crate::store::read::{Key, Slice};

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    NewestFirst,
    OldestFirst,
}

/// How many rows a page may have.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) allowed: RangeInclusive<i64>,
    pub(super) default: i64,
}

/// What a list is ordered by.
pub(super) trait Moment: Copy + Ord + Serialize + DeserializeOwned {
    /// Whether Postgres has it too: a cursor can name more.
    fn is_of_ours(self) -> bool;
}

impl Moment for Timestamp {
    fn is_of_ours(self) -> bool {
        is_of_ours(self)
    }
}

impl Moment for Date {
    fn is_of_ours(self) -> bool {
        is_year_of_ours(self.year())
    }
}

/// A row, as a cursor names it. The beginning of the range stays that of the first page, whatever day the next one is
/// asked for on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Named<A> {
    from: A,
    at: A,
    id: Uuid,
}

/// A list that a page is asked of.
#[derive(Debug)]
pub(super) struct Listing<A> {
    question: Question,
    order: Order,
    from: A,
    until: A,
    limit: i64,
    place: Option<Place<Named<A>>>,
}

impl<A: Moment> Listing<A> {
    /// The list of rows from `from` on until `until`, of which `params` ask for a page.
    pub(super) fn read(
        params: &Params,
        question: Question,
        order: Order,
        (from, until): (A, A),
        limits: Limits,
    ) -> Answered<Self> {
        let limit = params.number("limit", limits.allowed, limits.default)?;
        let place = Place::<Named<A>>::read(params, &question)?;
        let named = place.as_ref().map(|place| match place {
            Place::After(named) | Place::Before(named) => *named,
        });
        if named.is_some_and(|named| !named.from.is_of_ours() || !named.at.is_of_ours()) {
            return Err(ApiError::parameter(
                "cursor",
                "it names a time that does not exist",
            ));
        }
        Ok(Self {
            question,
            order,
            from: named.map_or(from, |named| named.from),
            until,
            limit,
            place,
        })
    }

    /// Where the range begins.
    pub(super) const fn from(&self) -> A {
        self.from
    }

    /// The slice to read: one row more than the page has, which tells whether there is another page.
    pub(super) fn slice(&self) -> Slice<A> {
        let edge = |at: A| (at, Uuid::nil());
        let mut slice = Slice {
            after: edge(self.from),
            before: edge(self.until),
            newest_first: self.order == Order::NewestFirst,
            limit: self.limit.saturating_add(1),
        };
        let key = |named: &Named<A>| -> Key<A> { (named.at, named.id) };
        let (is_later, key) = match &self.place {
            None => return slice,
            Some(Place::After(named)) => (self.order == Order::OldestFirst, key(named)),
            Some(Place::Before(named)) => {
                slice.newest_first = !slice.newest_first;
                (self.order == Order::NewestFirst, key(named))
            }
        };
        if is_later {
            slice.after = slice.after.max(key);
        } else {
            slice.before = slice.before.min(key);
        }
        slice
    }

    /// The page of the rows of the slice.
    pub(super) fn page<R>(
        &self,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> Key<A>,
    ) -> (Vec<R>, Pagination) {
        if matches!(self.place, Some(Place::Before(_))) {
            rows.reverse();
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        paginate(rows, limit, self.place.as_ref(), &self.question, |row| {
            let (at, id) = key(row);
            Named {
                from: self.from,
                at,
                id,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: i64 = 23;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What Postgres does: three rows at each instant.
    fn rows(slice: &Slice<Timestamp>) -> Vec<Key<Timestamp>> {
        let mut rows: Vec<_> = (1..=ROWS)
            .map(|n| (at(100 + n / 3), Uuid::from_u128(n.unsigned_abs().into())))
            .filter(|row| *row > slice.after && *row < slice.before)
            .collect();
        if slice.newest_first {
            rows.reverse();
        }
        rows.truncate(slice.limit.try_into().unwrap());
        rows
    }

    fn page(order: Order, query: &str) -> (Vec<Key<Timestamp>>, Pagination) {
        let limits = Limits {
            allowed: 1..=10,
            default: 10,
        };
        let params = Params::of(query).unwrap();
        let range = (at(101), at(107));
        let question = Question::of("x", &());
        let listing = Listing::read(&params, question, order, range, limits).unwrap();
        let rows = rows(&listing.slice());
        listing.page(rows, |row| *row)
    }

    #[test]
    fn pages_in_both_directions_are_the_whole_list() {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let mut whole: Vec<_> = (3..=20).map(Uuid::from_u128).collect();
            if order == Order::NewestFirst {
                whole.reverse();
            }
            for limit in 1..=10 {
                let (mut there, mut back) = (Vec::new(), Vec::new());
                let mut query = format!("limit={limit}");
                let mut last = String::new();
                loop {
                    let (rows, pagination) = page(order, &query);
                    there.extend(rows.iter().map(|row| row.1));
                    let Some(next) = pagination.next_cursor else {
                        break;
                    };
                    last = format!("limit={limit}&cursor={next}");
                    query.clone_from(&last);
                }
                assert_eq!(there, whole, "{order:?} {limit}");
                loop {
                    let (rows, pagination) = page(order, &last);
                    let ids: Vec<_> = rows.iter().map(|row| row.1).collect();
                    back.splice(0..0, ids);
                    let Some(previous) = pagination.previous_cursor else {
                        break;
                    };
                    last = format!("limit={limit}&cursor={previous}");
                }
                assert_eq!(back, whole, "{order:?} {limit}");
            }
        }
    }

    #[test]
    fn a_time_that_postgres_lacks_is_refused() {
        let question = Question::of("x", &());
        let named = Named {
            from: Timestamp::MIN,
            at: at(1),
            id: Uuid::nil(),
        };
        let query = format!("cursor={}", question.write(&Place::After(named)));
        let limits = Limits {
            allowed: 1..=10,
            default: 10,
        };
        let params = Params::of(&query).unwrap();
        let range = (at(1), at(2));
        assert!(Listing::read(&params, question, Order::NewestFirst, range, limits).is_err());
    }
}
