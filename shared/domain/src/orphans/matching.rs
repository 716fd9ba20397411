//! Whose an account is, by the rules that `discover` goes by: the employee number, the login that the company recorded, the e-mail
//! address, the username. What points at two people, or at somebody whose number is another one, is never guessed.

use crate::{
    id::{SystemId, Username},
    inventory::AccountStatus,
    person::{Person, PersonStatus},
    policy::Policy,
    roster::Seen,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an account is to the company. Every account is exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Class {
    /// Somebody's who is here, and whom policy routes to this system.
    Owned {
        /// Whose.
        username: Username,
    },
    /// Somebody's who is here, and whom policy does not route to this system: their leaving would not touch it.
    Elsewhere {
        /// Whose.
        username: Username,
    },
    /// It works, and is somebody's who has left.
    Left {
        /// Whose.
        username: Username,
    },
    /// It works, and cannot be told whose it is: what it carries names several people, or one person has several accounts.
    Unclear {
        /// Whose it could be.
        usernames: BTreeSet<Username>,
    },
    /// It works, and nobody is known whose it could be.
    Nobody,
    /// It cannot be used, and is nobody's who is here.
    Closed,
}

impl Class {
    /// Whether somebody has to know of it.
    pub fn is_orphan(&self) -> bool {
        matches!(self, Self::Left { .. } | Self::Unclear { .. } | Self::Nobody | Self::Elsewhere { .. })
    }

    /// Whether it is only told, and no finding.
    pub fn is_information(&self) -> bool {
        matches!(self, Self::Elsewhere { .. })
    }

    /// The one person whom it names.
    pub fn username(&self) -> Option<&Username> {
        match self {
            Self::Owned { username } | Self::Elsewhere { username } | Self::Left { username } => {
                Some(username)
            }
            Self::Unclear { .. } | Self::Nobody | Self::Closed => None,
        }
    }
}

/// People by what an account can carry of them.
#[derive(Debug)]
pub struct Register<'a> {
    people: Vec<&'a Person>,
    numbers: BTreeMap<&'a str, Vec<usize>>,
    emails: BTreeMap<String, Vec<usize>>,
    former: BTreeMap<String, Vec<usize>>,
    usernames: BTreeMap<String, Vec<usize>>,
    logins: BTreeMap<(&'a str, String), Vec<usize>>,
}

impl<'a> Register<'a> {
    /// Of these people.
    pub fn of(people: impl IntoIterator<Item = &'a Person>) -> Self {
        let mut all = Self {
            people: Vec::new(),
            numbers: BTreeMap::new(),
            emails: BTreeMap::new(),
            former: BTreeMap::new(),
            usernames: BTreeMap::new(),
            logins: BTreeMap::new(),
        };
        for (place, person) in people.into_iter().enumerate() {
            all.people.push(person);
            all.numbers.entry(person.employee_id.as_str()).or_default().push(place);
            all.emails.entry(person.email.to_lowercase()).or_default().push(place);
            for former in &person.former_emails {
                all.former.entry(former.to_lowercase()).or_default().push(place);
            }
            all.usernames.entry(person.username.as_str().to_lowercase()).or_default().push(place);
            for (system, login) in &person.logins {
                all.logins.entry((system.as_str(), login.to_lowercase())).or_default().push(place);
            }
        }
        all
    }

    /// Everybody of whom an account carries something.
    fn candidates(&self, system: &SystemId, seen: &Seen) -> Candidates {
        let found =
            |places: Option<&Vec<usize>>| places.into_iter().flatten().copied().collect::<BTreeSet<_>>();
        let login = seen.login.to_lowercase();
        let mut named = found(self.logins.get(&(system.as_str(), login.clone())));
        named.extend(found(self.emails.get(&login)));
        named.extend(seen.email.iter().flat_map(|email| found(self.emails.get(&email.to_lowercase()))));
        // A system may know them by an address that they had. Whoever has it today comes first.
        if named.is_empty() {
            named.extend(found(self.former.get(&login)));
            named.extend(seen.email.iter().flat_map(|email| found(self.former.get(&email.to_lowercase()))));
        }
        // A login that only looks like a username counts where nothing else says who it is.
        if named.is_empty() && seen.email.is_none() {
            named.extend(found(self.usernames.get(&login)));
        }
        Candidates {
            numbered: seen.employee_id.as_deref().map(|number| found(self.numbers.get(number))),
            named,
        }
    }

    fn whose(&self, system: &SystemId, seen: &Seen) -> Whose<'a> {
        let Candidates { numbered, named } = self.candidates(system, seen);
        let all: BTreeSet<usize> = numbered.iter().flatten().chain(&named).copied().collect();
        let people: Vec<&'a Person> =
            all.iter().filter_map(|place| self.people.get(*place).copied()).collect();
        match (people.as_slice(), &numbered) {
            ([], _) => Whose::Nobody,
            // The number that it carries is another one than that of whom its names point at.
            ([_], Some(numbered)) if numbered.is_empty() => Whose::Unclear(people),
            ([one], _) => Whose::One(one),
            _ => Whose::Unclear(people),
        }
    }
}

struct Candidates {
    /// Whose number it carries; `None` where it carries none.
    numbered: Option<BTreeSet<usize>>,
    named: BTreeSet<usize>,
}

enum Whose<'a> {
    Nobody,
    One(&'a Person),
    Unclear(Vec<&'a Person>),
}

/// What each account of a roster is, in its order.
pub fn classify(register: &Register<'_>, policy: &Policy, system: &SystemId, roster: &[Seen]) -> Vec<Class> {
    let whose: Vec<Whose<'_>> = roster.iter().map(|seen| register.whose(system, seen)).collect();
    let mut accounts: BTreeMap<(&Username, &Option<String>), usize> = BTreeMap::new();
    for (of, seen) in whose.iter().zip(roster) {
        if let Whose::One(person) = of
            && seen.status == AccountStatus::Active
        {
            *accounts.entry((&person.username, &seen.realm)).or_default() += 1;
        }
    }
    let several = |person: &Person, seen: &Seen| {
        accounts.get(&(&person.username, &seen.realm)).is_some_and(|accounts| *accounts > 1)
    };
    let one = |(of, seen): (&Whose<'_>, &Seen)| {
        let works = seen.status == AccountStatus::Active;
        match of {
            Whose::One(person) if works && several(person, seen) => {
                Class::Unclear { usernames: [person.username.clone()].into() }
            }
            Whose::One(person) => of_one(person, policy, system, works),
            _ if !works => Class::Closed,
            Whose::Unclear(people) => {
                Class::Unclear { usernames: people.iter().map(|person| person.username.clone()).collect() }
            }
            Whose::Nobody => Class::Nobody,
        }
    };
    whose.iter().zip(roster).map(one).collect()
}

fn of_one(person: &Person, policy: &Policy, system: &SystemId, works: bool) -> Class {
    let username = person.username.clone();
    let concerned = policy.systems.contains_key(system) && policy.routing.gives(person, system);
    match person.status {
        PersonStatus::Left if works => Class::Left { username },
        PersonStatus::Left => Class::Closed,
        _ if concerned => Class::Owned { username },
        _ if works => Class::Elsewhere { username },
        _ => Class::Closed,
    }
}

/// Whom else to look up before an account is called nobody's: people who have left are found by number and username only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Employee numbers.
    pub numbers: BTreeSet<String>,
    /// Usernames.
    pub usernames: BTreeSet<String>,
}

/// Who could stand behind the accounts that nobody of the register explains, and that work.
pub fn wanted(register: &Register<'_>, system: &SystemId, roster: &[Seen]) -> Wanted {
    let mut wanted = Wanted::default();
    for seen in roster.iter().filter(|seen| seen.status == AccountStatus::Active) {
        let known = register.candidates(system, seen);
        if let (Some(number), Some(numbered)) = (&seen.employee_id, &known.numbered)
            && numbered.is_empty()
        {
            wanted.numbers.insert(number.clone());
        }
        if known.named.is_empty() {
            let names = seen.email.iter().chain([&seen.login]);
            let local =
                |name: &String| name.split_once('@').map_or(name.as_str(), |(local, _)| local).to_lowercase();
            wanted.usernames.extend(names.map(local));
        }
    }
    wanted
}
