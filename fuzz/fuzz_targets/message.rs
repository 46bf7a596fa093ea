//! Jobs from a stream that others write to.

#![no_main]

#[path = "../../tests/hostile/laws/message.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|input: &[u8]| law::check(input));
