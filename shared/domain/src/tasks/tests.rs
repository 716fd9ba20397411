//! Whose a task is, and how it is named.

use super::*;
use crate::{case::Subject, reviews::ReviewKind};
use proptest::prelude::*;

fn policy() -> Policy {
    let document = serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap();
    Policy::parse(document, "prod").unwrap()
}

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

#[test]
fn a_task_goes_to_its_owner_or_to_somebody_who_can_do_it() {
    let policy = policy();
    let okta: SystemId = "okta".parse().unwrap();
    let owner = |subject: &str, gone: &[&str]| {
        let gone = gone.iter().map(|one| name(one)).collect();
        owner_of(&policy, &okta, &name(subject), &gone).unwrap().to_string()
    };
    assert_eq!(owner("john.doe", &[]), "sam.admin");
    assert_eq!(owner("john.doe", &["sam.admin"]), "taylor.admin");
    assert_eq!(owner("sam.admin", &[]), "taylor.admin", "nobody looks after their own access");
    assert_eq!(owner("taylor.admin", &["sam.admin"]), "sam.admin", "nobody is left: it is still somebody's");
    assert_eq!(owner_of(&policy, &"unknown".parse().unwrap(), &name("a"), &BTreeSet::new()), None);
}

#[test]
fn a_review_is_nobodys_who_asked_or_whom_it_is_about() {
    let policy = policy();
    let of = |not_by: &str, subject: &str, gone: &[&str]| {
        let gone = gone.iter().map(|one| name(one)).collect();
        let owners = reviews::owners(&policy.approvals, &[not_by.to_owned()].into(), &name(subject), &gone);
        owners.into_iter().map(|owner| owner.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("harper.hr", "john.doe", &[]), ["sam.admin", "taylor.admin"]);
    assert_eq!(of("sam.admin", "john.doe", &[]), ["taylor.admin"]);
    assert_eq!(of("harper.hr", "taylor.admin", &[]), ["sam.admin"]);
    assert_eq!(of("sam.admin", "john.doe", &["taylor.admin"]), Vec::<String>::new());
}

#[test]
fn an_id_names_one_task_and_nothing_else_does() {
    let case: CaseId = "case-1".parse().unwrap();
    let of = |kind| reviews::id_of(kind, &case);
    assert_ne!(of(ReviewKind::Emergency), of(ReviewKind::BreakGlass));
    assert_eq!(of(ReviewKind::Emergency), of(ReviewKind::Emergency));
    let id: TaskId = "case-1~okta".parse().unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), r#""case-1~okta""#);
    for bad in ["", "~", "case-1~", "~okta", "case-1~okta~1", "a b", "case-1~Okta"] {
        assert!(bad.parse::<TaskId>().is_err(), "{bad}");
    }
}

#[test]
fn what_lasts_cannot_be_reviewed_before_it_is_over() {
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000).unwrap();
    let (case, policy) = ("case-1".parse().unwrap(), policy().approvals);
    let person = Subject { username: name("john.doe"), employee_id: "E1".parse().unwrap() };
    let about = |not_before| reviews::About {
        kind: ReviewKind::BreakGlass,
        case: &case,
        person: &person,
        reason: "an outage",
        not_by: ["sam.admin".to_owned()].into(),
        not_before,
    };
    let open = |not_before| reviews::open(&policy, about(not_before), &BTreeSet::new(), "leaver", at(100));
    let review = open(Some(at(7_200)));
    assert_eq!(review.due_at, at(7_200).plus(Duration::from_secs(policy.review_seconds.into())));
    assert_eq!(review.log[0].facts["not_before"], json!(at(7_200)));
    let host = Host::Review(Box::new(review));
    let may = |host: &Host, who: &str, now| {
        let by = Closer { username: name(who), steward: true };
        host.may_close(&by, false, now).map_err(|problem| (problem.status, problem.detail))
    };
    let (status, detail) = may(&host, "taylor.admin", at(7_199)).unwrap_err();
    assert!(status == 409 && detail.contains(&at(7_200).to_string()), "{detail}");
    assert_eq!(may(&host, "taylor.admin", at(7_200)), Ok(()));
    for who in ["sam.admin", "john.doe"] {
        assert_eq!(may(&host, who, at(7_200)).unwrap_err().0, 403, "{who}");
    }
    let at_once = open(None);
    assert_eq!(at_once.log[0].facts.get("not_before"), None);
    assert_eq!(may(&Host::Review(Box::new(at_once)), "taylor.admin", at(100)), Ok(()));
}

proptest! {
    #[test]
    fn a_task_never_goes_to_somebody_who_could_not_close_it(
        subject in 0..4_usize, owner in 0..4_usize, team in proptest::collection::btree_set(0..4_usize, 2..4),
        gone in proptest::collection::btree_set(0..4_usize, 0..4),
    ) {
        let who = |index: usize| name(&format!("p{index}"));
        let mut policy = policy();
        let okta: SystemId = "okta".parse().unwrap();
        policy.approvals.security_team = team.iter().map(|one| who(*one)).collect();
        policy.systems.get_mut(&okta).unwrap().owner = who(owner);
        let gone: BTreeSet<Username> = gone.into_iter().map(who).collect();
        let given = owner_of(&policy, &okta, &who(subject), &gone).unwrap();
        let able = |one: &Username| *one != who(subject) && !gone.contains(one);
        let anybody = team.iter().any(|one| able(&who(*one))) || able(&who(owner));
        prop_assert!(able(&given) || !anybody, "{given}");
    }
}
