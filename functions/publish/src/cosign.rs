//! Asks the witnesses to cosign a checkpoint (C2SP tlog-witness).

use crate::{NotPublished, Publish, grow::tiles};
use futures_util::future::join_all;
use leaver_domain::{
    ledger::{Checkpoint, Note, add_checkpoint_body, add_cosignatures, consistency, consistency_nodes},
    ports::Witnessed,
};

/// How often one witness is asked: the first answer may tell from which size it wants the proof.
const ASKED: usize = 3;

/// A signed checkpoint with the cosignatures of the policy's witnesses. `seen` is the size that they saw last, as far as
/// is known. The tiles of the checkpoint's tree must be published.
///
/// # Errors
/// Fewer cosigned than the policy asks for.
pub(crate) async fn cosigned(
    publish: &Publish<'_>,
    checkpoint: &Checkpoint,
    seen: u64,
    mut note: Note,
) -> Result<Note, NotPublished> {
    let settings = &publish.policy.ledger;
    let quorum = settings.quorum();
    let text = note.to_string();
    let asked = settings.witnesses.iter().map(|witness| ask(publish, checkpoint, seen, &text, &witness.url));
    let answers = join_all(asked).await;
    for (key, answer) in quorum.witnesses.iter().zip(answers) {
        let added = answer.and_then(|lines| {
            add_cosignatures(&mut note, key, lines.as_bytes()).map_err(|error| error.to_string())
        });
        if let Err(why) = added {
            tracing::warn!(witness = key.name(), %why, "a witness did not cosign");
        }
    }
    quorum.check(&note)?;
    Ok(note)
}

/// What a witness answers once it has the proof from where it saw the log last: its signature lines.
async fn ask(
    publish: &Publish<'_>,
    checkpoint: &Checkpoint,
    seen: u64,
    note: &str,
    url: &str,
) -> Result<String, String> {
    let mut old = seen;
    for _ in 0..ASKED {
        let request = request(publish, checkpoint, old, note).await.map_err(|error| error.to_string())?;
        let answer = publish.witnesses.add_checkpoint(url, &request).await;
        match answer.map_err(|error| error.to_string())? {
            Witnessed::Cosigned(lines) => return Ok(lines),
            Witnessed::At(size) if size <= checkpoint.size && size != old => old = size,
            Witnessed::At(size) => return Err(format!("it saw the log at {size} rows")),
            Witnessed::Refused(status) => return Err(format!("it answered HTTP {status}")),
        }
    }
    Err("it names another size each time".to_owned())
}

async fn request(
    publish: &Publish<'_>,
    checkpoint: &Checkpoint,
    old: u64,
    note: &str,
) -> Result<String, NotPublished> {
    let nodes = consistency_nodes(old, checkpoint.size)?;
    let tiles = tiles(publish.objects, checkpoint.size, &nodes).await?;
    let proof = consistency(old, checkpoint.size, &|level, index| tiles.node(level, index))?;
    Ok(add_checkpoint_body(old, &proof, note))
}
