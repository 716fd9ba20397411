//! Bytes as an entry of the ledger.
#![no_main]

#[path = "../../tests/support/fuzz.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::entry(data));
