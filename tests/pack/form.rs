//! Packs that another version of leaver wrote: figures are held against the rows, words are not.

use crate::{
    both::Both,
    forge::{Files, Log, seal},
};
use leaver_evidence::{layout, verify::Trust};
use std::collections::BTreeMap;

const SAID: &str =
    "README.md, report.html, controls.md, oscal.json and verify.py were written by another version of leaver";

fn replace(files: &mut Files, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[path].clone()).unwrap();
    assert!(text.contains(from), "{path} does not say `{from}`");
    files.insert(path.into(), text.replacen(from, to, 1).into_bytes());
}

/// A pack that says another form, with one more change.
fn of_form(form: &str, change: impl FnOnce(&mut Files)) -> Both {
    let mut files = Log::month().pack();
    replace(&mut files, layout::COMPLETENESS, "\"form\": 2,", form);
    change(&mut files);
    seal(&mut files);
    Both::of(&files, &Trust::default())
}

#[test]
fn words_of_another_form_are_not_compared() {
    for form in ["\"form\": 3,", "\"form\": 4294967295,"] {
        let both = of_form(form, |files| {
            for path in layout::WORDED {
                files.insert(path.into(), b"In other words.\n".to_vec());
            }
            replace(files, layout::COMPLETENESS, "The pack holds", "Here are");
        });
        both.verified();
        both.unchecked(SAID);
        both.unchecked("ours is 2): rely on the tables, and do not run that verify.py");
    }
    let mut files = Log::small().pack();
    let both = Both::of(&files, &Trust::default());
    assert!(!both.first.unchecked.iter().any(|said| said.contains(SAID)));
    files.insert(layout::README.into(), b"In other words.\n".to_vec());
    seal(&mut files);
    assert!(!Both::of(&files, &Trust::default()).first.ok, "words of our own form are compared");
}

#[test]
fn figures_of_another_form_are_compared() {
    let not = "completeness.json: it is not what the rows say";
    for (from, to) in [
        ("\"opened\": 22", "\"opened\": 23"),
        ("\"version\": 1", "\"version\": 2"),
        ("\"count\": 256", "\"count\": 256.0"),
        ("\"statement\":", "\"more\": 1,\n  \"statement\":"),
        ("\"statement\":", "\"other\":"),
    ] {
        of_form("\"form\": 3,", |files| replace(files, layout::COMPLETENESS, from, to)).refused(None, not);
    }
    let both = of_form("\"form\": 3,", |files| {
        replace(files, layout::COMPLETENESS, "\"hr_events\": 2", "\"hr_events\": 3")
    });
    assert!(both.first.words().contains(not), "{}", both.first.words());
    let both = of_form("\"form\": 3,", |files| replace(files, layout::CASES, "john.doe", "jane.doe"));
    assert!(both.first.words().contains("cases.csv: its line 2"), "{}", both.first.words());
    of_form("\"form\": 3,", |files| replace(files, layout::ROWS_CSV, "john.doe", "jane.doe"))
        .refused(Some(0), "rows.csv does not say what the row says");
    let both = of_form("\"form\": 3,", |files| files.get_mut(layout::README).unwrap().push(b' '));
    both.verified();
}

#[test]
fn a_form_that_is_none_is_refused() {
    for form in [
        "",
        "\"form\": 0,",
        "\"form\": -1,",
        "\"form\": \"1\",",
        "\"form\": 1.0,",
        "\"form\": 4294967296,",
        "\"form\": null,",
    ] {
        of_form(form, |_| {}).refused(None, "completeness.json: its form cannot be read");
    }
}

/// A pack that the first form made, before humans decided anything. The files whose words belong to a form are left out.
fn first_form() -> Files {
    let stored: BTreeMap<String, String> = serde_json::from_str(include_str!("form1.json")).unwrap();
    let mut files: Files = stored.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
    for path in layout::WORDED {
        files.insert(path.into(), b"In other words.\n".to_vec());
    }
    seal(&mut files);
    files
}

#[test]
fn a_pack_of_the_first_form_is_verified_by_its_tables() {
    let files = first_form();
    let both = Both::of(&files, &Trust::default());
    both.verified();
    both.unchecked(SAID);
    let unread: Vec<_> = both.first.unchecked.iter().filter(|said| said.contains(".csv")).collect();
    assert!(unread.is_empty(), "{unread:?}");
    for table in [layout::CASES, layout::SYSTEMS, layout::APPROVALS, layout::EXCEPTIONS, layout::POPULATION] {
        let mut files = first_form();
        replace(&mut files, table, "riley.owner", "riley.other");
        seal(&mut files);
        let both = Both::of(&files, &Trust::default());
        assert!(!both.first.ok, "{table} is not compared");
    }
    // Its columns are those of its form, and not ours.
    let mut files = first_form();
    replace(&mut files, layout::CASES, "access_rows,rows\n", "access_rows,rows,mode,restores,measure\n");
    seal(&mut files);
    let both = Both::of(&files, &Trust::default());
    assert!(both.first.words().contains("cases.csv: its columns are not those of this table"));
}
