//! What all tests of orphans start from, and the rules of matching and of a night.

use super::*;
use crate::{
    inventory::AccountStatus::{Active, Deactivated, Suspended},
    person::{Person, PersonStatus},
    policy::Policy,
};
use matching::{Register, classify, wanted};
use proptest::prelude::*;

pub(super) fn system(id: &str) -> SystemId {
    id.parse().unwrap()
}

pub(super) fn policy() -> Policy {
    let document = serde_norway::from_str(include_str!("../../../../infra/policy.yaml")).unwrap();
    Policy::parse(document, "prod").unwrap()
}

pub(super) fn person(username: &str) -> Person {
    serde_json::from_value(json!({
        "username": username, "employee_id": format!("EMP-{username}"), "email": format!("{username}@example.com"),
        "name": username, "role": "r", "employment": "employee", "department": "Engineering", "status": "active",
    }))
    .unwrap()
}

fn seen(login: &str) -> Seen {
    Seen::new(format!("id-{login}"), login, Active)
}

fn class(people: &[Person], of: &str, seen: Seen) -> Class {
    classify(&Register::of(people), &policy(), &system(of), &[seen]).remove(0)
}

fn unclear(names: &[&str]) -> Class {
    Class::Unclear { usernames: names.iter().map(|name| name.parse().unwrap()).collect() }
}

#[test]
fn an_account_is_somebodys_by_number_login_address_or_username() {
    let people = [person("john.doe"), person("jane.smith")];
    let owned = Class::Owned { username: "john.doe".parse().unwrap() };
    let number = Seen { employee_id: Some("EMP-john.doe".into()), ..seen("jd") };
    assert_eq!(class(&people, "okta", number), owned);
    assert_eq!(class(&people, "okta", seen("John.Doe@example.com")), owned);
    let email = Seen { email: Some("JOHN.DOE@example.com".into()), ..seen("jd") };
    assert_eq!(class(&people, "okta", email), owned);
    assert_eq!(class(&people, "okta", seen("john.doe")), owned);
    let mut recorded = people.clone();
    recorded[0].logins.insert(system("github"), "jdoe".into());
    assert_eq!(class(&recorded, "github", seen("JDoe")), owned);
    assert_eq!(class(&recorded, "okta", seen("jdoe")), Class::Nobody, "recorded for another system");
}

/// A system may know somebody by an address that they had, as the cases of leaver do; whoever has it today comes first.
#[test]
fn an_account_is_somebodys_by_an_address_that_they_had() {
    let mut people = [person("john.doe"), person("jane.smith")];
    people[0].former_emails = vec!["J.Miller@example.com".into()];
    let of = |name: &str| Class::Owned { username: name.parse().unwrap() };
    assert_eq!(class(&people, "okta", seen("j.miller@example.com")), of("john.doe"));
    let email = Seen { email: Some("j.miller@EXAMPLE.com".into()), ..seen("jm") };
    assert_eq!(class(&people, "okta", email.clone()), of("john.doe"));
    people[1].email = "j.miller@example.com".into();
    assert_eq!(class(&people, "okta", email), of("jane.smith"));
}

#[test]
fn what_is_not_certain_is_never_guessed() {
    let people = [person("john.doe"), person("jane.smith")];
    let other = Seen { employee_id: Some("EMP-9".into()), ..seen("john.doe@example.com") };
    assert_eq!(class(&people, "okta", other), unclear(&["john.doe"]), "another number");
    let two = Seen { employee_id: Some("EMP-jane.smith".into()), ..seen("john.doe@example.com") };
    assert_eq!(class(&people, "okta", two), unclear(&["john.doe", "jane.smith"]), "two people");
    let outside = Seen { email: Some("john.doe@elsewhere.example".into()), ..seen("john.doe") };
    assert_eq!(class(&people, "okta", outside), Class::Nobody, "a username beside another address");
    let both = [
        Seen::new("1", "john.doe@example.com", Active),
        Seen { email: Some("john.doe@example.com".into()), ..Seen::new("2", "jd", Active) },
    ];
    let classes = classify(&Register::of(&people), &policy(), &system("okta"), &both);
    assert_eq!(classes, [unclear(&["john.doe"]), unclear(&["john.doe"])], "two accounts");
    let one_is_off = [both[0].clone(), Seen { status: Suspended, ..both[1].clone() }];
    let classes = classify(&Register::of(&people), &policy(), &system("okta"), &one_is_off);
    assert!(classes.iter().all(|class| matches!(class, Class::Owned { .. })));
}

#[test]
fn who_left_and_whom_policy_routes_elsewhere_are_told_apart() {
    let mut people = [person("john.doe")];
    let email = || seen("john.doe@example.com");
    assert_eq!(
        class(&people, "active_directory", email()),
        Class::Elsewhere { username: people[0].username.clone() }
    );
    people[0].status = PersonStatus::Leaving;
    assert_eq!(class(&people, "okta", email()), Class::Owned { username: people[0].username.clone() });
    people[0].status = PersonStatus::Left;
    assert_eq!(class(&people, "okta", email()), Class::Left { username: people[0].username.clone() });
    let off = Seen { status: Deactivated, ..email() };
    assert_eq!(class(&people, "okta", off), Class::Closed);
    assert_eq!(class(&[], "okta", Seen { status: Suspended, ..email() }), Class::Closed);
}

#[test]
fn who_left_is_looked_for_before_an_account_is_nobodys() {
    let people = [person("john.doe")];
    let roster = [
        seen("john.doe@example.com"),
        Seen { employee_id: Some("EMP-7".into()), ..seen("robot") },
        Seen { status: Suspended, ..seen("gone@example.com") },
        seen("Max.Left@example.com"),
    ];
    let wanted = wanted(&Register::of(&people), &system("okta"), &roster);
    assert_eq!(wanted.numbers, ["EMP-7".to_owned()].into());
    assert_eq!(wanted.usernames, ["robot".to_owned(), "max.left".to_owned()].into());
}

fn at(day: i8) -> Timestamp {
    format!("2026-02-{day:02}T01:00:00Z").parse().unwrap()
}

fn run(known: &mut Vec<Orphan>, roster: &[(Seen, Class)], day: i8) -> usize {
    let found: Vec<Found<'_>> = roster.iter().map(|(seen, class)| (seen, class)).collect();
    let changed = night(&system("okta"), &"sam.admin".parse().unwrap(), known, &found, at(day));
    for next in &changed {
        let was = known.iter().position(|orphan| orphan.orphan_id == next.orphan_id);
        assert_eq!(next.version, was.map_or(1, |was| known[was].version + 1));
        match was {
            Some(was) => known[was] = next.clone(),
            None => known.push(next.clone()),
        }
    }
    changed.len()
}

fn rows(orphan: &Orphan) -> Vec<&str> {
    orphan.log.iter().map(|line| line.action.as_str()).collect()
}

#[test]
fn an_orphan_keeps_its_age_until_it_is_gone_and_a_repeat_changes_nothing() {
    let mut known = Vec::new();
    let robot = || vec![(seen("robot"), Class::Nobody)];
    assert_eq!(run(&mut known, &robot(), 1), 1);
    assert_eq!(run(&mut known, &robot(), 1), 0);
    assert_eq!(run(&mut known, &robot(), 5), 0);
    assert_eq!((known[0].first_seen, rows(&known[0])), (at(1), vec!["find"]));
    assert_eq!(run(&mut known, &[], 6), 1);
    assert_eq!(run(&mut known, &[], 7), 0);
    assert_eq!(known[0].standing, Standing::Gone { at: at(6) });
    run(&mut known, &robot(), 8);
    assert_eq!((known[0].first_seen, rows(&known[0])), (at(8), vec!["find", "close", "find_again"]));
}

#[test]
fn what_was_decided_holds_until_it_is_over_or_about_something_else() {
    let mut known = Vec::new();
    let robot = |class: Class| vec![(seen("robot"), class)];
    run(&mut known, &robot(Class::Nobody), 1);
    known[0].standing = Standing::Ignored { owner: "sam.admin".parse().unwrap(), until: at(5) };
    assert_eq!(run(&mut known, &robot(Class::Nobody), 4), 0);
    run(&mut known, &robot(Class::Nobody), 5);
    assert!(known[0].is_open());
    known[0].standing = Standing::Ignored { owner: "sam.admin".parse().unwrap(), until: at(20) };
    run(&mut known, &robot(Class::Left { username: "x".parse().unwrap() }), 6);
    assert!(known[0].is_open());
    known[0].standing = Standing::Adopted { username: "x".parse().unwrap() };
    assert_eq!(run(&mut known, &robot(Class::Left { username: "x".parse().unwrap() }), 7), 0);
    run(&mut known, &robot(Class::Owned { username: "x".parse().unwrap() }), 8);
    assert!(!known[0].is_there());
    run(&mut known, &robot(Class::Nobody), 9);
    known[0].standing = Standing::Revoking { case: "case-1".parse().unwrap(), since: at(9) };
    assert_eq!(run(&mut known, &robot(Class::Nobody), 12), 0);
    run(&mut known, &robot(Class::Nobody), 13);
    assert!(known[0].is_open(), "the case did not take it");
}

#[test]
fn what_policy_routes_elsewhere_is_kept_and_is_no_row() {
    let mut known = Vec::new();
    run(&mut known, &[(seen("a"), Class::Elsewhere { username: "a".parse().unwrap() })], 1);
    assert_eq!(rows(&known[0]), Vec::<&str>::new());
    run(&mut known, &[(seen("a"), Class::Left { username: "a".parse().unwrap() })], 2);
    assert_eq!(rows(&known[0]), ["find"]);
}

#[test]
fn an_id_tells_its_system_and_is_one_in_a_url() {
    let of = OrphanId::of(&system("google_workspace"), "a/b#c");
    assert_eq!(of.system(), Some(system("google_workspace")));
    assert_eq!(of.as_str().parse::<OrphanId>().unwrap(), of);
    assert!(of.as_str().parse::<Username>().is_ok());
    assert!("a/b".parse::<OrphanId>().is_err());
    let longest = OrphanId::of(&system(&"x".repeat(32)), "1");
    assert_eq!(longest.as_str().parse::<OrphanId>().unwrap(), longest);
}

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d", "e"]).prop_map(str::to_owned)
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    let status = prop::sample::select(vec![PersonStatus::Active, PersonStatus::Leaving, PersonStatus::Left]);
    let one = (names(), names(), names(), prop::option::of(names()), status);
    prop::collection::vec(one, 0..5).prop_map(|all| {
        let of = |(number, (name, email, employee, login, status)): (
            usize,
            (String, String, String, Option<String>, _),
        )| {
            let mut of = person(&format!("{name}{number}"));
            of.email = format!("{email}@example.com");
            of.employee_id = employee.parse().unwrap();
            of.logins.extend(login.map(|login| (system("okta"), login)));
            of.status = status;
            of
        };
        all.into_iter().enumerate().map(of).collect()
    })
}

fn accounts() -> impl Strategy<Value = Vec<Seen>> {
    let status = prop::sample::select(vec![Active, Suspended, Deactivated]);
    let one = (names(), prop::option::of(names()), prop::option::of(names()), status);
    prop::collection::vec(one, 0..8).prop_map(|all| {
        let of = |(number, (login, email, employee_id, status)): (
            usize,
            (String, Option<String>, Option<String>, _),
        )| Seen {
            email: email.map(|email| format!("{email}@example.com")),
            employee_id,
            ..Seen::new(number.to_string(), login, status)
        };
        all.into_iter().enumerate().map(of).collect()
    })
}

proptest! {
    /// Every account is in exactly one class, whatever it carries and in whatever order it stands; one that cannot be used is never an
    /// orphan; and nobody is named who does not carry something of the account.
    #[test]
    fn every_account_is_in_exactly_one_class(people in people(), accounts in accounts()) {
        let (register, policy, okta) = (Register::of(&people), policy(), system("okta"));
        let classes = classify(&register, &policy, &okta, &accounts);
        prop_assert_eq!(classes.len(), accounts.len());
        let reversed: Vec<Seen> = accounts.iter().rev().cloned().collect();
        let mut back = classify(&register, &policy, &okta, &reversed);
        back.reverse();
        prop_assert_eq!(&back, &classes);
        for (seen, class) in accounts.iter().zip(&classes) {
            prop_assert!(seen.status == Active || !class.is_orphan());
            let named: Vec<&Username> = match class {
                Class::Unclear { usernames } => usernames.iter().collect(),
                other => other.username().into_iter().collect(),
            };
            for username in named {
                let who = people.iter().find(|person| person.username == *username).unwrap();
                let mail = |text: &String| text.eq_ignore_ascii_case(&who.email);
                let carries = seen.employee_id.as_deref() == Some(who.employee_id.as_str())
                    || who.login("okta").is_some_and(|login| login == seen.login)
                    || seen.email.as_ref().is_some_and(mail) || mail(&seen.login)
                    || seen.login.eq_ignore_ascii_case(who.username.as_str());
                prop_assert!(carries, "{username} for {seen:?}");
            }
            // Somebody's own number never belongs to another.
            if let (Class::Owned { username } | Class::Left { username }, Some(number)) = (class, &seen.employee_id) {
                let who = people.iter().find(|person| person.username == *username).unwrap();
                prop_assert_eq!(who.employee_id.as_str(), number.as_str());
            }
        }
    }

    /// After any nights, exactly the orphans of the last roster are there, and running it again changes nothing.
    #[test]
    fn the_last_night_says_what_is_there(nights in prop::collection::vec((people(), accounts()), 1..5)) {
        let mut known = Vec::new();
        for (day, (people, accounts)) in (1..).zip(&nights) {
            let classes = classify(&Register::of(people), &policy(), &system("okta"), accounts);
            let roster: Vec<(Seen, Class)> = accounts.iter().cloned().zip(classes).collect();
            run(&mut known, &roster, day);
            prop_assert_eq!(run(&mut known, &roster, day), 0);
            let there: usize = known.iter().filter(|orphan| orphan.is_there()).count();
            prop_assert_eq!(there, roster.iter().filter(|(_, class)| class.is_orphan()).count());
        }
    }
}
