//! What follows from the rows as a whole: days' counts, proofs of the sample, policies, and every table and report.

use super::{
    anchors::Span,
    compare::{Difference, Differences},
    directory::{LARGE, Listed, SMALL, read},
    report::Report,
};
use crate::{cases::Fold, context::Context, extent::counted_day, layout, sample, tables::Look};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::{
    digest::Digest,
    ledger::{Checkpoint, Entry, verify_inclusion},
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// How many milliseconds a day has.
const DAY: i64 = 86_400_000;

/// A number of a file's name in its one spelling.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The row that a file is the proof of; `None` for other files.
pub(super) fn proved(path: &str) -> Option<u64> {
    number(path.strip_prefix(layout::PROOFS)?.strip_suffix(".tlog-proof")?)
}

/// The last row: where it lies behind the period, it should belong to a case of it, or count one of its days.
pub(super) fn period(newest: Option<&Entry>, context: &Context, fold: &Fold, report: &mut Report) {
    let Some(entry) = newest.filter(|entry| entry.recorded_at >= context.period.to) else { return };
    if counted_day(entry).is_some_and(|day| context.period.holds(day)) {
        return;
    }
    let is_review = || fold.reviews().iter().any(|review| review.id == entry.case_id);
    if !fold.cases().iter().any(|(case, _)| case.id == entry.case_id) && !is_review() {
        let what = "it was recorded after the period and belongs to no case of it";
        report.remark(format!("row {}: {what}", entry.seq));
    }
}

/// The daily counts against the cases that the rows show.
pub(super) fn days(context: &Context, fold: &Fold, report: &mut Report) {
    let by_day = fold.cases_by_day();
    for count in fold.counts() {
        let begin = format!("{}T00:00:00.000Z", count.day).parse::<Timestamp>();
        let Some(begin) = begin.ok().filter(|_| count.day.len() == 10) else {
            report.row(count.row, layout::ROWS_JSONL, "its day cannot be read");
            continue;
        };
        if count.hr_events != count.hr_cases {
            let differ = "HR's events and the cases that they opened differ";
            report.remark(format!("row {}: on {} {differ}", count.row, count.day));
        }
        let end = begin.millis().saturating_add(DAY);
        let last = context.period.to.min(context.generated_at).millis();
        if begin < context.period.from || end > last {
            report.could_not("counts of days that do not lie wholly in the period");
            continue;
        }
        let ids = by_day.get(&count.day).map(Vec::as_slice).unwrap_or_default();
        let digest = Digest::of(ids.join("\n").as_bytes());
        let is_same = count.cases == u64::try_from(ids.len()).ok();
        if !is_same || count.cases_digest.is_some_and(|counted| counted != digest) {
            let what = format!("it counts other cases on {} than the rows show", count.day);
            report.row(count.row, layout::ROWS_JSONL, what);
        }
    }
}

/// A tlog-proof: index, hashes, and the note behind an empty line.
fn parse(bytes: &[u8]) -> Option<(u64, Vec<Digest>, &[u8])> {
    let split = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let (head, note) = bytes.split_at_checked(split)?;
    let mut lines = std::str::from_utf8(head).ok().filter(|head| head.is_ascii())?.split('\n');
    if lines.next()? != "c2sp.org/tlog-proof@v1" {
        return None;
    }
    let index = number(lines.next()?.strip_prefix("index ")?)?;
    let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok().map(Digest);
    let hashes: Vec<Digest> = lines.map(hash).collect::<Option<_>>()?;
    (hashes.len() <= 64).then_some((index, hashes, note.get(2..)?))
}

/// Every proof, and that each row of the sample has one.
pub(super) fn proofs(
    dir: &Path,
    listed: &Listed,
    look: &Look<'_>,
    hashes: &BTreeMap<u64, Option<Digest>>,
    checkpoint: (&Checkpoint, &[u8]),
    report: &mut Report,
) {
    let sampled: BTreeSet<u64> =
        sample::pick(look).iter().flat_map(sample::rows).map(|(_, row)| row).collect();
    let mut found = BTreeSet::new();
    let (checkpoint, note) = checkpoint;
    for (path, row) in listed.there.iter().filter_map(|path| Some((path, proved(path)?))) {
        found.insert(row);
        let bytes = match read(dir, path, SMALL) {
            Ok(bytes) => bytes,
            Err(words) => {
                report.file(path, words);
                continue;
            }
        };
        let Some((index, proof, theirs)) = parse(&bytes) else {
            report.file(path, "it is not a proof");
            continue;
        };
        match hashes.get(&row).copied().flatten().filter(|_| sampled.contains(&row)) {
            _ if index != row => report.file(path, "it is the proof of another row"),
            None => report.file(path, "it is the proof of a row that is not in the sample"),
            Some(_) if theirs != note => report.file(path, "it does not hold the pack's checkpoint"),
            Some(leaf) => {
                if verify_inclusion(leaf, row, checkpoint.size, &proof, checkpoint.root).is_err() {
                    report.file(path, format!("it does not show that row {row} lies in the log"));
                }
            }
        }
    }
    for row in sampled.difference(&found) {
        report.row(*row, layout::SAMPLE, "the sample has no proof of it");
    }
}

/// The policies of the pack: those whose digest is their name.
pub(super) fn policies(dir: &Path, listed: &Listed, report: &mut Report) -> BTreeMap<Digest, String> {
    let mut policies = BTreeMap::new();
    for path in &listed.there {
        let named = path.strip_prefix(layout::POLICIES).and_then(|name| name.strip_suffix(".json"));
        let Some(named) = named.and_then(super::directory::digest) else { continue };
        let text = read(dir, path, LARGE).map(String::from_utf8);
        match text {
            Ok(Ok(text)) if Digest::of(text.as_bytes()) == named => {
                policies.insert(named, text);
            }
            _ => report.file(path, "its SHA-256 is not its name"),
        }
    }
    policies
}

/// That cases ran under the policies, and which are missing.
pub(super) fn policies_used(context: &Context, look: &Look<'_>, report: &mut Report) {
    let used: BTreeSet<Digest> = look.cases.iter().filter_map(|(_, opened)| opened.policy).collect();
    for digest in context.policies.keys().filter(|digest| !used.contains(digest)) {
        report.file(&layout::policy(&digest.to_string()), "no case of the pack ran under it");
    }
    let missing = used.iter().filter(|digest| !context.policies.contains_key(digest)).count();
    if missing > 0 {
        report.could_not(format!("deadlines: {missing} policies that cases ran under are not in the pack"));
    }
}

/// Every file that follows from the rows, against what it must say. `opened` are the rows that open the cases, in order;
/// of a pack of another form, only the tables are compared.
pub(super) fn files(differences: &Differences, opened: &[u64], is_other_form: bool, report: &mut Report) {
    let is_worded = |path: &str| path == layout::COMPLETENESS || layout::WORDED.contains(&path);
    for (path, difference) in differences.all() {
        let path = path.as_str();
        if is_other_form && is_worded(path) {
            continue;
        }
        let is_table = path.ends_with(".csv");
        match difference {
            // Its rows were told one by one, or the differences are in what it lists.
            None => {}
            Some(Difference::Unreadable) => {
                report.could_not(format!("{path}: it is not there or cannot be read"))
            }
            Some(Difference::Longer) => report.file(path, "it goes on behind its last line"),
            // Its own spelling was checked; that other files differ from it was told of those.
            Some(_) if path == layout::ROWS_CSV || path == layout::MANIFEST => {}
            Some(Difference::Part(0)) if is_table => {
                report.file(path, "its columns are not those of this table")
            }
            Some(Difference::Part(part)) if is_table => {
                let place = usize::try_from(part.saturating_sub(1)).unwrap_or(usize::MAX);
                match opened.get(place).filter(|_| path == layout::POPULATION) {
                    Some(row) => report.row(*row, path, "population.csv does not say what the row says"),
                    None => report
                        .file(path, format!("its line {} is not what the rows say", part.saturating_add(1))),
                }
            }
            Some(_) => report.file(path, "it is not what the rows say"),
        }
    }
}

/// The verifier that the pack carries along: whoever runs it must run ours.
pub(super) fn verifier(dir: &Path, report: &mut Report) {
    if read(dir, layout::VERIFIER, LARGE).is_ok_and(|bytes| bytes != include_bytes!("../verify.py")) {
        report.file(layout::VERIFIER, "it is not the verifier of this version of leaver: do not run it");
    }
}

/// Words about the rows that the pack does not show.
pub(super) fn around(span: &Span, report: &mut Report) {
    if span.first > 0 {
        report.could_not(format!(
            "rows before row {}: they are bound by their hashes, and not shown but for the last of them",
            span.first
        ));
    }
}
