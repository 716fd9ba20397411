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
    2,
    [
        ("README.md", "617c7a564ed8bbe5cc77f33b14ab5a79d2623f7143f62db1579b49ceb96c7229"),
        ("report.html", "29855b7833ad6d59eba018cbbcfc6a038048222994efd991739db563d801c8b3"),
        ("controls.md", "5de9f405567bc18fafc0924fa12161c7fc31c2ad72fa2171c3caa9f7a500c7a5"),
        ("oscal.json", "566d9b24e42fd248dff70caf40fb3818ce5258e89606650247d9dfc0e05773c5"),
        ("verify.py", "c9f3ca68ec6ed5f2b26ac75953020f1719c49cff3a93101eea1a985f759dafe5"),
        ("completeness.json", "1585cb03e02cf14e96adbd95d2c0a13f8eef2fc4754c1851fbc7d11295010a13"),
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
