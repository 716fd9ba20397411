//! What the rows are checked against: keys, the signed checkpoint, the range of rows, checkpoints kept from earlier.

use super::{
    Kept, Trust,
    directory::{SMALL, Words, digest, read_json},
    edges::Edge,
    report::{Report, shown},
};
use crate::layout;
use leaver_domain::{
    digest::Digest,
    ledger::{Checkpoint, Compact, KeyKind, Note, NoteError, VerifierKey, verify_growth},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Most keys of one kind.
const MOST_KEYS: usize = 64;
/// Most hashes of a list in the range's file.
pub(super) const MOST_HASHES: usize = 128;

/// The keys that the pack names.
pub(super) struct Keys {
    pub(super) origin: String,
    pub(super) log: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
    quorum: usize,
}

/// Largest file of the range, in bytes: two entries lie in it.
const MOST_RANGE: usize = 256 * 1024;

/// Which rows the pack holds, and what ties them to the checkpoint.
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) end: u64,
    size: u64,
    pub(super) before: Compact,
    pub(super) last: Digest,
    consistency: Vec<Digest>,
    /// The row before the first; `None` where none is shown.
    pub(super) edge_before: Option<Edge>,
    /// The row behind the last.
    pub(super) edge_behind: Option<Edge>,
}

/// One spelling of each document: what is written again must be what was read.
fn canonical(value: &impl serde::Serialize, bytes: &[u8]) -> Result<(), Words> {
    let written = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    if written.as_bytes() == bytes { Ok(()) } else { Err("it is not in its canonical form".into()) }
}

/// A list of keys, each read; none twice.
fn keys_of(value: &Value, name: &str) -> Result<Vec<VerifierKey>, Words> {
    let shape = || "it is not a list of keys".to_owned();
    let listed = value.get(name).and_then(Value::as_array).filter(|listed| listed.len() <= MOST_KEYS);
    let texts: Option<Vec<&str>> = listed.ok_or_else(shape)?.iter().map(Value::as_str).collect();
    let parsed =
        texts.ok_or_else(shape)?.into_iter().map(str::parse).collect::<Result<Vec<VerifierKey>, _>>();
    let keys = parsed.map_err(|_| "it lists a key that cannot be read")?;
    let distinct: BTreeSet<(&str, u32)> = keys.iter().map(|key| (key.name(), key.id())).collect();
    let publics: BTreeSet<[u8; 32]> = keys.iter().map(VerifierKey::public).collect();
    if distinct.len() != keys.len() || publics.len() != keys.len() {
        return Err("it lists a key twice".into());
    }
    Ok(keys)
}

/// Reads `keys.json`.
pub(super) fn keys(dir: &Path) -> Result<Keys, Words> {
    let (value, bytes) = read_json(dir, layout::KEYS, SMALL)?;
    let shape = || "it is not a list of keys".to_owned();
    let fields = value.as_object().filter(|fields| fields.len() == 4).ok_or_else(shape)?;
    let origin = fields.get("origin").and_then(Value::as_str).ok_or_else(shape)?.to_owned();
    let quorum = fields.get("quorum").and_then(Value::as_u64).ok_or_else(shape)?;
    let (log, witnesses) = (keys_of(&value, "log")?, keys_of(&value, "witnesses")?);
    if log.is_empty() || log.iter().any(|key| key.kind() != KeyKind::Ed25519 || key.name() != origin) {
        return Err("it lists a log key that is not one of the log".into());
    }
    if witnesses.iter().any(|key| key.kind() != KeyKind::Cosignature) {
        return Err("it lists a witness key that is not one of a witness".into());
    }
    let listed = serde_json::from_value::<crate::context::Keys>(value.clone()).map_err(|_| shape())?;
    let quorum = usize::try_from(quorum).ok().filter(|quorum| *quorum <= witnesses.len());
    let quorum = quorum.ok_or("its quorum is larger than the number of its witnesses")?;
    canonical(&listed, &bytes)?;
    Ok(Keys { origin, log, witnesses, quorum })
}

/// Reads `proofs/range.json`.
pub(super) fn span(dir: &Path) -> Result<Span, Words> {
    let (value, bytes) = read_json(dir, layout::RANGE, MOST_RANGE)?;
    let parsed = || {
        let number = |name: &str| value.get(name)?.as_u64();
        let hashes = |pointer: &str| {
            let listed = value.pointer(pointer)?.as_array().filter(|listed| listed.len() <= MOST_HASHES)?;
            listed.iter().map(|text| digest(text.as_str()?)).collect::<Option<Vec<_>>>()
        };
        let span = Span {
            first: number("first")?,
            end: number("end")?,
            size: number("size")?,
            before: Compact { size: number("first")?, range: hashes("/before/hashes")? },
            last: digest(value.pointer("/before/last")?.as_str()?)?,
            consistency: hashes("/consistency")?,
            edge_before: Edge::of(value.pointer("/edges/before")?)?,
            edge_behind: Edge::of(value.pointer("/edges/behind")?)?,
        };
        let in_order = span.first <= span.end && span.end <= span.size;
        let begins = span.first > 0 || (span.last == Digest::ZERO && span.edge_before.is_none());
        let ends = span.end < span.size || span.edge_behind.is_none();
        (in_order && begins && ends && span.before.is_sound()).then_some(span)
    };
    let span = parsed().ok_or("it is not a range of rows")?;
    canonical(&value, &bytes)?;
    Ok(span)
}

/// A note and the checkpoint that it holds.
pub(super) fn open(bytes: &[u8]) -> Result<(Note, Checkpoint), Words> {
    let note =
        (bytes.len() <= SMALL).then(|| Note::parse(bytes).ok()).flatten().ok_or("it is not a signed note")?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(|_| "it is not a checkpoint")?;
    Ok((note, checkpoint))
}

/// How many of these keys signed, each asked alone; and whether one of their signatures is wrong.
fn signed<'k>(note: &Note, keys: impl IntoIterator<Item = &'k VerifierKey>) -> (usize, bool) {
    let (mut count, mut wrong) = (0, false);
    for key in keys {
        match note.verify([key]) {
            Ok(_) => count += 1,
            Err(NoteError::Unsigned) => {}
            Err(_) => wrong = true,
        }
    }
    (count, wrong)
}

/// Why the log did not sign this; `None` where it did.
fn unsigned(note: &Note, checkpoint: &Checkpoint, keys: &Keys, log: &[&VerifierKey]) -> Option<&'static str> {
    if checkpoint.origin != keys.origin {
        return Some("it belongs to another log");
    }
    match signed(note, log.iter().copied()) {
        (_, true) => Some("its signature by the log is wrong"),
        (0, _) => Some("no key of the log signed it"),
        _ => None,
    }
}

/// The keys that the auditor holds, of one kind, each once.
fn trusted(trust: &Trust, kind: KeyKind) -> Vec<&VerifierKey> {
    let mut keys: Vec<&VerifierKey> = Vec::new();
    for key in trust.keys.iter().filter(|key| key.kind() == kind) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The keys that count as the log's: the auditor's, where they gave some.
fn log_keys<'k>(keys: &'k Keys, trust: &'k Trust) -> Vec<&'k VerifierKey> {
    let mine = trusted(trust, KeyKind::Ed25519);
    if mine.is_empty() { keys.log.iter().collect() } else { mine }
}

/// The log's signature, and the witnesses'.
pub(super) fn signatures(
    note: &Note,
    checkpoint: &Checkpoint,
    keys: &Keys,
    trust: &Trust,
    report: &mut Report,
) {
    let mine = trusted(trust, KeyKind::Ed25519);
    for key in mine.iter().filter(|key| !keys.log.contains(key)) {
        let what = format!("a key given with --key is not among the log's: {}", shown(&key.to_string()));
        report.file(layout::KEYS, what);
    }
    if mine.is_empty() {
        report.could_not(
            "whose the log's key is: it was taken from the pack; give the key that you know with --key",
        );
    }
    if let Some(why) = unsigned(note, checkpoint, keys, &log_keys(keys, trust)) {
        report.file(layout::CHECKPOINT, why);
    }
    let theirs = trusted(trust, KeyKind::Cosignature);
    let needed = if theirs.is_empty() { keys.quorum } else { keys.quorum.clamp(1, theirs.len()) };
    if theirs.is_empty() && needed > 0 {
        report.could_not(
            "whose the witnesses' keys are: they were taken from the pack; give those that you know with --key",
        );
    } else if theirs.is_empty() {
        report.could_not("whether the log was shown to others in the same way: no witness has to sign it");
    }
    let witnesses = if theirs.is_empty() { keys.witnesses.iter().collect() } else { theirs };
    let (count, wrong) = signed(note, witnesses);
    if wrong {
        report.file(layout::CHECKPOINT, "a witness's signature is wrong");
    }
    if count < needed {
        report.file(layout::CHECKPOINT, format!("{count} witnesses signed it, {needed} must"));
    }
}

/// The root over the rows against the one that was signed.
pub(super) fn tree(tree: &Compact, span: &Span, checkpoint: &Checkpoint, report: &mut Report) {
    if span.size != checkpoint.size {
        let what = format!("it speaks of {} rows, the checkpoint of {}", span.size, checkpoint.size);
        report.file(layout::RANGE, what);
    }
    let grows = verify_growth(tree.size, checkpoint.size, &span.consistency, tree.root(), checkpoint.root);
    if grows.is_err() {
        report.file(layout::CHECKPOINT, "the rows do not come to the root that it signs");
    }
}

/// The sizes of checkpoints that somebody kept.
pub(super) fn kept_sizes(trust: &Trust) -> impl Iterator<Item = u64> {
    trust.checkpoints.iter().filter_map(|kept| Some(open(&kept.note).ok()?.1.size))
}

/// The root of an earlier size, where these hashes tell it.
fn earlier(before: &Compact, size: u64) -> Option<Digest> {
    let bits = (0..u64::BITS).rev().filter(|bit| before.size >> bit & 1 == 1);
    let mut prefix = Compact::default();
    for (bit, hash) in bits.zip(&before.range) {
        if prefix.size == size {
            break;
        }
        prefix.size |= 1 << bit;
        prefix.range.push(*hash);
    }
    (prefix.size == size).then(|| prefix.root())
}

/// A checkpoint that somebody kept from earlier: the pack must grow out of it.
pub(super) fn kept(
    kept: &Kept,
    keys: &Keys,
    trust: &Trust,
    checkpoint: &Checkpoint,
    span: &Span,
    roots: &BTreeMap<u64, Option<Digest>>,
    report: &mut Report,
) {
    let name = format!("kept checkpoint {}", shown(&kept.name));
    let (note, old) = match open(&kept.note) {
        Ok(opened) => opened,
        Err(words) => return report.file(&name, words),
    };
    if let Some(why) = unsigned(&note, &old, keys, &log_keys(keys, trust)) {
        return report.file(&name, why);
    }
    let walked = roots.get(&old.size).copied().flatten().or_else(|| earlier(&span.before, old.size));
    let root = if old.size == checkpoint.size { Some(checkpoint.root) } else { walked };
    match root {
        Some(root) if root == old.root => {}
        Some(_) => report.file(
            &name,
            format!("the log had another root when it had {} rows: its history was rewritten", old.size),
        ),
        None if old.size > checkpoint.size => report.could_not(format!(
            "{name}: it is newer than the pack, which has the log at {} rows and it at {}",
            checkpoint.size, old.size
        )),
        None => report.could_not(format!(
            "{name}: the pack has rows {} to {}, and it is of {} rows",
            span.first, span.end, old.size
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_subtrees_tell_earlier_roots() {
        let mut tree = Compact::default();
        let mut roots = vec![tree.root()];
        for n in 0_u8..13 {
            tree.push(Digest::of(&[n]));
            roots.push(tree.root());
        }
        for (size, root) in (0_u64..=13).zip(roots) {
            // 13 is 8 + 4 + 1: the first eight and the first twelve are subtrees of their own.
            let told = [0, 8, 12, 13].contains(&size).then_some(root);
            assert_eq!(earlier(&tree, size), told, "{size}");
        }
        assert_eq!(earlier(&tree, 14), None);
    }
}
