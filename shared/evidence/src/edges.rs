//! The two rows next to a pack's: they show that it leaves out none of its period's at either end.

use crate::{context::Signed, pack::PackError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leaver_domain::{
    digest::Digest,
    ledger::{inclusion, leaf_hash, verify_inclusion},
};
use serde_json::{Value, json};

/// The canonical bytes of the rows next to a pack's. Whether they were recorded outside of its period is for whoever
/// checks the pack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edges {
    /// The row before the first; `None` where the pack begins with the log.
    pub before: Option<Vec<u8>>,
    /// The row behind the last; `None` where the pack ends with the checkpoint.
    pub behind: Option<Vec<u8>>,
}

/// What `proofs/range.json` says of one of them: its bytes, and the proof that it stands at its place of the signed tree.
pub(crate) fn shown(
    row: Option<u64>,
    leaf: Option<&Vec<u8>>,
    signed: Signed,
    node: &dyn Fn(u8, u64) -> Option<Digest>,
) -> Result<Value, PackError> {
    match (row, leaf) {
        (None, None) => Ok(Value::Null),
        (Some(row), Some(leaf)) => {
            let proof = inclusion(row, signed.size, node)?;
            verify_inclusion(leaf_hash(leaf), row, signed.size, &proof, signed.root)?;
            Ok(json!({"leaf": STANDARD.encode(leaf), "proof": proof}))
        }
        (Some(_), None) => {
            Err(PackError::Unfit("the row before the pack's first or behind its last is missing"))
        }
        (None, Some(_)) => {
            Err(PackError::Unfit("there is no row before the log's first one or behind its last"))
        }
    }
}
