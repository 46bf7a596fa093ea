//! Database roles: what each of them may do, what it may not, and who makes them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod denied;
mod logins;
mod matrix;
mod owner;
#[path = "../support/mod.rs"]
mod support;
