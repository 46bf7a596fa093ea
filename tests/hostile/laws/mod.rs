//! What holds for every input of a parser, whatever it is: each module has a law that panics where it is
//! broken. The suite holds the corpus and damaged copies of it to them, and `fuzz/` what a fuzzer comes up
//! with, so a module stands alone: it imports nothing of this test.

pub(crate) mod address;
pub(crate) mod config;
pub(crate) mod gpx;
pub(crate) mod message;
pub(crate) mod normalize;
pub(crate) mod wire;
