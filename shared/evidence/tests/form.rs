//! The wording of a pack belongs to a form: whoever changes the one raises the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use leaver_domain::digest::Digest;
use leaver_evidence::{
    layout,
    sample_log::{Case, SampleLog},
};
use std::collections::BTreeMap;

/// The form, and what the files of the samples come to in it.
const PINNED: (u32, [(&str, &str); 6]) = (
    1,
    [
        ("README.md", "3bf4fdb30ee7ee8ed9fcc606a3ac64222d98d46769b0730e4168bc1e88da24fc"),
        ("report.html", "3c877cdc4779d556b85b8daec891468f09e11857e024a24b2132c8204a62d09f"),
        ("controls.md", "b43b69598f94f10660d525a57e95246bc8bbd4f09a4bc2eee3fd429ad8ba6284"),
        ("oscal.json", "c61a13e9113cebcd286fa42c85f76b1de8caad1abd04fcadbfb75170803b8d73"),
        ("verify.py", "bf61001a92bb992775d4ab7c8a249e96de12805e71afe71b54ccc2ad107ad438"),
        ("completeness.json", "769cc103fb7695491ffd49ab034d76dfc01813ed42ee1fafd900b11bdd218e42"),
    ],
);

fn small() -> BTreeMap<String, Vec<u8>> {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    log.systems.truncate(1);
    Case::new(1, "john.doe", "hris").clean(&mut log, &mut |_| {});
    log.at("2026-02-03T00:10:00Z").count("2026-02-02", 0);
    log.whole("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z").unwrap()
}

#[test]
fn other_words_are_another_form() {
    let month = SampleLog::month().whole("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z").unwrap();
    let small = small();
    let come_to = |path: &str| Digest::of(&[small[path].as_slice(), &month[path]].concat()).to_string();
    let worded = layout::WORDED.into_iter().chain([layout::COMPLETENESS]);
    let now: Vec<_> = worded.map(|path| (path, come_to(path))).collect();
    let pinned: Vec<_> = PINNED.1.iter().map(|(path, digest)| (*path, (*digest).to_owned())).collect();
    assert!(
        (layout::FORM, &now) == (PINNED.0, &pinned),
        "files of a pack are worded in another way than those of form {}: raise layout::FORM (and FORM in verify.py) where \
         a version with this form was ever released, so that its packs are still verified, and pin (form {}):\n{now:#?}",
        PINNED.0,
        layout::FORM
    );
}

#[test]
fn both_verifiers_know_the_form() {
    let second = include_str!("../src/verify.py");
    assert!(second.contains(&format!("\nFORM = {}\n", layout::FORM)), "verify.py is of another form");
}
