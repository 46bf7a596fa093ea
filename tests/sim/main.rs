//! The simulator checked by plain HTTP, as its clients see it. Nothing here sleeps: what must be waited for is
//! awaited at the control port, and time passes by moving the virtual clock.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod content;
mod faults;
mod harness;
mod life_cycle;
mod oauth;
mod population;
mod quota;
mod receiver;
mod users;
mod webhooks;
