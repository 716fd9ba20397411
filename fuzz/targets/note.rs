//! Bytes as a signed note, a checkpoint, a witness's request or answer, and a key.
#![no_main]

#[path = "../../tests/support/fuzz.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::note(data));
