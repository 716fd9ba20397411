//! The directory of a pack: which files it has, and whether they are those that its manifest lists.

use super::{
    report::{Report, shown},
    strict,
};
use crate::{
    files::{Sum, Summing},
    layout,
    manifest::Manifest,
};
use leaver_domain::digest::Digest;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, FileType},
    io::{self, Read as _},
    path::Path,
};

/// Most files that a pack can have.
const MOST_FILES: usize = 10_000;
/// Deepest folder, the directory itself counted.
const DEEPEST: usize = 3;
/// Largest of the files that are read as a whole, in bytes.
pub(super) const LARGE: usize = 16 * 1024 * 1024;
/// Largest of the small ones.
pub(super) const SMALL: usize = 64 * 1024;

/// Files that every pack has, beside its manifest.
const EXPECTED: [&str; 17] = [
    layout::APPROVALS,
    layout::CASES,
    layout::CHECKPOINT,
    layout::COMPLETENESS,
    layout::CONTROLS,
    layout::EXCEPTIONS,
    layout::KEYS,
    layout::OSCAL,
    layout::POPULATION,
    layout::RANGE,
    layout::README,
    layout::REPORT,
    layout::ROWS_CSV,
    layout::ROWS_JSONL,
    layout::SAMPLE,
    layout::SYSTEMS,
    layout::VERIFIER,
];

/// Why a file cannot be used, in words.
pub(super) type Words = String;

/// Whether a text can be the path of a pack's file: plain names, at most two folders.
fn is_path(path: &str) -> bool {
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        name.len() <= 128
            && name.chars().all(plain)
            && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    };
    path.split('/').count() <= DEEPEST && path.split('/').all(is_name)
}

/// Opens a plain file that is reached through plain folders; nothing else is ever opened.
pub(super) fn open(dir: &Path, path: &str) -> Result<File, Words> {
    let mut here = dir.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        here.push(part);
        let meta = here.symlink_metadata().map_err(|_| "it is missing")?;
        let good = if parts.peek().is_some() { meta.is_dir() } else { meta.is_file() };
        if !good {
            return Err("it is not a plain file".into());
        }
    }
    File::open(&here).map_err(|_| "it cannot be read".into())
}

/// The bytes of a file that may not be larger than `limit`.
pub(super) fn read(dir: &Path, path: &str, limit: usize) -> Result<Vec<u8>, Words> {
    let file = open(dir, path)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(|_| "it cannot be read")?;
    if bytes.len() > limit {
        return Err(format!("it is larger than {limit} bytes"));
    }
    Ok(bytes)
}

/// A file's JSON, and its bytes.
pub(super) fn read_json(dir: &Path, path: &str, limit: usize) -> Result<(Value, Vec<u8>), Words> {
    let bytes = read(dir, path, limit)?;
    Ok((strict::parse(&bytes).ok_or("it is not JSON of one meaning")?, bytes))
}

/// Digest and length of a file.
pub(super) fn sum(dir: &Path, path: &str) -> Result<Sum, Words> {
    let mut file = open(dir, path)?;
    let mut summing = Summing::new(io::sink());
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut buffer).map_err(|_| "it cannot be read")?;
        match buffer.get(..count) {
            None | Some([]) => return Ok(summing.finish().1),
            Some(bytes) => io::Write::write_all(&mut summing, bytes).map_err(|_| "it cannot be read")?,
        }
    }
}

/// What lies in the directory: paths, and whether each is a plain file.
fn walk(dir: &Path, report: &mut Report) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let mut todo = vec![(String::new(), 1)];
    let mut count = 0;
    while let Some((under, depth)) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(dir.join(&under)) else {
            match under.as_str() {
                "" => report.bad("it cannot be read"),
                under => report.file(&shown(under), "it cannot be read"),
            }
            continue;
        };
        for entry in entries.flatten() {
            count += 1;
            if count > MOST_FILES {
                report.bad(format!("there are more than {MOST_FILES} files"));
                return found;
            }
            let path = format!("{under}{}", entry.file_name().to_string_lossy());
            match entry.file_type().as_ref().map(FileType::is_dir) {
                Ok(true) if depth < DEEPEST => todo.push((format!("{path}/"), depth + 1)),
                Ok(true) => report.file(&shown(&path), "it is not listed in manifest.json"),
                _ => {
                    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
                    found.insert(path, is_file);
                }
            }
        }
    }
    found
}

/// The files that the manifest lists.
fn manifest(dir: &Path) -> Result<BTreeMap<String, Sum>, Words> {
    let (value, bytes) = read_json(dir, layout::MANIFEST, LARGE)?;
    let shape = || "it is not a manifest of version 1".to_owned();
    let fields = value.as_object().filter(|fields| fields.len() == 2).ok_or_else(shape)?;
    let files = fields.get("files").and_then(Value::as_object).ok_or_else(shape)?;
    if fields.get("version") != Some(&1.into()) || files.len() > MOST_FILES {
        return Err(shape());
    }
    let mut sums = BTreeMap::new();
    for (path, told) in files {
        if !is_path(path) || path == layout::MANIFEST {
            return Err(format!("it lists a path that no pack has: {}", shown(path)));
        }
        let told = told.as_object().filter(|told| told.len() == 2).ok_or_else(shape)?;
        let sha256 = told.get("sha256").and_then(Value::as_str).and_then(digest).ok_or_else(shape)?;
        let bytes = told.get("bytes").and_then(Value::as_u64).ok_or_else(shape)?;
        sums.insert(path.clone(), Sum { sha256, bytes });
    }
    // Other paths and sums were told apart above; what is left is another spelling.
    let written = Manifest::of(&sums).text().unwrap_or_default();
    if written.as_bytes() != bytes {
        return Err("it is not in its canonical form".into());
    }
    Ok(sums)
}

/// A digest in its one spelling: 64 lower-case digits.
pub(super) fn digest(text: &str) -> Option<Digest> {
    let digest: Digest = text.parse().ok()?;
    (digest.to_string() == text).then_some(digest)
}

/// What a pack's directory holds.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The plain files.
    pub(super) there: BTreeSet<String>,
    /// What the manifest says of them; `None` where it cannot be read.
    pub(super) sums: Option<BTreeMap<String, Sum>>,
}

/// Every listed file there, every digest equal, nothing else there.
pub(super) fn check(dir: &Path, report: &mut Report) -> Listed {
    let sums = manifest(dir).map_err(|words| report.file(layout::MANIFEST, words)).ok();
    let found = walk(dir, report);
    for (path, is_file) in &found {
        let is_listed = sums.as_ref().is_none_or(|sums| sums.contains_key(path));
        if !is_file {
            report.file(&shown(path), "it is not a plain file");
        } else if !is_listed && path != layout::MANIFEST {
            report.file(&shown(path), "it is not listed in manifest.json");
        }
    }
    let there: BTreeSet<String> =
        found.into_iter().filter_map(|(path, is_file)| is_file.then_some(path)).collect();
    let expected = EXPECTED.iter().copied().chain(sums.iter().flatten().map(|(path, _)| path.as_str()));
    for path in expected.collect::<BTreeSet<&str>>().into_iter().filter(|path| !there.contains(*path)) {
        report.file(path, "it is missing");
    }
    for (path, told) in sums.iter().flatten() {
        if there.contains(path) && sum(dir, path).as_ref() != Ok(told) {
            report.file(path, "its bytes are not those that manifest.json lists");
        }
    }
    Listed { there, sums }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_pack() {
        for path in ["rows.jsonl", "proofs/12.tlog-proof", "policies/ab.json", "a/b/c"] {
            assert!(is_path(path), "{path}");
        }
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/b/c/d",
            ".hidden",
            "a\\b",
            "a b",
            "C:x",
            "a/",
            "ä",
        ] {
            assert!(!is_path(path), "{path}");
        }
    }
}
