//! AWS behind the domain's ports, and twins of it in memory.
//!
//! Architecture invariant: no other crate names an AWS SDK, and nothing here knows an outside system.

mod batches;
mod cancelled;
mod cases;
mod connect;
mod evidence;
mod item;
mod ledger;
pub mod memory;
pub mod memory_log;
pub mod memory_messages;
pub mod memory_vault;
mod meter;
mod objects;
mod pace;
mod queries;
mod rosters;
mod secrets;
mod signing;
mod transactions;
mod vault;
mod workflow;

pub use cases::DynamoCases;
pub use connect::{Aws, NotConnected};
pub use item::{Changed, changed};
pub use ledger::DynamoLedger;
pub use meter::{Consumed, Meter};
pub use objects::S3Objects;
pub use pace::DynamoPace;
pub use secrets::{RenewedSecret, SecretError, Secrets};
pub use signing::KmsSigner;
pub use vault::S3Vault;
pub use workflow::StepFunctions;
