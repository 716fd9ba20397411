//! Tells other tools what the ledger records: OCSF events beside the evidence, security event tokens to receivers.
//!
//! Everything that is told follows from the row alone, so a batch that is delivered again tells the same again and harms
//! nothing: the object is there already, and a receiver knows the token by its `jti`. Therefore a batch fails as a whole
//! where any of it could not be told, and the event source's bounded retries bring it back.

mod push;
mod records;
mod secrets;

pub use push::{Answer, Refusal};
pub use records::{Record, records};
pub use secrets::{Endpoint, Endpoints, Unusable};

use futures_util::{StreamExt as _, future::join_all, stream};
use leaver_domain::{
    ports::{ObjectStore, Placed, Signer, StoreError, Unless},
    signals::{Claims, PublicKey, Receiver, Told, Unsigned, event, object_key, tokens},
};
use serde::Serialize;
use serde_json::Value;

/// How many objects are written, and how many tokens a receiver is sent, at a time.
const AT_ONCE: usize = 8;

/// What the function works with.
pub struct Telling<'a> {
    /// Who is told what.
    pub settings: &'a leaver_domain::signals::Signals,
    /// What leaver calls itself in tokens.
    pub issuer: &'a str,
    /// Where OCSF events are written to.
    pub objects: &'a dyn ObjectStore,
    /// The key that signs tokens. It is not the log's: whoever tells others of a row has no say in the log.
    pub signer: &'a dyn Signer,
    /// Where receivers are, and with what they know us.
    pub endpoints: &'a Endpoints,
    /// The client that tokens are sent with; it must not follow redirects.
    pub http: &'a reqwest::Client,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Rows read.
    pub rows: usize,
    /// Records that are no row; each is logged.
    pub unreadable: usize,
    /// OCSF events written now.
    pub written: usize,
    /// OCSF events that were there already.
    pub present: usize,
    /// Tokens that receivers took, known ones included.
    pub accepted: usize,
    /// Tokens that receivers refused for good; each is logged.
    pub refused: usize,
}

/// Some of a batch could not be told; all of it comes again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not everything could be told: {}", .0.join("; "))]
pub struct Untold(pub Vec<String>);

/// Tells of all rows of a stream event.
///
/// # Errors
/// Where something could not be told now and may be later.
pub async fn handle(to: &Telling<'_>, event: &Value) -> Result<Tally, Untold> {
    let (mut tally, mut rows) = (Tally::default(), Vec::new());
    for record in records(event) {
        match record.read() {
            Ok(told) => rows.push(told),
            // The row stays in the ledger, where a human can look at it; what comes behind it must not wait for that.
            Err(why) => {
                tracing::error!(key = record.key, %why, alarm = "signals_unreadable", "a record cannot be read");
                tally.unreadable += 1;
            }
        }
    }
    tally.rows = rows.len();
    let mut failures = Vec::new();
    if to.settings.ocsf {
        write(to.objects, &rows, &mut tally, &mut failures).await;
    }
    let receivers = to.settings.receivers.iter().map(|receiver| Outbox::of(receiver, to.issuer, &rows));
    let receivers: Vec<Outbox<'_>> = receivers.filter(|outbox| !outbox.claims.is_empty()).collect();
    if !receivers.is_empty() {
        match to.signer.public_key().await {
            Ok(key) => {
                let key = PublicKey(key);
                let sent = join_all(receivers.iter().map(|outbox| deliver(to, &key, outbox))).await;
                for (outbox, sent) in receivers.iter().zip(sent) {
                    tally.accepted += sent.accepted;
                    tally.refused += sent.refused;
                    failures
                        .extend(sent.failure.map(|why| format!("receiver {}: {why}", outbox.receiver.name)));
                }
            }
            Err(error) => failures.push(format!("the signing key: {error}")),
        }
    }
    if failures.is_empty() { Ok(tally) } else { Err(Untold(failures)) }
}

/// Writes the event of each row that has one.
async fn write(objects: &dyn ObjectStore, rows: &[Told], tally: &mut Tally, failures: &mut Vec<String>) {
    let due = rows.iter().filter_map(|told| Some((object_key(told), event(told)?)));
    let put = async |(key, event): (String, Value)| {
        let line = format!("{event}\n");
        objects.put(&key, line.as_bytes(), Unless::Exists, None).await
    };
    let mut done = stream::iter(due.map(put)).buffer_unordered(AT_ONCE);
    while let Some(placed) = done.next().await {
        match placed {
            Ok(Placed::Done) => tally.written += 1,
            Ok(Placed::Refused) => tally.present += 1,
            Err(error) => failures.push(format!("an OCSF event: {error}")),
        }
    }
}

/// What one receiver is due.
struct Outbox<'a> {
    receiver: &'a Receiver,
    claims: Vec<Claims>,
}

impl<'a> Outbox<'a> {
    fn of(receiver: &'a Receiver, issuer: &str, rows: &[Told]) -> Self {
        Self { receiver, claims: rows.iter().flat_map(|told| tokens(told, issuer, receiver)).collect() }
    }
}

#[derive(Default)]
struct Sent {
    accepted: usize,
    refused: usize,
    failure: Option<String>,
}

/// Sends a receiver what it is due. The first failure that may pass ends it: whoever does not answer now is not asked
/// for every row of the batch, and the other receivers do not wait for it.
async fn deliver(to: &Telling<'_>, key: &PublicKey, outbox: &Outbox<'_>) -> Sent {
    let mut sent = Sent::default();
    let endpoint = match to.endpoints.of(outbox.receiver) {
        Ok(endpoint) => endpoint,
        Err(why) => {
            tracing::error!(receiver = outbox.receiver.name, %why, alarm = "signals_unusable", "nowhere to send to");
            sent.failure = Some(why.to_string());
            return sent;
        }
    };
    let one = async |claims: &Claims| {
        let token = match signed(to.signer, key, claims).await {
            Ok(Some(token)) => token,
            Ok(None) => return Answer::Refused(Refusal::TooLong),
            Err(error) => return Answer::Later(format!("the signing key: {error}")),
        };
        let answer = push::send(to.http, &endpoint, token).await;
        if let Answer::Refused(refusal) = &answer {
            tracing::error!(
                receiver = outbox.receiver.name,
                jti = claims.jti,
                err = refusal.name(),
                alarm = "signal_refused",
                "a receiver refused a token for good"
            );
        }
        answer
    };
    let mut answers = stream::iter(outbox.claims.iter().map(one)).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        match answer {
            Answer::Accepted => sent.accepted += 1,
            Answer::Refused(_) => sent.refused += 1,
            Answer::Later(why) => {
                sent.failure = Some(why);
                break;
            }
        }
    }
    sent
}

async fn signed(signer: &dyn Signer, key: &PublicKey, claims: &Claims) -> Result<Option<String>, StoreError> {
    match Unsigned::of(claims, key) {
        Ok(unsigned) => {
            let signature = signer.sign(unsigned.bytes()).await?;
            Ok(Some(unsigned.signed(&signature)))
        }
        // Policy bounds what goes into a token; this is for a row whose actor or case nobody foresaw.
        Err(why) => {
            tracing::error!(%why, alarm = "signal_refused", "a token cannot be signed");
            Ok(None)
        }
    }
}
