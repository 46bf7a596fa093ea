//! URLs that a server returned.

#![no_main]

#[path = "../../tests/hostile/laws/address.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|input: &str| law::check(input));
