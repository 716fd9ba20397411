//! Serves the function that lets the canary go.

use crate::{
    config::{Environment, Misconfigured},
    serve::{Kept, cases, internal, now, run},
};
use lambda_runtime::LambdaEvent;
use leaver_adapters::canary::Ways;
use leaver_canary::{Cage, Input, Output};
use leaver_domain::{ports::CaseStore as _, secret::Secret};
use leaver_platform::{Aws, RenewedSecret, SecretError, StepFunctions};

pub(crate) async fn canary(environment: &Environment, aws: &Aws) -> Result<(), Misconfigured> {
    let (store, policy) = (cases(environment, aws).await?, environment.policy()?);
    let workflow = StepFunctions::new(aws, &environment.require("STATE_MACHINE_ARN")?);
    let secret_id = environment.require("CANARY_SECRET_ID")?;
    let keeper = RenewedSecret::new(aws, secret_id.clone());
    let client = leaver_adapters::http::client().map_err(|fault| Misconfigured(fault.detail))?;
    run(aws, async |event: LambdaEvent<Input>| {
        let Some(settings) = &policy.canary else { return Ok(Output { night: None }) };
        let person = store.person(&settings.person).await.map_err(internal)?;
        let Some(person) = person else {
            tracing::error!(person = %settings.person, alarm = "canary_stuck", "the canary is not known");
            return Ok(Output { night: None });
        };
        // Read anew each time: what this function writes into it must not be answered with what was there before.
        let secret = match Kept::new(aws, secret_id.clone()).read().await {
            Err(SecretError::Empty(_)) => Secret::new("{}"),
            read => read.map_err(internal)?,
        };
        let canary = Ways::open(client.clone(), settings, person, &secret, &keeper).map_err(internal)?;
        let cage = Cage { policy: &policy, store: &store, workflow: &workflow, canary: &canary, now: now() };
        leaver_canary::handle(&cage, event.payload).await.map_err(internal)
    })
    .await
}
