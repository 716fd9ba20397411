//! Security event tokens (RFC 8417) of a row: CAEP and RISC events about the person whose access it took.

use super::{
    settings::{Receiver, Signal, Subject},
    told::{After, Told},
};
use crate::{plan::ActionKind, time::Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The claims of one token. One event each, as the interoperability profile of CAEP asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Who says so.
    pub iss: String,
    /// When the row was recorded. Not when it was sent, so that a token sent again is the same token.
    pub iat: i64,
    /// The row's identity and the event's name: the same for every receiver and for every repeat.
    pub jti: String,
    /// To whom.
    pub aud: String,
    /// The case: what its events have in common.
    pub txn: String,
    /// When it happened.
    pub toe: i64,
    /// About whom (RFC 9493).
    pub sub_id: Value,
    /// The event.
    pub events: Map<String, Value>,
}

/// Kinds of credentials that CAEP has no name for. It leaves room for names that both sides know.
const CREDENTIALS: [(ActionKind, &str, &str); 3] = [
    (ActionKind::RevokeToken, "oauth-token", "revoke"),
    (ActionKind::DisableApiKey, "api-key", "revoke"),
    (ActionKind::RemoveFactor, "second-factor", "delete"),
];

/// The tokens that a receiver is due for a row. None for a row that took no access away.
pub fn tokens(told: &Told, issuer: &str, receiver: &Receiver) -> Vec<Claims> {
    if !told.took_access() {
        return Vec::new();
    }
    let system = told.entry().system.as_deref();
    let wants = |signal| receiver.wants(signal, system);
    let mut all = Vec::new();
    let mut add = |signal: Signal, suffix: &str, at: Timestamp, more: Map<String, Value>| {
        all.push(claims(told, issuer, receiver, signal, (suffix, at, more)));
    };
    if let Some(at) = told.done(ActionKind::EndSessions).filter(|_| wants(Signal::SessionRevoked)) {
        add(Signal::SessionRevoked, "session-revoked", at, Map::new());
    }
    let is_off = matches!(told.account_after(), Some(After::Disabled | After::Gone));
    if is_off && wants(Signal::AccountDisabled) {
        let at = told.done(ActionKind::DisableAccount).unwrap_or(told.entry().occurred_at);
        add(Signal::AccountDisabled, "account-disabled", at, Map::new());
    }
    for (kind, name, change) in CREDENTIALS {
        if let Some(at) = told.done(kind).filter(|_| wants(Signal::CredentialChange)) {
            let more =
                [("credential_type".to_owned(), name.into()), ("change_type".to_owned(), change.into())];
            add(
                Signal::CredentialChange,
                &format!("credential-change/{name}"),
                at,
                more.into_iter().collect(),
            );
        }
    }
    all
}

fn claims(
    told: &Told,
    issuer: &str,
    receiver: &Receiver,
    signal: Signal,
    (suffix, at, more): (&str, Timestamp, Map<String, Value>),
) -> Claims {
    let entry = told.entry();
    let mut payload = more;
    payload.insert("event_timestamp".into(), at.seconds().into());
    let by_rule = matches!(told.text("/facts/revocation/triggered_by"), "hris" | "");
    payload.insert("initiating_entity".into(), if by_rule { "policy" } else { "admin" }.into());
    // RISC's own reasons, a hijacked account or one of many made by a robot, are none of ours. What HR said stays inside.
    let place = entry.system.as_deref().unwrap_or("all systems");
    payload.insert(
        "reason_admin".into(),
        json!({"en": format!("Access to {place} was taken away ({})", entry.case_id)}),
    );
    Claims {
        iss: issuer.to_owned(),
        iat: entry.recorded_at.seconds(),
        jti: format!("{}/{suffix}", entry.event_id),
        aud: receiver.audience.clone(),
        txn: entry.case_id.clone(),
        toe: at.seconds(),
        sub_id: subject(&receiver.subject, &entry.username),
        events: [(signal.uri().to_owned(), Value::Object(payload))].into_iter().collect(),
    }
}

fn subject(format: &Subject, username: &str) -> Value {
    match format {
        Subject::Opaque => json!({"format": "opaque", "id": username}),
        // A user name that is an address already is the address.
        Subject::Email(_) if username.contains('@') => json!({"format": "email", "email": username}),
        Subject::Email(domain) => json!({"format": "email", "email": format!("{username}@{domain}")}),
        Subject::IssSub(issuer) => json!({"format": "iss_sub", "iss": issuer, "sub": username}),
    }
}
