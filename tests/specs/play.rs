//! Everything that an adapter does, played against its stand-in, and what was asked and answered meanwhile.

use crate::exchange::Exchange;
use leaver_adapters::{
    Part, Spec,
    handover::{self, Inherited},
    restore::{self, Wanted},
    run,
};
use leaver_domain::{
    inventory::{GrantKind, Inventory},
    person::Person,
};
use leaver_tests::sandbox::{Connected, Stage, full_scope, now, person, restored, risk_settings};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::OnceCell;

/// Long: everything is played over one connection, and all rows at once.
const BUDGET: Duration = Duration::from_secs(300);

/// One who leaves like everybody, and one who is the last owner in many systems.
const PEOPLE: [&str; 2] = ["john.doe", "riley.owner"];

async fn revoke(to: &Connected, person: &Person, grants: Option<BTreeSet<String>>) -> run::Survey {
    let (mut scope, risk) = (full_scope(), risk_settings());
    scope.grants = grants;
    let job = run::Job { person, scope: &scope, ended: now(), risk: &risk };
    let (adapter, none) = (to.adapter.as_ref(), BTreeSet::new());
    let survey = run::survey(adapter, &to.http, &job).await.expect("a survey");
    let report = run::revoke(adapter, &to.http, &job, survey.clone(), &none).await;
    let receipts: BTreeSet<_> = run::receipts_of(&report.done).collect();
    run::remaining(adapter, &to.http, &job, &receipts).await.expect("a reading");
    survey
}

async fn life(to: &Connected, who: &Person, writes: bool) {
    let adapter = to.adapter.as_ref();
    let (scope, risk) = (full_scope(), risk_settings());
    let job = run::Job { person: who, scope: &scope, ended: now(), risk: &risk };
    let survey = run::survey(adapter, &to.http, &job).await.expect("a survey");
    if survey.found.account.is_none() || !writes {
        return;
    }
    let one = survey.found.grants.iter().find(|grant| {
        grant.fixed.is_none() && grant.kind == GrantKind::Group && adapter.grant(&grant.id).is_some()
    });
    if let Some(one) = one {
        let permissions = BTreeSet::from([one.id.clone()]);
        revoke(to, who, Some(permissions.clone())).await;
        let wanted = Wanted { before: None, permissions: &permissions };
        let outlook = restore::survey(adapter, &to.http, who, wanted).await.expect("an account");
        restore::restore(adapter, &to.http, who, wanted, outlook, &BTreeSet::new()).await;
    }
    hand_over(to, &survey.found).await;
    // Twice: what a vendor answers to the second attempt is described as well.
    let before = revoke(to, who, None).await.found;
    revoke(to, who, None).await;
    restored(to, who, &before).await;
}

/// Gives what can be given to somebody else to Jane, and looks how far that is.
async fn hand_over(to: &Connected, found: &Inventory) {
    let adapter = to.adapter.as_ref();
    let assets = handover::movable(adapter, found);
    if assets.is_empty() {
        return;
    }
    let heir = handover::inherit(adapter, &to.http, &person("jane.smith")).await.expect("a reading");
    let Inherited::By(heir) = heir else { return };
    for asset in &assets {
        handover::ask(adapter, &to.http, found, asset, &heir).await.expect("a transfer");
        adapter.transferred(&to.http, found, &asset.id, &heir.account).await.expect("a reading");
    }
}

/// The roster, to its end.
async fn list(system: &str, to: &Connected) {
    if !Spec::of(system).expect("a row").roster.is_listed() {
        return;
    }
    let mut page = to.adapter.roster(&to.http, None).await.expect(system);
    while let Some(mark) = page.next {
        page = to.adapter.roster(&to.http, Some(&mark)).await.expect(system);
    }
}

/// What a play gave, once it was played.
type Played = Arc<OnceCell<Arc<Vec<Exchange>>>>;

/// What was exchanged in a play that runs once for all tests.
pub(crate) async fn recorded(system: &'static str) -> Arc<Vec<Exchange>> {
    static PLAYED: Mutex<BTreeMap<&str, Played>> = Mutex::new(BTreeMap::new());
    let cell = PLAYED.lock().expect("a lock").entry(system).or_default().clone();
    cell.get_or_init(|| async { Arc::new(exchanges(system).await) }).await.clone()
}

/// Plays everything, each person against fresh sample data, and gives what was exchanged.
async fn exchanges(system: &str) -> Vec<Exchange> {
    let part = Spec::of(system).expect("a row").part;
    let mut all = Vec::new();
    for username in PEOPLE {
        let stage = Stage::start().await;
        let to = stage.connect(system, BUDGET);
        to.adapter.probe(&to.http).await.expect(system);
        to.adapter.missing(&to.http).await.expect(system);
        if username == PEOPLE[0] {
            list(system, &to).await;
        }
        life(&to, &person(username), part != Part::Source).await;
        let mut nobody = person(username);
        nobody.username = "no.body".parse().expect("a username");
        nobody.email = "no.body@example.com".into();
        nobody.employee_id = "EMP-99999".parse().expect("an id");
        life(&to, &nobody, false).await;
        all.extend(stage.requests(system).await.iter().map(Exchange::of));
    }
    all
}
