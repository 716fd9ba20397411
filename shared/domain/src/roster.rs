//! Rosters: all accounts of one system, as its vendor lists them, page by page.

use crate::{
    id::SystemId,
    inventory::AccountStatus,
    orphans::{Orphan, OrphanId},
    person::Person,
    ports::StoreError,
    time::Timestamp,
};
use async_trait::async_trait;
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What stands behind an account, as far as the vendor says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A human of the company; also what the vendor does not tell apart.
    Person,
    /// A program: a bot, a robot account, a database role that nobody logs in with.
    Service,
    /// A human of another company.
    Guest,
}

/// One account of a roster. `None` is what the vendor does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The vendor's immutable id.
    pub id: String,
    /// The name that is logged in with.
    pub login: String,
    /// Its e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The employee number that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employee_id: Option<String>,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it can be used.
    pub status: AccountStatus,
    /// The last login that the vendor reports. `None` is no data, and not "never".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Timestamp>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// What stands behind it.
    pub kind: Kind,
    /// Whether it administers others or owns the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Which of the system's directories it is in, of a system that has more than the main one: somebody may have an account in each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Whether it can be used without a login, such as by keys: that none is reported does not say that it was never used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_login: bool,
}

impl Seen {
    /// An account of which nothing but this is known; the vendor is taken to mean a person.
    pub fn new(id: impl Into<String>, login: impl Into<String>, status: AccountStatus) -> Self {
        Self {
            id: id.into(),
            login: login.into(),
            email: None,
            employee_id: None,
            name: None,
            status,
            last_login: None,
            created_at: None,
            kind: Kind::Person,
            privileged: None,
            realm: None,
            without_login: false,
        }
    }
}

/// Where a roster goes on: opaque to everybody but the adapter that gave it. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(pub String);

/// One page of a roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The accounts.
    pub seen: Vec<Seen>,
    /// Where the next page begins; `None` where this is the last one.
    pub next: Option<Mark>,
}

/// Accounts of one stored part: small enough for one item of the case table.
pub const AT_ONCE: usize = 500;
/// Most parts of one system's roster: a larger system is a fault, never a silent cut.
pub const MAX_PARTS: u32 = 400;

/// A piece of one night's roster of one system, as it is kept. The next night's pieces take the places of this one's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The system.
    pub system: SystemId,
    /// The day, in UTC, on which it was read.
    pub night: Date,
    /// When: whoever has left since is still in it. `None` in what an earlier version kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Its place, from zero on.
    pub number: u32,
    /// The accounts.
    pub seen: Vec<Seen>,
    /// What follows.
    pub then: Then,
}

/// What follows a piece of a roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// More of the vendor's same page: it cannot be begun in its middle.
    More,
    /// The vendor's next page.
    Page(Mark),
    /// Nothing.
    End,
}

/// Where the reading of a roster stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// All of it is there.
    Whole,
    /// It goes on with this part, at the vendor's page of this mark; from the beginning where there is none.
    From(u32, Option<Mark>),
}

/// The pieces of a page that was read at an instant.
pub fn split(system: &SystemId, at: Timestamp, first: u32, page: &Page) -> Vec<Part> {
    let end = || page.next.clone().map_or(Then::End, Then::Page);
    let mut pieces: Vec<Vec<Seen>> = page.seen.chunks(AT_ONCE).map(<[Seen]>::to_vec).collect();
    if pieces.is_empty() {
        pieces.push(Vec::new());
    }
    let last = pieces.len() - 1;
    let part = |(place, seen): (usize, Vec<Seen>)| Part {
        system: system.clone(),
        night: night_of(at),
        at: Some(at),
        number: first.saturating_add(u32::try_from(place).unwrap_or(u32::MAX)),
        seen,
        then: if place == last { end() } else { Then::More },
    };
    pieces.into_iter().enumerate().map(part).collect()
}

/// The parts of a night that belong together: those from the first on, up to the first that is not there or is of another night.
fn chain(parts: &[Part], night: Date) -> Vec<&Part> {
    let mut chain: Vec<&Part> = Vec::new();
    let mut number = 0;
    while let Some(part) = parts.iter().find(|part| part.number == number && part.night == night) {
        chain.push(part);
        if part.then == Then::End {
            break;
        }
        number += 1;
    }
    chain
}

/// Where the reading of a night's roster goes on, given the parts that are kept, of whatever night.
pub fn reading(parts: &[Part], night: Date) -> Reading {
    let chain = chain(parts, night);
    for part in chain.iter().rev() {
        match &part.then {
            Then::End => return Reading::Whole,
            Then::Page(mark) => return Reading::From(part.number + 1, Some(mark.clone())),
            // Whoever wrote it died before the page's end: the page is read again.
            Then::More => {}
        }
    }
    Reading::From(0, None)
}

/// A night's whole roster, each account once; `None` where a part of it is missing.
pub fn whole(parts: &[Part], night: Date) -> Option<Vec<Seen>> {
    let chain = chain(parts, night);
    if chain.last().is_none_or(|last| last.then != Then::End) {
        return None;
    }
    let mut known = BTreeSet::new();
    // A list that moves while it is read may show somebody on two pages.
    let seen = chain.into_iter().flat_map(|part| &part.seen);
    Some(seen.filter(|one| known.insert(one.id.as_str())).cloned().collect())
}

/// When the reading of a night's roster began, if it did.
pub fn begun(parts: &[Part], night: Date) -> Option<Timestamp> {
    chain(parts, night).first().and_then(|first| first.at)
}

/// The night that an instant belongs to.
pub fn night_of(at: Timestamp) -> Date {
    at.to_jiff().to_zoned(TimeZone::UTC).date()
}

/// Rosters as they are kept, and the people whom they are held against.
#[async_trait]
pub trait RosterStore: Send + Sync {
    /// The parts of a system's roster that are kept, of whatever night, in their order.
    async fn parts(&self, system: &SystemId) -> Result<Vec<Part>, StoreError>;
    /// Keeps a part; one that was in its place goes.
    async fn keep_part(&self, part: &Part) -> Result<(), StoreError>;
    /// Everybody who has not left.
    async fn people(&self) -> Result<Vec<Person>, StoreError>;
    /// An orphan.
    async fn orphan(&self, id: &OrphanId) -> Result<Option<Orphan>, StoreError>;
    /// All orphans of a system, the settled ones among them.
    async fn orphans(&self, system: &SystemId) -> Result<Vec<Orphan>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::AccountStatus::Active;
    use proptest::prelude::*;

    fn night(day: i8) -> Date {
        jiff::civil::date(2026, 2, day)
    }

    fn at(day: i8) -> Timestamp {
        format!("2026-02-{day:02}T01:10:00Z").parse().unwrap()
    }

    fn page(from: usize, accounts: usize, next: Option<&str>) -> Page {
        let seen = (from..from + accounts).map(|one| Seen::new(format!("id-{one}"), "login", Active));
        Page { seen: seen.collect(), next: next.map(|next| Mark(next.to_owned())) }
    }

    fn okta() -> SystemId {
        "okta".parse().unwrap()
    }

    #[test]
    fn an_empty_roster_is_whole_too() {
        let parts = split(&okta(), at(1), 0, &page(0, 0, None));
        assert_eq!(whole(&parts, night(1)), Some(Vec::new()));
        assert_eq!(whole(&parts, night(2)), None);
        assert_eq!(whole(&[], night(1)), None);
    }

    #[test]
    fn a_page_that_was_not_finished_is_read_again() {
        let mut parts = split(&okta(), at(1), 0, &page(0, 10, Some("b")));
        parts.extend(split(&okta(), at(1), 1, &page(10, AT_ONCE * 2, None)));
        assert_eq!(reading(&parts, night(1)), Reading::Whole);
        parts.truncate(2);
        assert_eq!(reading(&parts, night(1)), Reading::From(1, Some(Mark("b".into()))));
        assert_eq!(whole(&parts, night(1)), None);
    }

    proptest! {
        /// However pages are cut, and wherever the reading died: what is said to be whole holds every account once, and a reading
        /// that goes on where it is told to comes to the same.
        #[test]
        fn a_reading_that_dies_comes_to_the_same(
            sizes in prop::collection::vec(0_usize..1_300, 1..6),
            died in 0_usize..20,
            old in 0_usize..20,
        ) {
            let mark = |page: usize| (page < sizes.len()).then(|| page.to_string());
            let read = |store: &mut Vec<Part>, most: usize, night: Date| {
                let mut written = 0;
                while let Reading::From(number, from) = reading(store, night) {
                    let place: usize = from.map_or(0, |mark| mark.0.parse().unwrap());
                    let begin = sizes[..place].iter().sum();
                    let page = page(begin, sizes[place], mark(place + 1).as_deref());
                    for part in split(&okta(), at(night.day()), number, &page) {
                        if written == most {
                            return;
                        }
                        written += 1;
                        store.retain(|kept| kept.number != part.number);
                        store.push(part);
                    }
                }
            };
            let mut store = Vec::new();
            read(&mut store, old, night(1));
            read(&mut store, died, night(2));
            let early = whole(&store, night(2));
            read(&mut store, usize::MAX, night(2));
            let all = whole(&store, night(2)).unwrap();
            prop_assert_eq!(all.len(), sizes.iter().sum::<usize>());
            prop_assert!(early.is_none_or(|early| early == all));
        }
    }
}
