//! Answers and events of Polar's.

#![no_main]

#[path = "../../tests/hostile/laws/wire.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|input: &[u8]| law::check(input));
