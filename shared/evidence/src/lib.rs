//! The evidence pack: what an auditor takes away, and can check without anybody's help.
//!
//! Everything in it follows from the ledger's rows, the log's keys, checkpoint and policies. [`derived::Derived`] is the
//! one place that says how: the builder writes with it, and whoever checks a pack runs it again over the rows and
//! compares every file byte by byte.

pub mod cases;
pub mod completeness;
pub mod context;
pub mod controls;
pub mod csv;
pub mod derived;
pub mod edges;
pub mod extent;
pub mod figures;
pub mod files;
pub mod layout;
pub mod manifest;
pub mod oscal;
pub mod pack;
pub mod readme;
pub mod report;
pub mod row;
pub mod sample;
#[cfg(feature = "sample")]
pub mod sample_log;
pub mod tables;
pub mod verify;
