//! A witness of logs (C2SP tlog-witness): it remembers how far it saw each log, and cosigns what continues that.

use crate::twin::{Ask, Reply};
use leaver_domain::{
    digest::Digest,
    ledger::{
        AddCheckpoint, Checkpoint, CheckpointError, VerifierKey, cosigned_message, parse_add_checkpoint,
        verify_growth,
    },
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The witness's name.
const NAME: &str = "witness.sandbox";

/// How far a log was seen.
struct Seen {
    key: VerifierKey,
    size: u64,
    root: Digest,
}

/// A witness with a key of its own.
pub(crate) struct Witness {
    pair: Ed25519KeyPair,
    key: VerifierKey,
    logs: BTreeMap<String, Seen>,
}

impl Witness {
    /// With a fresh key, trusting no log yet.
    pub(crate) fn new() -> Result<Self, String> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| error.to_string())?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| "a key of another length")?;
        let key = VerifierKey::cosigner(NAME, public).map_err(|error| error.to_string())?;
        Ok(Self { pair, key, logs: BTreeMap::new() })
    }

    /// What the sandbox's own face shows of it.
    pub(crate) fn view(&self) -> Value {
        let logs = self.logs.iter().map(|(origin, seen)| (origin.clone(), json!({"size": seen.size})));
        json!({"vkey": self.key.to_string(), "logs": logs.collect::<BTreeMap<_, _>>()})
    }

    /// Trusts a log's key from now on, and forgets what it saw of a log of this name before.
    pub(crate) fn trust(&mut self, vkey: &str) -> Result<(), String> {
        let key: VerifierKey = vkey.parse().map_err(|error| format!("{error}"))?;
        let seen = Seen { key: key.clone(), size: 0, root: Digest::of(b"") };
        self.logs.insert(key.name().to_owned(), seen);
        Ok(())
    }

    /// Answers as the specification says.
    pub(crate) fn answer(&mut self, ask: &Ask) -> Reply {
        match (ask.method.as_str(), ask.segments().as_slice()) {
            ("POST", ["add-checkpoint"]) => self.add(ask).unwrap_or_else(Reply::empty),
            _ => Reply::empty(404),
        }
    }

    fn add(&mut self, ask: &Ask) -> Result<Reply, u16> {
        let AddCheckpoint { old, proof, note } = parse_add_checkpoint(&ask.body).map_err(|_| 400_u16)?;
        let told = Checkpoint::parse(&note.text).map_err(|_| 400_u16)?;
        let seen = self.logs.get_mut(&told.origin).ok_or(404_u16)?;
        let checkpoint = Checkpoint::open(&note, &told.origin, [&seen.key]).map_err(|error| match error {
            CheckpointError::Signature(_) => 403_u16,
            _ => 400,
        })?;
        if old > checkpoint.size {
            return Err(400);
        }
        if old != seen.size {
            let mut reply = Reply::empty(409);
            reply.media_type = "text/x.tlog.size";
            reply.body = format!("{}\n", seen.size).into_bytes();
            return Ok(reply);
        }
        if old == checkpoint.size && seen.root != checkpoint.root {
            return Err(409);
        }
        verify_growth(old, checkpoint.size, &proof, seen.root, checkpoint.root).map_err(|_| 422_u16)?;
        (seen.size, seen.root) = (checkpoint.size, checkpoint.root);
        let time = u64::try_from(ask.at.seconds()).unwrap_or(0);
        let signature = self.pair.sign(&cosigned_message(time, &note.text));
        let signature: [u8; 64] = signature.as_ref().try_into().map_err(|_| 500_u16)?;
        let mut reply = Reply::empty(200);
        reply.media_type = "text/plain";
        reply.body = format!("{}\n", self.key.cosignature(time, &signature)).into_bytes();
        Ok(reply)
    }
}
