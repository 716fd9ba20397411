//! Packs of other versions of leaver: their tables are held against the rows, in the columns of their form, their wording
//! cannot be.

use super::report::Report;
use crate::{completeness::Completeness, figures::Figures, layout, tables::Look};
use serde_json::Value;
use std::collections::BTreeSet;

/// The fields of `completeness.json` whose words belong to a form.
const WORDS: [&str; 3] = ["form", "statement", "not_covered"];

/// `completeness.json` itself where it is of another form than ours. One that says no form is told.
pub(super) fn other<'v>(completeness: &'v Value, report: &mut Report) -> Option<&'v Value> {
    let form = completeness.get("form").and_then(Value::as_u64).and_then(|form| u32::try_from(form).ok());
    match form.filter(|form| *form > 0) {
        None => {
            report.file(layout::COMPLETENESS, "its form cannot be read");
            None
        }
        Some(layout::FORM) => None,
        Some(form) => {
            report.could_not(format!(
                "README.md, report.html, controls.md, oscal.json and verify.py were written by another version of leaver, \
                 and so were the sentences of completeness.json (form {form}, ours is {}): rely on the tables, and do not run that verify.py",
                layout::FORM
            ));
            Some(completeness)
        }
    }
}

/// The form in which to write the tables of such a pack: its own where we know it, else ours.
pub(super) fn of(completeness: &Value) -> u32 {
    let form = completeness.get("form").and_then(Value::as_u64).and_then(|form| u32::try_from(form).ok());
    form.unwrap_or(layout::FORM).clamp(1, layout::FORM)
}

/// The figures of `completeness.json`, words aside.
pub(super) fn figures(told: &Value, look: &Look<'_>, report: &mut Report) {
    let figures = Figures::of(look);
    let Ok(expected) = serde_json::to_value(Completeness::of(look, &figures)) else {
        return report.could_not("the figures of completeness.json: they cannot be recomputed");
    };
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect()
    };
    let is_same = |name: &String| WORDS.contains(&name.as_str()) || told.get(name) == expected.get(name);
    if names(told) != names(&expected) || !names(told).iter().all(is_same) {
        report.file(layout::COMPLETENESS, "it is not what the rows say");
    }
}
