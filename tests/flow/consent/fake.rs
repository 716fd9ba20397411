//! Systems in memory that count what is written to them, behind the adapters' own trait.

use async_trait::async_trait;
use leaver_adapters::{
    Adapter, Missing, Spec,
    http::{Clock, Reader, Writer},
    settings::Settings,
    slack,
};
use leaver_domain::{
    fault::Fault,
    inventory::{Account, AccountStatus, Asset, Grant, GrantKind, Inventory, Next, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    time::Timestamp,
};
use leaver_tests::sandbox::now;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Where somebody is the last administrator from the start: security decides.
pub(crate) const LOCKS_OUT: &str = "github";
/// Where an automation runs on their account from the start: two decide.
pub(crate) const AUTOMATED: &str = "slack";
/// Where nothing is flagged until something appears.
pub(crate) const CLEAN: &str = "okta";
pub(crate) const SYSTEMS: [&str; 3] = [LOCKS_OUT, CLEAN, AUTOMATED];

/// The grant of an administrator.
const ADMINISTERS: &str = "owner";

#[derive(Debug, Clone)]
struct Held {
    active: bool,
    automated: bool,
    alone: bool,
    grants: BTreeSet<String>,
}

/// All systems, what was written to them, and the clock that everybody goes by.
#[derive(Debug)]
pub(crate) struct World {
    accounts: Mutex<BTreeMap<(String, String), Held>>,
    writes: Mutex<Vec<Action>>,
    began: Timestamp,
    seconds: Arc<AtomicU64>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { accounts: Mutex::default(), writes: Mutex::default(), began: now(), seconds: Arc::default() }
    }

    /// Somebody holds just this in a system, and nothing about it is odd; `None` is an account that cannot be used.
    pub(crate) fn begin_with(&self, system: &str, username: &str, grants: Option<&BTreeSet<String>>) {
        let held = Held {
            active: grants.is_some(),
            automated: false,
            alone: false,
            grants: grants.cloned().unwrap_or_default(),
        };
        self.accounts.lock().unwrap().insert((system.to_owned(), username.to_owned()), held);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.began.plus(Duration::from_secs(self.seconds.load(Ordering::SeqCst)))
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn held<T>(&self, system: &str, username: &str, change: impl FnOnce(&mut Held) -> T) -> T {
        let mut accounts = self.accounts.lock().unwrap();
        let held = accounts.entry((system.to_owned(), username.to_owned())).or_insert_with(|| {
            let grants = ["everybody".to_owned(), ADMINISTERS.to_owned()].into();
            Held { active: true, automated: system == AUTOMATED, alone: system == LOCKS_OUT, grants }
        });
        change(held)
    }

    /// Somebody gets one permission more.
    pub(crate) fn grow(&self, system: &str, username: &str, number: usize) {
        self.held(system, username, |held| held.grants.insert(format!("new-{number}")));
    }

    /// Somebody loses one permission.
    pub(crate) fn shrink(&self, system: &str, username: &str) {
        self.held(system, username, |held| held.grants.remove("everybody"));
    }

    /// An automation appears on somebody's account.
    pub(crate) fn automate(&self, system: &str, username: &str) {
        self.held(system, username, |held| held.automated = true);
    }

    /// The other administrators are gone: what is to be done stays the same, what it means does not.
    pub(crate) fn leave_alone(&self, system: &str, username: &str) {
        self.held(system, username, |held| held.alone = true);
    }

    /// What was written from this number on.
    pub(crate) fn written(&self, from: usize) -> Vec<Action> {
        self.writes.lock().unwrap().get(from..).unwrap_or_default().to_vec()
    }

    pub(crate) fn system(&self, system: &'static str) -> Fake<'_> {
        Fake { world: self, system }
    }

    /// A connection that leads nowhere: only its clock and its time are asked for.
    pub(crate) fn connection(&self) -> Writer {
        static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
        let client = CLIENT.get_or_init(|| leaver_adapters::http::client().unwrap()).clone();
        let settings = Settings::from_pairs("slack", [("token", "none")]);
        let (_, auth) = slack::open(&settings).unwrap();
        let (began, seconds) = (self.began, Arc::clone(&self.seconds));
        let clock: Clock = Arc::new(move || began.plus(Duration::from_secs(seconds.load(Ordering::SeqCst))));
        Writer::open(client, slack::SPEC.hosts, &settings, auth, clock, Duration::from_secs(5)).unwrap()
    }
}

/// One system.
pub(crate) struct Fake<'a> {
    world: &'a World,
    system: &'static str,
}

impl Fake<'_> {
    /// All that hangs on an account.
    pub(crate) fn found(&self, username: &str) -> Inventory {
        let held = self.world.held(self.system, username, |held| held.clone());
        let account = Account {
            id: username.to_owned(),
            login: username.to_owned(),
            status: if held.active { AccountStatus::Active } else { AccountStatus::Suspended },
            matched_by: "username".into(),
            privileged: false,
            last_login: None,
            facts: BTreeMap::new(),
        };
        let grant = |name: &String| Grant {
            id: name.clone(),
            kind: GrantKind::Group,
            name: name.clone(),
            privileged: name == ADMINISTERS,
            fixed: None,
            sole_holder: name == ADMINISTERS && held.alone,
        };
        let automation = || Asset {
            id: "bot".into(),
            kind: "automation".into(),
            name: "bot".into(),
            live_automation: true,
            next: Next::Task,
        };
        Inventory {
            grants: held.grants.iter().map(grant).collect(),
            assets: held.automated.then(automation).into_iter().collect(),
            ..Inventory::of(account, Sessions::Listed(Vec::new()))
        }
    }
}

#[async_trait]
impl Adapter for Fake<'_> {
    fn spec(&self) -> &'static Spec {
        &slack::SPEC
    }
    async fn discover(&self, _: &Reader, who: &Person) -> Result<Inventory, Fault> {
        Ok(self.found(who.username.as_str()))
    }
    async fn activity(&self, _: &Reader, _: &Account, since: Timestamp) -> Result<Activity, Fault> {
        Ok(Activity { since, events: Vec::new(), incomplete: None })
    }
    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let account = found.account.iter().filter(|account| account.status == AccountStatus::Active);
        let disable =
            account.map(|account| Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        let remove = |grant: &Grant| Action::clean_up(ActionKind::RemoveGroup, &grant.id, &grant.name);
        disable.chain(found.grants.iter().map(remove)).collect()
    }
    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let id = |of: &Inventory| of.account.as_ref().map(|account| account.id.clone()).unwrap_or_default();
        let enable = (before.is_active() && !now.is_active())
            .then(|| Action::contain(ActionKind::EnableAccount, id(before), id(before)));
        let missing = before.grants.iter().filter(|had| now.grants.iter().all(|held| held.id != had.id));
        let add = |grant: &Grant| Action::clean_up(ActionKind::AddGrant, &grant.id, &grant.name);
        enable.into_iter().chain(missing.map(add)).collect()
    }
    async fn apply(&self, _: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let username = found.account.as_ref().map(|account| account.id.clone()).unwrap_or_default();
        self.world.writes.lock().unwrap().push(action.clone());
        self.world.held(self.system, &username, |held| match action.kind {
            ActionKind::DisableAccount => held.active = false,
            ActionKind::EnableAccount => held.active = true,
            ActionKind::RemoveGroup => _ = held.grants.remove(&action.target),
            ActionKind::AddGrant => _ = held.grants.insert(action.target.clone()),
            other => panic!("nothing asks for {other:?}"),
        });
        Ok(Outcome::Done)
    }
    fn residues(&self, _: &Inventory) -> Vec<leaver_adapters::Residue> {
        Vec::new()
    }
    async fn missing(&self, _: &Reader) -> Result<Vec<Missing>, Fault> {
        Ok(Vec::new())
    }

    async fn probe(&self, _: &Reader) -> Result<(), Fault> {
        Ok(())
    }
}
