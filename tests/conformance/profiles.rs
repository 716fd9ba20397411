//! The shipped profiles, against what the sample people hold in the stand-ins.

use crate::{BUDGET, Leaver, rows};
use leaver_adapters::run;
use leaver_conformance::sandbox::{Stage, person};
use leaver_domain::{
    id::SystemId,
    plan::{Action, ActionKind, Scope},
    policy::Policy,
    profiles::{Profile, Step, difference},
};
use std::collections::BTreeSet;

/// The shipped policy.
fn shipped() -> Policy {
    let document = serde_norway::from_str(include_str!("../../infra/policy.yaml")).expect("YAML");
    Policy::parse(document, "local").expect("a good policy")
}

/// What somebody holds in a system that a partial case could take by its name.
async fn held(stage: &Stage, system: &SystemId, username: &str) -> Vec<Action> {
    use ActionKind::{RemoveDelegation, RemoveGroup, RemoveLicence};
    let to = stage.connect(system.as_str(), BUDGET);
    let mut plan = Leaver::of(username).survey(&to).await.plan.0;
    plan.retain(|action| matches!(action.kind, RemoveGroup | RemoveLicence | RemoveDelegation));
    plan
}

fn is_row(system: &SystemId) -> bool {
    rows().any(|id| id == system.as_str())
}

/// One of the sample people in each role.
const ONE_OF_EACH: [&str; 11] = [
    "john.doe",
    "jane.smith",
    "riley.owner",
    "casey.contract",
    "morgan.hold",
    "pat.idle",
    "sam.admin",
    "harper.hr",
    "avery.audit",
    "fran.keys",
    "lee.field",
];

/// A name that no system knows would take nothing and miss everything.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_profile_names_is_what_people_of_that_role_hold() {
    let (stage, policy) = (Stage::start().await, shipped());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for username in ONE_OF_EACH {
        let person = person(username);
        seen.insert(person.role.clone());
        let profile = policy.profile(&person).expect(username);
        for (system, needed) in profile.0.iter().filter(|(system, _)| is_row(system)) {
            let held = held(&stage, system, username).await;
            for grant in needed {
                let found = held.iter().any(|action| action.label == *grant || action.target == *grant);
                assert!(found, "{username} in {system}: {grant}\n{held:#?}");
            }
        }
    }
    // Forty more are generated, the agents among them; they hold what others of their department's kind do.
    seen.insert("agent".into());
    assert_eq!(seen, policy.roles.keys().cloned().collect(), "a profile that this does not look at");
}

/// From engineering to sales: what goes is held and taken by its name, what stays is left, and the account stays usable.
#[tokio::test(flavor = "multi_thread")]
async fn a_mover_loses_what_the_new_role_does_not_need_and_nothing_else() {
    let (stage, policy) = (Stage::start().await, shipped());
    let role = |name: &str| -> &Profile { policy.profile_of(name).expect("a profile") };
    let steps = difference(Some(role("engineer")), role("sales"), &policy.governed());
    let mut narrowed = 0;
    for (system, step) in steps.iter().filter(|(system, _)| is_row(system)) {
        let Step::Narrow { needed, going, .. } = step else {
            assert!(*step == Step::TakeAll && ["aws_iam", "github"].contains(&system.as_str()), "{system}");
            continue;
        };
        narrowed += 1;
        let before = held(&stage, system, "robin.mover").await;
        let mut robin = Leaver::of("robin.mover");
        robin.scope = Scope { grants: Some(going.clone()), ..robin.scope };
        let to = stage.connect(system.as_str(), BUDGET);
        let survey = robin.survey(&to).await;
        let labels: BTreeSet<String> = survey.plan.0.iter().map(|action| action.label.clone()).collect();
        assert_eq!(&labels, going, "{system}");
        let (_, report) = robin.revoke(&to).await;
        assert_eq!(report.fault, None, "{system}");
        let after = held(&stage, system, "robin.mover").await;
        let left: Vec<&Action> = before.iter().filter(|action| !going.contains(&action.label)).collect();
        assert_eq!(after.iter().collect::<Vec<_>>(), left, "{system}");
        assert!(needed.is_disjoint(going), "{system}");
        assert_eq!(stage.account(system.as_str(), "robin.mover").await["active"], true, "{system}");
        let none =
            run::remaining(to.adapter.as_ref(), to.http.reader(), &robin.job(), &BTreeSet::new()).await;
        assert!(none.expect("a reading").1.is_empty(), "{system}");
    }
    assert!(narrowed >= 5, "{steps:?}");
}
