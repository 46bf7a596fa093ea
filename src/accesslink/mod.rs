//! Polar's HTTP API, and nothing of ours.
//!
//! Owns every fact about AccessLink: its bodies, its status codes, its quota. Must never know
//! connections, Postgres or Redis; what a body means for us is decided by `normalize`.

pub mod wire;
