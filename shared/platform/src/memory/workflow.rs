//! A workflow engine in memory.

use super::lock;
use async_trait::async_trait;
use leaver_domain::{
    id::CaseId,
    ports::{Execution, Started, StoreError, Workflow},
};
use std::sync::Mutex;

/// A workflow engine that only remembers what it was asked to start and to wake.
#[derive(Debug, Default)]
pub struct MemoryWorkflow(Mutex<Vec<Execution>>, Mutex<Vec<String>>, Mutex<Vec<Execution>>);

impl MemoryWorkflow {
    /// From now on this execution has ended, whatever it came to.
    pub fn end(&self, execution: Execution) {
        lock(&self.2).push(execution);
    }

    /// The cases started, in order, each as often as it got an execution.
    pub fn started(&self) -> Vec<CaseId> {
        let case = |execution: &Execution| match execution {
            Execution::Case { case, .. } => Some(case.clone()),
            Execution::Measure(_)
            | Execution::Batch { .. }
            | Execution::Roster { .. }
            | Execution::Reverify { .. }
            | Execution::Logs { .. }
            | Execution::Transfers { .. } => None,
        };
        lock(&self.0).iter().filter_map(case).collect()
    }

    /// Everything started, in order.
    pub fn executions(&self) -> Vec<Execution> {
        lock(&self.0).clone()
    }

    /// The task tokens that were woken, in order.
    pub fn woken(&self) -> Vec<String> {
        lock(&self.1).clone()
    }
}

#[async_trait]
impl Workflow for MemoryWorkflow {
    async fn start(&self, execution: &Execution) -> Result<Started, StoreError> {
        let mut started = lock(&self.0);
        if started.contains(execution) {
            return Ok(Started::Already);
        }
        started.push(execution.clone());
        Ok(Started::New)
    }
    async fn wake(&self, task_token: &str) -> Result<(), StoreError> {
        lock(&self.1).push(task_token.to_owned());
        Ok(())
    }
    async fn has_ended(&self, execution: &Execution) -> Result<bool, StoreError> {
        Ok(lock(&self.2).contains(execution))
    }
    async fn check(&self, _: &str) -> Result<serde_json::Value, StoreError> {
        Ok(serde_json::json!({"systems": []}))
    }
}
