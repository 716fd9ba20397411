//! All users of the organisation.

use super::soql;
use crate::{http::Reader, page};
use leaver_domain::{
    fault::Fault,
    inventory::AccountStatus,
    roster::{Kind, Mark, Page, Seen},
    time::Timestamp,
};
use serde::Deserialize;
use std::collections::BTreeSet;

const USERS: &str = "SELECT Id, Username, Name, Email, EmployeeNumber, IsActive, UserType, LastLoginDate, CreatedDate, \
                     Profile.PermissionsManageUsers FROM User";
/// Kinds of user that are the company's own; those of partners and customers are guests, and so is the public site's.
const INSIDE: [&str; 1] = ["Standard"];
/// Kinds of user that nobody logs in as.
const PROGRAMS: [&str; 2] = ["AutomatedProcess", "CloudIntegrationUser"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct User {
    id: String,
    username: String,
    name: Option<String>,
    email: Option<String>,
    employee_number: Option<String>,
    is_active: bool,
    user_type: Option<String>,
    last_login_date: Option<Timestamp>,
    created_date: Option<Timestamp>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Profile {
    permissions_manage_users: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Frozen {
    user_id: String,
}

pub(super) async fn page(http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
    let (users, next) = soql::page::<User>(http, USERS, from.map(|mark| mark.0.as_str())).await?;
    // Few are frozen at a time, and whoever is cannot log in although the user is active.
    let frozen: Vec<Frozen> = soql::all(http, "SELECT UserId FROM UserLogin WHERE IsFrozen = true").await?;
    let frozen: BTreeSet<String> = frozen.into_iter().map(|row| row.user_id).collect();
    page::of_roster(users.into_iter().map(|user| seen(user, &frozen)).collect(), next, from)
}

fn seen(user: User, frozen: &BTreeSet<String>) -> Seen {
    let status = match (user.is_active, frozen.contains(&user.id)) {
        (false, _) => AccountStatus::Deactivated,
        (true, true) => AccountStatus::Suspended,
        (true, false) => AccountStatus::Active,
    };
    let kind = match user.user_type.as_deref() {
        None => Kind::Person,
        Some(word) if INSIDE.contains(&word) => Kind::Person,
        Some(word) if PROGRAMS.contains(&word) => Kind::Service,
        Some(_) => Kind::Guest,
    };
    Seen {
        email: user.email,
        employee_id: user.employee_number,
        name: user.name,
        last_login: user.last_login_date,
        created_at: user.created_date,
        kind,
        privileged: user.profile.map(|profile| profile.permissions_manage_users),
        ..Seen::new(user.id, user.username, status)
    }
}
