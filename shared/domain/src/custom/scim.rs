//! Systems of a company's own that speak a standard: what a deployment says of them, in place of an adapter's code.

use serde::{Deserialize, Serialize};

/// A system that speaks SCIM 2.0 (RFC 7643, RFC 7644). Its address and its bearer token are in the system's secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scim {
    /// Where the server departs from the standard; nowhere if left out.
    pub quirks: Quirks,
}

/// Where a SCIM server departs from the standard, or knows only part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// It knows no PATCH: a user or group is read, changed and put back whole, with `If-Match` where it gives a version.
    pub put_only: bool,
    /// It takes `active` as a text, `"true"` or `"false"`, not as a boolean. Both are always understood in answers.
    pub active_as_string: bool,
    /// What takes a person's access away.
    pub deactivate_by: DeactivateBy,
    /// The attributes by which it finds users, all of which are asked. With none, every user is read and
    /// compared here. More attributes see more accounts that could also be the person's.
    pub filter: Vec<FilterBy>,
    /// Whether it has groups. Without them memberships are neither read nor taken.
    pub groups: bool,
    /// How many entries of a list are asked for at once. It may give fewer or more.
    pub page_size: u16,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            put_only: false,
            active_as_string: false,
            deactivate_by: DeactivateBy::default(),
            filter: vec![FilterBy::UserName, FilterBy::EmailsValue],
            groups: true,
            page_size: 100,
        }
    }
}

/// What takes a person's access away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeactivateBy {
    /// `active` becomes false.
    #[default]
    Active,
    /// DELETE. Only for a server whose DELETE deactivates and keeps the user, as Slack's does: where it deletes, the
    /// person's account cannot be given back.
    Delete,
}

/// An attribute by which users are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FilterBy {
    /// The login recorded for the system, otherwise the e-mail address.
    #[serde(rename = "userName")]
    UserName,
    /// The e-mail address, in the form that compares with any sub-attribute.
    #[serde(rename = "emails")]
    Emails,
    /// The e-mail address, in the standard's full form.
    #[serde(rename = "emails.value")]
    EmailsValue,
    /// The e-mail address, by a name outside the standard, which Slack and Notion use.
    #[serde(rename = "email")]
    Email,
    /// The employee number, where the identity provider sends it as its own id.
    #[serde(rename = "externalId")]
    ExternalId,
    /// The employee number of the enterprise extension.
    #[serde(rename = "employeeNumber")]
    EmployeeNumber,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_the_standard() {
        assert_eq!(serde_norway::from_str::<Scim>("{}").unwrap(), Scim::default());
        let said = "quirks: {deactivate_by: delete, filter: [userName, emails.value, employeeNumber], groups: false}";
        let quirks = serde_norway::from_str::<Scim>(said).unwrap().quirks;
        assert_eq!(quirks.deactivate_by, DeactivateBy::Delete);
        assert_eq!(quirks.filter, [FilterBy::UserName, FilterBy::EmailsValue, FilterBy::EmployeeNumber]);
        assert_eq!((quirks.groups, quirks.put_only, quirks.page_size), (false, false, 100));
    }

    #[test]
    fn a_misspelt_quirk_is_refused() {
        assert!(serde_norway::from_str::<Scim>("quirks: {put_olny: true}").is_err());
        assert!(serde_norway::from_str::<Scim>("quirks: {filter: [nickName]}").is_err());
        assert!(serde_norway::from_str::<Scim>("token: x").is_err());
    }
}
