//! What must hold for every row that gives what the person owned to somebody else.

use crate::{BUDGET, Leaver};
use leaver_adapters::{
    handover::{self, Inherited, Progress},
    run,
};
use leaver_conformance::sandbox::{Connected, Stage, person};
use leaver_domain::{
    inventory::Inventory,
    plan::{ActionKind, Outcome, Stage as Turn},
    transfers::Heir,
};
use std::collections::{BTreeMap, BTreeSet};

/// The rows that hand something over of the sample person, with how much.
const ROWS: [(&str, usize); 3] = [("google_workspace", 2), ("linear", 2), ("salesforce", 2)];

fn rows() -> impl Iterator<Item = (&'static str, usize)> {
    let only = std::env::var("SYSTEMS").unwrap_or_default();
    let wanted = move |id: &str| only.is_empty() || only.split(',').any(|one| one == id);
    ROWS.into_iter().filter(move |(id, _)| wanted(id))
}

async fn heir(to: &Connected, username: &str) -> Inherited {
    handover::inherit(to.adapter.as_ref(), &to.http, &person(username)).await.expect("an answer")
}

async fn jane(to: &Connected, system: &str) -> Heir {
    match heir(to, "jane.smith").await {
        Inherited::By(heir) => heir,
        Inherited::Nobody(why) => panic!("{system}: {why}"),
    }
}

async fn discover(to: &Connected) -> Inventory {
    to.adapter.discover(&to.http, &person("john.doe")).await.expect("a reading")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owned_goes_behind_containment_once_and_is_read_back() {
    let stage = Stage::start_for(rows().map(|(id, _)| id)).await;
    for (system, expected) in rows() {
        let to = stage.connect(system, BUDGET);
        let (adapter, john) = (to.adapter.as_ref(), Leaver::of("john.doe"));
        let heir = jane(&to, system).await;
        let mut survey = john.survey(&to).await;
        let actions = adapter.transfer(&survey.found, &heir);
        assert_eq!(actions.len(), expected, "{system}: {actions:?}");
        assert!(actions.iter().all(|one| one.kind == ActionKind::TransferOwnership && !one.reversible));
        survey.plan.hand_over(actions.clone());
        let contained = survey.plan.0.iter().rposition(|one| one.stage == Turn::Contain);
        let first = survey.plan.0.iter().position(|one| one.kind == ActionKind::TransferOwnership);
        assert!(contained < first, "{system}: {:?}", survey.plan);
        let report = run::revoke(adapter, &to.http, &john.job(), survey, &BTreeSet::new()).await;
        assert_eq!(report.fault, None, "{system}");
        let moved = report.done.iter().filter(|one| one.action.kind == ActionKind::TransferOwnership).count();
        assert_eq!(moved, expected, "{system}");
        for action in &actions {
            let (asset, account) = handover::parts(&action.target).expect("a target");
            let mut progress = Progress::Unknown;
            for _ in 0..5 {
                let found = discover(&to).await;
                progress = adapter.transferred(&to.http, &found, asset, account).await.expect(system);
                if progress == Progress::Done {
                    break;
                }
                assert_eq!(progress, Progress::Running, "{system}, {asset}");
            }
            assert_eq!(progress, Progress::Done, "{system}, {asset}");
        }
        // A repeat finds that it is so.
        let writes = writes(&stage, system).await;
        let found = discover(&to).await;
        for action in &actions {
            let (asset, account) = handover::parts(&action.target).expect("a target");
            if adapter.transferred(&to.http, &found, asset, account).await.expect(system) != Progress::Done {
                continue;
            }
            let again = adapter.apply(&to.http, &found, action).await.expect(system);
            assert!(matches!(again, Outcome::Already | Outcome::Done), "{system}: {again:?}");
        }
        let more = self::writes(&stage, system).await;
        let inserts =
            |all: &BTreeMap<String, usize>| all.get("POST /admin/datatransfer/v1/transfers").copied();
        assert_eq!(inserts(&writes), inserts(&more), "{system}: moved twice");
    }
}

/// What was written, by method and path.
async fn writes(stage: &Stage, system: &str) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for request in stage.requests(system).await {
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        *all.entry(format!("{} {}", text("method"), text("path"))).or_default() += 1;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_heir_without_a_usable_account_is_nobody_and_says_why() {
    let stage = Stage::start_for(rows().map(|(id, _)| id)).await;
    for (system, _) in rows() {
        let to = stage.connect(system, BUDGET);
        let mut nobody = person("jane.smith");
        nobody.username = "no.body".parse().expect("a username");
        nobody.email = "no.body@example.com".into();
        nobody.employee_id = "EMP-99999".parse().expect("an id");
        let found = handover::inherit(to.adapter.as_ref(), &to.http, &nobody).await.expect(system);
        assert!(
            matches!(&found, Inherited::Nobody(why) if why.contains("no.body has no account")),
            "{found:?}"
        );
        let jane = Leaver::of("jane.smith");
        let survey = jane.survey(&to).await;
        let report = run::revoke(to.adapter.as_ref(), &to.http, &jane.job(), survey, &BTreeSet::new()).await;
        assert_eq!(report.fault, None, "{system}");
        let found = heir(&to, "jane.smith").await;
        assert!(
            matches!(&found, Inherited::Nobody(why) if why.contains("not active")),
            "{system}: {found:?}"
        );
    }
}
