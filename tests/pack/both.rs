//! Both verifiers on the same pack. The second one runs as one Python process for a whole suite, which imports it by its path.

use crate::forge::{Files, Folder};
use leaver_domain::ledger::VerifierKey;
use leaver_evidence::verify::{Kept, Trust, Verdict, verify};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Reads a request per line, and answers with the verdict.
const LOOP: &str = r#"
import sys, json, importlib.util
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)
for line in sys.stdin:
    q = json.loads(line)
    kept = [(name, note.encode()) for name, note in q["kept"]]
    report = verify.verify(q["dir"], kept, [verify.parse_key(k) for k in q["keys"]], q["hr"] and q["hr"].encode())
    print(json.dumps({**report.json(), "words": report.words()}), flush=True)
"#;

/// The second verifier.
pub(crate) const SECOND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/evidence/src/verify.py");

struct Python {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let mut child = Command::new("python3")
            .args(["-c", LOOP, SECOND])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, to, from: BufReader::new(from) }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

thread_local!(static PYTHON: RefCell<Option<Python>> = const { RefCell::new(None) });

/// The second verifier's answer. A traceback ends its process, and the suite with it.
pub(crate) fn second(dir: &Path, trust: &Trust) -> Value {
    let kept: Vec<_> =
        trust.checkpoints.iter().map(|kept| (&kept.name, String::from_utf8_lossy(&kept.note))).collect();
    let keys: Vec<String> = trust.keys.iter().map(VerifierKey::to_string).collect();
    let hr = trust.hr.as_ref().map(|bytes| String::from_utf8_lossy(bytes));
    let question = json!({"dir": dir, "kept": kept, "keys": keys, "hr": hr});
    PYTHON.with_borrow_mut(|python| {
        let python = python.get_or_insert_with(Python::start);
        writeln!(python.to, "{question}").expect("it listens");
        let mut answer = String::new();
        python.from.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer).expect("it did not end in a traceback")
    })
}

/// What both say; they must agree in everything but what the second cannot recompute.
pub(crate) struct Both {
    pub(crate) first: Verdict,
    pub(crate) second: Value,
}

impl Both {
    pub(crate) fn at(dir: &Path, trust: &Trust) -> Self {
        Self { first: verify(dir, trust), second: second(dir, trust) }
    }

    pub(crate) fn of(files: &Files, trust: &Trust) -> Self {
        Self::at(Folder::new(files).path(), trust)
    }

    /// Both verify it.
    pub(crate) fn verified(&self) {
        assert!(self.first.ok, "{}", self.first.words());
        assert_eq!(self.second["verified"], true, "{}", self.second["words"]);
        assert_eq!(self.second["rows"], self.first.rows);
        assert_eq!(self.second["cases"], self.first.cases);
        assert_eq!(self.second["root"], json!(self.first.root));
    }

    /// Neither verifies it; both name this row first, and both say these words.
    pub(crate) fn refused(&self, row: Option<u64>, words: &str) {
        assert!(!self.first.ok, "the first verifies it");
        assert_eq!(self.second["verified"], false, "the second verifies it");
        self.same();
        assert_eq!(self.first.first_bad_row, row, "{}", self.first.words());
        assert!(self.first.words().contains(words), "{}", self.first.words());
        assert!(self.second["words"].as_str().expect("a text").contains(words), "{}", self.second["words"]);
    }

    /// The same verdict and the same first bad row.
    pub(crate) fn same(&self) {
        let told = (self.first.ok, json!(self.first.first_bad_row));
        let second = (self.second["verified"] == true, self.second["first_bad_row"].clone());
        assert_eq!(
            told,
            second,
            "\n{}\n\n{}",
            self.first.words(),
            self.second["words"].as_str().unwrap_or_default()
        );
    }

    /// Both say that they could not check something.
    pub(crate) fn unchecked(&self, words: &str) {
        assert!(self.first.unchecked.iter().any(|said| said.contains(words)), "{:?}", self.first.unchecked);
        let second = self.second["unchecked"].as_array().expect("a list");
        assert!(
            second.iter().any(|said| said.as_str().is_some_and(|said| said.contains(words))),
            "{second:?}"
        );
    }
}

/// Trust in nothing but checkpoints kept from earlier.
pub(crate) fn kept<'a>(notes: impl IntoIterator<Item = &'a str>) -> Trust {
    let one = |(place, note): (usize, &str)| Kept { name: format!("kept-{place}"), note: note.into() };
    Trust { checkpoints: notes.into_iter().enumerate().map(one).collect(), ..Trust::default() }
}
