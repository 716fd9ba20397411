//! Reading Verkada Access: who is meant, every means of entry, and what happened at the doors.

use super::SPEC;
use crate::http::{Query, Reader};
use leaver_domain::{
    fault::Fault,
    inventory::{Account, AccountStatus, Credential, CredentialKind},
    person::Person,
    risk::{ActivityEvent, ActivityKind},
    secret::Secret,
    time::Timestamp,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Members {
    access_members: Option<Vec<Member>>,
}

#[derive(Deserialize)]
pub(super) struct Member {
    pub(super) user_id: Option<String>,
    pub(super) email: Option<String>,
    pub(super) employee_id: Option<String>,
    external_id: Option<String>,
    pub(super) full_name: Option<String>,
    pub(super) is_visitor: Option<bool>,
}

/// An access user. Codes are secrets: of them nothing but their being there is kept.
#[derive(Deserialize)]
pub(super) struct Holder {
    user_id: String,
    pub(super) access_groups: Option<Vec<Group>>,
    cards: Option<Vec<Card>>,
    license_plates: Option<Vec<Plate>>,
    qr_codes: Option<Vec<IgnoredAny>>,
    pub(super) mfa_codes: Option<Vec<Code>>,
    entry_code: Option<Secret>,
    face_credential: Option<Face>,
    ble_unlock: Option<bool>,
    remote_unlock: Option<bool>,
    end_date: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Group {
    pub(super) group_id: Option<String>,
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
struct Card {
    card_id: Option<String>,
    active: Option<bool>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct Plate {
    license_plate_number: Option<String>,
    active: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Code {
    pub(super) code: Secret,
}

#[derive(Deserialize)]
struct Face {
    status: Option<String>,
}

impl Face {
    /// A state that is not known to be over counts as one that opens.
    fn opens(&self) -> bool {
        let over = ["none", "disabled", "inactive", "deleted"];
        let status = self.status.as_deref().unwrap_or_default().to_ascii_lowercase();
        !status.is_empty() && !over.contains(&status.as_str())
    }
}

#[derive(Deserialize)]
pub(super) struct Events {
    pub(super) events: Option<Vec<Event>>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Event {
    event_id: Option<String>,
    timestamp: Timestamp,
    event_type: Option<String>,
    pub(super) event_info: Option<EventInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventInfo {
    accepted: Option<bool>,
    pub(super) user_id: Option<String>,
}

pub(super) fn holder_of(id: &str) -> Query {
    Query::get(["access", "v1", "access_users", "user"]).query("user_id", id)
}

/// When the end date lies: seconds since 1970, as text by the description, as a number in older answers.
fn seconds(date: Option<&Value>) -> Option<i64> {
    let date = date?;
    date.as_i64().or_else(|| date.as_str()?.trim().parse().ok())
}

/// Everybody, in one answer.
pub(super) async fn members(http: &Reader) -> Result<Vec<Member>, Fault> {
    let all: Members = http.ask(Query::get(["access", "v1", "access_users"])).await?.json()?;
    Ok(all.access_members.unwrap_or_default())
}

/// Everybody whose address, number or recorded login is this person's.
pub(super) async fn candidates(http: &Reader, who: &Person) -> Result<Vec<(Member, &'static str)>, Fault> {
    let all = members(http).await?;
    let login = who.login(SPEC.id);
    let matched = |member: Member| {
        let is = |field: &Option<String>, text: &str| {
            field.as_deref().is_some_and(|field| field.eq_ignore_ascii_case(text))
        };
        let by = if is(&member.email, &who.email) {
            "e-mail"
        } else if is(&member.employee_id, who.employee_id.as_str()) {
            "employee number"
        } else if login.is_some_and(|login| is(&member.external_id, login)) {
            "external id"
        } else {
            return None;
        };
        Some((member, by))
    };
    Ok(all.into_iter().filter_map(matched).collect())
}

pub(super) fn account_of(holder: &Holder, member: &Member, matched_by: &str, now: Timestamp) -> Account {
    let end = seconds(holder.end_date.as_ref());
    let over = end.is_some_and(|end| end <= now.seconds());
    let facts = end.map(|end| ("end_date".to_owned(), end.to_string()));
    let name = member.email.clone().or_else(|| member.full_name.clone());
    Account {
        id: holder.user_id.clone(),
        login: name.unwrap_or_else(|| holder.user_id.clone()),
        status: if over { AccountStatus::Suspended } else { AccountStatus::Active },
        matched_by: matched_by.to_owned(),
        privileged: false,
        last_login: None,
        facts: facts.into_iter().collect::<BTreeMap<_, _>>(),
    }
}

/// Every means of entry by itself. Ids are `kind|what`, or `kind` alone where a person has one at most.
pub(super) fn credentials(holder: Holder, open: bool) -> Vec<Credential> {
    let mut all = Vec::new();
    let mut add = |id: String, kind, label: String, active| {
        all.push(Credential { id, kind, label, created_at: None, last_used: None, active });
    };
    for card in holder.cards.unwrap_or_default() {
        let Some(id) = card.card_id else { continue };
        let kind = card.r#type.unwrap_or_else(|| "unknown format".to_owned());
        let end: String = id.chars().skip(id.chars().count().saturating_sub(4)).collect();
        let label = format!("access card ...{end} ({kind})");
        add(format!("card|{id}"), CredentialKind::Device, label, card.active == Some(true));
    }
    for plate in holder.license_plates.unwrap_or_default() {
        let Some(number) = plate.license_plate_number else { continue };
        let label = format!("licence plate {number}");
        add(format!("plate|{number}"), CredentialKind::Device, label, plate.active == Some(true));
    }
    for (id, label, on) in [
        ("ble", "Bluetooth unlock by phone", holder.ble_unlock),
        ("remote_unlock", "remote unlock by phone", holder.remote_unlock),
    ] {
        add(id.to_owned(), CredentialKind::Device, label.to_owned(), on == Some(true));
    }
    if holder.entry_code.is_some_and(|code| !code.expose().is_empty()) {
        add("entry_code".to_owned(), CredentialKind::Password, "entry code".to_owned(), true);
    }
    if holder.face_credential.is_some_and(|face| face.opens()) {
        add("face".to_owned(), CredentialKind::Factor, "face".to_owned(), true);
    }
    let codes = holder.mfa_codes.unwrap_or_default().len();
    if codes > 0 {
        add("mfa_codes".to_owned(), CredentialKind::Factor, format!("{codes} second-step codes"), true);
    }
    // No call deactivates one: the end date does.
    for number in 1..=holder.qr_codes.unwrap_or_default().len() {
        add(format!("qr|{number}"), CredentialKind::Device, format!("QR code {number}"), open);
    }
    all
}

pub(super) fn event_of(event: Event) -> ActivityEvent {
    let name = event.event_type.unwrap_or_default().to_ascii_lowercase();
    let accepted = event.event_info.and_then(|info| info.accepted);
    let kind = if name.contains("reject") || name.contains("denied") || accepted == Some(false) {
        ActivityKind::FailedLogin
    } else if name.contains("grant") || accepted == Some(true) {
        ActivityKind::Login
    } else {
        ActivityKind::Other
    };
    ActivityEvent {
        id: event.event_id.unwrap_or_default(),
        at: event.timestamp,
        kind,
        country: None,
        count: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_state_of_a_face_counts_as_one_that_opens() {
        let face = |status: Option<&str>| Face { status: status.map(str::to_owned) }.opens();
        assert!(face(Some("PENDING_SOMETHING")));
        assert!(!face(Some("Disabled")));
        assert!(!face(None));
    }
}
