//! The sample: cases that anybody picks again from nothing but the checkpoint's root and the population.

use crate::{
    cases::{Case, Opened},
    layout,
    tables::{Lines, Look, number},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::digest::Digest;
use std::io;

/// How many cases are picked.
pub const CASES: usize = 25;
/// First line of a proof.
const PROOF: &str = "c2sp.org/tlog-proof@v1";

/// A picked case.
#[derive(Debug, Clone, Copy)]
pub struct Picked<'a> {
    /// SHA-256 of the root and the case's id: the smallest are picked.
    pub selector: Digest,
    /// The case.
    pub case: &'a Case,
    /// What opened it.
    pub opened: &'a Opened,
}

impl Picked<'_> {
    /// The beginning of the selector, for people.
    pub fn selector_start(&self) -> String {
        self.selector.to_string().chars().take(16).collect()
    }
}

/// The picked cases, in the order of their selectors.
pub fn pick<'a>(look: &Look<'a>) -> Vec<Picked<'a>> {
    let root = look.context.checkpoint.root;
    let selector = |case: &Case| Digest::of_parts(&[&root.0, case.id.as_bytes()]);
    let mut all: Vec<_> =
        look.cases.iter().map(|(case, opened)| Picked { selector: selector(case), case, opened }).collect();
    all.sort_unstable_by(|a, b| (a.selector, &a.case.id).cmp(&(b.selector, &b.case.id)));
    all.truncate(CASES);
    all
}

/// The rows of a picked case that a proof is made for: its opening row, and of each system the row that
/// says what became of access.
pub fn rows(picked: &Picked<'_>) -> Vec<(String, u64)> {
    let mut rows = vec![(String::new(), picked.opened.row)];
    let access = |system: crate::cases::System| Some((system.name.to_string(), system.access_row()?));
    rows.extend(picked.case.systems().into_iter().filter_map(access));
    rows
}

/// Writes the lines of `sample.csv`.
///
/// # Errors
/// Those of the writer.
pub fn write(look: &Look<'_>, to: &mut Lines<'_>) -> io::Result<()> {
    for (rank, picked) in pick(look).iter().enumerate() {
        for (system, row) in rows(picked) {
            to.line([
                number(Some(rank + 1)).as_str(),
                &picked.selector.to_string(),
                &picked.case.id,
                &picked.opened.username,
                &system,
                &row.to_string(),
                &layout::proof(row),
            ])?;
        }
    }
    Ok(())
}

/// The proof of one row (C2SP tlog-proof): that the signed tree holds it at its place.
pub fn proof(row: u64, hashes: &[Digest], note: &str) -> String {
    let hashes: String = hashes.iter().map(|hash| STANDARD.encode(hash.0) + "\n").collect();
    format!("{PROOF}\nindex {row}\n{hashes}\n{note}")
}
