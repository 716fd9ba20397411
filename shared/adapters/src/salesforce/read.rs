//! What Salesforce tells of a user: who it is, sessions, tokens, permissions and logins.

use super::{
    FROZEN, LOGIN_ROW,
    soql::{self, quoted},
};
use crate::{Missing, http::Reader};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Credential, CredentialKind, Grant, GrantKind},
    person::Person,
    risk::{Activity, ActivityEvent, ActivityKind},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Permissions of leaver's own user, in Salesforce's names for people.
pub(super) const SCOPES: [&str; 5] = [
    "Manage Users",
    "Assign Permission Sets",
    "Customize Application",
    "View Setup and Configuration",
    "View All Data",
];
/// The same in the names of the API, in the same order.
const PERMISSIONS: [&str; 5] = [
    "PermissionsManageUsers",
    "PermissionsAssignPermissionSets",
    "PermissionsCustomizeApplication",
    "PermissionsViewSetup",
    "PermissionsViewAllData",
];
/// Before an application's name, in a credential's id.
pub(super) const APP: &str = "app:";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct User {
    pub(super) id: String,
    pub(super) username: String,
    email: String,
    employee_number: Option<String>,
    federation_identifier: Option<String>,
    is_active: bool,
    last_login_date: Option<Timestamp>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Profile {
    name: String,
    user_license: Option<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    #[serde(alias = "MasterLabel")]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Login {
    id: String,
    is_frozen: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Session {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OauthToken {
    app_name: Option<String>,
    last_used_date: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assignment {
    permission_set_id: String,
    permission_set: PermissionSet,
    permission_set_group_id: Option<String>,
    permission_set_group: Option<Named>,
    expiration_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PermissionSet {
    label: String,
    is_owned_by_profile: bool,
    permissions_modify_all_data: bool,
    permissions_manage_users: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Holder {
    assignee_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Licence {
    permission_set_license_id: String,
    permission_set_license: Named,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    group_id: String,
    group: Group,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    name: Option<String>,
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoginEvent {
    id: String,
    login_time: Timestamp,
    status: Option<String>,
    country_iso: Option<String>,
}

/// A grant by its id: what it is of, and until when it holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// A permission set, with the end of the assignment where it has one.
    Set(&'a str, Option<&'a str>),
    /// The same of a permission set group.
    Bundle(&'a str, Option<&'a str>),
    /// A permission set licence.
    Licence(&'a str),
    /// A public group or queue.
    Group(&'a str),
}

impl<'a> Held<'a> {
    pub(super) fn parse(id: &'a str) -> Option<Self> {
        let (kind, rest) = id.split_once(':')?;
        let (key, until) = rest.split_once('@').map_or((rest, None), |(key, until)| (key, Some(until)));
        // It stands in queries: nothing but an id of Salesforce's form gets through.
        let id = matches!(key.len(), 15 | 18) && key.chars().all(|c| c.is_ascii_alphanumeric());
        match kind {
            _ if !id => None,
            "set" => Some(Self::Set(key, until)),
            "bundle" => Some(Self::Bundle(key, until)),
            "licence" => Some(Self::Licence(key)),
            "group" => Some(Self::Group(key)),
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> GrantKind {
        match self {
            Self::Set(..) | Self::Bundle(..) => GrantKind::Role,
            Self::Licence(_) => GrantKind::Licence,
            Self::Group(_) => GrantKind::Group,
        }
    }

    /// The object whose rows hold it.
    pub(super) fn object(&self) -> &'static str {
        match self {
            Self::Set(..) | Self::Bundle(..) => "PermissionSetAssignment",
            Self::Licence(_) => "PermissionSetLicenseAssign",
            Self::Group(_) => "GroupMember",
        }
    }

    /// Which of them is this user's.
    pub(super) fn condition(&self, user: &str) -> String {
        let user = quoted(user);
        match self {
            // The rows of a group name a permission set, too: the one that Salesforce makes of the group.
            Self::Set(id, _) => {
                format!("AssigneeId = '{user}' AND PermissionSetId = '{id}' AND PermissionSetGroupId = null")
            }
            Self::Bundle(id, _) => format!("AssigneeId = '{user}' AND PermissionSetGroupId = '{id}'"),
            Self::Licence(id) => format!("AssigneeId = '{user}' AND PermissionSetLicenseId = '{id}'"),
            Self::Group(id) => format!("UserOrGroupId = '{user}' AND GroupId = '{id}'"),
        }
    }

    /// The fields of a new row.
    pub(super) fn fields(&self, user: &str) -> Value {
        let (mut fields, until) = match self {
            Self::Set(id, until) => (json!({"AssigneeId": user, "PermissionSetId": id}), *until),
            Self::Bundle(id, until) => (json!({"AssigneeId": user, "PermissionSetGroupId": id}), *until),
            Self::Licence(id) => (json!({"AssigneeId": user, "PermissionSetLicenseId": id}), None),
            Self::Group(id) => (json!({"UserOrGroupId": user, "GroupId": id}), None),
        };
        if let Some(until) = until {
            fields["ExpirationDate"] = until.into();
        }
        fields
    }
}

impl User {
    pub(super) fn account(self, matched_by: &str, login: &Login, privileged: bool) -> Account {
        let status = match (self.is_active, login.is_frozen) {
            (false, _) => AccountStatus::Deactivated,
            (true, true) => AccountStatus::Suspended,
            (true, false) => AccountStatus::Active,
        };
        let facts = [
            (LOGIN_ROW.to_owned(), login.id.clone()),
            (FROZEN.to_owned(), login.is_frozen.to_string()),
            ("profile".to_owned(), self.profile.map(|profile| profile.name).unwrap_or_default()),
        ];
        Account {
            id: self.id,
            login: self.username,
            status,
            matched_by: matched_by.to_owned(),
            privileged,
            last_login: self.last_login_date,
            facts: BTreeMap::from(facts),
        }
    }

    /// Which of the person's attributes it carries; `None` for none.
    fn matched_by(&self, who: &Person, login: &str) -> Option<&'static str> {
        let is = |held: &Option<String>, name: &str| {
            held.as_deref().is_some_and(|held| held.eq_ignore_ascii_case(name))
        };
        match () {
            () if is(&self.employee_number, who.employee_id.as_str()) => Some("employee_id"),
            () if self.username.eq_ignore_ascii_case(login) => Some("login"),
            () if self.email.eq_ignore_ascii_case(&who.email) => Some("email"),
            () if is(&self.federation_identifier, &who.email) => Some("federation_identifier"),
            () => None,
        }
    }
}

/// The person's user, and by what it was found. A user name is often an address with something behind it: the e-mail
/// address, the number and the name at the identity provider count, too.
pub(super) async fn user_of(http: &Reader, who: &Person) -> Result<Option<(User, &'static str)>, Fault> {
    let login = who.login_or_email("salesforce");
    let mut text =
        "SELECT Id, Username, Email, EmployeeNumber, FederationIdentifier, IsActive, LastLoginDate, \
                    Profile.Name, Profile.UserLicense.Name FROM User WHERE "
            .to_owned();
    let names = [
        ("Username", login),
        ("Email", &who.email),
        ("EmployeeNumber", who.employee_id.as_str()),
        ("FederationIdentifier", &who.email),
    ];
    let conditions = names.map(|(field, name)| format!("{field} = '{}'", quoted(name)));
    text.push_str(&conditions.join(" OR "));
    let mut all: Vec<User> = soql::all(http, &text).await?;
    let Some(user) = all.pop() else { return Ok(None) };
    let ambiguous = |detail: String| Err(Fault::new(FaultKind::Ambiguous, detail));
    if !all.is_empty() {
        return ambiguous(format!("{} users carry this person's login, e-mail or number", all.len() + 1));
    }
    if user.employee_number.as_deref().is_some_and(|number| number != who.employee_id.as_str()) {
        return ambiguous(format!("the user {} carries another employee number", user.username));
    }
    match user.matched_by(who, login) {
        Some(matched_by) => Ok(Some((user, matched_by))),
        None => ambiguous(format!("the user {} carries none of this person's names", user.username)),
    }
}

/// The row that holds whether a user is frozen. Salesforce keeps one for each.
pub(super) async fn login(http: &Reader, id: &str) -> Result<Login, Fault> {
    let text = format!("SELECT Id, IsFrozen FROM UserLogin WHERE UserId = '{}'", quoted(id));
    soql::all(http, &text).await?.pop().ok_or_else(|| Fault::shape("UserLogin: no row for this user"))
}

pub(super) async fn sessions(http: &Reader, id: &str) -> Result<Vec<String>, Fault> {
    let text = format!("SELECT Id FROM AuthSession WHERE UsersId = '{}'", quoted(id));
    let open = soql::all::<Session>(http, &text).await?;
    Ok(open.into_iter().map(|session| session.id).collect())
}

/// The applications that hold tokens of the user. A token has no id, only the texts that use and that revoke it: neither
/// is read here.
pub(super) async fn credentials(http: &Reader, id: &str) -> Result<Vec<Credential>, Fault> {
    let text = format!("SELECT AppName, LastUsedDate FROM OauthToken WHERE UserId = '{}'", quoted(id));
    let mut apps: BTreeMap<String, (usize, Option<Timestamp>)> = BTreeMap::new();
    for token in soql::all::<OauthToken>(http, &text).await? {
        let (count, last) = apps.entry(token.app_name.unwrap_or_default()).or_default();
        *count += 1;
        *last = (*last).max(token.last_used_date);
    }
    let credential = |(app, (count, last_used)): (String, (usize, Option<Timestamp>))| {
        let name = if app.is_empty() { "an unnamed application" } else { app.as_str() };
        Credential {
            label: format!("{count} OAuth tokens of {name}"),
            id: format!("{APP}{app}"),
            kind: CredentialKind::OauthToken,
            created_at: None,
            last_used,
            active: true,
        }
    };
    Ok(apps.into_iter().map(credential).collect())
}

pub(super) async fn grants(http: &Reader, user: &User, own: &str) -> Result<Vec<Grant>, Fault> {
    let id = quoted(&user.id);
    let sets = format!(
        "SELECT PermissionSetId, PermissionSet.Label, PermissionSet.IsOwnedByProfile, \
         PermissionSet.PermissionsModifyAllData, PermissionSet.PermissionsManageUsers, PermissionSetGroupId, \
         PermissionSetGroup.MasterLabel, ExpirationDate FROM PermissionSetAssignment WHERE AssigneeId = '{id}'"
    );
    let licences = format!(
        "SELECT PermissionSetLicenseId, PermissionSetLicense.MasterLabel FROM PermissionSetLicenseAssign \
         WHERE AssigneeId = '{id}'"
    );
    let groups =
        format!("SELECT GroupId, Group.Name, Group.Type FROM GroupMember WHERE UserOrGroupId = '{id}'");
    let (sets, licences, groups) = tokio::try_join!(
        soql::all::<Assignment>(http, &sets),
        soql::all::<Licence>(http, &licences),
        soql::all::<Member>(http, &groups)
    )?;
    let all_data = sets.iter().any(|one| one.permission_set.permissions_modify_all_data);
    let sole = user.is_active && all_data && !others(http, &user.id, own).await?;
    let profile = user.profile.as_ref().map_or("profile", |profile| profile.name.as_str());
    let mut all: Vec<Grant> = sets.into_iter().map(|one| one.grant(profile, sole)).collect();
    all.extend(licences.into_iter().map(|one| {
        grant(
            format!("licence:{}", one.permission_set_license_id),
            GrantKind::Licence,
            one.permission_set_license.name,
        )
    }));
    all.extend(groups.into_iter().map(Member::grant));
    let licence = user.profile.as_ref().and_then(|profile| profile.user_license.as_ref());
    if let (true, Some(licence)) = (user.is_active, licence) {
        let fixed = Some("goes with the deactivation of the user".to_owned());
        let held = grant(format!("user-licence:{}", licence.name), GrantKind::Licence, licence.name.clone());
        all.push(Grant { fixed, ..held });
    }
    Ok(all)
}

fn grant(id: String, kind: GrantKind, name: String) -> Grant {
    Grant { id, kind, name, privileged: false, fixed: None, sole_holder: false }
}

impl Assignment {
    fn grant(self, profile: &str, sole: bool) -> Grant {
        let set = self.permission_set;
        let privileged = set.permissions_modify_all_data || set.permissions_manage_users;
        let sole_holder = sole && set.permissions_modify_all_data;
        let until = self.expiration_date.map(|until| format!("@{until}")).unwrap_or_default();
        let held = match (set.is_owned_by_profile, self.permission_set_group_id) {
            // Every profile has a permission set of its own, which only another profile replaces.
            (true, _) => {
                let fixed = Some("every user has a profile".to_owned());
                Grant {
                    fixed,
                    ..grant(format!("profile:{profile}"), GrantKind::Role, format!("profile {profile}"))
                }
            }
            (false, Some(id)) => {
                let name = self.permission_set_group.map_or(set.label, |group| group.name);
                grant(format!("bundle:{id}{until}"), GrantKind::Role, name)
            }
            (false, None) => {
                grant(format!("set:{}{until}", self.permission_set_id), GrantKind::Role, set.label)
            }
        };
        Grant { privileged, sole_holder, ..held }
    }
}

impl Member {
    fn grant(self) -> Grant {
        let fixed = match self.group.r#type.as_str() {
            "Regular" | "Queue" => None,
            _ => Some("kept by Salesforce by role or territory".to_owned()),
        };
        let name = self.group.name.unwrap_or_else(|| self.group.r#type.clone());
        Grant { fixed, ..grant(format!("group:{}", self.group_id), GrantKind::Group, name) }
    }
}

/// Whether anybody else who is active may change all data, by profile or by permission set. leaver's own user is nobody.
async fn others(http: &Reader, id: &str, own: &str) -> Result<bool, Fault> {
    let text = format!(
        "SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSet.PermissionsModifyAllData = true \
         AND Assignee.IsActive = true AND Assignee.Username != '{}'",
        quoted(own)
    );
    let holders: BTreeSet<String> =
        soql::all::<Holder>(http, &text).await?.into_iter().map(|holder| holder.assignee_id).collect();
    Ok(holders.iter().any(|holder| holder != id))
}

/// The user's logins. What was exported stands elsewhere, and not in every edition.
pub(super) async fn activity(http: &Reader, id: &str, since: Timestamp) -> Result<Activity, Fault> {
    let text = format!(
        "SELECT Id, LoginTime, Status, CountryIso FROM LoginHistory WHERE UserId = '{}' AND LoginTime >= {since}",
        quoted(id)
    );
    let event = |login: LoginEvent| {
        let good = login.status.as_deref() == Some("Success");
        let kind = if good { ActivityKind::Login } else { ActivityKind::FailedLogin };
        ActivityEvent { id: login.id, at: login.login_time, kind, country: login.country_iso, count: 1 }
    };
    match soql::all::<LoginEvent>(http, &text).await {
        Ok(logins) => {
            let why = "what was exported stands in event log files, which need Event Monitoring";
            let events = logins.into_iter().map(event).collect();
            Ok(Activity { since, events, incomplete: Some(why.to_owned()) })
        }
        Err(fault) if fault.kind == FaultKind::PermissionMissing => {
            Ok(Activity::unavailable(since, "leaver's user may not read the login history"))
        }
        Err(fault) => Err(fault),
    }
}

/// Which permissions leaver's own user lacks: Salesforce says so of whoever asks.
pub(super) async fn missing(http: &Reader) -> Result<Vec<Missing>, Fault> {
    let text = format!("SELECT {} FROM UserPermissionAccess LIMIT 1", PERMISSIONS.join(", "));
    let rows: Vec<BTreeMap<String, Value>> = soql::all(http, &text).await?;
    let row = rows.into_iter().next().ok_or_else(|| Fault::shape("UserPermissionAccess: no row"))?;
    let lacks = |permission: &str| row.get(permission) != Some(&Value::Bool(true));
    let both = SCOPES.into_iter().zip(PERMISSIONS);
    let missing = both.filter(|(_, permission)| lacks(permission)).map(|(scope, permission)| Missing {
        scope,
        shown_by: format!("UserPermissionAccess: {permission} is not true"),
    });
    Ok(missing.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_that_ends_is_given_back_with_its_end() {
        let id = "set:0PS000000000001@2027-01-01T00:00:00.000+0000";
        let held = Held::parse(id).unwrap();
        assert_eq!(held.kind(), GrantKind::Role);
        assert_eq!(
            held.fields("005x"),
            json!({"AssigneeId": "005x", "PermissionSetId": "0PS000000000001",
                   "ExpirationDate": "2027-01-01T00:00:00.000+0000"})
        );
    }

    #[test]
    fn only_ids_in_the_vendors_form_reach_a_query() {
        let bad =
            ["group:x' OR Id != '", "group:", "profile:Standard", "00G000000000001", "group:00G 00000000001"];
        assert!(bad.iter().all(|id| Held::parse(id).is_none()));
        assert_eq!(Held::parse("group:00G000000000001AAA"), Some(Held::Group("00G000000000001AAA")));
    }
}
