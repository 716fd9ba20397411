//! Who has not logged in anywhere for long: judged by the rosters of the systems that policy names, and only where they say enough.
//! An account that was never used counts from its creation where its system reports others' logins. Of whom nothing of this is known
//! is not judged, and neither is whoever's accounts are all new.

use super::matching::Class;
use crate::{
    id::{SystemId, Username},
    inventory::AccountStatus,
    person::{EmploymentType, Person, PersonStatus},
    policy::Policy,
    roster::{Kind, Seen},
    text,
    time::Timestamp,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// When somebody counts as inactive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inactivity {
    /// After this many days without a login anywhere.
    pub days: u32,
    /// The systems whose logins count. As long as one of them could not be read, nobody is judged.
    pub systems: BTreeSet<SystemId>,
    /// Who is left alone, why, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<Exemption>,
}

/// Somebody who may be away for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// Who.
    pub username: Username,
    /// Why, such as parental leave.
    pub reason: String,
    /// The last day on which it holds.
    pub until: Date,
}

impl Inactivity {
    /// What makes no sense about it, given the systems that there are.
    ///
    /// # Errors
    /// A sentence for whoever wrote it.
    pub fn check(&self, known: impl Fn(&SystemId) -> bool) -> Result<(), String> {
        if !(7..=1_095).contains(&self.days) {
            return Err("days must be between a week and three years".into());
        }
        if self.systems.is_empty() {
            return Err("systems names none: nobody's logins would be known".into());
        }
        if let Some(unknown) = self.systems.iter().find(|system| !known(system)) {
            return Err(format!("{unknown} is none of the systems"));
        }
        for exemption in &self.exempt {
            if text::clean(&exemption.reason, 500).as_ref() != Ok(&exemption.reason) {
                return Err(format!("the exemption of {} needs a reason", exemption.username));
            }
        }
        Ok(())
    }

    /// After how long without a login somebody is inactive.
    pub fn time(&self) -> Duration {
        Duration::from_secs(u64::from(self.days) * 86_400)
    }
}

/// What is known of one person's use of all systems that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// The newest login that any of them reports, and which.
    pub last: Option<(Timestamp, SystemId)>,
    /// When the oldest of the accounts was made that work and were never logged in to, and where: only of systems that report logins.
    pub unused: Option<(Timestamp, SystemId)>,
    /// When the oldest of the accounts was made, as far as a system says.
    pub since: Option<Timestamp>,
    /// Whether there is an account that works.
    pub works: bool,
}

/// Gathers what the rosters say of each person. Of accounts that cannot be told whose they are, everybody whose they could be is taken
/// to have logged in: nobody is suspended for want of clarity.
pub fn gather<'a>(
    rosters: impl IntoIterator<Item = (&'a SystemId, &'a [(Seen, Class)])>,
) -> BTreeMap<Username, Use> {
    let mut all: BTreeMap<Username, Use> = BTreeMap::new();
    for (system, roster) in rosters {
        // Where no login of anybody is reported, none of somebody is no data.
        let telling: BTreeSet<&Option<String>> = roster
            .iter()
            .filter(|(seen, _)| seen.last_login.is_some())
            .map(|(seen, _)| &seen.realm)
            .collect();
        for (seen, class) in roster.iter().filter(|(seen, _)| seen.kind == Kind::Person) {
            let people: Vec<&Username> = match class {
                Class::Unclear { usernames } => usernames.iter().collect(),
                other => other.username().into_iter().collect(),
            };
            let works = seen.status == AccountStatus::Active;
            let is_sure = !matches!(class, Class::Unclear { .. });
            let tells = telling.contains(&seen.realm) && !seen.without_login;
            let never = works && is_sure && tells && seen.last_login.is_none();
            for username in people {
                let used = all.entry(username.clone()).or_default();
                used.works |= works;
                used.since = [used.since, seen.created_at].into_iter().flatten().min();
                let made = seen.created_at.filter(|_| never).map(|at| (at, system.clone()));
                used.unused = [used.unused.take(), made].into_iter().flatten().min();
                if let Some(at) = seen.last_login
                    && used.last.as_ref().is_none_or(|(last, _)| *last < at)
                {
                    used.last = Some((at, system.clone()));
                }
            }
        }
    }
    all
}

/// What is to become of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// They use what they have.
    InUse,
    /// Their accounts are suspended.
    Idle {
        /// Their newest login; where there never was one, when the account was made.
        since: Timestamp,
        /// Whether there ever was a login.
        ever: bool,
        /// Where that was.
        system: SystemId,
        /// How many whole days ago.
        days: u64,
    },
    /// They would be, but for this: listed, and not touched.
    Listed {
        /// Since when they have been idle.
        since: Timestamp,
        /// Why not.
        why: String,
    },
    /// No system reports a login of them, or says that there never was one.
    NoData,
    /// Their accounts are younger than the time after which somebody is inactive.
    New,
    /// They have no account that works in any of these systems, or are not active themselves.
    NotConcerned,
}

/// Judges one person. Pure.
pub fn judge(
    person: &Person,
    used: Option<&Use>,
    policy: &Policy,
    rules: &Inactivity,
    now: Timestamp,
) -> Verdict {
    let Some(used) = used.filter(|used| used.works && person.status == PersonStatus::Active) else {
        return Verdict::NotConcerned;
    };
    let is_new = used.since.is_some_and(|since| now.since(since) < rules.time());
    let ever = used.last.is_some();
    let Some((since, system)) = used.last.clone().or_else(|| used.unused.clone()) else {
        return if is_new { Verdict::New } else { Verdict::NoData };
    };
    let idle = now.since(since);
    if idle < rules.time() {
        return if ever { Verdict::InUse } else { Verdict::New };
    }
    if is_new {
        return Verdict::New;
    }
    if let Some(why) = left_alone(person, policy, rules, now) {
        return Verdict::Listed { since, why };
    }
    Verdict::Idle { since, ever, system, days: idle.as_secs() / 86_400 }
}

/// Why somebody is not touched. A legal hold is no reason: a suspension deletes nothing.
fn left_alone(person: &Person, policy: &Policy, rules: &Inactivity, now: Timestamp) -> Option<String> {
    let today = person.day_of(now);
    let exempt = rules.exempt.iter().find(|one| one.username == person.username && today <= one.until);
    match () {
        () if person.employment == EmploymentType::Service => {
            Some("an account that a service uses".to_owned())
        }
        () if person.protected || policy.protected.contains(&person.username) => Some("protected".to_owned()),
        () => exempt.map(|one| format!("exempt until {}: {}", one.until, one.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inventory::AccountStatus::{Active, Suspended},
        orphans::tests::{person, policy, system},
    };

    const DAY: u64 = 86_400;

    fn now() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn ago(days: u64) -> Timestamp {
        now().minus(Duration::from_secs(days * DAY))
    }

    fn rules() -> Inactivity {
        Inactivity { days: 90, systems: [system("okta")].into(), exempt: Vec::new() }
    }

    fn seen(last: Option<u64>, made: Option<u64>) -> Seen {
        Seen { last_login: last.map(ago), created_at: made.map(ago), ..Seen::new("1", "a", Active) }
    }

    fn owned(seen: Seen) -> (Seen, Class) {
        (seen, Class::Owned { username: "pat.idle".parse().unwrap() })
    }

    fn judged(accounts: Vec<(Seen, Class)>, change: impl FnOnce(&mut Person, &mut Inactivity)) -> Verdict {
        let (mut who, mut rules) = (person("pat.idle"), rules());
        change(&mut who, &mut rules);
        let of = system("okta");
        let used = gather([(&of, accounts.as_slice())]);
        judge(&who, used.get(&who.username), &policy(), &rules, now())
    }

    #[test]
    fn the_newest_login_of_all_systems_counts() {
        let idle = |days| Verdict::Idle { since: ago(days), ever: true, system: system("okta"), days };
        assert_eq!(judged(vec![owned(seen(Some(120), Some(900)))], |_, _| {}), idle(120));
        assert_eq!(judged(vec![owned(seen(Some(90), None))], |_, _| {}), idle(90));
        assert_eq!(judged(vec![owned(seen(Some(89), None))], |_, _| {}), Verdict::InUse);
        let both = vec![owned(seen(Some(120), None)), owned(seen(Some(3), None)), owned(seen(None, None))];
        assert_eq!(judged(both, |_, _| {}), Verdict::InUse);
    }

    #[test]
    fn without_data_nobody_is_judged() {
        assert_eq!(judged(vec![owned(seen(None, Some(900)))], |_, _| {}), Verdict::NoData);
        assert_eq!(judged(vec![owned(seen(None, Some(10)))], |_, _| {}), Verdict::New);
        assert_eq!(judged(vec![owned(seen(Some(120), Some(10)))], |_, _| {}), Verdict::New);
        assert_eq!(judged(Vec::new(), |_, _| {}), Verdict::NotConcerned);
        let off = Seen { status: Suspended, ..seen(Some(200), None) };
        assert_eq!(judged(vec![owned(off)], |_, _| {}), Verdict::NotConcerned);
        let robot = Seen { kind: Kind::Service, ..seen(Some(200), None) };
        assert_eq!(judged(vec![owned(robot)], |_, _| {}), Verdict::NotConcerned);
    }

    #[test]
    fn what_was_never_used_counts_from_its_creation_where_logins_are_reported() {
        let other = || (seen(Some(1), None), Class::Owned { username: "somebody.else".parse().unwrap() });
        let never = |account: Seen| judged(vec![owned(account), other()], |_, _| {});
        let idle = Verdict::Idle { since: ago(900), ever: false, system: system("okta"), days: 900 };
        assert_eq!(never(seen(None, Some(900))), idle);
        assert_eq!(never(seen(None, Some(89))), Verdict::New);
        assert_eq!(never(seen(None, None)), Verdict::NoData, "nobody knows how old it is");
        let keys = Seen { without_login: true, ..seen(None, Some(900)) };
        assert_eq!(never(keys), Verdict::NoData);
        let elsewhere = Seen { realm: Some("another directory".into()), ..seen(None, Some(900)) };
        assert_eq!(never(elsewhere), Verdict::NoData, "which reports nobody's logins");
        let used = vec![owned(seen(None, Some(900))), owned(seen(Some(3), None)), other()];
        assert_eq!(judged(used, |_, _| {}), Verdict::InUse);
        // What cannot be used any more says nothing of the account that replaced it.
        let off = Seen { status: Suspended, ..seen(None, Some(900)) };
        let replaced = vec![owned(off), owned(seen(None, Some(10))), other()];
        assert_eq!(judged(replaced, |_, _| {}), Verdict::New);
        let unclear =
            Class::Unclear { usernames: ["pat.idle".parse().unwrap(), "x".parse().unwrap()].into() };
        assert_eq!(judged(vec![(seen(None, Some(900)), unclear), other()], |_, _| {}), Verdict::NoData);
    }

    #[test]
    fn a_legal_hold_keeps_nobody_from_being_suspended() {
        let hold = crate::person::LegalHold { reason: "a lawsuit".into(), since: ago(300) };
        let verdict = judged(vec![owned(seen(Some(200), None))], |who, _| who.legal_hold = Some(hold));
        assert!(matches!(verdict, Verdict::Idle { days: 200, .. }), "{verdict:?}");
    }

    #[test]
    fn an_account_that_may_be_somebodys_speaks_for_them() {
        let unclear =
            Class::Unclear { usernames: ["pat.idle".parse().unwrap(), "x".parse().unwrap()].into() };
        let accounts = vec![owned(seen(Some(200), None)), (seen(Some(1), None), unclear)];
        assert_eq!(judged(accounts, |_, _| {}), Verdict::InUse);
    }

    #[test]
    fn who_is_left_alone_is_listed_with_the_reason() {
        let why = |change: fn(&mut Person, &mut Inactivity)| match judged(
            vec![owned(seen(Some(200), None))],
            change,
        ) {
            Verdict::Listed { why, .. } => why,
            other => format!("{other:?}"),
        };
        assert_eq!(why(|who, _| who.protected = true), "protected");
        assert_eq!(why(|who, _| who.employment = EmploymentType::Service), "an account that a service uses");
        let listed = why(|_, rules| {
            rules.exempt.push(Exemption {
                username: "pat.idle".parse().unwrap(),
                reason: "parental leave".into(),
                until: jiff::civil::date(2026, 6, 1),
            });
        });
        assert_eq!(listed, "exempt until 2026-06-01: parental leave");
        let over = why(|_, rules| {
            rules.exempt.push(Exemption {
                username: "pat.idle".parse().unwrap(),
                reason: "parental leave".into(),
                until: jiff::civil::date(2026, 5, 31),
            });
        });
        assert!(over.contains("Idle"), "{over}");
        assert_eq!(
            judged(vec![owned(seen(Some(200), None))], |who, _| who.status = PersonStatus::Leaving),
            Verdict::NotConcerned
        );
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        let known = |_: &SystemId| true;
        assert_eq!(rules().check(known), Ok(()));
        assert!(Inactivity { days: 1, ..rules() }.check(known).is_err());
        assert!(Inactivity { systems: BTreeSet::new(), ..rules() }.check(known).is_err());
        assert!(rules().check(|_| false).is_err());
    }
}
