//! Values of attributes: texts as they are, anything else in base64; and the numbers that the directory writes.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::time::Timestamp;
use serde_json::{Value, json};

/// The sample domain's own part of a SID.
const DOMAIN: [u32; 4] = [21, 1_004_336_348, 1_177_238_915, 682_003_330];

/// As JSON.
pub(super) fn json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({"base64": encoded(bytes)}),
    }
}

/// From JSON.
pub(super) fn bytes(of: &Value) -> Vec<u8> {
    match of {
        Value::String(text) => text.clone().into_bytes(),
        of => of["base64"].as_str().map_or_else(Vec::new, decoded),
    }
}

/// In base64.
pub(super) fn encoded(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// From base64; nothing where it is none.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).unwrap_or_default()
}

/// The SID of the domain's account or group of this number; of the built-in domain where `built_in`.
pub(super) fn sid(number: u32, built_in: bool) -> Vec<u8> {
    let parts: Vec<u32> =
        if built_in { vec![32, number] } else { DOMAIN.into_iter().chain([number]).collect() };
    let mut bytes = vec![1, u8::try_from(parts.len()).unwrap_or(0), 0, 0, 0, 0, 0, 5];
    parts.iter().for_each(|part| bytes.extend(part.to_le_bytes()));
    bytes
}

/// A SID as it is written.
pub(super) fn sid_text(bytes: &[u8]) -> String {
    let parts = bytes.get(8..).unwrap_or_default().chunks_exact(4);
    let parts = parts.filter_map(|part| Some(u32::from_le_bytes(part.try_into().ok()?)));
    parts.fold("S-1-5".to_owned(), |text, part| format!("{text}-{part}"))
}

/// A GUID of this number.
pub(super) fn guid(number: u32) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend([0x4c, 0x1e, 0x4a, 0x9b, 0xa2, 0x61, 0xf0, 0x0d, 0x5e, 0x8c, 0x77, 0x31]);
    bytes
}

/// A GUID as it is written, in lower case.
pub(super) fn guid_text(bytes: &[u8]) -> String {
    let groups = [&[3, 2, 1, 0][..], &[5, 4], &[7, 6], &[8, 9], &[10, 11, 12, 13, 14, 15]];
    let hex = |group: &[usize]| -> String {
        group.iter().filter_map(|place| bytes.get(*place)).map(|byte| format!("{byte:02x}")).collect()
    };
    groups.map(hex).join("-")
}

/// An instant in steps of 100 ns since 1601.
pub(super) fn filetime(at: Timestamp) -> String {
    ((at.millis() + 11_644_473_600_000) * 10_000).to_string()
}
