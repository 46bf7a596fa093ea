//! From items of Polar's to records.

#![no_main]

#[path = "../../tests/hostile/laws/normalize.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|input: &[u8]| law::check(input));
