//! What must hold for any directory whatever that is given as a pack of evidence. libFuzzer drives it (`fuzz/`), and the
//! suite does with seeds and their mutations.

use leaver_evidence::{
    files::Sum,
    layout,
    manifest::Manifest,
    sample_log::{Case, SampleLog},
    verify::{Trust, verify},
};
use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

/// The files of a pack, by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Most files of an input.
const MAX_FILES: usize = 64;

/// Two packs that are good: an empty one and one with a case.
static GOOD: LazyLock<Vec<Files>> = LazyLock::new(|| {
    let period = ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z");
    let mut log = SampleLog::new(period.0);
    let mut packs: Vec<Files> = Vec::new();
    let mut case = Case::new(1, "john.doe", "hris");
    log.wait(60);
    case.clean(&mut log, &mut |_| {});
    packs.extend(log.whole(period.0, period.1));
    packs.extend(log.whole("2026-01-01T00:00:00Z", period.0));
    packs
});

/// A pack as one input: for each file its path, an empty byte, its length and its bytes.
pub fn input(files: &Files) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, content) in files {
        bytes.extend(path.as_bytes());
        bytes.push(0);
        bytes.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(content);
    }
    bytes
}

/// The files of an input. What cannot be read of it is left out: a directory without it is an input as well.
fn files(mut data: &[u8]) -> Files {
    let mut all = Files::new();
    while all.len() < MAX_FILES {
        let Some(end) = data.iter().position(|byte| *byte == 0) else { return all };
        let Ok(path) = std::str::from_utf8(&data[..end]) else { return all };
        let Some((length, rest)) = data[end + 1..].split_first_chunk::<4>() else { return all };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).min(rest.len());
        let is_name = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && part.len() < 100 && !part.contains(['\\', ':'])
        };
        if path.len() < 200 && path.split('/').count() < 4 && path.split('/').all(is_name) {
            all.insert(path.to_owned(), rest[..length].to_vec());
        }
        data = &rest[length..];
    }
    all
}

fn write(dir: &Path, files: &Files) -> bool {
    files.iter().all(|(path, bytes)| {
        let file = dir.join(path);
        let made = file.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok());
        made && fs::write(file, bytes).is_ok()
    })
}

/// The manifest that fits the files, so that what lies behind it is reached.
fn seal(files: &mut Files) {
    files.remove(layout::MANIFEST);
    let sums = files.iter().map(|(path, bytes)| (path.clone(), Sum::of(bytes))).collect();
    let manifest = Manifest::of(&sums).text().unwrap_or_default();
    files.insert(layout::MANIFEST.to_owned(), manifest.into_bytes());
}

/// A pack: a verdict is reached whatever is in it, and only what leaver wrote is verified. An input that begins with an even byte
/// has its manifest made to fit.
pub fn pack(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let mut files = files(data);
    if first % 2 == 0 {
        seal(&mut files);
    }
    let Ok(dir) = tempfile::tempdir() else { return };
    if !write(dir.path(), &files) {
        return;
    }
    let verdict = verify(dir.path(), &Trust::default());
    let is_good = GOOD.contains(&files);
    assert_eq!(verdict.ok, is_good, "{verdict:?}");
    let _ = (verdict.json().to_string(), verdict.words());
}

/// What to start from.
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |first: u8| GOOD.iter().map(move |good| [&[first], input(good).as_slice()].concat());
    of(0).chain(of(1)).chain([vec![0], vec![1]]).collect()
}
