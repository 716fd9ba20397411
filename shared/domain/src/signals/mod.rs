//! What other tools are told of the ledger: OCSF events for whoever watches, security event tokens for whoever acts.
//!
//! Both are made of one row alone, without a clock. So a row that is delivered twice gives the same bytes twice: the same
//! object under the same name, the same token with the same `jti`.

mod jose;
mod ocsf;
mod settings;
mod token;
mod told;

pub use jose::{MAX_SIGNED, PublicKey, TooLong, Unsigned, configuration};
pub use ocsf::{VERSION as OCSF_VERSION, event, object_key};
pub use settings::{Receiver, Signal, Signals, Subject};
pub use token::{Claims, tokens};
pub use told::{Told, Unreadable};

#[cfg(test)]
mod tests;
