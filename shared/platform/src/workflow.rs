//! Step Functions.

use crate::connect::Aws;
use async_trait::async_trait;
use aws_sdk_sfn::{Client, error::ProvideErrorMetadata, types::ExecutionStatus};
use leaver_domain::ports::{Execution, Started, StoreError, Workflow};
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
    async fn start(&self, execution: &Execution) -> Result<Started, StoreError> {
        // Name and input follow from what it is about alone: a repeat is the same request.
        let input = match execution {
            Execution::Case { case, .. } => json!({"case_id": case}),
            Execution::Measure(measure) => json!({"measure": measure}),
            Execution::Roster { night, .. } => json!({"roster": night}),
            Execution::Reverify { case, day, .. } => json!({"reverify": {"case_id": case, "day": day}}),
            Execution::Batch { batch, .. } => json!({"batch": batch}),
            Execution::Logs { .. } => json!({"logs": true}),
            Execution::Transfers { case, .. } => json!({"transfers": case}),
        };
        self.begin(&execution.name(), &input).await.map(|(started, _)| started)
    }

    async fn wake(&self, task_token: &str) -> Result<(), StoreError> {
        let sent = self.client.send_task_success().task_token(task_token).output("{}").send().await;
        match sent {
            Ok(_) => Ok(()),
            // It was woken before, or waits no more: what is stored counts, and it has been read.
            Err(error)
                if matches!(error.code(), Some("TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken")) =>
            {
                Ok(())
            }
            // Without Step Functions' own words, which may repeat the token.
            Err(error) => {
                let code = error.code().unwrap_or("no answer");
                Err(StoreError::Unavailable(format!("Step Functions: {code}: the execution was not woken")))
            }
        }
    }

    async fn has_ended(&self, execution: &Execution) -> Result<bool, StoreError> {
        let arn = self.machine.replacen(":stateMachine:", ":execution:", 1);
        let arn = format!("{arn}:{}", execution.name());
        match self.client.describe_execution().execution_arn(arn).send().await {
            Ok(now) => Ok(now.status != ExecutionStatus::Running),
            Err(error) if error.code() == Some("ExecutionDoesNotExist") => Ok(false),
            Err(error) => Err(unavailable(&error)),
        }
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
