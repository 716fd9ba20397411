//! Bytes as the files of a pack of evidence.
#![no_main]

#[path = "../../tests/support/fuzz_pack.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::pack(data));
