//! polar-sync.

pub mod queue;
