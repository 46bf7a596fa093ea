//! Routes.

#![no_main]

#[path = "../../tests/hostile/laws/gpx.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|input: &[u8]| law::check(input));
