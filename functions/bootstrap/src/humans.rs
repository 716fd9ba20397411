//! Serves the function that asks humans: its steps, its tick, and what is pressed in Slack.

use crate::{
    config::{Environment, Misconfigured},
    serve::{Failure, Kept, RESERVE, WARM, cases, internal, now, run},
};
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_runtime::LambdaEvent;
use leaver_adapters::{
    messenger::{ID, SlackMessenger},
    settings::Settings,
};
use leaver_approval::{Humans, slack};
use leaver_domain::{
    fault::Fault,
    policy::Policy,
    ports::{CaseStore, Messenger, Workflow},
    problem::Problem,
    secret::Secret,
};
use leaver_platform::{Aws, SecretError, StepFunctions};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// leaver's app in Slack, as its secret says.
struct App {
    signing_secret: Secret,
    messenger: SlackMessenger,
}

impl App {
    fn open(text: &Secret, client: reqwest::Client, budget: Duration) -> Result<Self, Fault> {
        let settings = Settings::parse(ID, text)?;
        let signing_secret = settings.secret("signing_secret")?.clone();
        Ok(Self {
            signing_secret,
            messenger: SlackMessenger::open(client, &settings, Arc::new(now), budget)?,
        })
    }
}

/// Reads the app's secret; `None` where nobody has filled it in, so that nobody is asked in Slack.
async fn app(
    secret: &Kept,
    client: &reqwest::Client,
    context: &lambda_runtime::Context,
) -> Result<Option<App>, Failure> {
    let text = match secret.read().await {
        Err(SecretError::Empty(_)) => return Ok(None),
        read => read.map_err(internal)?,
    };
    let left = context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default();
    App::open(&text, client.clone(), left.saturating_sub(RESERVE)).map(Some).map_err(Failure)
}

pub(crate) async fn approval(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let workflow = StepFunctions::new(aws, &environment.require("STATE_MACHINE_ARN")?);
    let secret = Kept::new(aws, environment.require("SLACK_SECRET_ID")?);
    let client = leaver_adapters::http::client().map_err(|fault| Misconfigured(fault.detail))?;
    let _ = timeout(WARM, secret.read()).await;
    run(aws, async |event: LambdaEvent<Value>| {
        let app = app(&secret, &client, &event.context).await;
        if event.payload.get("rawPath").is_some() {
            let request = serde_json::from_value(event.payload).map_err(internal)?;
            let answer = press(app, &store, &workflow, &policy, &request).await;
            return serde_json::to_value(answer).map_err(internal);
        }
        // Whatever is wrong with Slack: people decide by the API, and time goes on.
        let app = app.unwrap_or_else(|Failure(fault)| {
            tracing::error!(%fault, "Slack cannot be used");
            None
        });
        let messenger = app.as_ref().map(|app| &app.messenger as &dyn Messenger);
        let humans = Humans { policy: &policy, store: &store, workflow: &workflow, messenger, now: now() };
        let input = serde_json::from_value(event.payload).map_err(internal)?;
        let output = leaver_approval::handle(&humans, input).await.map_err(Failure)?;
        serde_json::to_value(output).map_err(internal)
    })
    .await
}

async fn press(
    app: Result<Option<App>, Failure>,
    store: &dyn CaseStore,
    workflow: &dyn Workflow,
    policy: &Policy,
    request: &ApiGatewayV2httpRequest,
) -> ApiGatewayV2httpResponse {
    let refused = match app {
        Ok(Some(App { signing_secret, messenger })) => {
            let (signing_secret, messenger) = (&signing_secret, &messenger);
            let work = slack::Slack { signing_secret, store, workflow, policy, messenger, now: now() };
            return slack::interactions(&work, request).await;
        }
        // Nothing can be signed with a secret that does not exist.
        Ok(None) => Problem::unauthorized(),
        Err(Failure(fault)) => {
            tracing::error!(%fault, "a press could not be taken");
            Problem::unavailable()
        }
    };
    slack::refuse(&refused)
}
