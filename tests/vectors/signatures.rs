//! The strict Ed25519 verification behind notes, against CCTV and Wycheproof.

use crate::{json, say, unhex, vectors};
use leaver_domain::ledger::VerifierKey;
use serde_json::Value;

/// What a note's reader would say: the key must be one that is taken at all.
fn accepts(key: &str, message: &[u8], signature: &str) -> bool {
    let key = unhex(key).try_into().ok().and_then(|key| VerifierKey::ed25519("vector", key).ok());
    key.is_some_and(|key| key.accepts(message, &unhex(signature)))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// Strict means: no point of low order, no second form of a point, no help from the cofactor. What remains are points with
/// a component of low order whose equation holds exactly.
#[test]
fn the_edge_cases_of_cctv_are_judged_strictly() {
    let Some(cases) = json("cctv-ed25519/ed25519vectors.json") else { return };
    let (mut accepted, mut ran) = (0, 0);
    for case in cases.as_array().unwrap() {
        let flags: Vec<&str> =
            case["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let harmless = ["low_order_component_A", "low_order_component_R"];
        let wanted = flags.iter().all(|flag| harmless.contains(flag));
        let found = accepts(text(case, "key"), text(case, "msg").as_bytes(), text(case, "sig"));
        assert_eq!(found, wanted, "number {}: {flags:?}", case["number"]);
        ran += 1;
        accepted += usize::from(found);
    }
    say(&format!("CCTV ed25519: {ran} ran, {accepted} accepted, all as the strict rules say"));
    assert_eq!(ran, 914);
}

#[test]
fn the_cases_of_wycheproof_are_judged_as_it_says() {
    let Some(cases) = json("wycheproof/ed25519_test.json") else { return };
    let mut ran = 0;
    for group in cases["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            let found =
                accepts(text(&group["publicKey"], "pk"), &unhex(text(case, "msg")), text(case, "sig"));
            assert_eq!(found, text(case, "result") == "valid", "tcId {}: {}", case["tcId"], case["comment"]);
            ran += 1;
        }
    }
    say(&format!("Wycheproof ed25519: {ran} ran"));
    assert_eq!(ran, 151);
    assert_eq!(cases["numberOfTests"], ran);
}

/// What lies in the folder and is not run is named, with the reason.
#[test]
fn vectors_of_other_algorithms_are_named() {
    let Some(folder) = vectors("wycheproof") else { return };
    let reasons = [
        (
            "ecdsa_secp256r1_sha256_test.json",
            "notes signed with ECDSA (type 0x02) are carried along, never verified",
        ),
        ("mldsa_44_verify_test.json", "ML-DSA-44 cosignatures (type 0x06) are carried along, never verified"),
    ];
    for (name, reason) in reasons {
        let there = if folder.join(name).exists() { "is there and not run" } else { "is not there" };
        say(&format!("Wycheproof {name} {there}: {reason}"));
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known =
            name == "LICENSE" || name == "ed25519_test.json" || reasons.iter().any(|one| one.0 == name);
        assert!(known, "{name} is neither run nor named");
    }
}
