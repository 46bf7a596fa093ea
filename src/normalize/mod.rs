//! From Polar's bodies to normalized records: `wire` → `model`.
//!
//! Owns what a value of Polar means: time zones, units, sentinels, codes. Pure and total: no async,
//! no clock, no log, no I/O, no panic, the same record for the same bodies. Must never put a value
//! into an error: [`Unreadable`] names the path and what was expected there.
//!
//! What cannot be understood takes as little with it as possible. A record whose time or identity is
//! unclear is [`Unreadable`] as a whole. Of everything else only what is not understood is missing: a
//! value, an entry of a list, a series becomes a [`Leftover`] beside the others, and a detail of which
//! nothing is understood becomes `Part::Unreadable`. In each case the raw body is kept, so that a later
//! release can read it.
//!
//! How Polar says "no value", read everywhere: a missing field, `null`, blank text, a negative
//! number where none makes sense (-1 mostly), and 0 where nothing alive can have it (a heart rate, a
//! score that begins at 1).
//!
//! To add a kind: its body in `accesslink::wire`, its record in `model::record`, a file here with one
//! function, and a fixture in `tests/normalize.rs`.

mod activity;
mod leftover;
mod night_clock;
mod nightly_recharge;
mod number;
mod part;
mod physical_information;
mod route;
mod samples;
mod sleep;
mod sports;
mod time;
mod workout;
mod zones;

pub use activity::{ActivityParts, activity};
pub use leftover::{Leftover, Normalized, Piece, Reason};
pub use nightly_recharge::{Night, nightly_recharge};
pub use physical_information::physical_information;
pub use route::Route;
pub use samples::{SAMPLE_LIMIT, sample_series};
pub use sleep::sleep;
pub use sports::workout_type;
pub use time::date_of;
pub use workout::{Origin, WorkoutParts, workout};

pub use crate::accesslink::wire::Unreadable;
