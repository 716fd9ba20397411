//! The brake against mass action. However cases come (webhook, batch, schedule, API), no more than so many people are let
//! through within a window: a feed that has gone mad must not lock a company out. Beyond that everything is held until
//! somebody decides about all of it together.
//!
//! The window counts people, not cases: a repeat of a case, or another case of the same person, takes nobody's place.
//! An emergency counts and is never held. What a decided measure brings about was decided by a human, one by one: it is
//! not asked here at all, as is what takes nothing away.

use crate::{
    case::{CaseRecord, Mode},
    id::{CaseId, MeasureId, Username},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most people that the window may let through: what one record can hold with ease.
const MAX_PEOPLE: u32 = 1_000;
/// For how long a headcount serves.
const HEADCOUNT_AGE: Duration = Duration::from_secs(86_400);

/// When the brake engages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrakePolicy {
    /// Length of the window, in seconds.
    pub window_seconds: u32,
    /// So many people are let through within it.
    pub max_people: u32,
    /// And no greater share of everybody known, in percent.
    pub max_share_percent: u32,
    /// As few people are never too great a share.
    pub min_people_for_share: u32,
}

impl BrakePolicy {
    /// What makes no sense, if anything.
    ///
    /// # Errors
    /// The place and why.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |place, why: &str| Err((place, why.to_owned()));
        if !(60..=604_800).contains(&self.window_seconds) {
            return wrong("brake.window_seconds", "must be between a minute and a week");
        }
        if !(1..=MAX_PEOPLE).contains(&self.max_people) {
            return wrong("brake.max_people", "must be between 1 and 1000");
        }
        if !(1..=100).contains(&self.max_share_percent) {
            return wrong("brake.max_share_percent", "must be between 1 and 100");
        }
        if !(1..=self.max_people).contains(&self.min_people_for_share) {
            return wrong("brake.min_people_for_share", "must be between 1 and max_people");
        }
        Ok(())
    }

    /// How many people are let through within the window where so many are known.
    pub fn limit(&self, known: u64) -> usize {
        let share = known.saturating_mul(self.max_share_percent.into()) / 100;
        let share = share.max(self.min_people_for_share.into());
        usize::try_from(share.min(self.max_people.into())).unwrap_or(usize::MAX)
    }

    fn window(&self) -> Duration {
        Duration::from_secs(self.window_seconds.into())
    }
}

/// Somebody who was let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Who.
    pub username: Username,
    /// Their newest case.
    pub case: CaseId,
    /// When it was let through.
    pub at: Timestamp,
}

/// How many people were known at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headcount {
    /// How many.
    pub people: u64,
    /// When they were counted.
    pub at: Timestamp,
}

/// The one record that every case passes. Whoever lets a case through, or holds it, raises its version in the same
/// commit, so that of many at once each decides on what the one before left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Brake {
    /// Who was let through lately, each person once.
    pub passed: Vec<Passed>,
    /// How many people there are, counted once a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headcount: Option<Headcount>,
    /// The measure under which every case is held, from the moment at which there were too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engaged: Option<MeasureId>,
    /// Raised by one with every write; 0 before the first.
    #[serde(default)]
    pub version: u64,
}

/// Why the brake engaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Engaged {
    /// How many people were let through within the window.
    pub let_through: usize,
    /// How many are allowed.
    pub limit: usize,
    /// How many people were known.
    pub known: u64,
    /// Length of the window, in seconds.
    pub window_seconds: u32,
    /// The newest cases that were let through.
    pub cases: Vec<CaseId>,
}

/// What the brake says to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may run.
    Pass {
        /// The brake's next state; `None` where nothing changes.
        next: Option<Brake>,
        /// It would have been held, were it no emergency.
        loud: bool,
    },
    /// It is held.
    Hold {
        /// The brake's next state.
        next: Brake,
        /// The measure under which it is held.
        measure: MeasureId,
        /// Set for the first one, whose writer asks for the decision.
        engages: Option<Engaged>,
    },
}

/// Most cases that a request names.
const NAMED: usize = 20;

/// Whether a case has to pass the brake at all.
pub fn counts(case: &CaseRecord) -> bool {
    !case.dry_run && case.mode != Mode::Reactivate && !case.trigger.is_of_measure()
}

impl Brake {
    /// How many people it lets through now where so many are known, before it engages.
    pub fn room(&self, policy: &BrakePolicy, known: u64, now: Timestamp) -> usize {
        if self.engaged.is_some() {
            return 0;
        }
        let passed = self.passed.iter().filter(|one| one.at.plus(policy.window()) > now).count();
        policy.limit(known).saturating_sub(passed)
    }

    /// Whether people have to be counted before the next case is judged.
    pub fn wants_headcount(&self, now: Timestamp) -> bool {
        self.headcount.is_none_or(|count| now.since(count.at) >= HEADCOUNT_AGE)
    }

    /// The same brake, released: whoever was let through before is counted no more.
    pub fn released(&self) -> Self {
        Self { passed: Vec::new(), ..self.disengaged() }
    }

    /// The same brake, no longer engaged. Whoever was let through still counts.
    pub fn disengaged(&self) -> Self {
        Self { engaged: None, version: self.version + 1, ..self.clone() }
    }
}

/// What the brake says to a case of this person.
pub fn admit(
    brake: &Brake,
    policy: &BrakePolicy,
    case: &CaseId,
    username: &Username,
    emergency: bool,
    now: Timestamp,
) -> Verdict {
    let mut passed = brake.passed.clone();
    passed.retain(|one| one.at.plus(policy.window()) > now);
    if passed.iter().any(|one| one.case == *case) {
        return Verdict::Pass { next: None, loud: false };
    }
    let known = brake.headcount.map_or(0, |count| count.people);
    let limit = policy.limit(known);
    let counted = passed.iter().any(|one| one.username == *username);
    let too_many = brake.engaged.is_some() || (!counted && passed.len() >= limit);
    if too_many && !emergency {
        let measure = brake.engaged.clone().unwrap_or_else(|| next_measure(brake));
        let engages = brake.engaged.is_none().then(|| Engaged {
            let_through: passed.len(),
            limit,
            known,
            window_seconds: policy.window_seconds,
            cases: passed.iter().rev().take(NAMED).map(|one| one.case.clone()).collect(),
        });
        let next =
            Brake { engaged: Some(measure.clone()), passed, version: brake.version + 1, ..brake.clone() };
        return Verdict::Hold { next, measure, engages };
    }
    passed.retain(|one| one.username != *username);
    passed.push(Passed { username: username.clone(), case: case.clone(), at: now });
    passed.sort_by_key(|one| one.at);
    // Whoever is cut off here would leave the window before all the others, who alone are as many as any limit allows.
    let surplus = passed.len().saturating_sub(MAX_PEOPLE as usize);
    passed.drain(..surplus);
    let next = Brake { passed, version: brake.version + 1, ..brake.clone() };
    Verdict::Pass { next: Some(next), loud: too_many }
}

/// Follows from the brake's state, so that two who engage it at once come to the same measure.
fn next_measure(brake: &Brake) -> MeasureId {
    MeasureId::of_request("release", &format!("mass_action/{}", brake.version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const POLICY: BrakePolicy =
        BrakePolicy { window_seconds: 3_600, max_people: 5, max_share_percent: 100, min_people_for_share: 5 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_770_000_000_000 + seconds * 1_000).unwrap()
    }

    fn ask(brake: &Brake, person: u32, case: u32, emergency: bool, now: Timestamp) -> Verdict {
        let (case, person) = (format!("case-{case}"), format!("p{person}"));
        admit(brake, &POLICY, &case.parse().unwrap(), &person.parse().unwrap(), emergency, now)
    }

    /// Applies a verdict and says whether the case may run.
    fn apply(brake: &mut Brake, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Pass { next, .. } => {
                *brake = next.unwrap_or_else(|| brake.clone());
                true
            }
            Verdict::Hold { next, .. } => {
                *brake = next;
                false
            }
        }
    }

    #[test]
    fn one_too_many_engages_it_and_then_everybody_is_held() {
        let mut brake = Brake::default();
        for person in 0..5 {
            let verdict = ask(&brake, person, person, false, at(0));
            assert!(apply(&mut brake, verdict));
        }
        let Verdict::Hold { next, measure, engages } = ask(&brake, 5, 5, false, at(10)) else { panic!() };
        let engaged = engages.unwrap();
        assert_eq!((engaged.let_through, engaged.limit, engaged.cases.len()), (5, 5, 5));
        let Verdict::Hold { measure: again, engages, .. } = ask(&next, 1, 6, false, at(9_999)) else {
            panic!()
        };
        assert_eq!((again, engages), (measure, None), "it stays engaged, however long nobody decides");
        let free = next.released();
        assert!(matches!(ask(&free, 6, 7, false, at(11)), Verdict::Pass { loud: false, .. }));
        // Called off is not released: who was let through still counts, and the next one is asked about.
        let Verdict::Hold { measure: other, .. } = ask(&next.disengaged(), 6, 7, false, at(11)) else {
            panic!()
        };
        assert_ne!(Some(other), next.engaged);
    }

    #[test]
    fn an_emergency_counts_and_passes_loudly() {
        let mut brake = Brake::default();
        for person in 0..5 {
            let verdict = ask(&brake, person, person, true, at(0));
            assert!(matches!(verdict, Verdict::Pass { loud: false, .. }));
            apply(&mut brake, verdict);
        }
        assert!(matches!(ask(&brake, 6, 6, false, at(1)), Verdict::Hold { .. }));
        let Verdict::Pass { next: Some(next), loud: true } = ask(&brake, 6, 6, true, at(1)) else { panic!() };
        assert_eq!(next.passed.len(), 6);
    }

    #[test]
    fn the_smaller_of_number_and_share_counts_but_a_handful_is_never_too_many() {
        let policy = |max_people, percent, least| BrakePolicy {
            window_seconds: 3_600,
            max_people,
            max_share_percent: percent,
            min_people_for_share: least,
        };
        assert_eq!(policy(25, 10, 5).limit(10_000), 25);
        assert_eq!(policy(25, 10, 5).limit(100), 10);
        assert_eq!(policy(25, 10, 5).limit(12), 5);
        assert_eq!(policy(25, 10, 5).limit(0), 5);
        assert_eq!(policy(25, 10, 5).limit(u64::MAX), 25);
        assert!(policy(25, 10, 5).check().is_ok());
        for bad in
            [policy(0, 10, 1), policy(1_001, 10, 1), policy(5, 0, 1), policy(5, 101, 1), policy(5, 10, 6)]
        {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert!(BrakePolicy { window_seconds: 59, ..policy(25, 10, 5) }.check().is_err());
    }

    #[test]
    fn a_headcount_is_taken_once_a_day() {
        let mut brake = Brake::default();
        assert!(brake.wants_headcount(at(0)));
        brake.headcount = Some(Headcount { people: 9, at: at(0) });
        assert!(!brake.wants_headcount(at(86_399)) && brake.wants_headcount(at(86_400)));
    }

    proptest! {
        /// Whatever comes in whatever order, however often: without a release no window sees more people than policy says,
        /// and a repeat of what was let through changes nothing.
        #[test]
        fn no_window_lets_more_people_through_than_policy_says(
            steps in prop::collection::vec((0_u32..12, 0_u32..3, 0_i64..1_500, 0_u8..4), 1..120),
        ) {
            let mut brake = Brake::default();
            let mut ran: Vec<(i64, u32)> = Vec::new();
            let mut now = 0;
            for (person, case, later, what) in steps {
                now += later;
                // Once in a while somebody calls off what is held: that is no release.
                if what == 0 && brake.engaged.is_some() {
                    brake = brake.disengaged();
                }
                let case = person * 100 + case;
                let verdict = ask(&brake, person, case, false, at(now));
                let is_new = !matches!(verdict, Verdict::Pass { next: None, .. });
                if apply(&mut brake, verdict) {
                    // A repeat is no further action.
                    ran.extend(is_new.then_some((now, person)));
                    let again = ask(&brake, person, case, false, at(now));
                    prop_assert_eq!(again, Verdict::Pass { next: None, loud: false });
                }
                let lately: BTreeSet<u32> =
                    ran.iter().filter(|(when, _)| *when > now - 3_600).map(|(_, who)| *who).collect();
                prop_assert!(lately.len() <= 5, "{lately:?} at {now}");
                prop_assert!(brake.passed.len() <= 5);
            }
        }
    }
}
