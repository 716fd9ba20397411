//! What a leaver owned and somebody else gets: jobs that are asked for, followed, and done only once a read says so.
//!
//! They are tracked beside the revocation and never hold it up: a vendor may take hours to move a drive.

use crate::{
    approval::ApprovalPolicy,
    case::{CaseRecord, SystemRecord},
    id::{ReviewId, Username},
    inventory::Asset,
    person::{Person, PersonStatus},
    reviews::{self, About, Review, ReviewKind},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// Most transfers that one system's record follows.
pub const MAX_TRANSFERS: usize = 50;
/// After this long without an end a human has to look.
const GIVEN_UP: Duration = Duration::from_secs(7 * 24 * 3_600);
/// So many of them are named in a task; the case names all.
const NAMED: usize = 10;

/// Whoever takes over, in one system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heir {
    /// Who.
    pub username: Username,
    /// The vendor's id of their account.
    pub account: String,
    /// The name that they log in with, for a human to recognise.
    pub login: String,
}

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Wanted; the vendor was not asked yet, or did not take it on.
    Requested,
    /// The vendor took it on; no read shows yet that it is done.
    Running,
    /// A fresh read shows the new owner, or the vendor's own word that all was moved.
    Done,
    /// leaver cannot do it: it is a human's task.
    Failed,
}

/// One thing that gets another owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The vendor's id of the thing.
    pub asset: String,
    /// What it is, in the vendor's word.
    pub kind: String,
    /// For a human to recognise.
    pub name: String,
    /// Who gets it; `None` where nobody stands who could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Username>,
    /// The vendor's id of their account; `None` until a read found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Where it stands.
    pub state: TransferState,
    /// When the vendor was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// When a read showed that it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// Why it is not done, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The task of the human who does what leaver could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ReviewId>,
}

impl Transfer {
    /// One that is wanted.
    pub fn of(asset: &Asset) -> Self {
        Self {
            asset: asset.id.clone(),
            kind: asset.kind.clone(),
            name: asset.name.clone(),
            to: None,
            account: None,
            state: TransferState::Requested,
            asked_at: None,
            done_at: None,
            why: None,
            task: None,
        }
    }

    /// Whether it is still to come to its end.
    pub fn is_open(&self) -> bool {
        matches!(self.state, TransferState::Requested | TransferState::Running)
    }

    /// Whether it failed and nobody has it as a task yet.
    pub fn is_nobodys(&self) -> bool {
        self.state == TransferState::Failed && self.task.is_none()
    }

    /// Whether leaver still has something to do about it.
    pub fn is_waiting(&self) -> bool {
        self.is_open() || self.is_nobodys()
    }

    /// To somebody.
    pub fn give_to(&mut self, heir: &Heir) {
        self.to = Some(heir.username.clone());
        self.account = Some(heir.account.clone());
        self.why = None;
    }

    /// The vendor took it on.
    pub fn asked(&mut self, at: Timestamp) {
        if self.is_open() {
            self.state = TransferState::Running;
            self.asked_at.get_or_insert(at);
            self.why = None;
        }
    }

    /// A read shows the new owner.
    pub fn done(&mut self, at: Timestamp) {
        self.state = TransferState::Done;
        self.done_at = Some(at);
        self.why = None;
    }

    /// leaver cannot do it.
    pub fn failed(&mut self, why: impl Into<String>) {
        self.state = TransferState::Failed;
        self.why = Some(why.into());
    }
}

/// Who takes over, in the order in which they are asked: the manager, and where there is none who stays, the system's owner.
/// Never the leaver.
pub fn candidates(person: &Person, owner: Option<&Username>) -> Vec<Username> {
    let mut seen = BTreeSet::from([&person.username]);
    person.manager.iter().chain(owner).filter(|one| seen.insert(one)).cloned().collect()
}

/// Whether somebody can take over: they stay.
pub fn can_inherit(person: &Person) -> bool {
    person.status == PersonStatus::Active
}

/// When an open transfer is looked at next: often at first, as most are quick, later less and less.
pub fn look_again(since: Timestamp, now: Timestamp) -> Timestamp {
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    now.plus(match () {
        () if now < since.plus(15 * minute) => minute,
        () if now < since.plus(6 * hour) => 15 * minute,
        () => 2 * hour,
    })
}

/// Whether an open transfer has been waited for long enough: somebody has to look by hand.
pub fn is_given_up(since: Timestamp, now: Timestamp) -> bool {
    now >= since.plus(GIVEN_UP)
}

/// The wanted transfers, given those that an earlier attempt knew: what was asked for, done or given up stays as it was.
pub fn wanted(known: &[Transfer], assets: &[Asset]) -> Vec<Transfer> {
    let mut all = known.to_vec();
    for asset in assets {
        if all.len() < MAX_TRANSFERS && !all.iter().any(|one| one.asset == asset.id) {
            all.push(Transfer::of(asset));
        }
    }
    all
}

/// The task about what failed in a system and is nobody's yet, marked there as theirs; `None` where nothing is. To be written
/// together with the record.
pub fn task(
    policy: &ApprovalPolicy,
    case: &CaseRecord,
    record: &mut SystemRecord,
    owners: BTreeSet<Username>,
    actor: &str,
    now: Timestamp,
) -> Option<Review> {
    let kind = ReviewKind::TransferFailed;
    let failed = record.transfers.iter_mut().filter(|one| one.is_nobodys());
    let failed: Vec<&mut Transfer> = failed.collect();
    let first = failed.first()?;
    // Each fails once, so that what failed later is a task of its own.
    let subject = format!("{} {} {}", kind.name(), record.system, first.asset);
    let id = ReviewId::of_case(&subject, &case.case_id);
    let named = failed.iter().take(NAMED).map(|one| {
        let why = one.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{} {}{why}", one.kind, one.name)
    });
    let mut reason = format!("{}: {}", record.system, named.collect::<Vec<_>>().join("; "));
    if failed.len() > NAMED {
        reason.push_str(&format!("; and {} more", failed.len() - NAMED));
    }
    for one in failed {
        one.task = Some(id.clone());
    }
    let about = About {
        kind,
        case: &case.case_id,
        person: &case.person,
        reason: &reason,
        not_by: BTreeSet::new(),
        not_before: None,
    };
    let mut review = reviews::open_for(owners, policy, about, actor, now);
    review.review_id = id;
    Some(review)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Next;

    fn at(seconds: u64) -> Timestamp {
        "2026-02-03T14:30:00.000Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
    }

    fn asset(id: &str) -> Asset {
        Asset {
            id: id.into(),
            kind: "file".into(),
            name: id.into(),
            live_automation: false,
            next: Next::Transfer,
        }
    }

    fn person(manager: Option<&str>) -> Person {
        serde_json::from_value(serde_json::json!({
            "username": "john.doe", "employee_id": "E1", "email": "j@example.com", "name": "J", "role": "r",
            "employment": "employee", "department": "d", "status": "leaving", "manager": manager,
        }))
        .unwrap()
    }

    #[test]
    fn the_manager_comes_before_the_owner_and_the_leaver_never() {
        let owner: Username = "sam.admin".parse().unwrap();
        let names = |manager, owner: Option<&Username>| {
            let all = candidates(&person(manager), owner);
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(Some("jane.smith"), Some(&owner)), ["jane.smith", "sam.admin"]);
        assert_eq!(names(None, Some(&owner)), ["sam.admin"]);
        assert_eq!(names(Some("sam.admin"), Some(&owner)), ["sam.admin"]);
        assert_eq!(names(Some("john.doe"), Some(&"john.doe".parse().unwrap())), Vec::<String>::new());
    }

    #[test]
    fn what_an_earlier_attempt_knew_stays() {
        let mut first = wanted(&[], &[asset("a"), asset("b")]);
        first[0].asked(at(1));
        first[1].failed("no");
        let again = wanted(&first, &[asset("a"), asset("b"), asset("c")]);
        let states: Vec<TransferState> = again.iter().map(|one| one.state).collect();
        assert_eq!(states, [TransferState::Running, TransferState::Failed, TransferState::Requested]);
        let many: Vec<Asset> = (0..200).map(|n| asset(&n.to_string())).collect();
        assert_eq!(wanted(&[], &many).len(), MAX_TRANSFERS);
    }

    #[test]
    fn it_is_looked_at_less_and_less_and_not_for_ever() {
        let waits = [0, 3_600, 86_400].map(|age| look_again(at(0), at(age)).since(at(age)));
        assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
        assert!(!is_given_up(at(0), at(6 * 86_400)) && is_given_up(at(0), at(7 * 86_400)));
    }

    #[test]
    fn one_that_ended_is_not_asked_for_again() {
        let mut one = Transfer::of(&asset("a"));
        one.done(at(5));
        one.asked(at(6));
        assert_eq!((one.state, one.done_at, one.asked_at), (TransferState::Done, Some(at(5)), None));
    }
}
