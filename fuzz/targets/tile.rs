//! Bytes as a tile or a bundle under a path, and as the sizes and proof of a tree.
#![no_main]

#[path = "../../tests/support/fuzz.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::tile(data));
