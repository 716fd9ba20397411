//! From the case table's stream to the log: exactly once, without a gap, whatever the stream repeats or shuffles.
//!
//! A batch that cannot be appended fails as a whole and is delivered again; what stands in the log already is recognised
//! by its identity. A record that can never be appended is set aside and told of, so that it does not block the rest.

mod stream;

pub use leaver_domain::ledger::{Appending, Quarantined, Tally, append};
pub use stream::{Record, event_of, records};
