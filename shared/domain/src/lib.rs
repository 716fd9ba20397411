//! What leaver decides, as pure functions over plain values.
//!
//! Architecture invariant: nothing here knows a runtime, AWS, HTTP, a clock or a source of randomness.
//! Time, ids and salts are arguments; what must be asked of the outside stands as a trait in [`ports`].

pub mod approval;
pub mod archive;
pub mod batch;
pub mod brake;
pub mod canary;
pub mod case;
pub mod contracts;
pub mod custom;
pub mod deciding;
pub mod digest;
pub mod effective;
pub mod export;
pub mod fault;
pub mod forcing;
pub mod gathering;
pub mod hindsight;
pub mod holds;
pub mod id;
pub mod intake;
pub mod inventory;
pub mod ledger;
pub mod measure;
pub mod measures;
pub mod messages;
pub mod moving;
pub mod orphans;
pub mod pace;
pub mod people;
pub mod person;
pub mod plan;
pub mod policy;
pub mod population;
pub mod ports;
pub mod presence;
pub mod preservation;
pub mod problem;
pub mod profiles;
pub mod reviews;
pub mod risk;
pub mod roster;
pub mod routing;
pub mod sealing;
pub mod secret;
pub mod signals;
pub mod tasks;
pub mod text;
pub mod time;
pub mod transfers;
pub mod trigger;
pub mod vault;
pub mod watch;
