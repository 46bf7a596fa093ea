//! What can be asked for, and what a worker does about it.
//!
//! Owns the way from a wish to its end: [`request`] is the only way to enqueue, [`handler`] turns a
//! stream entry into a run, [`outcome`] decides what a failure means, and [`settle`] writes it down.
//! Must never know how the queue delivers, nor what AccessLink's answers look like.
//!
//! To add a cause of syncs: its word in `model`, and a call of [`request::Desk::ask`]. To add a way
//! to fail: its arm in [`outcome`], where the compiler asks for it.

pub mod due;
pub mod handler;
pub mod judge;
pub mod keeper;
pub mod outcome;
pub mod publisher;
pub mod request;
mod run;
mod served;
mod settle;

pub use handler::Worker;
