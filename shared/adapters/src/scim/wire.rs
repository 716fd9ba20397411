//! What SCIM servers answer, and the user that is read from it.

use leaver_domain::{
    inventory::{Account, AccountStatus},
    person::Person,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One value or a list of them: some servers leave the list out where there is one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Many<T> {
    Several(Vec<T>),
    One(T),
}

impl<T> Many<T> {
    /// The values.
    pub(super) fn of(this: Option<Self>) -> Vec<T> {
        match this {
            None => Vec::new(),
            Some(Self::Several(all)) => all,
            Some(Self::One(one)) => vec![one],
        }
    }
}

/// A value that some servers write as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Plain {
    Flag(bool),
    Number(serde_json::Number),
    Text(String),
}

impl Plain {
    fn text(self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Valued {
    pub(super) value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Enterprise {
    employee_number: Option<Plain>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireUser {
    pub(super) id: String,
    user_name: Option<String>,
    display_name: Option<String>,
    active: Option<Plain>,
    emails: Option<Many<Valued>>,
    external_id: Option<String>,
    groups: Option<Many<Membership>>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    enterprise: Option<Enterprise>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Deserialize)]
pub(super) struct Membership {
    pub(super) value: String,
    pub(super) display: Option<String>,
    pub(super) r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireGroup {
    pub(super) id: String,
    pub(super) display_name: Option<String>,
    pub(super) members: Option<Many<Valued>>,
}

#[derive(Deserialize)]
pub(super) struct List<T> {
    #[serde(rename = "totalResults")]
    pub(super) total: usize,
    #[serde(rename = "Resources")]
    pub(super) resources: Option<Vec<T>>,
}

/// A user, as far as leaver needs them.
pub(crate) struct User {
    /// The server's id.
    pub(crate) id: String,
    /// The name that they log in with.
    pub(crate) login: String,
    /// Whether they can log in. A server that does not say so is taken to let them.
    pub(crate) active: bool,
    /// Everything that is not of the common schema.
    pub(crate) more: Map<String, Value>,
    pub(super) display_name: Option<String>,
    pub(super) emails: Vec<String>,
    pub(super) number: Option<String>,
    external_id: Option<String>,
    pub(super) groups: Vec<Membership>,
}

impl From<WireUser> for User {
    fn from(wire: WireUser) -> Self {
        let is_false = |flag: Plain| flag.text().eq_ignore_ascii_case("false");
        Self {
            login: wire.user_name.unwrap_or_else(|| wire.id.clone()),
            id: wire.id,
            display_name: wire.display_name,
            active: !wire.active.is_some_and(is_false),
            emails: Many::of(wire.emails).into_iter().filter_map(|email| email.value).collect(),
            number: wire.enterprise.and_then(|of| of.employee_number).map(Plain::text),
            external_id: wire.external_id,
            groups: Many::of(wire.groups),
            more: wire.more,
        }
    }
}

impl User {
    /// By which of the person's attributes this is their account; `None` where by none.
    pub(super) fn matched_by(&self, login: &str, who: &Person) -> Option<&'static str> {
        let number = who.employee_id.as_str();
        let is = |email: &String| email.eq_ignore_ascii_case(&who.email);
        if self.login.eq_ignore_ascii_case(login) {
            Some("login")
        } else if self.login.eq_ignore_ascii_case(&who.email) || self.emails.iter().any(is) {
            Some("email")
        } else if [&self.number, &self.external_id].into_iter().any(|held| held.as_deref() == Some(number)) {
            Some("employee_id")
        } else {
            None
        }
    }

    /// The account that this user is.
    pub(crate) fn account(&self, matched_by: &str, inactive: AccountStatus, privileged: bool) -> Account {
        Account {
            id: self.id.clone(),
            login: self.login.clone(),
            status: if self.active { AccountStatus::Active } else { inactive },
            matched_by: matched_by.to_owned(),
            privileged,
            last_login: None,
            facts: BTreeMap::new(),
        }
    }
}
