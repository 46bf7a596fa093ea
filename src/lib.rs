//! polar-sync keeps Postgres in step with Polar AccessLink for every connected user.
//!
//! A scheduler, Polar's webhook and other platforms put sync jobs on Redis, one user each. Stateless
//! workers take them, run AccessLink's transactions (create, list, fetch, commit) and write normalized
//! rows, which other services read with plain SQL or over HTTP.
//!
//! ```text
//!  triggers                                    queue                worker                     readers
//!   safety interval ─────┐
//!   Polar notification ──┤                                 ┌───────── sync ──────────┐
//!   Polar webhook ───────┤                                 │ open → fetch →          │──► api_v1 views,
//!   HTTP POST sync ──────┼─► request ──► Redis Stream ────►│   normalize → record →  │    changes, events
//!   connect, retry ──────┤   (Postgres)  (one a lane)      │     commit              │──► HTTP: workouts,
//!   CLI enqueue ─────────┘       ▲            ▲            └──────────┬──────────────┘    sleep, timeseries
//!   any platform ── XADD ────────┼────────────┘                 lease │ outcome
//!                                └────── retry, snooze, rescue ◄── ledger (Postgres)
//! ```
//!
//! # Words
//!
//! A *connection* ties a platform's user to a Polar account. A *kind* is a type of data. A *request* is
//! somebody's wish for a sync, a *run* is one execution and serves all open requests of a connection.
//! A *lane* is a queue of one urgency. A *tx* is a Postgres transaction; *transaction* and *commit*
//! are AccessLink's words only.
//!
//! # Invariants
//!
//! 1. Commit deletes. A transaction is committed only when all that it lists is durable in Postgres, as raw
//!    bytes at least; the types ask for the receipt of that.
//! 2. Postgres is the truth, Redis an index that may be flushed at any moment: work is then late, and
//!    none is lost.
//! 3. One run a connection at a time, by a lease with a token. The token decides, not the time, and every
//!    tx of a run begins by checking it.
//! 4. Running a job twice is harmless: what is older never overwrites what is newer, and what is equal
//!    touches nothing.
//! 5. Waiting is not failing: quota, outage and shutdown use up no attempt.
//! 6. Nothing is dropped and nothing blocks: what cannot be understood is kept in quarantine, and the rest
//!    goes on.
//! 7. No network call while a tx is open, and no URL of a server is fetched as it was given.
//! 8. No token and no health value in a log, a metric, an error, Redis or a URL.
//! 9. Every loop, body, batch and wait has a named limit; clock and randomness are parameters.
//! 10. Two sources of one workout end in one row.
//! 11. The brake `sync.commit = "off"` fetches and stores, and deletes nothing at Polar.
//!
//! # Who may import whom
//!
//! Imports go downwards only, and each foreign system has one owner: `store` alone speaks SQL, `queue` Redis,
//! `accesslink` Polar, `config` the environment, `clock` the time. `tests/architecture` holds the table.

pub mod accesslink;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod exit;
pub mod http;
pub mod job;
pub mod model;
pub mod normalize;
pub mod ops;
pub mod queue;
pub mod role;
pub mod schedule;
pub mod secret;
pub mod store;
pub mod sync;
pub mod telemetry;
