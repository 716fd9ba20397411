//! The rules of batches: the file, the order, the states, one round.

use super::*;
use crate::{
    brake::BrakePolicy,
    case::{CaseRecord, CaseStatus, SystemRecord, SystemStatus},
    intake,
    person::Person,
    policy::Policy,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HEADER: &str = "username,reason,revocation_type,preserve_data\n";

fn by() -> Username {
    "harper.hr".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_770_000_000_000 + seconds * 1_000).unwrap()
}

fn read(file: &str) -> Result<Vec<Line>, NotABatch> {
    parse(file.as_bytes(), &by())
}

fn bad(file: &str) -> Vec<(u32, String)> {
    match read(&format!("{HEADER}{file}")) {
        Err(NotABatch::Lines(bad)) => bad.into_iter().map(|bad| (bad.line, bad.why)).collect(),
        other => panic!("{other:?}"),
    }
}

fn of(lines: usize, hold: Option<Hold>) -> Batch {
    let line = |number: usize| Line {
        line: u32::try_from(number).unwrap() + 2,
        username: format!("p{number}").parse().unwrap(),
        reason: "R".into(),
        mode: Mode::Leave,
        preserve_data: false,
        first: false,
    };
    let lines: Vec<Line> = (0..lines).map(line).collect();
    Batch::recorded("batch-1".parse().unwrap(), by(), (Digest::ZERO, &lines), hold, at(0))
}

#[test]
fn columns_stand_in_any_order_and_values_may_be_left_empty() {
    let lines = read(
        "\u{feff}Reason,preserve_data,username,revocation_type\r\n\"Closing, the site\",true,john.doe,full\r\nSame,,pat.idle,\r\n\
         Asked about,,robin.mover,Suspend\r\n",
    )
    .unwrap();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2].mode, Mode::Suspend);
    let (john, pat) = (&lines[0], &lines[1]);
    assert_eq!(
        (john.line, john.username.as_str(), john.reason.as_str()),
        (2, "john.doe", "Closing, the site")
    );
    assert!(john.preserve_data && !pat.preserve_data);
    assert_eq!((pat.line, pat.mode), (3, Mode::Leave));
}

#[test]
fn every_bad_line_is_named_with_everything_that_is_wrong_with_it() {
    let long = "x".repeat(501);
    let found = bad(&format!(
        "john.doe,R,,\njohn.doe,again,,\nharper.hr,me,,\na b,R,leave,\npat.idle,,sometimes,perhaps\nx.y,{long},,\nz.z,R,Suspend,\n\
         q.q,R\nr.r,ok,leave,false\nt.t,a\u{202e}b,,\n"
    ));
    let why = |line: u32| found.iter().find(|(number, _)| *number == line).map(|(_, why)| why.as_str());
    assert_eq!(why(2), None);
    assert!(why(3).unwrap().contains("stands in line 2"));
    assert!(why(4).unwrap().contains("own access"));
    assert!(why(5).unwrap().contains("username"));
    let pat = why(6).unwrap();
    assert!(
        pat.contains("`reason` is empty") && pat.contains("sometimes") && pat.contains("perhaps"),
        "{pat}"
    );
    assert!(why(7).unwrap().contains("longer than 500"));
    assert_eq!(why(8), None);
    assert!(why(9).unwrap().contains("2 values"));
    assert_eq!(why(10), None);
    assert!(why(11).unwrap().contains("direction-changing"));
    assert_eq!(found.len(), 7);
}

#[test]
fn a_file_that_is_none_says_what_would_be_right() {
    let refused = |bytes: &[u8]| match parse(bytes, &by()) {
        Err(NotABatch::File(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(b"").contains("no column"));
    assert!(refused(b"username;reason;revocation_type;preserve_data\n").contains("divided by commas"));
    assert!(refused(b"username,reason,revocation_type\n").contains("`preserve_data`"));
    assert!(refused(b"username,username,reason,revocation_type,preserve_data\n").contains("twice"));
    assert!(refused(b"username,reason,revocation_type,preserve_data,salary\n").contains("salary"));
    assert!(refused(HEADER.as_bytes()).contains("names nobody"));
    assert!(refused(b"username,reason,revocation_type,preserve_data\nj\xff,R,,\n").contains("UTF-8"));
    let lines: String = (0..=MAX_LINES).map(|number| format!("p{number},R,,\n")).collect();
    assert!(refused(format!("{HEADER}{lines}").as_bytes()).contains("10000"));
    assert!(refused(&vec![b'x'; MAX_BYTES + 1]).contains("larger"));
    let most: String = (0..MAX_LINES).map(|number| format!("p{number},R,,\n")).collect();
    assert_eq!(read(&format!("{HEADER}{most}")).unwrap().len(), MAX_LINES);
}

fn person(username: &str, department: &str, status: &str) -> Person {
    serde_json::from_value(json!({
        "username": username, "employee_id": format!("E-{username}"), "email": "f@example.com", "name": "F", "role": "r",
        "employment": "employee", "department": department, "status": status, "case": (status != "active").then_some("case-9"),
    }))
    .unwrap()
}

#[test]
fn whoever_is_suspended_still_leaves_and_whoever_leaves_is_not_suspended() {
    let stands = |status: &str, mode| check::stands_by(&person("a.b", "Sales", status), mode).is_some();
    assert!(!stands("active", Mode::Leave) && !stands("active", Mode::Suspend));
    assert!(!stands("suspended", Mode::Leave) && stands("suspended", Mode::Suspend));
    for status in ["leaving", "left"] {
        assert!(stands(status, Mode::Leave) && stands(status, Mode::Suspend), "{status}");
    }
}

fn case(status: CaseStatus, effective_at: Timestamp, let_run: bool) -> CaseRecord {
    let digest = "0".repeat(64);
    let row =
        |kind: &str| json!({"kind": kind, "at": at(0), "actor": "a", "action": "b", "outcome": "success"});
    let mut log = vec![row("revocation_triggered")];
    log.extend(let_run.then(|| row("validation_completed")));
    serde_json::from_value(json!({
        "case_id": "case-9", "mode": "leave", "status": status, "person": {"username": "a.b", "employee_id": "E-a.b"},
        "reason": "r", "policy_digest": digest, "created_at": at(0), "dates": {}, "effective_at": effective_at,
        "trigger": {"source": "api", "event_id": "e", "by": "harper.hr", "kind": "termination", "at": at(0),
            "received_at": at(0), "body": digest},
        "dry_run": false, "emergency": false, "systems": [], "log": log, "version": 1,
    }))
    .unwrap()
}

/// What may still be called off stands in for no line; what has begun is only ever held to go on.
#[test]
fn a_case_that_may_come_to_nothing_stands_in_for_no_line() {
    for status in CaseStatus::ALL {
        for (due, let_run) in [(at(5), false), (at(5), true), (at(15), false)] {
            let uncertain = match status {
                CaseStatus::Recorded => due > at(10),
                CaseStatus::Held => !let_run,
                _ => false,
            };
            let is = check::is_uncertain(&case(status, due, let_run), at(10));
            assert_eq!(is, uncertain, "{status:?}, due {due}, let run: {let_run}");
        }
    }
}

#[test]
fn privileged_people_come_first_and_everybody_else_as_in_the_file() {
    let document = serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap();
    let mut policy = Policy::parse(document, "prod").unwrap();
    policy.batch.first.departments = ["Infrastructure".to_owned()].into();
    policy.protected.insert("root.admin".parse().unwrap());
    let lines = read(&format!(
        "{HEADER}a.sales,R,,\nin.frastructure,R,,\nb.sales,R,,\nsam.admin,R,,\nroot.admin,R,,\nzoe.gone,R,,\n"
    ))
    .unwrap();
    let people = [
        person("a.sales", "Sales", "active"),
        person("in.frastructure", "Infrastructure", "active"),
        person("b.sales", "Sales", "active"),
        person("sam.admin", "Security", "active"),
        person("root.admin", "Sales", "active"),
        person("zoe.gone", "Sales", "leaving"),
    ];
    let mut people: BTreeMap<Username, Person> =
        people.into_iter().map(|person| (person.username.clone(), person)).collect();
    let already = [("zoe.gone".parse().unwrap(), "case-9".parse().unwrap())].into();
    let checked = check(lines.clone(), &people, &already, &policy).unwrap();
    let names: Vec<&str> = checked.lines.iter().map(|line| line.username.as_str()).collect();
    assert_eq!(names, ["in.frastructure", "sam.admin", "root.admin", "a.sales", "b.sales", "zoe.gone"]);
    assert_eq!(checked.people, 5, "whoever is leaving already is not counted");
    people.remove(&"b.sales".parse::<Username>().unwrap());
    let Err(NotABatch::Lines(bad)) = check(lines, &people, &already, &policy) else { panic!() };
    assert_eq!((bad.len(), bad[0].line), (1, 4));
}

#[test]
fn the_brake_has_room_for_those_who_have_not_passed_and_none_once_it_engaged() {
    let policy =
        BrakePolicy { window_seconds: 3_600, max_people: 25, max_share_percent: 10, min_people_for_share: 5 };
    let mut brake = crate::brake::Brake::default();
    assert_eq!(brake.room(&policy, 1_000, at(0)), 25);
    let one = |number: u32| crate::brake::Passed {
        username: format!("p{number}").parse().unwrap(),
        case: format!("case-{number}").parse().unwrap(),
        at: at(0),
    };
    brake.passed = (0..20).map(one).collect();
    assert_eq!(brake.room(&policy, 1_000, at(10)), 5);
    assert_eq!(brake.room(&policy, 100, at(10)), 0);
    assert_eq!(brake.room(&policy, 1_000, at(3_600)), 25, "the window is over");
    brake.engaged = Some("measure-1".parse().unwrap());
    assert_eq!(brake.room(&policy, 1_000, at(3_600)), 0);
}

#[test]
fn a_line_gives_the_same_case_to_whoever_records_it() {
    let batch = of(3, None);
    let line = |number: u32| Line { line: number, ..read(&format!("{HEADER}a,R,,\n")).unwrap().remove(0) };
    assert_eq!(case_of(&batch.batch_id, &line(2)), case_of(&batch.batch_id, &line(2)));
    assert_ne!(case_of(&batch.batch_id, &line(2)), case_of(&batch.batch_id, &line(3)));
    let longest: BatchId = BatchId::of_request(&by(), &"k".repeat(128).parse().unwrap());
    assert!(event_of(&longest, &line(u32::MAX)).is_ok());
}

#[test]
fn a_held_batch_claims_nothing_until_it_is_let_go() {
    let hold = Hold { measure: "measure-1".parse().unwrap(), people: 3, room: 2 };
    let batch = of(3, Some(hold));
    assert_eq!((batch.status, batch.look_at, batch.log.len()), (BatchStatus::Held, None, 2));
    let round = batch.round(&BTreeMap::new(), 10, at(1));
    assert_eq!(round, Round { batch: None, claimed: vec![] });
    assert!(batch.release_of_case("mass_action", at(1)).is_none());
    let released =
        Released { measure: "measure-1".parse().unwrap(), by: "sam.admin".into(), reason: "yes".into() };
    let free = batch.let_go(released, at(5));
    assert_eq!((free.status, free.run, free.version), (BatchStatus::Running, 2, 2));
    assert_eq!(free.round(&BTreeMap::new(), 2, at(6)).claimed, [0, 1]);
    assert_eq!(free.release_of_case("mass_action", at(6)).unwrap().facts["held_for"], "mass_action");
}

#[test]
fn what_was_claimed_is_not_called_off_and_what_was_not_is() {
    let claimed = of(5, None).round(&BTreeMap::new(), 2, at(1)).batch.unwrap();
    let off = claimed.cancelled("harper.hr", "a mistake", at(2)).unwrap();
    assert_eq!(off.status, BatchStatus::Running, "two of them run");
    assert_eq!((off.in_flight(), off.states.counts()[&LineState::Skipped]), (2, 3));
    assert!(off.cancelled("harper.hr", "again", at(3)).is_none());
    let seen = [(0, LineState::Complete), (1, LineState::Complete), (2, LineState::Complete)].into();
    let ended = off.round(&seen, 9, at(4)).batch.unwrap();
    assert_eq!((ended.status, ended.look_at), (BatchStatus::Ended, None));
    assert_eq!(ended.states.counts()[&LineState::Skipped], 3, "what was called off stays so");
    let whole = of(5, None).cancelled("harper.hr", "a mistake", at(1)).unwrap();
    assert_eq!((whole.status, whole.look_at), (BatchStatus::Cancelled, None));
}

#[test]
fn what_a_human_has_to_do_is_not_contained_and_takes_nobodys_place() {
    use SystemStatus::{AwaitingApproval, Denied, Failed, ManualTask, Verified};
    let document = serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap();
    let policy = Policy::parse(document, "prod").unwrap();
    let trigger = of(1, None).trigger(&read(&format!("{HEADER}a.b,R,,\n")).unwrap()[0], at(0)).unwrap();
    let request = intake::Request::plain(trigger, Mode::Leave, "R", at(0));
    let (mut case, _) =
        intake::open(&person("a.b", "Sales", "active"), &request, &policy, at(0)).case.unwrap();
    case.status = CaseStatus::Running;
    let stands = |all: &[SystemStatus]| {
        let one = |status: &SystemStatus| SystemRecord {
            status: *status,
            ..SystemRecord::queued(&case, "okta".parse().unwrap())
        };
        let systems: Vec<SystemRecord> = all.iter().map(one).collect();
        LineState::of_case(&case, Some(&systems))
    };
    assert_eq!(stands(&[]), LineState::Running);
    assert_eq!(stands(&[Verified, Verified]), LineState::Contained);
    assert_eq!(stands(&[Verified, Failed, ManualTask]), LineState::Running, "leaver tries again");
    assert_eq!(stands(&[Verified, ManualTask]), LineState::Incomplete);
    assert_eq!(stands(&[Verified, Denied]), LineState::Incomplete);
    assert_eq!(stands(&[ManualTask, AwaitingApproval]), LineState::AwaitingApproval);
    let claimed = of(3, None).round(&BTreeMap::new(), 3, at(1)).batch.unwrap();
    let seen = [(0, LineState::Contained), (1, LineState::Incomplete)].into();
    let progress = claimed.round(&seen, 0, at(2)).batch.unwrap().progress(at(3));
    assert_eq!((progress.finished, progress.with_somebody, progress.left), (1, 1, 1));
}

#[test]
fn one_that_waits_for_somebody_is_looked_at_again_and_goes_on() {
    let running = of(2, None).round(&BTreeMap::new(), 2, at(1)).batch.unwrap();
    let seen = [(0, LineState::Complete), (1, LineState::Held)].into();
    let ended = running.round(&seen, 0, at(60)).batch.unwrap();
    assert_eq!((ended.status, ended.look_at), (BatchStatus::Ended, Some(at(660))));
    assert_eq!(look(&ended, 0, 9), Look { claimed: vec![], others: vec![1] });
    let again = ended.round(&[(1, LineState::Running)].into(), 0, at(660)).batch.unwrap();
    assert_eq!((again.status, again.in_flight()), (BatchStatus::Running, 1));
    let done = again.round(&[(1, LineState::Complete)].into(), 0, at(700)).batch.unwrap();
    assert!(done.is_over());
    let rows = done.log.iter().filter(|line| line.action == "come to rest").count();
    assert_eq!(rows, 2);
}

#[test]
fn room_goes_to_who_comes_first_and_then_in_turn_over_all_batches() {
    let of =
        |running, first, rest, turn: Option<i64>| Wants { running, first, rest, claimed_at: turn.map(at) };
    // Ten thousand lines of an older batch keep neither anybody privileged nor a small batch waiting.
    assert_eq!(share(4, &[of(0, 0, 9_996, Some(9)), of(0, 2, 1, None)]), [2, 2]);
    assert_eq!(share(2, &[of(0, 0, 9_996, Some(9)), of(0, 2, 1, None)]), [0, 2]);
    assert_eq!(share(50, &[of(49, 0, 9_000, Some(9)), of(0, 0, 3, None)]), [0, 1]);
    // With one place for all, they take turns.
    let waits = [of(0, 0, 9, Some(8)), of(0, 0, 9, Some(7)), of(0, 0, 9, Some(9))];
    assert_eq!(share(1, &waits), [0, 1, 0]);
    // What one does not need, the others have.
    assert_eq!(share(10, &[of(0, 0, 1, None), of(1, 0, 99, None), of(0, 0, 0, None)]), [1, 8, 0]);
    assert_eq!(share(2, &[of(5, 1, 1, None), of(0, 1, 1, None)]), [0, 0], "policy was made narrower");
    assert_eq!(share(2, &[]), Vec::<usize>::new());
}

#[test]
fn a_batch_asks_for_what_waits_and_holds_what_runs() {
    let mut lines: Vec<Line> = (2..7)
        .map(|number| Line { line: number, ..read(&format!("{HEADER}a,R,,\n")).unwrap().remove(0) })
        .collect();
    lines[0].first = true;
    lines[1].first = true;
    let running = of(5, None).round(&BTreeMap::new(), 1, at(1)).batch.unwrap();
    let none = BTreeMap::new();
    let wants = running.wants(&none, &lines);
    assert_eq!(wants, Wants { running: 1, first: 1, rest: 3, claimed_at: Some(at(1)) });
    let seen = [(0, LineState::Contained)].into();
    assert_eq!(running.wants(&seen, &lines).running, 0, "whoever is contained leaves room for another");
    let hold = Hold { measure: "measure-1".parse().unwrap(), people: 5, room: 2 };
    assert_eq!(of(5, Some(hold)).wants(&none, &lines), Wants::default());
}

#[test]
fn a_batch_says_what_holds_it_only_while_it_is_held_and_who_called_it_off() {
    let hold = Hold { measure: "measure-1".parse().unwrap(), people: 3, room: 2 };
    let held = of(3, Some(hold));
    assert_eq!(held.held_by().map(MeasureId::as_str), Some("measure-1"));
    let released =
        Released { measure: "measure-1".parse().unwrap(), by: "sam.admin".into(), reason: "yes".into() };
    let free = held.let_go(released, at(5));
    assert!(free.held_by().is_none() && free.called_off().is_none());
    let off = held.cancelled("taylor.admin", "too many", at(6)).unwrap();
    assert_eq!((off.held_by(), off.called_off().map(|row| row.actor.as_str())), (None, Some("taylor.admin")));
}

#[test]
fn nothing_is_said_about_the_end_before_there_is_a_base() {
    let running = of(100, None).round(&BTreeMap::new(), 20, at(0)).batch.unwrap();
    let none = running.progress(at(30));
    assert_eq!((none.finished, none.left, none.per_second, none.ends_at), (0, 100, None, None));
    let seen: BTreeMap<usize, LineState> = (0..20).map(|place| (place, LineState::Contained)).collect();
    let some = running.round(&seen, 20, at(40)).batch.unwrap().progress(at(40));
    assert_eq!((some.finished, some.left, some.per_second), (20, 80, Some(0.5)));
    assert_eq!(some.ends_at, Some(at(200)));
    // What needed nothing done is no base.
    let seen: BTreeMap<usize, LineState> = (0..20).map(|place| (place, LineState::Already)).collect();
    let already = running.round(&seen, 20, at(40)).batch.unwrap().progress(at(40));
    assert_eq!((already.finished, already.per_second, already.ends_at), (20, None, None));
}

proptest! {
    #[test]
    fn states_survive_their_record(places in prop::collection::vec(0..LineState::ALL.len(), 0..200)) {
        let letters: Vec<LineState> = places.iter().map(|place| LineState::ALL[*place]).collect();
        let mut states = States::waiting(letters.len());
        states.claim(letters.len());
        for (place, state) in letters.iter().enumerate() {
            states.set(place, *state);
        }
        let text = serde_json::to_string(&states).unwrap();
        prop_assert_eq!(text.len(), letters.len() + 2);
        prop_assert_eq!(serde_json::from_str::<States>(&text).unwrap(), states);
    }

    /// However many batches ask for however much: no room is left while somebody waits, nobody gets more than they ask for,
    /// nobody else goes before who comes first, and no batch gets ahead of another that waits.
    #[test]
    fn room_is_shared_to_the_last_place_and_evenly(
        most in 0_usize..40,
        asks in prop::collection::vec((0_usize..6, 0_usize..4, 0_usize..30, prop::option::of(0_i64..5)), 0..6),
    ) {
        let of = |(running, first, rest, turn): &(usize, usize, usize, Option<i64>)| Wants {
            running: *running, first: *first, rest: *rest, claimed_at: turn.map(at),
        };
        let wants: Vec<Wants> = asks.iter().map(of).collect();
        let given = share(most, &wants);
        let sum = |of: fn(&Wants) -> usize| wants.iter().map(of).sum::<usize>();
        let (first, all) = (sum(|of| of.first), sum(|of| of.first + of.rest));
        let room = most.saturating_sub(sum(|of| of.running));
        prop_assert_eq!(given.iter().sum::<usize>(), room.min(all));
        for (one, got) in wants.iter().zip(&given) {
            prop_assert!(*got <= one.first + one.rest);
            prop_assert!(room < first || *got >= one.first);
            prop_assert!(room >= first || *got <= one.first);
        }
        for (waits, had) in wants.iter().zip(&given).filter(|(of, got)| **got < of.first + of.rest) {
            for (other, got) in wants.iter().zip(&given).filter(|(of, got)| **got > of.first) {
                prop_assert!(other.running + got <= waits.running + had + 1);
            }
        }
    }

    /// Whatever is seen in whatever order: no more lines are claimed than there is room for, each once, in order, and none
    /// comes back to wait.
    #[test]
    fn each_line_is_claimed_once_and_in_order(
        rounds in prop::collection::vec((0_usize..6, prop::collection::vec((0_usize..20, 0..LineState::ALL.len()), 0..8)), 1..40),
    ) {
        let mut batch = of(20, None);
        let mut claimed = Vec::new();
        for (second, (room, seen)) in rounds.into_iter().enumerate() {
            let seen = seen.into_iter().map(|(place, state)| (place, LineState::ALL[state]));
            let seen: BTreeMap<usize, LineState> =
                seen.filter(|(_, state)| !matches!(state, LineState::Waiting | LineState::Skipped)).collect();
            let round = batch.round(&seen, room, at(i64::try_from(second).unwrap()));
            prop_assert!(round.claimed.len() <= room);
            claimed.extend(round.claimed);
            if let Some(next) = round.batch {
                prop_assert_eq!(next.version, batch.version + 1);
                batch = next;
            }
        }
        let in_order: Vec<usize> = (0..claimed.len()).collect();
        prop_assert_eq!(&claimed, &in_order);
        let waiting = batch.states.places(|state| state == LineState::Waiting);
        prop_assert_eq!(waiting, (claimed.len()..20).collect::<Vec<_>>());
    }
}
