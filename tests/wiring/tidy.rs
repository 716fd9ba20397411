//! What keeps the house readable.

use crate::{read, root, rust_files};

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    for (name, text) in rust_files() {
        assert!(text.starts_with("//! "), "{name} does not say what it is");
        let lines = text.lines().count();
        assert!(lines <= 560, "{name} has {lines} lines");
    }
}

#[test]
fn nothing_leans_on_what_lies_outside_the_project() {
    // Spelt apart, so that this file does not find itself.
    let outside = ["../", "shared/", "specs"].concat();
    let other = ["../", "shared/", "vectors"].concat();
    for (name, text) in rust_files() {
        let is_suite = name.starts_with("tests/");
        assert!(is_suite || (!text.contains(&outside) && !text.contains(&other)), "{name}");
    }
}

#[test]
fn the_registry_is_in_alphabetical_order() {
    let ids: Vec<&str> = leaver_adapters::SPECS.iter().map(|spec| spec.id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

#[test]
fn every_path_that_the_guides_name_exists() {
    for guide in ["README.md", "ARCHITECTURE.md"] {
        let text = read(guide);
        let quoted = text.split('`').skip(1).step_by(2);
        let tops = ["functions/", "shared/", "infra/", "cli/", "sandbox/", "tests/", "docs/", ".ci/"];
        for path in quoted
            .filter(|path| tops.iter().any(|top| path.starts_with(top)) && !path.contains(['*', ' ', '<']))
        {
            assert!(root().join(path).exists(), "{guide} names {path}");
        }
    }
}
