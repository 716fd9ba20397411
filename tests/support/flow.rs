//! The functions in one process, over the stores in memory and a sandbox: the way of one case, step by step.

use crate::sandbox::{Stage, now};
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use futures_util::future::BoxFuture;
use leaver_adapter::{Input, Step, System};
use leaver_domain::{
    case::{CaseRecord, SystemRecord, SystemStatus},
    fault::Fault,
    gathering::Gathering,
    id::{CaseId, SystemId},
    ledger::{Chain, Entry},
    policy::Policy,
    ports::{CaseStore, LedgerStore},
    secret::Secret,
    time::Timestamp,
};
use leaver_ledger::{Appending, Tally, append};
use leaver_platform::{
    Changed, changed,
    memory::{MemoryCases, MemoryLedger, MemoryWorkflow},
    memory_log::{MemoryObjects, MemorySigner, NoWitnesses},
};
use leaver_publish::{Publish, announce, handle};
use leaver_sandbox::people;
use leaver_webhook::{Credentials, Webhook};
use serde_json::{Value, json};
use std::time::Duration;

/// The bearer token of the HRIS in these suites.
pub const TOKEN: &str = "hris-token-for-the-suite";
/// Name of the log in these suites.
pub const ORIGIN: &str = "leaver/suite";

/// Everything that a case needs.
pub struct House {
    /// The stand-ins.
    pub stage: Stage,
    /// The case table.
    pub cases: MemoryCases,
    /// The log.
    pub ledger: MemoryLedger,
    /// The published log.
    pub objects: MemoryObjects,
    /// What it is signed with.
    pub signer: MemorySigner,
    /// The workflow engine.
    pub workflow: MemoryWorkflow,
    /// The shipped settings.
    pub policy: Policy,
    /// Where the systems of a case wait for each other; `None` for tests that work on one after the other.
    pub gathering: Option<Box<dyn Gathering>>,
}

/// The shipped policy of an environment.
pub fn shipped(environment: &str) -> Policy {
    let document = serde_norway::from_str(include_str!("../../infra/policy.yaml")).expect("YAML");
    Policy::parse(document, environment).expect("a good policy")
}

/// What policy gives whoever works in sales in the field, beside what everybody has.
pub const FIELD_SALES: [&str; 9] = [
    "active_directory",
    "badge",
    "benefits",
    "custom_crm",
    "custom_sessions",
    "custom_wiki",
    "salesforce",
    "sharepoint",
    "vpn",
];

/// The systems of [`policy`].
pub const SIX: [&str; 6] = ["aws_iam", "github", "google_workspace", "microsoft_365", "okta", "slack"];

/// The shipped policy, for scenarios that are about something else than how many systems there are and who is asked when: six
/// systems and those that are done by hand, both of the security team are asked first, and six cases of batches run at once.
pub fn policy(environment: &str) -> Policy {
    let mut policy = shipped(environment);
    policy.batch.max_running = 6;
    policy.systems.retain(|id, of| SIX.contains(&id.as_str()) || of.manual.is_some());
    policy.approvals.approvers.insert("sam.admin".parse().expect("a name"));
    policy
}

/// An event of the HRIS about a sample person.
pub fn event(username: &str, event_id: &str) -> Value {
    let person = crate::sandbox::person(username);
    json!({
        "event_type": "user_terminated", "event_id": event_id, "timestamp": "2026-02-03T14:30:00Z",
        "user": {"username": person.username, "employee_id": person.employee_id, "email": person.email,
                 "termination_reason": "Resignation"},
        "metadata": {"department": person.department, "time_zone": "Europe/Berlin"},
    })
}

/// A request of the HRIS as API Gateway passes it on.
pub fn request(body: &str, headers: &[(&str, &str)]) -> ApiGatewayV2httpRequest {
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    serde_json::from_value(json!({
        "version": "2.0", "routeKey": "POST /api/v1/webhooks/hr-events", "rawPath": "/api/v1/webhooks/hr-events",
        "rawQueryString": "", "headers": headers, "isBase64Encoded": false, "body": body,
        "requestContext": {"http": {"method": "POST", "path": "/api/v1/webhooks/hr-events", "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1", "userAgent": "hris"}, "accountId": "0", "apiId": "a", "domainName": "d",
            "domainPrefix": "d", "requestId": "r", "routeKey": "r", "stage": "$default", "time": "t", "timeEpoch": 0},
    }))
    .expect("an API Gateway event")
}

/// A request of somebody with these groups, as API Gateway passes it on once their token was checked.
pub fn api_request(
    (who, roles): (&str, &str),
    method: &str,
    path: &str,
    body: &str,
    key: &str,
) -> ApiGatewayV2httpRequest {
    let mut asked = request(body, &[("idempotency-key", key)]);
    asked.raw_path = Some(path.to_owned());
    asked.request_context.http.method = method.parse().expect("a method");
    let claims = json!({
        "iss": "i", "aud": "a", "exp": "99999999999", "token_use": "id", "cognito:username": who,
        "cognito:groups": format!("[{roles}]"),
    });
    asked.request_context.authorizer =
        serde_json::from_value(json!({"jwt": {"scopes": [], "claims": claims}})).expect("claims");
    asked
}

/// The body of an answer; its text where it is no JSON, and the bytes of one that is no text.
pub fn body(response: &ApiGatewayV2httpResponse) -> Value {
    match &response.body {
        Some(aws_lambda_events::encodings::Body::Text(text)) => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        Some(aws_lambda_events::encodings::Body::Binary(bytes)) => json!(bytes),
        _ => Value::Null,
    }
}

impl House {
    /// A fresh one, with the sample people.
    pub async fn new() -> Self {
        let house = Self {
            stage: Stage::start().await,
            cases: MemoryCases::default(),
            ledger: MemoryLedger::new(ORIGIN),
            objects: MemoryObjects::default(),
            signer: MemorySigner::new([7; 32]),
            workflow: MemoryWorkflow::default(),
            policy: policy("local"),
            gathering: None,
        };
        for sample in people::load().expect("the sample people") {
            let person = leaver_domain::person::Person { version: 1, ..sample.person };
            house.cases.put_person(&person).await.expect("a new person");
        }
        house
    }

    /// Posts a body to the webhook with the right token.
    pub async fn post(&self, store: &dyn CaseStore, body: &str) -> ApiGatewayV2httpResponse {
        let authorization = format!("Bearer {TOKEN}");
        self.post_with(store, body, &[("authorization", &authorization)]).await
    }

    /// Posts a body to the webhook with these headers.
    pub async fn post_with(
        &self,
        store: &dyn CaseStore,
        body: &str,
        headers: &[(&str, &str)],
    ) -> ApiGatewayV2httpResponse {
        let text = json!({"bearer_token": TOKEN, "signing_secret": null}).to_string();
        let credentials = Credentials::parse(&Secret::new(text)).expect("usable");
        let webhook = Webhook {
            credentials: &credentials,
            policy: &self.policy,
            store,
            workflow: &self.workflow,
            now: now(),
        };
        leaver_webhook::handle(&webhook, &request(body, headers)).await
    }

    /// The first step of an execution.
    pub async fn plan(&self, store: &dyn CaseStore, case: &CaseId) -> Result<leaver_plan::Output, Fault> {
        self.plan_at(store, case, now()).await
    }

    /// The first step of an execution at an instant.
    pub async fn plan_at(
        &self,
        store: &dyn CaseStore,
        case: &CaseId,
        now: Timestamp,
    ) -> Result<leaver_plan::Output, Fault> {
        let plan = leaver_plan::Plan { policy: &self.policy, store, workflow: &self.workflow, now };
        leaver_plan::handle(&plan, leaver_plan::Input { case_id: Some(case.clone()), ..Default::default() })
            .await
    }

    /// One step of one system.
    pub async fn step(
        &self,
        store: &dyn CaseStore,
        case: &CaseId,
        system: &str,
        step: Step,
    ) -> Result<Option<SystemStatus>, Fault> {
        let (id, time): (SystemId, _) = (system.parse().expect("an id"), Duration::from_secs(20));
        let to = match self.policy.custom(&id) {
            Some(custom) => self.stage.connect_custom(system, custom, time),
            None => self.stage.connect(system, time),
        };
        let (adapter, http, policy) = (to.adapter.as_ref(), &to.http, &self.policy);
        let (rosters, gathering) = (&self.cases, self.gathering.as_deref());
        let system = System { id: &id, adapter, http, policy, store, rosters, gathering };
        let output = leaver_adapter::handle(&system, Input { case_id: Some(case.clone()), step }).await?;
        Ok(output.status)
    }

    /// A step of one system that is about no case: the accounts of a night are listed, or the logs read that are owed.
    pub async fn step_of_system(&self, store: &dyn CaseStore, system: &str, step: Step) -> Result<(), Fault> {
        let (id, time): (SystemId, _) = (system.parse().expect("an id"), Duration::from_secs(20));
        let to = match self.policy.custom(&id) {
            Some(custom) => self.stage.connect_custom(system, custom, time),
            None => self.stage.connect(system, time),
        };
        let (adapter, http, policy) = (to.adapter.as_ref(), &to.http, &self.policy);
        let system = System { id: &id, adapter, http, policy, store, rosters: &self.cases, gathering: None };
        let input = Input { case_id: None, step };
        leaver_adapter::handle(&system, input).await.map(|_| ())
    }

    /// The nightly function, over a case table.
    pub async fn reconcile(
        &self,
        cases: &dyn CaseStore,
        now: Timestamp,
    ) -> Result<leaver_reconcile::Reconciled, leaver_domain::ports::StoreError> {
        let (policy, rosters, workflow) = (&self.policy, &self.cases, &self.workflow);
        let of = leaver_reconcile::Reconciling { policy, cases, rosters, workflow, now };
        leaver_reconcile::handle(&of).await
    }

    /// The last step of an execution.
    pub async fn close(&self, store: &dyn CaseStore, case: &CaseId) -> Result<leaver_close::Output, Fault> {
        self.close_with(store, &self.ledger, case).await
    }

    /// The last step of an execution, over another log.
    pub async fn close_with(
        &self,
        store: &dyn CaseStore,
        ledger: &dyn LedgerStore,
        case: &CaseId,
    ) -> Result<leaver_close::Output, Fault> {
        // While it waits, the stream feeds the log and the publisher publishes it.
        let wait = |_| -> BoxFuture<'_, ()> {
            Box::pin(async {
                self.feed().await;
                self.publish().await;
            })
        };
        let close =
            leaver_close::Close { policy: &self.policy, store, ledger, clock: &now, wait: &wait, tries: 3 };
        leaver_close::handle(
            &close,
            leaver_close::Input {
                case_id: Some(case.clone()),
                system: None,
                systems: vec![],
                reverify: None,
            },
        )
        .await
    }

    /// An execution as the state machine runs it up to its last step, with its retries and without its waits.
    pub async fn execute_until_close(&self, case: &CaseId) {
        let store = &self.cases;
        let planned = self.plan(store, case).await.expect("a plan");
        let mut revoked = Vec::new();
        for item in &planned.systems {
            for _ in 0..5 {
                match self.step(store, case, &item.system, Step::Run).await {
                    Ok(Some(SystemStatus::Revoked | SystemStatus::Restored)) => revoked.push(&item.system),
                    Err(fault) if fault.kind.is_retryable() => continue,
                    _ => {}
                }
                break;
            }
        }
        for system in revoked {
            for _ in 0..5 {
                match self.step(store, case, system, Step::Verify).await {
                    Err(fault) if fault.kind.is_retryable() => continue,
                    _ => break,
                }
            }
        }
    }

    /// A whole execution as the state machine runs it.
    pub async fn execute(&self, case: &CaseId) {
        self.execute_until_close(case).await;
        self.close(&self.cases, case).await.expect("a close");
    }

    /// The case and its systems.
    pub async fn case(&self, case: &CaseId) -> (CaseRecord, Vec<SystemRecord>) {
        let record = self.cases.case(case).await.expect("the store").expect("the case");
        (record, self.cases.systems(case).await.expect("the store"))
    }

    /// Feeds everything that was written to the ledger.
    pub async fn feed(&self) -> Tally {
        let mut drafts = Vec::new();
        for (key, old, new) in self.cases.changes() {
            match changed(&key, old.as_deref(), Some(&new)) {
                Changed::Lines(lines) => drafts.extend(lines),
                Changed::Nothing => {}
                Changed::Unreadable(why) => panic!("{key}: {why}"),
            }
        }
        append(&appending(&self.ledger), drafts).await.expect("an append")
    }

    /// Publishes what is new in the log.
    pub async fn publish(&self) {
        let work = Publish {
            ledger: &self.ledger,
            objects: &self.objects,
            signer: &self.signer,
            witnesses: &NoWitnesses,
            policy: &self.policy,
            origin: ORIGIN,
            now: now(),
            renew: false,
        };
        announce(&work).await.expect("keys and policy");
        while handle(&work).await.expect("a checkpoint").left > 0 {}
    }

    /// The log, checked from its first row.
    pub async fn log(&self) -> Vec<(Entry, Value)> {
        checked(&self.ledger).await
    }
}

/// Appending without waits and with fixed salts.
pub fn appending(store: &dyn LedgerStore) -> Appending<'_> {
    let wait = &|_| -> BoxFuture<'_, ()> { Box::pin(tokio::task::yield_now()) };
    let at = Timestamp::from_millis(1_770_129_000_000).expect("an instant");
    Appending { store, now: at, salt: &|| [7; 16], wait }
}

/// A log, checked from its first row to its head.
pub async fn checked(ledger: &dyn LedgerStore) -> Vec<(Entry, Value)> {
    let head = ledger.head().await.expect("a head");
    let mut chain = Chain::new(&head.origin);
    let mut entries = Vec::new();
    loop {
        let rows = ledger.rows(chain.size(), 100).await.expect("rows");
        if rows.is_empty() {
            break;
        }
        for row in rows {
            assert_eq!(row.seq, chain.size());
            let entry = chain.check(&row.leaf, row.evidence.as_bytes()).expect("a good row");
            entries.push((entry, serde_json::from_str(&row.evidence).expect("JSON")));
        }
    }
    assert!(chain.ends_at(&head), "the log does not end at its head");
    entries
}
