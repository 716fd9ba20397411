//! Step Functions.

use crate::connect::Aws;
use async_trait::async_trait;
use aws_sdk_sfn::{Client, error::ProvideErrorMetadata, types::ExecutionStatus};
use leaver_domain::{
    id::CaseId,
    ports::{Started, StoreError, Workflow},
};
use serde_json::{Value, json};
use std::time::Duration;

/// The termination state machine.
#[derive(Debug, Clone)]
pub struct StepFunctions {
    client: Client,
    machine: String,
}

impl StepFunctions {
    /// The machine of this ARN.
    pub fn new(aws: &Aws, machine: &str) -> Self {
        Self { client: aws.sfn(), machine: machine.to_owned() }
    }

    async fn begin(&self, name: &str, input: &Value) -> Result<(Started, String), StoreError> {
        let start = self.client.start_execution().state_machine_arn(&self.machine).name(name);
        match start.input(input.to_string()).send().await {
            Ok(answer) => Ok((Started::New, answer.execution_arn)),
            // The same name within 90 days, whether it runs or has ended: the case has had its execution.
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => {
                Ok((Started::Already, String::new()))
            }
            Err(error) => Err(unavailable(&error)),
        }
    }
}

fn unavailable(error: &impl ProvideErrorMetadata) -> StoreError {
    let code = error.code().unwrap_or("no answer");
    StoreError::Unavailable(format!("Step Functions: {code}: {}", error.message().unwrap_or_default()))
}

#[async_trait]
impl Workflow for StepFunctions {
    async fn start(&self, case: &CaseId) -> Result<Started, StoreError> {
        // Name and input follow from the case alone: a repeat is the same request.
        self.begin(case.as_str(), &json!({"case_id": case})).await.map(|(started, _)| started)
    }

    async fn check(&self, name: &str) -> Result<Value, StoreError> {
        let (_, arn) = self.begin(name, &json!({"check": name})).await?;
        for _ in 0..80 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = self.client.describe_execution().execution_arn(&arn).send().await;
            let now = now.map_err(|error| unavailable(&error))?;
            match now.status {
                ExecutionStatus::Running => {}
                ExecutionStatus::Succeeded => {
                    let output = now.output.unwrap_or_default();
                    return serde_json::from_str(&output)
                        .map_err(|error| StoreError::Corrupt(error.to_string()));
                }
                other => return Err(StoreError::Unavailable(format!("the check ended as {other}"))),
            }
        }
        Err(StoreError::Unavailable("the check did not end within 20 seconds".to_owned()))
    }
}
