//! What the HTTP interface reads of the records, by the id of a user.
//!
//! A record belongs to its user whatever became of the connection that brought it: every statement here goes from
//! the user to all connections, as the views of `api_v1` do. Lists are read in slices between two keys, so that no
//! statement ever skips rows, and samples from the arrays that they are stored in.
//!
//! To add a list: a file with its row, and statements that take a [`Slice`] of its order.

mod activity;
mod body;
mod change;
mod recovery;
mod route;
pub mod series;
mod sleep;
mod workout;

pub use activity::Activity;
pub use body::{Body, NightlyVariability};
pub use change::ChangeRow;
pub use recovery::Recovery;
pub use route::RouteWindow;
pub use sleep::{Sleep, Stage};
pub use workout::{Workout, WorkoutZone};

use uuid::Uuid;

/// The key of a row in the order of its list: when, and which record of that time.
pub type Key<A> = (A, Uuid);

/// The rows of a list that lie between two keys; none of the keys' own rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<A> {
    /// The rows come after this key.
    pub after: Key<A>,
    /// The rows come before this key.
    pub before: Key<A>,
    /// From which end rows are taken: the newest, in falling order, or the oldest, in rising order.
    pub newest_first: bool,
    /// At most so many.
    pub limit: i64,
}
