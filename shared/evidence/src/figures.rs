//! The figures of a pack, counted once for everything that shows them.

use crate::{
    cases::{Sla, Standing, State, seconds},
    tables::{Look, approvals, cases::within, exceptions},
};
use leaver_domain::digest::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many milliseconds a day has.
const DAY: i64 = 86_400_000;
/// Most days that are looked at: longer than any retention.
const MOST_DAYS: i64 = 4_000;

/// An access row that is called for and not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The case.
    pub case_id: String,
    /// The system.
    pub system: String,
}

/// One day's count, held against the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The day, in UTC.
    pub day: String,
    /// The row that holds the count.
    pub row: u64,
    /// Events of the HR system that must open a case.
    pub hr_events: Option<u64>,
    /// Cases that they opened.
    pub hr_cases: Option<u64>,
    /// All cases recorded that day, by the count.
    pub cases: Option<u64>,
    /// The same by the rows; nothing where the day does not lie in the period as a whole.
    pub counted: Option<u64>,
    /// Whether events and cases agree, and count and rows.
    pub matches: bool,
}

/// How many cases were done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct InTime {
    /// In time.
    pub yes: u64,
    /// Not in time.
    pub no: u64,
    /// Not done, and still in time.
    pub open: u64,
    /// Cases whose policy is not in the pack.
    pub unknown: u64,
}

/// What one system came to over all cases that take access away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PerSystem {
    /// Verified.
    pub verified: u64,
    /// There was no account.
    pub not_applicable: u64,
    /// Given to its owner.
    pub manual_task: u64,
    /// Done by its owner, by hand.
    pub by_hand: u64,
    /// Waits for a human, or was denied by one, or nobody decided.
    pub human: u64,
    /// Anything else: not finished.
    pub unfinished: u64,
    /// How often an attempt or read failed there.
    pub failures: u64,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Decisions {
    /// Requests.
    pub all: u64,
    /// Approved.
    pub approved: u64,
    /// Denied.
    pub denied: u64,
    /// Nobody decided in time.
    pub expired: u64,
    /// Not decided, or not by enough people.
    pub open: u64,
    /// Times that a request was handed on, by somebody or because nobody decided.
    pub handed_on: u64,
    /// Decisions by the person concerned or by whoever asked.
    pub not_separated: u64,
}

/// The figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// How many rows.
    pub rows: u64,
    /// Cases of the period.
    pub cases: u64,
    /// Of these, dry runs.
    pub dry_runs: u64,
    /// Cases that are closed.
    pub closed: u64,
    /// Of these, dry runs.
    pub closed_dry_runs: u64,
    /// Cases that were called off; they count among the closed ones.
    pub cancelled: u64,
    /// Cases that give access back, without dry runs.
    pub given_back: u64,
    /// The cases whose access came back because it had been taken by mistake.
    pub mistakes: BTreeSet<String>,
    /// Measures: asked for, decided, in force or over in the period.
    pub measures: u64,
    /// Access rows that the cases call for.
    pub expected: u64,
    /// Those that are not there.
    pub missing: Vec<Missing>,
    /// Done in time, without dry runs.
    pub in_time: InTime,
    /// Seconds from the clock's start until the last system was without access, sorted.
    pub contained: Vec<u64>,
    /// The same until the last one was verified.
    pub verified: Vec<u64>,
    /// For cases done under a known limit: how many hundredths of it they took, sorted.
    pub share: Vec<u64>,
    /// By system.
    pub systems: BTreeMap<String, PerSystem>,
    /// What waited for humans.
    pub decisions: Decisions,
    /// Exceptions by kind.
    pub exceptions: BTreeMap<exceptions::Kind, u64>,
    /// Counted days.
    pub days: Vec<Day>,
    /// Days of the period that nobody counted.
    pub missing_days: Vec<String>,
    /// Policies that cases ran under and that are in the pack.
    pub policies: BTreeSet<Digest>,
    /// Policies that cases ran under and that are not.
    pub missing_policies: BTreeSet<Digest>,
}

impl PerSystem {
    /// Whether nothing waits for leaver or for a decision. An owner's open task is told of as such.
    pub fn is_finished(&self) -> bool {
        self.unfinished == 0 && self.human == 0
    }
}

impl Decisions {
    fn count(&mut self, asked: &approvals::Asked<'_>) {
        self.all += 1;
        *match asked.approval.standing() {
            Standing::Open => &mut self.open,
            Standing::Approved => &mut self.approved,
            Standing::Denied => &mut self.denied,
            Standing::Expired => &mut self.expired,
        } += 1;
        for step in &asked.approval.steps {
            self.handed_on += u64::from(matches!(&*step.what, "escalate" | "escalated"));
            self.not_separated += u64::from(asked.separated(step) == "no");
        }
    }
}

impl Figures {
    /// Counts.
    pub fn of(look: &Look<'_>) -> Self {
        let mut figures = Self { rows: look.fold.rows(), ..Self::default() };
        look.cases.iter().for_each(|(case, opened)| figures.case(look, case, opened));
        figures.measures = look.measures.len() as u64;
        for found in exceptions::all(look) {
            *figures.exceptions.entry(found.exception.kind).or_default() += 1;
        }
        approvals::all(look).for_each(|asked| figures.decisions.count(&asked));
        figures.contained.sort_unstable();
        figures.verified.sort_unstable();
        figures.share.sort_unstable();
        figures.count_days(look);
        figures
    }

    /// Cases that take access away and are no dry runs.
    pub fn terminations(&self) -> u64 {
        self.cases - self.dry_runs - self.given_back
    }

    /// Whether fewer than one in a thousand cases had taken access by mistake.
    pub fn mistakes_are_rare(&self) -> bool {
        let mistakes = self.mistakes.len() as u64;
        mistakes == 0 || mistakes.saturating_mul(1_000) < self.terminations()
    }

    /// Access rows that are called for and there.
    pub fn found(&self) -> u64 {
        self.expected.saturating_sub(self.missing.len() as u64)
    }

    /// How many exceptions of a kind there are.
    pub fn exceptions_of(&self, kind: exceptions::Kind) -> u64 {
        self.exceptions.get(&kind).copied().unwrap_or_default()
    }

    /// Whether each day of the period was counted, and every count holds.
    pub fn days_agree(&self) -> bool {
        self.missing_days.is_empty() && self.days.iter().all(|day| day.matches)
    }

    fn case(&mut self, look: &Look<'_>, case: &crate::cases::Case, opened: &crate::cases::Opened) {
        self.cases += 1;
        self.closed += u64::from(case.is_over());
        self.cancelled += u64::from(case.cancelled.is_some());
        if let Some(policy) = opened.policy {
            let known = look.context.policies.contains_key(&policy);
            if known { &mut self.policies } else { &mut self.missing_policies }.insert(policy);
        }
        if opened.dry_run {
            self.dry_runs += 1;
            self.closed_dry_runs += u64::from(case.is_over());
            return;
        }
        if opened.gives_back {
            self.given_back += 1;
            if opened.undoes_a_mistake() {
                self.mistakes.insert(opened.restores.clone().unwrap_or_else(|| case.id.clone()));
            }
            return;
        }
        self.expected += case.access_rows_expected() as u64;
        if case.cancelled.is_some() {
            return;
        }
        let missing =
            |name: crate::cases::Name| Missing { case_id: case.id.clone(), system: name.to_string() };
        self.missing.extend(case.missing().into_iter().map(missing));
        match within(look, case, opened) {
            Some(Sla::Yes) => self.in_time.yes += 1,
            Some(Sla::No) => self.in_time.no += 1,
            Some(Sla::Open) => self.in_time.open += 1,
            None => self.in_time.unknown += 1,
        }
        let (contained, done) = case.contained_and_done();
        let took = |end| seconds(opened.clock_starts(), end);
        self.contained.extend(contained.map(took));
        self.verified.extend(done.map(took));
        self.share.extend(done.zip(look.limit(opened)).map(|(end, limit)| took(end) * 100 / limit.max(1)));
        case.systems().iter().for_each(|system| self.system(system));
    }

    fn system(&mut self, system: &crate::cases::System) {
        let of = match self.systems.get_mut(&*system.name) {
            Some(of) => of,
            None => self.systems.entry(system.name.to_string()).or_default(),
        };
        of.failures += system.failed().map_or(0, |(times, _)| times.into());
        *match system.state {
            State::Verified => &mut of.verified,
            State::NotApplicable => &mut of.not_applicable,
            State::ManualTask => &mut of.manual_task,
            State::TaskClosed => &mut of.by_hand,
            State::AwaitingApproval | State::Denied | State::Expired => &mut of.human,
            _ => &mut of.unfinished,
        } += 1;
    }

    fn count_days(&mut self, look: &Look<'_>) {
        let period = look.context.period;
        let by_day = look.fold.cases_by_day();
        let whole: BTreeSet<String> = whole_days(look);
        let touched = |day: &str| {
            let start = format!("{day}T00:00:00.000Z").parse::<leaver_domain::time::Timestamp>();
            start.is_ok_and(|start| start < period.to && start.millis() + DAY > period.from.millis())
        };
        for count in look.fold.counts().iter().filter(|count| touched(&count.day)) {
            let empty = Vec::new();
            let ids = whole.contains(&count.day).then(|| by_day.get(&count.day).unwrap_or(&empty));
            let agrees = ids.is_none_or(|ids| {
                let digest = Digest::of(ids.join("\n").as_bytes());
                count.cases == Some(ids.len() as u64)
                    && count.cases_digest.is_none_or(|counted| counted == digest)
            });
            self.days.push(Day {
                day: count.day.clone(),
                row: count.row,
                hr_events: count.hr_events,
                hr_cases: count.hr_cases,
                cases: count.cases,
                counted: ids.map(|ids| ids.len() as u64),
                matches: count.hr_events.is_some() && count.hr_events == count.hr_cases && agrees,
            });
        }
        let counted: BTreeSet<_> = self.days.iter().map(|day| day.day.as_str()).collect();
        self.missing_days = whole.iter().filter(|day| !counted.contains(day.as_str())).cloned().collect();
    }
}

/// The days that lie in the period as a whole, from the log's beginning on and up to when the pack was made.
fn whole_days(look: &Look<'_>) -> BTreeSet<String> {
    let period = look.context.period;
    let begins = match (look.context.first, look.fold.began()) {
        (0, Some(began)) => period.from.max(began).millis() - DAY + 1,
        _ => period.from.millis(),
    };
    let ends = period.to.min(look.context.generated_at).millis().div_euclid(DAY);
    let starts = begins.max(period.from.millis()).saturating_add(DAY - 1).div_euclid(DAY);
    let name = |day: i64| leaver_domain::time::Timestamp::from_millis(day * DAY).map(|at| at.to_string());
    let days = starts.max(ends - MOST_DAYS)..ends;
    days.filter_map(name).map(|day| day.chars().take(10).collect()).collect()
}

/// The value that this share of a sorted list does not exceed (nearest rank); `None` of an empty list.
pub fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 95), Some(7));
        let all: Vec<u64> = (1..=100).collect();
        assert_eq!(
            (percentile(&all, 50), percentile(&all, 95), percentile(&all, 100)),
            (Some(50), Some(95), Some(100))
        );
    }
}
