//! What the Workspace domain holds at the start, and how Google writes it down.

use super::{GoogleWorkspace, ID};
use crate::{people::SamplePerson, twin::World};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A delegated administrator's role; the super administrator's is what `isAdmin` says.
pub(super) const SUPER_ROLE: &str = "13801188331880449";
pub(super) const HELP_DESK_ROLE: &str = "13801188331880450";
pub(super) const PRODUCT: &str = "Google-Apps";
/// The SKUs that the company has, and what Google calls them.
pub(super) const SKUS: [(&str, &str); 2] = [
    ("1010020027", "Google Workspace Business Starter"),
    ("1010020028", "Google Workspace Business Standard"),
];

pub(super) struct User {
    pub(super) id: String,
    pub(super) username: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) number: String,
    pub(super) suspended: bool,
    pub(super) admin: bool,
    pub(super) sessions: u32,
    pub(super) last_login: String,
    pub(super) groups: Vec<String>,
    /// Applications that hold a token: client and name.
    pub(super) tokens: Vec<(String, String)>,
    /// App passwords: number and name.
    pub(super) asps: Vec<(i64, String)>,
    pub(super) codes: u32,
    /// Roles held directly: the assignment and the role.
    pub(super) roles: Vec<(String, String)>,
    pub(super) delegates: Vec<String>,
    /// To whom all mail is forwarded, and what becomes of the original.
    pub(super) forwarding: Option<(String, String)>,
    pub(super) forwarding_addresses: Vec<String>,
    pub(super) licences: Vec<String>,
}

pub(super) struct Device {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) model: &'static str,
    pub(super) status: &'static str,
}

pub(super) fn groups() -> BTreeMap<String, String> {
    let names =
        ["All", "Wiki", "Town hall", "Engineering", "Sales", "Finance", "Support", "Security", "People"];
    let names = names.into_iter().chain(["Audit"]);
    names.map(|name| (format!("g-{}", name.replace(' ', "").to_lowercase()), name.to_owned())).collect()
}

impl GoogleWorkspace {
    pub(super) fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let id = format!("1{index:020}");
        let idle_hours = sample.traits.idle_days.unwrap_or(1) * 24;
        self.add_log(world, sample, &id, idle_hours);
        for (number, model) in ["Pixel 9", "iPad"].into_iter().enumerate() {
            let device = format!("device-{index}-{number}");
            self.devices.push(Device { id: device, owner: person.email.clone(), model, status: "APPROVED" });
        }
        let admin = sample.traits.admin_of.contains(ID) || sample.traits.sole_admin_of.contains(ID);
        let token =
            |client: &str, name: &str| (format!("{client}.apps.googleusercontent.com"), name.to_owned());
        let department = format!("g-{}", person.department.to_lowercase());
        self.users.push(User {
            username: person.username.to_string(),
            name: person.name.clone(),
            email: person.email.clone(),
            number: person.employee_id.to_string(),
            suspended: false,
            admin,
            sessions: 2,
            last_login: world.hours_ago(idle_hours).to_string(),
            groups: ["g-all", "g-wiki", "g-townhall"]
                .map(str::to_owned)
                .into_iter()
                .chain([department])
                .collect(),
            tokens: vec![
                token("calendar-sync", "Calendar Sync"),
                token("notes", "Notes"),
                token("crm", "CRM"),
            ],
            asps: vec![(1, "Mail on my phone".to_owned()), (2, "Printer".to_owned())],
            codes: 10,
            roles: if admin {
                vec![
                    (format!("ra-{index}-0"), SUPER_ROLE.to_owned()),
                    (format!("ra-{index}-1"), HELP_DESK_ROLE.to_owned()),
                ]
            } else {
                Vec::new()
            },
            delegates: vec!["assistant@example.com".to_owned()],
            forwarding: Some(("archive@example.com".to_owned(), "leaveInInbox".to_owned())),
            forwarding_addresses: vec!["archive@example.com".to_owned()],
            licences: vec![SKUS[0].0.to_owned()],
            id,
        });
    }

    fn add_log(&mut self, world: &World, sample: &SamplePerson, id: &str, idle_hours: u32) {
        let entry = |application: &str, number: u32, hours: u32, events: Value| {
            json!({
                "kind": "admin#reports#activity", "actor": {"profileId": id, "email": sample.person.email},
                "id": {"time": world.hours_ago(hours), "uniqueQualifier": format!("{id}-{application}-{number}"),
                       "applicationName": application, "customerId": "C00000000"},
                "ipAddress": "192.0.2.7", "networkInfo": {"regionCode": sample.country}, "events": events,
            })
        };
        let mut all = Vec::new();
        for (number, hours) in (0..).zip([idle_hours, idle_hours + 24, idle_hours + 72]) {
            all.push(entry("login", number, hours, json!([{"type": "login", "name": "login_success"}])));
        }
        let edit = json!([{"type": "access", "name": "edit", "parameters": [{"name": "doc_title", "value": "Plan"}]}]);
        all.push(entry("drive", 0, idle_hours + 2, edit));
        if sample.traits.bulk_download_in.contains(ID) {
            let download = json!([{"type": "access", "name": "download",
                                   "parameters": [{"name": "doc_title", "value": "Forecast"}]}]);
            all.extend((1..=300).map(|number| entry("drive", number, 20, download.clone())));
        }
        self.log.insert(id.to_owned(), all);
    }
}

pub(super) fn user_json(user: &User) -> Value {
    json!({
        "kind": "admin#directory#user", "id": user.id, "etag": "\"1\"", "primaryEmail": user.email,
        "name": {"fullName": user.name}, "isAdmin": user.admin, "isDelegatedAdmin": user.roles.len() > 1,
        "suspended": user.suspended, "archived": false, "isMailboxSetup": true, "lastLoginTime": user.last_login,
        "creationTime": "2024-05-01T08:00:00.000Z", "customerId": "C00000000", "orgUnitPath": "/",
        "externalIds": [{"value": user.number, "type": "organization"}],
        "emails": [{"address": user.email, "primary": true}],
    })
}

pub(super) fn role_json(user: &User, (id, role): &(String, String)) -> Value {
    json!({"kind": "admin#directory#roleAssignment", "etag": "\"1\"", "roleAssignmentId": id, "roleId": role,
           "assignedTo": user.id, "assigneeType": "USER", "scopeType": "CUSTOMER"})
}

pub(super) fn roles_json() -> Vec<Value> {
    let role = |id: &str, name: &str, is_super: bool| {
        json!({"kind": "admin#directory#role", "roleId": id, "roleName": name, "isSystemRole": true,
               "isSuperAdminRole": is_super})
    };
    vec![role(SUPER_ROLE, "_SEED_ADMIN_ROLE", true), role(HELP_DESK_ROLE, "_HELP_DESK_ADMIN_ROLE", false)]
}

pub(super) fn licence_json(user: &User, sku: &str) -> Value {
    let name = SKUS.iter().find(|(id, _)| *id == sku).map_or("", |(_, name)| name);
    json!({"kind": "licensing#licenseAssignment", "userId": user.email, "productId": PRODUCT,
           "productName": "Google Workspace", "skuId": sku, "skuName": name})
}

pub(super) fn device_json(device: &Device) -> Value {
    json!({"kind": "admin#directory#mobiledevice", "resourceId": device.id, "deviceId": device.id,
           "email": [device.owner], "model": device.model, "status": device.status, "type": "ANDROID",
           "firstSync": "2025-11-03T10:00:00.000Z", "lastSync": "2025-11-04T10:00:00.000Z"})
}
