//! Every byte of every file of a pack, changed: refused, and never a panic or a traceback.

use crate::{
    both::{Both, second},
    forge::{Files, Folder, Log, seal},
};
use leaver_evidence::{
    layout,
    verify::{Trust, verify},
};

/// Set to change every single byte, which takes minutes.
const ALL: &str = "LEAVER_EVERY_BYTE";

/// Every how many bytes a file is changed. Large files repeat themselves.
fn step(path: &str) -> usize {
    match path {
        _ if std::env::var_os(ALL).is_some() => 1,
        layout::VERIFIER | layout::REPORT | layout::OSCAL => 61,
        layout::ROWS_JSONL | layout::ROWS_CSV | layout::COMPLETENESS | layout::CONTROLS | layout::README => 7,
        layout::MANIFEST => 3,
        _ => 1,
    }
}

fn flips(files: &Files, step: impl Fn(&str) -> usize) -> Vec<(String, usize)> {
    let of = |(path, bytes): (&String, &Vec<u8>)| {
        (0..bytes.len()).step_by(step(path)).map(|at| (path.clone(), at)).collect::<Vec<_>>()
    };
    files.iter().flat_map(of).collect()
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let files = Log::small().pack();
    let flips = flips(&files, step);
    let all =
        if std::env::var_os(ALL).is_some() { String::new() } else { format!(" (all of them with {ALL}=1)") };
    eprintln!("{} changes in {} files{all}", flips.len(), files.len());
    let half = flips.len().div_ceil(2);
    std::thread::scope(|scope| {
        for part in flips.chunks(half) {
            let files = &files;
            scope.spawn(move || {
                let folder = Folder::new(files);
                for (path, at) in part {
                    let mut bytes = files[path].clone();
                    bytes[*at] ^= 1 << (at % 8);
                    folder.put(path, &bytes);
                    assert!(!verify(folder.path(), &Trust::default()).ok, "{path} at {at}");
                    folder.put(path, &files[path]);
                }
            });
        }
    });
}

#[test]
fn the_second_verifier_refuses_changed_bytes_too() {
    let files = Log::small().pack();
    let folder = Folder::new(&files);
    for (path, at) in flips(&files, |path| step(path) * 31) {
        let mut bytes = files[&path].clone();
        bytes[at] ^= 1 << (at % 8);
        folder.put(&path, &bytes);
        let said = second(folder.path(), &Trust::default());
        assert_eq!(said["verified"], false, "{path} at {at}");
        folder.put(&path, &files[&path]);
    }
}

/// What the manifest says is only worth what whoever wrote it is worth: the rest must find the change as well.
#[test]
fn a_changed_byte_is_found_where_the_manifest_was_made_to_fit() {
    let files = Log::small().pack();
    let mut found = 0;
    for (path, at) in flips(&files, |path| step(path) * 19) {
        if path == layout::MANIFEST {
            continue;
        }
        let mut changed = files.clone();
        changed.get_mut(&path).unwrap()[at] ^= 1 << (at % 8);
        seal(&mut changed);
        let both = Both::of(&changed, &Trust::default());
        assert!(!both.first.ok, "{path} at {at}");
        let skipped =
            both.second["unchecked"].as_array().unwrap().iter().any(|said| said.to_string().contains(&path));
        if path.starts_with("rows") || path.starts_with("proofs/") || path == layout::CHECKPOINT {
            both.same();
        } else if both.second["verified"] == true {
            assert!(skipped || path == layout::VERIFIER || path == layout::COMPLETENESS, "{path} at {at}");
        }
        found += 1;
    }
    eprintln!("{found} changes");
}

#[test]
fn what_is_no_pack_is_refused() {
    let files = Log::small().pack();
    let empty = Folder::new(&Files::new());
    Both::at(empty.path(), &Trust::default()).refused(None, "manifest.json: it is missing");
    for path in files.keys() {
        let folder = Folder::new(&files);
        std::fs::remove_file(folder.file(path)).unwrap();
        let both = Both::at(folder.path(), &Trust::default());
        both.same();
        assert!(!both.first.ok, "without {path}");
        let mut without = files.clone();
        without.remove(path);
        if path != layout::MANIFEST && !path.starts_with(layout::POLICIES) {
            seal(&mut without);
            let both = Both::of(&without, &Trust::default());
            both.same();
            assert!(!both.first.ok, "without {path}, and the manifest made to fit");
        }
        // As large as it is, and all zeroes; and a link to what it was.
        folder.put(path, &vec![0; files[path].len()]);
        let both = Both::at(folder.path(), &Trust::default());
        both.same();
        assert!(!both.first.ok, "with zeroes for {path}");
        std::fs::remove_file(folder.file(path)).unwrap();
        let other = Folder::new(&files);
        std::os::unix::fs::symlink(other.file(path), folder.file(path)).unwrap();
        let both = Both::at(folder.path(), &Trust::default());
        both.same();
        assert!(!both.first.ok, "with a link for {path}");
    }
    let folder = Folder::new(&files);
    folder.put("proofs/more/extra.txt", b"x");
    Both::at(folder.path(), &Trust::default())
        .refused(None, "proofs/more/extra.txt: it is not listed in manifest.json");
}

#[test]
fn hostile_files_are_refused_within_limits() {
    let files = Log::small().pack();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let long = "9".repeat(100_000);
    for path in [
        layout::MANIFEST,
        layout::KEYS,
        layout::RANGE,
        layout::COMPLETENESS,
        layout::CHECKPOINT,
        layout::ROWS_JSONL,
    ] {
        for bytes in [
            deep.clone(),
            long.clone(),
            format!("{{\"version\":{long}}}"),
            "{\"version\":1,\"version\":1,\"files\":{}}".into(),
            "{\"version\":1,\"files\":{\"../x\":{\"sha256\":\"00\",\"bytes\":1}}}".into(),
            "{\"version\":1.0,\"files\":{}}".into(),
            "\"\\ud800\"".into(),
            "{\"first\":18446744073709551615,\"end\":18446744073709551615,\"size\":18446744073709551615,\"before\":{\"hashes\":[],\"last\":\"\"},\"consistency\":[]}".into(),
            "\u{feff}{}".into(),
            "null".into(),
            String::new(),
        ] {
            let mut changed = files.clone();
            changed.insert(path.into(), bytes.into_bytes());
            if path != layout::MANIFEST {
                seal(&mut changed);
            }
            let both = Both::of(&changed, &Trust::default());
            assert!(!both.first.ok, "{path}");
            both.same();
        }
    }
}
