//! The pack of a made-up month: what is in it, what it is tied to, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::{
    digest::Digest,
    ledger::{Compact, Entry, EventKind, verify_consistency, verify_inclusion},
};
use leaver_evidence::{
    context::{Context, Period, Signed},
    derived::Derived,
    edges::Edges,
    files::{Files as _, Memory, Sum, Sums},
    manifest::Manifest,
    pack::{About, PackError},
    row::Line,
    sample_log::{Case, MONTH_CASES, ORIGIN, Opening, SampleLog},
};
use serde_json::Value;
use std::collections::BTreeMap;

const FROM: &str = "2026-02-01T00:00:00Z";
const TO: &str = "2026-03-01T00:00:00Z";

type Pack = BTreeMap<String, Vec<u8>>;

fn month() -> (SampleLog, Pack) {
    let log = SampleLog::month();
    let pack = log.whole(FROM, TO).unwrap();
    (log, pack)
}

fn text<'a>(pack: &'a Pack, path: &str) -> &'a str {
    std::str::from_utf8(&pack[path]).unwrap()
}

fn lines(pack: &Pack, path: &str) -> usize {
    text(pack, path).lines().count() - 1
}

fn json(pack: &Pack, path: &str) -> Value {
    serde_json::from_slice(&pack[path]).unwrap()
}

#[test]
fn the_month_comes_to_these_tables() {
    let (_, pack) = month();
    for path in
        ["population.csv", "cases.csv", "systems.csv", "approvals.csv", "exceptions.csv", "sample.csv"]
    {
        insta::assert_snapshot!(path.trim_end_matches(".csv"), text(&pack, path));
    }
    insta::assert_snapshot!("completeness", text(&pack, "completeness.json"));
    insta::assert_snapshot!("controls", text(&pack, "controls.md"));
    insta::assert_snapshot!("readme", text(&pack, "README.md"));
}

#[test]
fn every_row_is_there_and_says_what_its_bytes_say() {
    let (log, pack) = month();
    let table: Vec<&str> = text(&pack, "rows.csv").lines().skip(1).collect();
    for ((line, row), cells) in text(&pack, "rows.jsonl").lines().zip(&log.rows).zip(&table) {
        let line: Line = serde_json::from_str(line).unwrap();
        let entry = Entry::decode(&line.bytes().unwrap()).unwrap();
        assert_eq!((line.bytes().unwrap(), &line.evidence), (row.leaf.clone(), &row.evidence));
        assert_eq!(line.view["hash"], entry.hash().to_string());
        assert!(cells.starts_with(&format!("{},{},{},", entry.seq, entry.hash(), entry.previous)), "{cells}");
    }
    assert_eq!((lines(&pack, "rows.jsonl") + 1, table.len()), (255, 255));
    assert_eq!(lines(&pack, "population.csv"), MONTH_CASES);
}

#[test]
fn the_manifest_has_every_other_file() {
    let (_, pack) = month();
    let manifest: Manifest = serde_json::from_slice(&pack["manifest.json"]).unwrap();
    let files: Sums = pack.iter().map(|(path, bytes)| (path.clone(), Sum::of(bytes))).collect();
    let others: Sums = files.into_iter().filter(|(path, _)| path != "manifest.json").collect();
    assert_eq!(manifest.files, others);
    assert_eq!(manifest.version, 1);
}

/// What a verifier does: the rows alone, and what is no derived file, give every other file again.
#[test]
fn the_rows_alone_give_every_derived_file_again() {
    let (log, pack) = month();
    let context = Context {
        form: leaver_evidence::layout::FORM,
        log: ORIGIN.into(),
        period: Period { from: FROM.parse().unwrap(), to: TO.parse().unwrap() },
        generated_at: log.now,
        checkpoint: Signed { size: log.head.tree.size, root: log.head.tree.root() },
        first: 0,
        policies: log.policies.clone(),
    };
    let mut derived = Derived::new(context, Memory::default()).unwrap();
    for line in text(&pack, "rows.jsonl").lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        let leaf = line.bytes().unwrap();
        derived.row(&Entry::decode(&leaf).unwrap(), &leaf, &line.evidence).unwrap();
    }
    let is_given = |path: &str| {
        path.starts_with("proofs/")
            || path.starts_with("policies/")
            || ["checkpoint", "keys.json", "verify.py"].contains(&path)
    };
    let given: Sums = pack
        .iter()
        .filter(|(path, _)| is_given(path))
        .map(|(path, bytes)| (path.clone(), Sum::of(bytes)))
        .collect();
    let (again, _) = derived.finish(&given).unwrap();
    for (path, bytes) in pack.iter().filter(|(path, _)| !is_given(path)) {
        assert_eq!(again.0.get(path), Some(bytes), "{path}");
    }
}

#[test]
fn every_sampled_row_has_a_proof_that_leads_to_the_root() {
    let (log, pack) = month();
    let mut proved = 0;
    for line in text(&pack, "sample.csv").lines().skip(1) {
        let (rest, path) = line.rsplit_once(',').unwrap();
        let row: u64 = rest.rsplit_once(',').unwrap().1.parse().unwrap();
        let (head, note) = text(&pack, path).split_once("\n\n").unwrap();
        assert_eq!(note, text(&pack, "checkpoint"));
        let mut head = head.lines();
        assert_eq!(head.next(), Some("c2sp.org/tlog-proof@v1"));
        assert_eq!(head.next(), Some(format!("index {row}").as_str()));
        let hash = |line: &str| Digest(STANDARD.decode(line).unwrap().try_into().unwrap());
        let proof: Vec<Digest> = head.map(hash).collect();
        let leaf = log.node(0, row).unwrap();
        verify_inclusion(leaf, row, log.head.tree.size, &proof, log.head.tree.root()).unwrap();
        proved += 1;
    }
    // Each case's opening row, and of each system the row that says what became of access.
    assert_eq!(proved, 22 + 61);
}

#[test]
fn a_part_of_the_log_is_tied_to_both_ends() {
    let log = SampleLog::month();
    let (first, end) = (23, 111);
    let (packed, files) = log
        .pack(Memory::default(), log.about("2026-02-03T00:00:00Z", "2026-02-05T00:00:00Z", first), end)
        .unwrap();
    assert_eq!((packed.rows, packed.end), (end - first, end));
    let range = json(&files.0, "proofs/range.json");
    let hashes = |list: &Value| serde_json::from_value::<Vec<Digest>>(list.clone()).unwrap();
    let mut tree = Compact { size: first, range: hashes(&range["before"]["hashes"]) };
    log.rows[first as usize..end as usize].iter().for_each(|row| {
        tree.push(Entry::decode(&row.leaf).unwrap().hash());
    });
    let (size, root) = (log.head.tree.size, log.head.tree.root());
    assert_eq!(
        (range["first"].as_u64(), range["end"].as_u64(), range["size"].as_u64()),
        (Some(first), Some(end), Some(size))
    );
    verify_consistency(end, size, &hashes(&range["consistency"]), tree.root(), root).unwrap();
    let last: Digest = serde_json::from_value(range["before"]["last"].clone()).unwrap();
    assert_eq!(Some(last), log.node(0, first - 1));
}

#[test]
fn a_period_without_rows_is_a_pack_as_well() {
    let log = SampleLog::month();
    let about = log.about("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z", 0);
    let (packed, files) = log.pack(Memory::default(), about, 0).unwrap();
    assert_eq!((packed.rows, packed.cases), (0, 0));
    assert_eq!(lines(&files.0, "cases.csv"), 0);
    assert!(text(&files.0, "report.html").contains("No case was opened in the period."));
    let empty = SampleLog::new(FROM);
    assert!(empty.whole(FROM, TO).is_ok());
}

fn refused(change: impl FnOnce(&mut SampleLog, &mut About)) -> String {
    let mut log = SampleLog::month();
    let mut about = log.about(FROM, TO, 0);
    change(&mut log, &mut about);
    let end = log.head.tree.size;
    log.pack(Memory::default(), about, end).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_together_is_refused() {
    assert!(refused(|log, _| log.rows[5].evidence.push(' ')).contains("row 5"));
    assert!(refused(|log, _| drop(log.rows.remove(7))).contains("row 7"));
    assert!(refused(|log, _| log.rows.swap(3, 4)).contains("row 3"));
    assert!(refused(|_, about| about.origin = "another".into()).contains("another log"));
    assert!(refused(|_, about| about.to = about.from).contains("period"));
    assert!(refused(|_, about| about.first = 3).contains("first row"));
    assert!(refused(|_, about| about.last = Digest::of(b"")).contains("before the log's first"));
    assert!(refused(|_, about| about.checkpoint_note = "nothing".into()).contains("note"));
    let policy = |about: &mut About| about.policies.values_mut().for_each(|text| text.push(' '));
    assert!(refused(|_, about| policy(about)).contains("policy"));
    // The same number of rows under another root: a fork.
    let fork = refused(|_, about| {
        let mut other = SampleLog::month();
        other.rows.clear();
        let mut forked = SampleLog::new(FROM);
        while forked.head.tree.size < other.head.tree.size {
            forked.count("2026-02-01", 0);
        }
        about.checkpoint_note = forked.note();
    });
    assert!(fork.contains("tied to the checkpoint"), "{fork}");
}

#[test]
fn rows_next_to_the_packs_are_those_of_the_log() {
    let log = SampleLog::month();
    let finish = |edges: Edges| {
        let about = log.about("2026-02-03T00:00:00Z", "2026-02-05T00:00:00Z", 23);
        let mut pack = leaver_evidence::pack::Pack::create_in(Memory::default(), about).unwrap();
        log.rows[23..111].iter().for_each(|row| pack.row(row).unwrap());
        assert_eq!(pack.row_behind(), Some(111));
        let nodes = pack.nodes().unwrap();
        let known = |level, index| nodes.contains(&(level, index)).then(|| log.node(level, index)).flatten();
        pack.finish(&edges, &known).map(|_| ()).map_err(|error| error.to_string())
    };
    let right = log.edges(23, 111);
    assert_eq!(finish(right.clone()), Ok(()));
    let without = finish(Edges { before: None, ..right.clone() }).unwrap_err();
    assert!(without.contains("is missing"), "{without}");
    let other = finish(Edges { before: right.behind.clone(), ..right.clone() }).unwrap_err();
    assert!(other.contains("links to"), "{other}");
    let other = finish(Edges { behind: right.before.clone(), ..right }).unwrap_err();
    assert!(other.contains("tied to the checkpoint"), "{other}");
}

#[test]
fn a_directory_that_holds_something_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "x").unwrap();
    let error =
        leaver_evidence::pack::Pack::create(dir.path(), SampleLog::month().about(FROM, TO, 0)).err().unwrap();
    assert!(matches!(error, PackError::Io(_)), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_pack_in_a_directory_is_the_same_as_in_memory() {
    let (log, pack) = month();
    let dir = tempfile::tempdir().unwrap();
    let files = leaver_evidence::files::Directory::create(&dir.path().join("new")).unwrap();
    let (packed, _) = log.pack(files, log.about(FROM, TO, 0), log.extent(FROM, TO).end).unwrap();
    assert_eq!(packed.files.len(), pack.len());
    for (path, bytes) in &pack {
        assert_eq!(&std::fs::read(dir.path().join("new").join(path)).unwrap(), bytes, "{path}");
        assert_eq!(packed.files[path], Sum::of(bytes));
    }
}

#[test]
fn nothing_in_a_row_becomes_part_of_the_page() {
    let mut log = SampleLog::new("2026-02-02T08:00:00Z");
    let mut case = Case::new(1, "<img src=x onerror=alert(1)>\"'&", "<b>hris</b>");
    case.open(&mut log, &Opening { reason: "<script>alert(1)</script>", ..Opening::default() });
    case.waits(&mut log, "<i>okta</i>");
    case.decided(&mut log, "<i>okta</i>", "approve", "<u>me</u>");
    case.failed(&mut log, "</td></table><h1>all is well</h1>", 1, "<s>Throttled</s>");
    let pack = log.whole(FROM, TO).unwrap();
    let page = text(&pack, "report.html");
    for tag in ["<img", "<script", "<b>hris", "<i>okta", "<u>", "<h1>all", "<s>"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("&#60;img") || page.contains("&lt;img"));
    assert!(!page.contains("http:") && !page.contains("https:"), "the page asks for nothing from elsewhere");
}

#[test]
fn the_oscal_file_keeps_to_the_model() {
    let (log, pack) = month();
    let results = &json(&pack, "oscal.json")["assessment-results"];
    let mut ids = Vec::new();
    collect(results, "uuid", &mut ids);
    let known: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(known.len(), ids.len(), "no id twice");
    for id in &ids {
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!((parts, id.chars().nth(14)), (vec![8, 4, 4, 4, 12], Some('5')), "{id}");
    }
    let mut links = Vec::new();
    collect(results, "href", &mut links);
    for link in links.iter().filter_map(|link| link.strip_prefix('#')) {
        assert!(ids.iter().any(|id| id == link), "{link}");
    }
    let mut observed = Vec::new();
    collect(results, "observation-uuid", &mut observed);
    assert!(!observed.is_empty() && observed.iter().all(|id| known.contains(id)));
    let mut states = Vec::new();
    collect(results, "state", &mut states);
    assert!(states.iter().all(|state| ["satisfied", "not-satisfied"].contains(&state.as_str())));
    let again = log.whole(FROM, TO).unwrap();
    assert_eq!(again["oscal.json"], pack["oscal.json"]);
}

fn collect(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == name {
                    found.extend(value.as_str().map(str::to_owned));
                }
                collect(value, name, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, name, found)),
        _ => {}
    }
}

/// Rows of cases in any order between one another, and facts of any shape.
mod any {
    use super::*;
    use leaver_domain::ledger::{Draft, Outcome};
    use proptest::{collection::vec, prelude::*};

    /// The steps of one case, some of which may not happen.
    fn step(case: &mut Case, log: &mut SampleLog, place: usize, kind: u8) {
        match (place, kind) {
            (0, _) => drop(case.open(log, &Opening { dry_run: kind == 0, ..Opening::default() })),
            (_, 0) => drop(case.absent(log, "okta")),
            (_, 1 | 2) => drop(case.revoked(log, "github", Some("a token"))),
            (_, 3) => drop(case.verified(log, "github", true)),
            (_, 4) => drop(case.verified(log, "github", false)),
            (_, 5) => drop(case.failed(log, "slack", 1, "Throttled")),
            (_, 6) => drop(case.waits(log, "aws_iam")),
            (_, 7) => drop(case.decided(log, "aws_iam", "approve", "robin.lead")),
            (_, 8) => drop(case.task(log, "slack")),
            _ => drop(case.closed(log)),
        }
    }

    fn sum(pack: &Pack, path: &str, column: &str) -> u64 {
        let mut lines = text(pack, path).lines();
        let place = lines.next().unwrap().split(',').position(|name| name == column).unwrap();
        lines.map(|line| line.split(',').nth(place).unwrap().parse::<u64>().unwrap_or(0)).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn the_sums_of_the_tables_agree(steps in vec((0_usize..6, 0_u8..10, 0_u64..100), 0..80)) {
            let mut log = SampleLog::new("2026-02-02T08:00:00Z");
            let mut cases: Vec<_> = (0..6).map(|n| (Case::new(n, &format!("person.{n}"), "hris"), 0)).collect();
            for (which, kind, wait) in &steps {
                let (case, place) = &mut cases[*which];
                step(case, log.wait(*wait), *place, *kind);
                *place += 1;
            }
            let begun = cases.iter().filter(|(_, place)| *place > 0).count();
            let pack = log.whole(FROM, TO).unwrap();
            let complete = json(&pack, "completeness.json");
            prop_assert_eq!(lines(&pack, "population.csv"), begun);
            prop_assert_eq!(lines(&pack, "cases.csv"), begun);
            prop_assert_eq!(sum(&pack, "cases.csv", "rows"), steps.len() as u64);
            let access = log.rows.iter().filter(|row| Entry::decode(&row.leaf).unwrap().is_access_row()).count();
            prop_assert_eq!(sum(&pack, "cases.csv", "access_rows"), access as u64);
            prop_assert_eq!(complete["rows"]["count"].as_u64(), Some(steps.len() as u64));
            let cases = &complete["cases"];
            prop_assert_eq!(cases["opened"].as_u64(), Some(begun as u64));
            prop_assert_eq!(cases["closed"].as_u64().unwrap() + cases["open"].as_u64().unwrap(), begun as u64);
            let access = &complete["access_rows"];
            let missing = access["missing"].as_array().unwrap().len() as u64;
            prop_assert_eq!(access["found"].as_u64().unwrap() + missing, access["expected"].as_u64().unwrap());
            // Each case expects four systems, and nothing else has rows.
            prop_assert_eq!(lines(&pack, "systems.csv"), begun * 4);
        }

        #[test]
        fn no_facts_make_it_panic(
            kinds in vec((0_usize..26, any::<bool>(), 0_u32..3), 1..30), facts in vec(shape(), 1..5),
        ) {
            let mut log = SampleLog::new("2026-02-02T08:00:00Z");
            for (place, (kind, of_system, ordinal)) in kinds.iter().enumerate() {
                let evidence = facts[place % facts.len()].to_string();
                log.push(Draft {
                    event_id: format!("{place}"), case_id: format!("{}-{}", ["case", "measure", "review"][place % 3], place % 2), ordinal: *ordinal,
                    kind: EventKind::ALL[*kind], occurred_at: log.now, username: "u".into(), actor: "a".into(),
                    system: of_system.then(|| "okta".to_owned()), action: "x".into(), outcome: Outcome::ALL[place % 4],
                    risk: None, evidence: if place % 7 == 6 { "no json".into() } else { evidence },
                });
            }
            prop_assert!(log.whole(FROM, TO).is_ok());
        }
    }

    /// Evidence with the names that are looked for and values of any kind.
    fn shape() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(Value::from("2026-02-02T08:00:00Z")),
            Just(Value::from("-009999-01-01T00:00:00Z")),
            Just(Value::from("0".repeat(64))),
            Just(Value::from("approve")),
        ];
        let names = [
            "facts",
            "user",
            "revocation",
            "trigger",
            "systems",
            "findings",
            "finding",
            "residuals",
            "what",
            "until",
            "task",
            "fault",
            "kind",
            "detail",
            "decision",
            "policy_digest",
            "plan_digest",
            "effective_at",
            "received_at",
            "day",
            "hr_events",
            "cases_digest",
            "actions_taken",
            "before_state",
            "account_status",
            "attempts",
            "emergency",
            "approval",
            "need",
            "approvers",
            "needed",
            "asked",
            "status",
            "approver",
            "review",
            "not_by",
            "case",
            "cases",
            "permissions",
            "evidence",
            "sha256",
            "name",
            "by",
            "not_restorable",
            "expires_at",
        ];
        let deep = leaf.prop_recursive(4, 64, 8, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(proptest::sample::select(names.to_vec()), inner, 0..8)
                    .prop_map(|fields| fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect()),
            ]
        });
        deep.prop_map(|facts| serde_json::json!({"facts": facts, "user": facts, "revocation": facts}))
    }
}

#[test]
fn memory_takes_a_path_once() {
    let mut memory = Memory::default();
    memory.put("a", b"1").unwrap();
    assert!(memory.put("a", b"2").is_err());
}
