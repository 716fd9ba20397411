//! What must hold after each step that may write.

use super::run::{Held, Run};
use leaver_adapter::{Input, Step, System};
use leaver_domain::{
    approval::{ApprovalId, ApprovalStatus},
    case::{CaseRecord, CaseStatus, Mode, SystemRecord},
    deciding::Host,
    id::{CaseId, Username},
    ledger::EventKind,
    measure::What,
    plan::{Action, Plan},
    ports::CaseStore,
    reviews::{self, ReviewKind},
    risk::{self, Activity, RiskLevel, RiskSummary, Rule},
};
use proptest::{prelude::*, test_runner::TestCaseError};
use std::collections::BTreeSet;

impl Run {
    /// One step of one system, and whether what it wrote was allowed.
    pub(super) async fn step(&mut self, case: &CaseId, system: &'static str, step: Step) -> Held {
        let Some(record) = self.house.cases.case(case).await.unwrap() else { return Ok(()) };
        let id = system.parse().unwrap();
        let Some(before) = self.house.cases.system(case, &id).await.unwrap() else { return Ok(()) };
        let (fake, http) = (self.world.system(system), self.world.connection());
        let found = fake.found(record.person.username.as_str());
        let quiet = Activity { since: self.world.now(), events: Vec::new(), incomplete: None };
        let risk = risk::assess(&found, &quiet, record.effective_at, &self.house.policy.risk);
        let from = self.world.written(0).len();
        let work = System {
            id: &id,
            adapter: &fake,
            http: &http,
            policy: &self.house.policy,
            store: &self.house.cases,
            rosters: &self.house.cases,
            gathering: None,
        };
        let _ = leaver_adapter::handle(&work, Input { case_id: Some(case.clone()), step }).await;
        let written = self.world.written(from);
        let after = self.house.cases.system(case, &id).await.unwrap().unwrap();
        let round = |of: &SystemRecord| of.approval.as_ref().map_or(0, |approval| approval.round);
        self.seen.asked_again += usize::from(round(&after) > 1 && round(&after) > round(&before));
        if written.is_empty() {
            return Ok(());
        }
        let runs = matches!(record.status, CaseStatus::Running | CaseStatus::AwaitingApproval);
        prop_assert!(runs && step == Step::Run && !record.dry_run, "{step:?} of {case} wrote {written:?}");
        match (record.mode, risk.level) {
            (Mode::Reactivate, _) => self.may_give_back(&record).await,
            (_, RiskLevel::Flagged) if self.emergencies.contains(case) => {
                prop_assert!(
                    record.emergency && self.is_reviewed(case).await,
                    "{case} is no recorded emergency"
                );
                self.seen.emergency += 1;
                Ok(())
            }
            (_, RiskLevel::Flagged) if before.approval.is_none() && record.ends().is_some() => {
                self.may_take_back(&record, &before).await
            }
            (_, RiskLevel::Flagged) => self.may_take(&record, &before, &risk, &written).await,
            _ => {
                self.seen.clean += 1;
                Ok(())
            }
        }
    }

    async fn manager(&self, username: &Username) -> String {
        let person = self.house.cases.person(username).await.unwrap();
        person.and_then(|person| person.manager).map(|manager| manager.to_string()).unwrap_or_default()
    }

    /// Whether the review of an emergency was opened.
    async fn is_reviewed(&self, case: &CaseId) -> bool {
        let id = reviews::id_of(ReviewKind::Emergency, case);
        self.house.cases.review(&id).await.unwrap().is_some()
    }

    /// What was written lies in a plan that was shown, of a round that enough people who may have said yes to, with its row.
    async fn may_take(
        &mut self,
        case: &CaseRecord,
        system: &SystemRecord,
        risk: &RiskSummary,
        written: &[Action],
    ) -> Held {
        let Some(approval) = &system.approval else {
            return Err(TestCaseError::fail(format!(
                "nobody was asked about {written:?} in {}",
                system.system
            )));
        };
        let id = system.approval_id(approval).to_string();
        let row = |kind: EventKind| {
            system.log.iter().rev().find(|line| line.kind == kind && line.facts["approval"] == id.as_str())
        };
        let yes = row(EventKind::ApprovalDecided).filter(|line| line.facts["status"] == "approved");
        prop_assert!(yes.is_some(), "{id}: no row says that it was approved, and {written:?} was done");
        prop_assert_eq!(approval.status, ApprovalStatus::Approved);
        let shown =
            row(EventKind::ApprovalRequested).map(|line| line.facts["plan"].clone()).unwrap_or_default();
        let shown: Plan =
            serde_json::from_value(shown).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(
            Plan(written.to_vec()).is_within(&shown),
            "{id}: {written:?} was not in what was approved"
        );
        // What policy asks for by what was there when it was written, and not by what was there when it was asked.
        let found = |rule: Rule| risk.findings.iter().any(|finding| finding.rule == rule);
        let (security, needed) = (found(Rule::LastAdmin), if found(Rule::LiveAutomation) { 2 } else { 1 });
        let manager = self.manager(&system.person.username).await;
        let subject = (system.person.username.as_str(), case.trigger.by.as_str());
        self.enough(&id, subject, &manager, security, needed)?;
        self.seen.approved += 1;
        Ok(())
    }

    /// Whoever approved a measure agreed to its end: what it gave is taken back and nobody is asked again. Not where the system
    /// was flagged when the person left and nobody agreed then: that was not the measure's to give.
    async fn may_take_back(&mut self, case: &CaseRecord, system: &SystemRecord) -> Held {
        let Some(id) = case.ends() else { return Ok(()) };
        let measure = self.house.cases.measure(id).await.unwrap().unwrap();
        let person = self.house.cases.person(&case.person.username).await.unwrap().unwrap();
        let left = match &measure.what {
            What::BreakGlass { case } => Some(case.clone()),
            What::Exception { .. } => person.case,
            _ => None,
        };
        if let Some(left) = left {
            let then = self.house.cases.system(&left, &system.system).await.unwrap();
            let refused = then
                .and_then(|then| then.approval)
                .is_some_and(|approval| approval.status != ApprovalStatus::Approved);
            prop_assert!(
                !refused,
                "{}: {} was never agreed to when {left} asked",
                case.case_id,
                system.system
            );
        }
        self.may_give_back(case).await
    }

    async fn may_give_back(&mut self, case: &CaseRecord) -> Held {
        let Some(measure) = &case.measure else {
            return Err(TestCaseError::fail(format!("{} gives back, and nobody asked for it", case.case_id)));
        };
        let id = ApprovalId::Measure(measure.clone());
        let (host, _) = Host::find(&self.house.cases, &id).await.unwrap().unwrap();
        let approval = host.approval().unwrap();
        prop_assert_eq!(approval.status, ApprovalStatus::Approved);
        let subject = (case.person.username.as_str(), approval.requested_by.as_str());
        let manager = self.manager(&case.person.username).await;
        self.enough(&id.to_string(), subject, &manager, false, 1)?;
        self.seen.given_back += 1;
        Ok(())
    }

    /// Whether so many different people said yes who were there, were not concerned, and had the right by role or by policy.
    fn enough(
        &self,
        id: &str,
        (subject, asker): (&str, &str),
        manager: &str,
        security: bool,
        needed: usize,
    ) -> Held {
        let said = self.said.get(id).cloned().unwrap_or_default();
        prop_assert!(said.iter().all(|one| one.decision != "deny"), "{id} was denied: {said:?}");
        let mut yes = BTreeSet::new();
        for one in said.iter().filter(|one| one.decision == "approve") {
            let by = one.by;
            prop_assert!(one.was_active && by.who != subject && by.who != asker, "{id}: {said:?}");
            // robin.mover stands in for sam.admin, and not where it is about sam.admin.
            let team = ["sam.admin", "taylor.admin"].contains(&by.who)
                || by.who == "robin.mover" && subject != "sam.admin";
            let may = team || by.has("security") || !security && (by.has("approver") || by.who == manager);
            prop_assert!(may, "{id} by {one:?}");
            yes.insert(by.who);
        }
        prop_assert!(yes.len() >= needed, "{id}: {yes:?} is not enough");
        Ok(())
    }
}
