//! The rows of Salesforce's sample organisation.

use super::{ID, hours_ago, soql::Tables};
use crate::{people::SamplePerson, twin::World};
use serde_json::{Value, json};

/// The number of the permission set that Salesforce makes of a permission set group.
pub(super) const AGGREGATE: usize = 5;

/// An id of 18 characters, by the prefix of its object.
pub(super) fn id(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:012}AAA")
}

/// The tables as they are before anybody is hired.
pub(super) fn organisation() -> Tables {
    let set = |number: usize, label: &str, profile: bool, admin: bool, licence: Option<usize>| {
        json!({"Id": id("0PS", number), "Label": label, "IsOwnedByProfile": profile,
               "PermissionsModifyAllData": admin, "PermissionsManageUsers": admin,
               "LicenseId": licence.map(|number| id("0PL", number))})
    };
    let sets = vec![
        set(1, "Standard User", true, false, None),
        set(2, "System Administrator", true, true, None),
        set(3, "Sales Console", false, false, Some(1)),
        set(4, "Report Builder", false, false, None),
        set(AGGREGATE, "Field Work", false, false, None),
    ];
    let profile = |number: usize, name: &str| {
        json!({"Id": id("00e", number), "Name": name, "UserLicenseId": id("100", 1),
                                                            "PermissionsManageUsers": number == 2})
    };
    let named =
        |prefix: &str, number: usize, name: &str| json!({"Id": id(prefix, number), "MasterLabel": name});
    let group = |number: usize, name: &str, kind: &str| json!({"Id": id("00G", number), "Name": name, "DeveloperName": name.replace(' ', "_"), "Type": kind});
    let groups = ["Everyone", "Engineering", "Sales", "Finance", "Support", "Security", "People", "Audit"];
    let mut groups: Vec<Value> =
        groups.iter().enumerate().map(|(number, name)| group(number, name, "Regular")).collect();
    groups.push(group(50, "Inbox", "Queue"));
    let permissions = json!({"PermissionsManageUsers": true, "PermissionsAssignPermissionSets": true,
                             "PermissionsCustomizeApplication": true, "PermissionsViewSetup": true,
                             "PermissionsViewAllData": true});
    let mut tables = Tables::from([
        ("PermissionSet", sets),
        ("Profile", vec![profile(1, "Standard User"), profile(2, "System Administrator")]),
        ("UserLicense", vec![json!({"Id": id("100", 1), "Name": "Salesforce"})]),
        ("PermissionSetGroup", vec![named("0PG", 1, "Field Work")]),
        ("PermissionSetLicense", vec![named("0PL", 1, "Sales User"), named("0PL", 2, "CRM Analytics")]),
        ("Group", groups),
        ("UserPermissionAccess", vec![permissions]),
    ]);
    for object in [
        "User",
        "UserLogin",
        "AuthSession",
        "OauthToken",
        "PermissionSetAssignment",
        "PermissionSetLicenseAssign",
        "GroupMember",
        "LoginHistory",
        "CronTrigger",
        "CronJobDetail",
        "Report",
        "Dashboard",
        "ConnectedApplication",
        "Account",
        "Lead",
        "Opportunity",
        "Case",
    ] {
        tables.insert(object, Vec::new());
    }
    tables
}

fn push(tables: &mut Tables, object: &str, rows: impl IntoIterator<Item = Value>) {
    if let Some(table) = tables.get_mut(object) {
        table.extend(rows);
    }
}

/// Adds a person and tells the user's id.
pub(super) fn add(tables: &mut Tables, world: &World, sample: &SamplePerson, index: usize) -> String {
    let person = &sample.person;
    let user = id("005", index);
    let idle_hours = sample.traits.idle_days.unwrap_or(1) * 24;
    let admin = sample.traits.admin_of.contains(ID)
        || sample.traits.sole_admin_of.contains(ID)
        || person.department == "Security";
    let row = json!({
        "Id": user, "Username": format!("{}@example.com.crm", person.username), "Name": person.name,
        "Email": sample.email_in(ID), "EmployeeNumber": person.employee_id.to_string(),
        "FederationIdentifier": sample.email_in(ID), "IsActive": true,
        "LastLoginDate": hours_ago(world, idle_hours), "ProfileId": id("00e", if admin { 2 } else { 1 }),
        "UserType": "Standard", "CreatedDate": hours_ago(world, 10_000),
    });
    push(tables, "User", [row]);
    push(tables, "UserLogin", [json!({"Id": id("0Yw", index), "UserId": user, "IsFrozen": false})]);
    access(tables, sample, index, admin);
    let logins = [idle_hours, idle_hours + 24, idle_hours + 72].into_iter().enumerate();
    let login = |(number, hours): (usize, u32)| {
        json!({"Id": id("0Ya", index * 10 + number), "UserId": user, "LoginTime": hours_ago(world, hours),
               "Status": "Success", "CountryIso": sample.country})
    };
    let logins: Vec<Value> = logins.map(login).collect();
    push(tables, "LoginHistory", logins);
    belongings(tables, sample, index);
    user
}

/// Sessions, tokens, permissions and groups.
fn access(tables: &mut Tables, sample: &SamplePerson, index: usize, admin: bool) {
    let user = id("005", index);
    let number = |within: usize| index * 10 + within;
    // The second session was opened by the first.
    let session = |within: usize, parent: usize| {
        json!({"Id": id("0Ak", number(within)), "UsersId": user, "ParentId": id("0Ak", number(parent)),
               "SessionType": "UI"})
    };
    push(tables, "AuthSession", [session(0, 0), session(1, 0), session(2, 2)]);
    let token = |within: usize, app: &str| {
        json!({"Id": null, "UserId": user, "AppName": app, "LastUsedDate": null, "UseCount": 3,
               "DeleteToken": format!("delete-{}-{within}", id("tok", index))})
    };
    push(tables, "OauthToken", [token(0, "Dataloader"), token(1, "Dataloader"), token(2, "Outlook")]);
    let set = |within: usize, set: usize, bundle: Option<usize>| {
        json!({"Id": id("0Pa", number(within)), "AssigneeId": user, "PermissionSetId": id("0PS", set),
               "PermissionSetGroupId": bundle.map(|bundle| id("0PG", bundle)), "ExpirationDate": null})
    };
    let profile = if admin { 2 } else { 1 };
    let sets = [set(0, profile, None), set(1, 3, None), set(2, 4, None), set(3, AGGREGATE, Some(1))];
    push(tables, "PermissionSetAssignment", sets);
    let licence = |within: usize, licence: usize| json!({"Id": id("2LA", number(within)), "AssigneeId": user, "PermissionSetLicenseId": id("0PL", licence)});
    push(tables, "PermissionSetLicenseAssign", [licence(0, 1), licence(1, 2)]);
    let mut own = tables.get("Group").into_iter().flatten();
    let own =
        own.find(|group| group["Name"] == sample.person.department.as_str()).map(|group| group["Id"].clone());
    let groups = [Some(json!(id("00G", 0))), Some(json!(id("00G", 50))), own];
    let member = |(within, group): (usize, Value)| json!({"Id": id("011", number(within)), "UserOrGroupId": user, "GroupId": group});
    let members: Vec<Value> = groups.into_iter().flatten().enumerate().map(member).collect();
    push(tables, "GroupMember", members);
}

/// What the person owns or made.
fn belongings(tables: &mut Tables, sample: &SamplePerson, index: usize) {
    let user = id("005", index);
    let number = |within: usize| index * 10 + within;
    let reports = (0..3).map(|within| {
        json!({"Id": id("00O", number(within)), "Name": format!("Pipeline {within}"), "OwnerId": user})
    });
    push(tables, "Report", reports.collect::<Vec<_>>());
    let dashboard = json!({"Id": id("01Z", index), "Title": "Forecast", "RunningUserId": user});
    push(tables, "Dashboard", [dashboard]);
    let accounts = (0..3).map(|within| json!({"Id": id("001", number(within)), "OwnerId": user}));
    push(tables, "Account", accounts.collect::<Vec<_>>());
    let opportunity = |within: usize, closed: bool| json!({"Id": id("006", number(within)), "OwnerId": user, "IsClosed": closed});
    push(tables, "Opportunity", [opportunity(0, false), opportunity(1, true)]);
    let lead = json!({"Id": id("00Q", index), "OwnerId": user, "IsConverted": true});
    push(tables, "Lead", [lead]);
    if sample.person.role == "platform_engineer" {
        let job = |within: usize, state: &str| {
            json!({"Id": id("08e", number(within)), "OwnerId": user, "State": state,
                   "CronJobDetailId": id("08a", number(within))})
        };
        push(tables, "CronTrigger", [job(0, "WAITING"), job(1, "COMPLETE")]);
        let detail = |within: usize, name: &str| json!({"Id": id("08a", number(within)), "Name": name});
        push(tables, "CronJobDetail", [detail(0, "Nightly sync"), detail(1, "Import of last year")]);
        let app = json!({"Id": id("0H4", index), "Name": "Deploy bot", "CreatedById": user});
        push(tables, "ConnectedApplication", [app]);
    }
}
