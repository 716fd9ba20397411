//! Builds what a function works with and serves its events.

use crate::config::{Environment, Misconfigured};
use aws_lambda_events::{apigw::ApiGatewayV2httpRequest, dynamodb::Event as StreamEvent};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use leaver_domain::{
    fault::Fault,
    ledger::Appending,
    ports::{LedgerStore, StoreError},
    secret::Secret,
    time::Timestamp,
};
use leaver_platform::{
    Aws, Changed, DynamoCases, DynamoLedger, KmsSigner, S3Objects, SecretError, Secrets, StepFunctions,
    changed,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Serialize, de::DeserializeOwned};
use std::{future::Future, pin::Pin, time::Duration};
use tokio::{sync::Mutex, time::timeout};

/// How long opening the first connection may take: what is not open by then is opened by the first event.
pub(crate) const WARM: Duration = Duration::from_millis(200);
/// How long a secret is used before it is read again, so that a rotated one is taken up.
const SECRET_AGE: Duration = Duration::from_secs(300);
/// How often `close` looks at the log within one invocation, 0.4 s apart.
const LOOKS: u32 = 50;
/// What is left of an invocation's time for writing down how it ended.
pub(crate) const RESERVE: Duration = Duration::from_secs(8);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now())
}

/// What hides a row from guessing.
fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    // Without randomness the salt is zero: weaker privacy of a single row, never a missing row.
    let _ = SystemRandom::new().fill(&mut salt);
    salt
}

fn sleep<'a>(time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
    Box::pin(tokio::time::sleep(time))
}

/// A failure as Lambda reports it: the state machine matches on the type.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Fault);

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.0.kind.name().to_owned(), error_message: failure.0.detail }
    }
}

pub(crate) fn internal(error: impl ToString) -> Failure {
    Failure(Fault::new(leaver_domain::fault::FaultKind::Internal, error.to_string()))
}

/// Serves events, and says after each what it consumed of DynamoDB: the cost of a termination is the sum of these lines.
pub(crate) async fn run<I, O, F, R>(aws: &Aws, handler: F) -> Result<(), Misconfigured>
where
    I: DeserializeOwned,
    O: Serialize,
    F: Fn(LambdaEvent<I>) -> R,
    R: Future<Output = Result<O, Failure>>,
{
    let meter = aws.meter();
    let _ = meter.take();
    let served = service_fn(async |event: LambdaEvent<I>| {
        let result = handler(event).await;
        let consumed = meter.take();
        tracing::info!(read_units = consumed.read, write_units = consumed.write, "consumed");
        result
    });
    lambda_runtime::run(served).await.map_err(|error| Misconfigured(error.to_string()))
}

/// Serves the function that the environment names.
pub(crate) async fn serve(environment: &Environment) -> Result<(), Misconfigured> {
    let handler = environment.require("_HANDLER")?;
    let read = |name: &str| environment.get(name);
    let aws = Aws::from_environment(&read).map_err(|error| Misconfigured(error.to_string()))?;
    match handler.split_once('.') {
        Some(("adapter", "custom")) => crate::adapter::custom(environment, &aws).await,
        Some(("adapter", system)) => crate::adapter::adapter(environment, &aws, system).await,
        None if handler == "webhook" => webhook(environment, &aws).await,
        None if handler == "plan" => plan(environment, &aws).await,
        None if handler == "close" => close(environment, &aws).await,
        None if handler == "ledger" => ledger(environment, &aws).await,
        None if handler == "publish" => crate::publish::publish(environment, &aws).await,
        None if handler == "approval" => crate::humans::approval(environment, &aws).await,
        None if handler == "sweep" => sweep(environment, &aws).await,
        None if handler == "population" => population(environment, &aws).await,
        None if handler == "contracts" => contracts(environment, &aws).await,
        None if handler == "reconcile" => reconcile(environment, &aws).await,
        None if handler == "canary" => crate::canary::canary(environment, &aws).await,
        None if handler == "export" => crate::export::export(environment, &aws).await,
        None if handler == "signals" => signals(environment, &aws).await,
        None if handler == "api" => api(environment, &aws).await,
        _ => Err(Misconfigured(format!("there is no function `{handler}`"))),
    }
}

pub(crate) async fn cases(environment: &Environment, aws: &Aws) -> Result<DynamoCases, Misconfigured> {
    let cases = DynamoCases::new(aws, &environment.require("CASE_TABLE")?);
    let _ = timeout(WARM, cases.warm()).await;
    Ok(cases)
}

/// A secret that is read again when it has become old.
pub(crate) struct Kept {
    secrets: Secrets,
    id: String,
    held: Mutex<Option<(Secret, Timestamp)>>,
}

impl Kept {
    pub(crate) fn new(aws: &Aws, id: String) -> Self {
        Self { secrets: Secrets::new(aws), id, held: Mutex::new(None) }
    }

    pub(crate) async fn read(&self) -> Result<Secret, SecretError> {
        let mut held = self.held.lock().await;
        if let Some((secret, at)) = held.as_ref()
            && now().since(*at) < SECRET_AGE
        {
            return Ok(secret.clone());
        }
        let secret = self.secrets.read(&self.id).await?;
        *held = Some((secret.clone(), now()));
        Ok(secret)
    }
}

async fn webhook(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let workflow = StepFunctions::new(aws, &environment.require("STATE_MACHINE_ARN")?);
    let secret = Kept::new(aws, environment.require("HRIS_SECRET_ID")?);
    let _ = timeout(WARM, secret.read()).await;
    run(aws, async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
        let text = secret.read().await.map_err(internal)?;
        let credentials = leaver_webhook::Credentials::parse(&text)
            .map_err(|_| internal("the HRIS secret must hold a bearer_token of at least 16 characters"))?;
        let webhook = leaver_webhook::Webhook {
            credentials: &credentials,
            policy: &policy,
            store: &store,
            workflow: &workflow,
            now: now(),
        };
        Ok(leaver_webhook::handle(&webhook, &event.payload).await)
    })
    .await
}

async fn plan(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let workflow = StepFunctions::new(aws, &environment.require("STATE_MACHINE_ARN")?);
    run(aws, async |event: LambdaEvent<leaver_plan::Input>| {
        let plan = leaver_plan::Plan { policy: &policy, store: &store, workflow: &workflow, now: now() };
        leaver_plan::handle(&plan, event.payload).await.map_err(Failure)
    })
    .await
}

async fn close(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let ledger = DynamoLedger::new(aws, &environment.require("LEDGER_TABLE")?, &environment.origin()?);
    run(aws, async |event: LambdaEvent<leaver_close::Input>| {
        let close = leaver_close::Close {
            policy: &policy,
            store: &store,
            ledger: &ledger,
            clock: &now,
            wait: &sleep,
            tries: LOOKS,
        };
        leaver_close::handle(&close, event.payload).await.map_err(Failure)
    })
    .await
}

async fn sweep(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let workflow = StepFunctions::new(aws, &environment.require("STATE_MACHINE_ARN")?);
    let ledger = DynamoLedger::new(aws, &environment.require("LEDGER_TABLE")?, &environment.origin()?);
    run(aws, async |_: LambdaEvent<serde_json::Value>| {
        let log = Appending { store: &ledger, now: now(), salt: &salt, wait: &sleep };
        let sweep =
            leaver_sweep::Sweep { policy: &policy, store: &store, workflow: &workflow, log, now: now() };
        leaver_sweep::handle(&sweep).await.map_err(internal)
    })
    .await
}

async fn population(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let store = cases(environment, aws).await?;
    let ledger = DynamoLedger::new(aws, &environment.require("LEDGER_TABLE")?, &environment.origin()?);
    run(aws, async |_: LambdaEvent<serde_json::Value>| {
        let log = Appending { store: &ledger, now: now(), salt: &salt, wait: &sleep };
        let counting = leaver_population::Counting { store: &store, log, now: now() };
        leaver_population::handle(&counting).await.map_err(internal)
    })
    .await
}

async fn contracts(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let workflow = StepFunctions::new(aws, &environment.require("STATE_MACHINE_ARN")?);
    run(aws, async |_: LambdaEvent<serde_json::Value>| {
        let contracts = leaver_contracts::Contracts {
            policy: &policy,
            cases: &store,
            people: &store,
            workflow: &workflow,
            now: now(),
        };
        leaver_contracts::handle(&contracts).await.map_err(internal)
    })
    .await
}

async fn reconcile(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let workflow = StepFunctions::new(aws, &environment.require("STATE_MACHINE_ARN")?);
    run(aws, async |_: LambdaEvent<serde_json::Value>| {
        let reconciling = leaver_reconcile::Reconciling {
            policy: &policy,
            cases: &store,
            rosters: &store,
            workflow: &workflow,
            now: now(),
        };
        leaver_reconcile::handle(&reconciling).await.map_err(internal)
    })
    .await
}

async fn api(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (cases, policy) = (cases(environment, aws).await?, environment.policy()?);
    let ledger = DynamoLedger::new(aws, &environment.require("LEDGER_TABLE")?, &environment.origin()?);
    let workflow = StepFunctions::new(aws, &environment.require("STATE_MACHINE_ARN")?);
    let objects = S3Objects::new(aws, &environment.require("EVIDENCE_BUCKET")?)
        .map_err(|error| Misconfigured(error.to_string()))?;
    let tokens = leaver_api::Accepted {
        issuer: environment.require("JWT_ISSUER")?,
        audience: environment.require("JWT_AUDIENCE")?,
    };
    let signer = KmsSigner::new(aws, &environment.require("SIGNALS_KEY_ID")?);
    let issuer = environment.require("SIGNALS_ISSUER")?;
    run(aws, async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
        let api = leaver_api::Api {
            signals: leaver_api::Signals { issuer: &issuer, signer: &signer },
            policy: &policy,
            cases: &cases,
            rosters: &cases,
            ledger: &ledger,
            workflow: &workflow,
            evidence: &cases,
            objects: &objects,
            archives: &objects,
            tokens: &tokens,
            now: now(),
            sleep: &sleep,
        };
        Ok(leaver_api::handle(&api, &event.payload).await)
    })
    .await
}

async fn signals(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let settings = environment.policy()?.signals;
    let issuer = environment.require("SIGNALS_ISSUER")?;
    let objects = S3Objects::new(aws, &environment.require("EVIDENCE_BUCKET")?)
        .map_err(|error| Misconfigured(error.to_string()))?;
    let signer = KmsSigner::new(aws, &environment.require("SIGNALS_KEY_ID")?);
    let secret = Kept::new(aws, environment.require("SIGNALS_SECRET_ID")?);
    let http = leaver_adapters::http::client().map_err(|fault| Misconfigured(fault.detail))?;
    let has_secrets = settings.receivers.iter().any(|receiver| receiver.token_secret.is_some());
    let is_local = environment.require("ENVIRONMENT")? == "local";
    run(aws, async |event: LambdaEvent<serde_json::Value>| {
        let endpoints = match has_secrets {
            true => endpoints(secret.read().await),
            false => leaver_signals::Endpoints::default(),
        };
        let telling = leaver_signals::Telling {
            settings: &settings,
            issuer: &issuer,
            objects: &objects,
            signer: &signer,
            endpoints: &endpoints.or_plain(is_local),
            http: &http,
        };
        leaver_signals::handle(&telling, &event.payload).await.map_err(internal)
    })
    .await
}

/// The receivers' secret. One that cannot be used is none: OCSF events are written all the same, and each receiver that
/// needs it is reported as unusable.
fn endpoints(read: Result<Secret, SecretError>) -> leaver_signals::Endpoints {
    let parsed = read.map_err(|error| error.to_string());
    let parsed = parsed
        .and_then(|text| leaver_signals::Endpoints::parse(&text).map_err(|unusable| unusable.to_string()));
    parsed.unwrap_or_else(|why| {
        tracing::error!(why, alarm = "signals_unusable", "the receivers' secret cannot be used");
        leaver_signals::Endpoints::default()
    })
}

async fn ledger(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let store = DynamoLedger::new(aws, &environment.require("LEDGER_TABLE")?, &environment.origin()?);
    let _ = timeout(WARM, store.warm()).await;
    run(aws, async |event: LambdaEvent<StreamEvent>| append(&store, &event.payload).await).await
}

async fn append(store: &dyn LedgerStore, event: &StreamEvent) -> Result<leaver_ledger::Tally, Failure> {
    let mut drafts = Vec::new();
    for record in leaver_ledger::records(event) {
        match changed(&record.sk, record.old.as_deref(), record.new.as_deref()) {
            Changed::Lines(lines) => drafts.extend(lines),
            Changed::Nothing => {}
            // It stays in the case table, where a human can look at it; the rows behind it must not wait for that.
            Changed::Unreadable(why) => {
                tracing::error!(
                    pk = record.pk,
                    sk = record.sk,
                    why,
                    alarm = "ledger_unreadable",
                    "set aside"
                );
            }
        }
    }
    let to = Appending { store, now: now(), salt: &salt, wait: &sleep };
    let tally = leaver_ledger::append(&to, drafts).await.map_err(|error: StoreError| internal(error))?;
    for one in &tally.quarantined {
        tracing::error!(event = one.event_id, alarm = "ledger_contradiction", "an event contradicts the log");
    }
    Ok(tally)
}
