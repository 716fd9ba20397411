//! Serves the adapters: each system's own function, and the one for all systems that policy configures.

use crate::{
    config::{Environment, Misconfigured},
    serve::{Failure, Kept, RESERVE, WARM, cases, now, run},
};
use lambda_runtime::{Context, LambdaEvent};
use leaver_adapters::{
    Adapter, Spec,
    auth::Auth,
    custom,
    http::{Hosts, Writer},
    settings::{OwnIdentity, Settings},
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    gathering::Gathering,
    id::SystemId,
    policy::Policy,
    ports::CaseStore,
    roster::RosterStore,
    secret::Secret,
};
use leaver_platform::{Aws, DynamoPace, SecretError};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;

/// What every adapter's function works with.
struct Bench<'a> {
    client: reqwest::Client,
    pacer: Arc<DynamoPace>,
    policy: &'a Policy,
    store: &'a dyn CaseStore,
    rosters: &'a dyn RosterStore,
}

impl Bench<'_> {
    async fn work(
        &self,
        id: &SystemId,
        (adapter, auth): (Box<dyn Adapter>, Auth),
        (hosts, settings): (Hosts, &Settings),
        context: &Context,
        input: leaver_adapter::Input,
    ) -> Result<leaver_adapter::Output, Failure> {
        let budget = context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default();
        let budget = budget.saturating_sub(RESERVE).max(Duration::ZERO);
        let http = Writer::open(self.client.clone(), hosts, settings, auth, Arc::new(now), budget);
        let http = http.map_err(Failure)?.paced(id.as_str(), self.pacer.clone());
        let (adapter, policy, store) = (adapter.as_ref(), self.policy, self.store);
        let (rosters, gathering) = (self.rosters, Some(self.pacer.as_ref() as &dyn Gathering));
        let system = leaver_adapter::System { id, adapter, http: &http, policy, store, rosters, gathering };
        leaver_adapter::handle(&system, input).await.map_err(Failure)
    }
}

/// Serves the function of one system of the registry.
pub(crate) async fn adapter(environment: &Environment, aws: &Aws, system: &str) -> Result<(), Misconfigured> {
    let spec = Spec::of(system).ok_or_else(|| Misconfigured(format!("there is no adapter for {system}")))?;
    let id: SystemId = system.parse().map_err(|_| Misconfigured(format!("`{system}` is no system's id")))?;
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let secret = Kept::new(aws, environment.require("SYSTEM_SECRET_ID")?);
    let _ = timeout(WARM, secret.read()).await;
    let client = leaver_adapters::http::client().map_err(|fault| Misconfigured(fault.detail))?;
    let identity = identity(environment);
    let pacer = Arc::new(DynamoPace::new(aws, &environment.require("PACE_TABLE")?));
    let bench = Bench { client, pacer, policy: &policy, store: &store, rosters: &store };
    run(aws, async |event: LambdaEvent<leaver_adapter::Input>| {
        let text = match secret.read().await {
            // A system that needs no setting needs no value in its secret.
            Err(SecretError::Empty(_)) if spec.needs_no_setting() => Secret::new("{}"),
            read => read.map_err(|error| credential(&error))?,
        };
        let mut settings = Settings::parse(system, &text).map_err(Failure)?;
        settings.identity = identity.clone();
        let opened = leaver_adapters::open(system, &settings).map_err(Failure)?;
        bench.work(&id, opened, (spec.hosts, &settings), &event.context, event.payload).await
    })
    .await
}

/// An item of the Map, for a function that works on more than one system.
#[derive(Deserialize)]
struct Item {
    system: SystemId,
    #[serde(flatten)]
    input: leaver_adapter::Input,
}

/// Serves the function of all systems that policy configures. Each has a secret of its own.
pub(crate) async fn custom(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let prefix = environment.require("CUSTOM_SECRETS")?;
    let ids = policy.automatic().filter(|id| policy.custom(id).is_some());
    let secrets: BTreeMap<&SystemId, Kept> =
        ids.map(|id| (id, Kept::new(aws, format!("{prefix}{id}")))).collect();
    let client = leaver_adapters::http::client().map_err(|fault| Misconfigured(fault.detail))?;
    let pacer = Arc::new(DynamoPace::new(aws, &environment.require("PACE_TABLE")?));
    let bench = Bench { client, pacer, policy: &policy, store: &store, rosters: &store };
    run(aws, async |event: LambdaEvent<Item>| {
        let Item { system: id, input } = event.payload;
        let (Some(configured), Some(secret)) = (policy.custom(&id), secrets.get(&id)) else {
            let detail = format!("policy configures no system {id}");
            return Err(Failure(Fault::new(FaultKind::Internal, detail)));
        };
        let text = secret.read().await.map_err(|error| credential(&error))?;
        let settings = Settings::parse(id.as_str(), &text).map_err(Failure)?;
        let opened = custom::open(&id, configured, &settings).map_err(Failure)?;
        bench.work(&id, opened, (custom::HOSTS, &settings), &event.context, input).await
    })
    .await
}

/// A secret that nobody filled in is the owner's to mend; one that could not be read is tried again.
fn credential(error: &SecretError) -> Failure {
    let kind = match error {
        SecretError::Empty(_) => FaultKind::CredentialRejected,
        _ => FaultKind::Internal,
    };
    Failure(Fault::new(kind, error.to_string()))
}

/// This function's own role, for the system that is AWS itself.
fn identity(environment: &Environment) -> Option<OwnIdentity> {
    Some(OwnIdentity {
        access_key_id: environment.get("AWS_ACCESS_KEY_ID")?,
        secret_access_key: Secret::new(environment.get("AWS_SECRET_ACCESS_KEY")?),
        session_token: environment.get("AWS_SESSION_TOKEN").map(Secret::new),
        region: environment.get("AWS_REGION")?,
    })
}
