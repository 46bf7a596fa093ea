//! The one list of metrics, and how they are recorded.
//!
//! A counter whose labels are all closed is born at zero, so that its first increment is an increase
//! to whoever watches. No label ever names a person or holds an id.

mod recorder;
mod table;

pub use recorder::{Metrics, RecorderTaken};
pub use table::*;
