//! Settings.

#![no_main]

#[path = "../../tests/hostile/laws/config.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|input: &str| law::check(input));
