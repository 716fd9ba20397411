//! The audit ledger: canonical entries, one hash that is chain link and RFC 6962 leaf in one, and the chain over them;
//! and what lets outsiders check it: proofs, tiles, signed checkpoints and the cosignatures of witnesses.

mod append;
mod bundle;
mod chain;
mod checkpoint;
mod encoding;
mod entry;
mod feed;
mod key;
mod note;
mod proof;
mod tile;
mod tree;
mod view;
mod witness;

pub use append::{Appending, Quarantined, Tally, append};
pub use bundle::{BundleError, bundle, unbundle};
pub use chain::{Broken, BrokenKind, Chain, Head};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use encoding::Malformed;
pub use entry::{Draft, Entry, EventKind, Outcome};
pub use feed::{
    events_of_batch, events_of_case, events_of_export, events_of_measure, events_of_orphan,
    events_of_population, events_of_review, events_of_system,
};
pub use key::{KeyError, KeyKind, VerifierKey};
pub use note::{MAX_NOTE, MAX_SIGNATURES, Note, NoteError, NoteSignature, Verified};
pub use proof::{
    Node, ProofError, compact_nodes, consistency, consistency_nodes, inclusion, inclusion_nodes,
    verify_consistency, verify_growth, verify_inclusion,
};
pub use tile::{MAX_WIDTH, Tile, TileError, Tiles, edge_tiles, new_tiles, tiles_of};
pub use tree::{Compact, leaf_hash};
pub use view::view;
pub use witness::{
    AddCheckpoint, MAX_PROOF, Quorum, QuorumError, RequestError, add_checkpoint_body, add_cosignatures,
    cosigned_message, parse_add_checkpoint, parse_cosignatures, parse_size,
};
