//! After any sequence of events somebody's access is what policy says: nothing that their role does not need, nothing where routing
//! does not lead, nothing at all for whoever is not entitled, and what every role and place on the way needed is still there.

use crate::consent::fake::{SYSTEMS, World};
use leaver_adapter::{Input, Step, System};
use leaver_domain::{
    case::{CaseStatus, Trigger},
    digest::Digest,
    id::{CaseId, SystemId},
    intake::{self, Reactivation},
    inventory::AccountStatus,
    person::{Person, PersonStatus},
    ports::CaseStore,
    profiles::Profile,
    routing::Routing,
};
use leaver_tests::{
    flow::{House, body, event, shipped},
    sandbox::now,
};
use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const ROBIN: &str = "robin.mover";
const ROLES: [&str; 3] = ["engineer", "sales", "analyst"];
/// Departments and locations, the first being where they begin.
const PLACES: [(&str, &str); 4] =
    [("Engineering", "Berlin"), ("Sales", "Berlin"), ("Engineering", "Lisbon"), ("Sales", "Lisbon")];
/// Systems that no role has to do with: routing alone says who has them.
const PLACED: [&str; 2] = ["badge", "vpn"];
const ROUTING: [&str; 3] = [
    "Everybody has github, okta and slack.",
    "People in Engineering have badge.",
    "People based in Berlin have vpn.",
];
const KINDS: [&str; 7] = ["move", "relocated", "suspended", "reinstated", "terminated", "notice", "rehired"];

/// What happens, and whether everything that is due by then is carried out first.
#[derive(Debug, Clone)]
struct Happens {
    kind: &'static str,
    role: usize,
    place: usize,
    carried_out: bool,
}

fn happens() -> impl Strategy<Value = Happens> {
    (proptest::sample::select(&KINDS[..]), 0..ROLES.len(), 0..PLACES.len(), any::<bool>())
        .prop_map(|(kind, role, place, carried_out)| Happens { kind, role, place, carried_out })
}

type Grants = BTreeSet<String>;

fn profiles() -> impl Strategy<Value = [Profile; 3]> {
    let grants = proptest::collection::btree_set("[a-e]", 0..4);
    let one = proptest::collection::btree_map(proptest::sample::select(&SYSTEMS[..]), grants, 0..4);
    let profile =
        one.prop_map(|all| Profile(all.into_iter().map(|(id, held)| (id.parse().unwrap(), held)).collect()));
    [profile.clone(), profile.clone(), profile]
}

fn all() -> impl Iterator<Item = &'static str> {
    SYSTEMS.into_iter().chain(PLACED)
}

struct Life {
    house: House,
    world: World,
    pending: Vec<CaseId>,
    number: usize,
    /// What every role since it was held has needed.
    kept: BTreeMap<SystemId, Grants>,
    /// Where routing has led all along.
    placed: BTreeSet<SystemId>,
}

impl Life {
    async fn new(profiles: [Profile; 3]) -> Self {
        let mut house = House::new().await;
        house.policy.systems = shipped("local").systems;
        house.policy.systems.retain(|system, _| all().any(|one| one == system.as_str()));
        house.policy.routing = Routing::try_from(ROUTING.map(str::to_owned).to_vec()).unwrap();
        house.policy.timing.role_change_seconds = 0;
        let engineer = profiles[0].clone();
        house.policy.roles = ROLES.iter().map(|role| (*role).to_owned()).zip(profiles).collect();
        let world = World::new();
        for system in SYSTEMS {
            world.begin_with(system, ROBIN, engineer.needs(&system.parse().unwrap()));
        }
        for system in PLACED {
            world.begin_with(system, ROBIN, Some(&BTreeSet::from(["a".to_owned()])));
        }
        let placed = PLACED.iter().map(|system| system.parse().unwrap()).collect();
        Self { house, world, pending: Vec::new(), number: 0, kept: engineer.0, placed }
    }

    async fn robin(&self) -> Person {
        self.house.cases.person(&ROBIN.parse().unwrap()).await.unwrap().unwrap()
    }

    /// Where what has begun put them: what they are to leave by later has taken nothing.
    async fn begun(&self) -> Person {
        intake::as_begun(&self.house.cases, self.robin().await, now()).await.unwrap()
    }

    async fn post(&mut self, kind: &str, role: Option<&str>, place: usize) {
        let mut told = event(ROBIN, &format!("evt-{}", self.number));
        told["event_type"] = json!(kind);
        if kind == "notice" {
            told["event_type"] = json!("user_terminated");
            told["metadata"]["last_working_day"] = json!("2099-01-01");
        }
        if let Some(role) = role {
            told["user"]["role"] = json!(role);
        }
        let (department, location) = PLACES[place];
        told["metadata"]["department"] = json!(department);
        told["metadata"]["location"] = json!(location);
        let answer = self.house.post(&self.house.cases, &told.to_string()).await;
        // A suspension ends by what somebody decides, whatever HR says.
        let stays = kind == "user_rehired" && self.robin().await.status == PersonStatus::Suspended;
        assert_eq!(answer.status_code, if stays { 422 } else { 202 }, "{kind}: {:?}", answer.body);
        let case = body(&answer)["case_id"].as_str().map(|id| id.parse::<CaseId>().unwrap());
        self.pending.extend(case);
    }

    async fn happens(&mut self, what: &Happens) {
        self.number += 1;
        if what.carried_out {
            self.carry_out().await;
        }
        let (robin, role) = (self.begun().await, ROLES[what.role]);
        match what.kind {
            "move" => self.post("user_role_changed", Some(role), what.place).await,
            "relocated" => self.post("user_updated", None, what.place).await,
            "suspended" => self.post("user_suspended", None, what.place).await,
            "terminated" => self.post("user_terminated", None, what.place).await,
            "notice" => self.post("notice", None, what.place).await,
            "rehired" => self.post("user_rehired", Some(role), what.place).await,
            _ if robin.status == PersonStatus::Suspended => self.reinstate(robin).await,
            _ => {}
        }
        let now = self.robin().await;
        let profile = self.house.policy.profile(&now).unwrap().clone();
        self.kept.retain(|system, _| profile.needs(system).is_some());
        for (system, grants) in &mut self.kept {
            grants.retain(|name| profile.needs(system).is_some_and(|needed| needed.contains(name)));
        }
        self.placed.retain(|system| self.house.policy.routing.gives(&now, system));
    }

    /// What a decided restore of the suspension opens.
    async fn reinstate(&mut self, robin: Person) {
        let id = format!("back-{}", self.number);
        let wanted = Reactivation {
            trigger: Trigger {
                source: "leaver".into(),
                event_id: id.parse().unwrap(),
                by: "harper.hr".into(),
                kind: "restore".into(),
                at: now(),
                received_at: now(),
                body: Digest::of(id.as_bytes()),
            },
            restores: robin.case,
            permissions: BTreeSet::new(),
            measure: None,
            by_role: false,
            reason: "nothing was found".into(),
            effective_at: now(),
        };
        let (store, workflow) = (&self.house.cases, &self.house.workflow);
        let stands = self.robin().await;
        let opened = intake::reactivate(store, workflow, &self.house.policy, &stands, &wanted, now()).await;
        // One that has not begun is called off instead; here it goes on.
        self.pending.extend(opened.ok().map(|(receipt, _)| receipt.case_id));
    }

    /// Everything that is due, in the order in which it came.
    async fn carry_out(&mut self) {
        for case in std::mem::take(&mut self.pending) {
            let (record, _) = self.house.case(&case).await;
            if record.status != CaseStatus::Recorded || record.effective_at > now() {
                continue;
            }
            let planned = self.house.plan(&self.house.cases, &case).await.expect("a plan");
            for step in [Step::Run, Step::Verify] {
                for item in &planned.systems {
                    self.step(&case, &item.system, step).await;
                }
            }
            self.house.close(&self.house.cases, &case).await.expect("a close");
        }
    }

    async fn step(&self, case: &CaseId, system: &str, step: Step) {
        let id: SystemId = system.parse().unwrap();
        let name = all().find(|known| *known == system).expect("one of them");
        let (fake, http) = (self.world.system(name), self.world.connection());
        let (policy, store) = (&self.house.policy, &self.house.cases);
        let work =
            System { id: &id, adapter: &fake, http: &http, policy, store, rosters: store, gathering: None };
        let input = Input { case_id: Some(case.clone()), step };
        leaver_adapter::handle(&work, input).await.unwrap_or_else(|fault| panic!("{case} {system}: {fault}"));
    }

    async fn judge(&self) -> Result<(), TestCaseError> {
        let robin = self.begun().await;
        let profile = self.house.policy.profile(&robin).unwrap();
        for system in SYSTEMS {
            let id: SystemId = system.parse().unwrap();
            let found = self.world.system(system).found(ROBIN);
            let is_active = found.account.as_ref().is_some_and(|one| one.status == AccountStatus::Active);
            let held: Grants = found.grants.iter().map(|grant| grant.name.clone()).collect();
            if robin.status != PersonStatus::Active {
                prop_assert!(!is_active, "{system}: {:?} with an account in use", robin.status);
                continue;
            }
            if !self.house.policy.governed().contains(&id) {
                continue;
            }
            let Some(needed) = profile.needs(&id) else {
                prop_assert!(!is_active, "{system}: {} needs no account", robin.role);
                continue;
            };
            prop_assert!(
                !is_active || held.is_subset(needed),
                "{system}: {held:?} where {needed:?} is needed"
            );
            if let Some(kept) = self.kept.get(&id) {
                prop_assert!(is_active, "{system}: every role needed an account");
                prop_assert!(kept.is_subset(&held), "{system}: {held:?} where {kept:?} was needed all along");
            }
        }
        for system in PLACED {
            let id: SystemId = system.parse().unwrap();
            let leads = robin.status == PersonStatus::Active && self.house.policy.routing.gives(&robin, &id);
            let is_active = self.world.system(system).found(ROBIN).is_active();
            prop_assert!(leads || !is_active, "{system}: {:?} in {}", robin.status, robin.department);
            let stays = leads && self.placed.contains(&id);
            prop_assert!(is_active || !stays, "{system}: routing led there all along");
        }
        Ok(())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn access_is_what_policy_says_whatever_happened(
        roles in profiles(),
        all in proptest::collection::vec(happens(), 1..8),
    ) {
        runtime().block_on(async {
            let mut life = Life::new(roles).await;
            for what in &all {
                life.happens(what).await;
            }
            life.carry_out().await;
            life.judge().await
        })?;
    }
}

/// Routing leads nobody there any more who has moved, and whoever was suspended meanwhile does not get it back.
#[tokio::test]
async fn who_comes_back_from_a_suspension_elsewhere_gets_nothing_of_the_old_place() {
    let mut life = Life::new([Profile::default(), Profile::default(), Profile::default()]).await;
    for (kind, place) in [("suspended", 0), ("relocated", 3), ("reinstated", 3)] {
        life.happens(&Happens { kind, role: 0, place, carried_out: true }).await;
    }
    life.carry_out().await;
    assert_eq!(life.robin().await.status, PersonStatus::Active);
    for system in PLACED {
        assert!(!life.world.system(system).found(ROBIN).is_active(), "{system}");
    }
}

/// Two suspensions and returns, and between them a permission was taken on its own: the second return does not bring it back.
#[tokio::test]
async fn what_was_taken_on_its_own_stays_taken() {
    let held: Grants = BTreeSet::from(["a".to_owned()]);
    let profile = Profile(BTreeMap::from([("github".parse().unwrap(), held)]));
    let mut life = Life::new([profile.clone(), profile.clone(), profile]).await;
    for nothing in [false, true] {
        if nothing {
            life.world.begin_with("github", ROBIN, Some(&Grants::new()));
        }
        for kind in ["suspended", "reinstated"] {
            life.happens(&Happens { kind, role: 0, place: 0, carried_out: true }).await;
        }
        life.carry_out().await;
        let found = life.world.system("github").found(ROBIN);
        assert!(found.is_active());
        assert_eq!(found.grants.is_empty(), nothing, "{:?}", found.grants);
    }
}
