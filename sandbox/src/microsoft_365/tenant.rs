//! What the Entra tenant holds at the start, and how Graph writes it down.

use super::{ID, Microsoft365};
use crate::{people::SamplePerson, twin::World};
use leaver_domain::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
pub(super) const EVERYBODY: &str = "00000001-0000-4000-8000-0000000000ff";
/// Licences by their id: one assigned to each person, one that comes with the group of everybody.
pub(super) const SKUS: [(&str, &str); 2] = [
    ("06ebc4ee-1bb5-47dd-8120-11324bc54e06", "SPE_E5"),
    ("a403ebcc-fae0-4ca2-8c8c-7a907fd6c235", "POWER_BI_STANDARD"),
];

#[derive(Clone)]
pub(super) struct Licence {
    pub(super) sku: String,
    pub(super) group: Option<&'static str>,
    pub(super) disabled_plans: Value,
}

pub(super) struct User {
    pub(super) id: String,
    pub(super) username: String,
    pub(super) name: String,
    pub(super) upn: String,
    pub(super) mail: String,
    pub(super) number: String,
    pub(super) enabled: bool,
    pub(super) sessions: u32,
    pub(super) valid_from: Timestamp,
    pub(super) password_changed: Timestamp,
    pub(super) last_sign_in: Timestamp,
    pub(super) groups: Vec<String>,
    /// Application access: id, resource, role, whether it comes with a group.
    pub(super) app_roles: Vec<(String, String, String, bool)>,
    /// Consents: id, application, scope.
    pub(super) consents: Vec<(String, String, String)>,
    /// Sign-in methods: kind, id, name.
    pub(super) methods: Vec<(&'static str, String, &'static str)>,
    pub(super) devices: Vec<String>,
    pub(super) licences: Vec<Licence>,
}

/// A role held or to be activated: its own id, the principal's, the role's, the scope.
pub(super) struct RoleHeld {
    pub(super) id: String,
    pub(super) principal: String,
    pub(super) role: String,
    pub(super) scope: String,
}

pub(super) struct Device {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) enabled: bool,
}

pub(super) fn groups() -> BTreeMap<String, Value> {
    let kind = |name: &str, types: Value, mail: bool| {
        json!({"@odata.type": "#microsoft.graph.group", "displayName": name, "groupTypes": types,
               "mailEnabled": mail, "securityEnabled": !mail, "onPremisesSyncEnabled": null,
               "isAssignableToRole": null})
    };
    let mut all = BTreeMap::from([
        (EVERYBODY.to_owned(), kind("All staff", json!(["DynamicMembership"]), false)),
        ("group-wiki".to_owned(), kind("Wiki readers", json!([]), false)),
        ("group-town".to_owned(), kind("Town hall", json!(["Unified"]), true)),
        ("group-news".to_owned(), kind("News", json!([]), true)),
    ]);
    for name in ["Engineering", "Sales", "Finance", "Support", "Security", "People", "Audit"] {
        all.insert(format!("group-{}", name.to_lowercase()), kind(name, json!([]), false));
    }
    for (id, group) in &mut all {
        group["id"] = json!(id);
    }
    all
}

pub(super) fn guid(block: u32, index: usize) -> String {
    format!("{block:08x}-0000-4000-8000-{index:012x}")
}

/// The applications that people are let into, each with a service principal in the tenant.
const RESOURCES: [&str; 3] = ["Expenses", "Wiki", "Roadmap"];

fn resource_id(name: &str) -> String {
    guid(8, RESOURCES.iter().position(|resource| *resource == name).unwrap_or_default())
}

fn resource_name(id: &str) -> &'static str {
    RESOURCES.into_iter().find(|name| resource_id(name) == id).unwrap_or("Application")
}

impl Microsoft365 {
    fn add_logs(&mut self, world: &World, sample: &SamplePerson, index: usize, idle_hours: u32) {
        let (id, person) = (guid(1, index), &sample.person);
        for (number, hours) in [idle_hours, idle_hours + 24, idle_hours + 72].into_iter().enumerate() {
            self.sign_ins.push(json!({
                "id": guid(2, index * 8 + number), "createdDateTime": world.hours_ago(hours), "userId": &id,
                "userPrincipalName": person.email, "appDisplayName": "Office 365", "isInteractive": true,
                "status": {"errorCode": 0, "failureReason": "Other."},
                "location": {"city": person.location, "countryOrRegion": sample.country},
            }));
        }
        self.audits.push(json!({
            "id": format!("Directory_{index}"), "activityDateTime": world.hours_ago(idle_hours + 30),
            "activityDisplayName": "Update user", "category": "UserManagement", "result": "success",
            "initiatedBy": {"user": {"id": &id, "userPrincipalName": person.email}},
        }));
    }

    pub(super) fn add(&mut self, world: &World, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let id = guid(1, index);
        let idle_hours = sample.traits.idle_days.unwrap_or(1) * 24;
        self.add_logs(world, sample, index, idle_hours);
        let admin = sample.traits.admin_of.contains(ID) || sample.traits.sole_admin_of.contains(ID);
        if admin {
            let held = |id: String, scope: &str| RoleHeld {
                id,
                principal: guid(1, index),
                role: GLOBAL_ADMINISTRATOR.into(),
                scope: scope.into(),
            };
            self.roles.push(held(format!("role-{index}"), "/"));
            self.eligible.push(held(format!("eligible-{index}"), "/administrativeUnits/emea"));
        }
        let devices: Vec<String> = (0..3).map(|number| guid(3, index * 8 + number)).collect();
        for (device, name) in devices.iter().zip(["laptop", "phone", "tablet"]) {
            let name = format!("{}-{name}", person.username);
            self.devices.push(Device { id: device.clone(), name, enabled: true });
        }
        let app = |number: usize, resource: &str, by_group| {
            (format!("app-{index}-{number}"), resource_id(resource), guid(0, 0), by_group)
        };
        let consent = |number: usize, client: &str, scope: &str| {
            (format!("consent-{index}-{number}"), client.to_owned(), scope.to_owned())
        };
        let method = |kind, number: usize, name| (kind, guid(4, index * 8 + number), name);
        let licence = |(sku, _): (&str, &str), group| Licence {
            sku: sku.to_owned(),
            group,
            disabled_plans: if group.is_none() { json!([guid(5, 1)]) } else { json!([]) },
        };
        self.users.push(User {
            username: person.username.to_string(),
            name: person.name.clone(),
            upn: person.email.clone(),
            mail: sample.email_in(ID).to_owned(),
            number: person.employee_id.to_string(),
            enabled: true,
            sessions: 2,
            valid_from: world.hours_ago(24 * 90),
            password_changed: world.hours_ago(24 * 90),
            last_sign_in: world.hours_ago(idle_hours),
            groups: [EVERYBODY, "group-wiki", "group-town", "group-news"]
                .map(str::to_owned)
                .into_iter()
                .chain([format!("group-{}", person.department.to_lowercase())])
                .collect(),
            app_roles: vec![app(0, "Expenses", false), app(1, "Wiki", true), app(2, "Roadmap", false)],
            consents: vec![
                consent(0, "sp-calendar", "Calendars.Read offline_access"),
                consent(1, "sp-notes", "Notes.Read"),
                consent(2, "sp-mail", "Mail.Read"),
            ],
            methods: vec![
                method("password", 0, ""),
                method("microsoftAuthenticator", 1, "phone"),
                method("softwareOath", 2, ""),
                method("phone", 3, "mobile"),
            ],
            licences: vec![licence(SKUS[0], None), licence(SKUS[1], Some(EVERYBODY))],
            devices,
            id,
        });
    }
}

/// As the vendor: without `$select` only a few properties are returned.
pub(super) fn user_json(user: &User, select: &str) -> Value {
    let licence = |held: &Licence| {
        json!({"skuId": held.sku, "assignedByGroup": held.group, "disabledPlans": held.disabled_plans,
               "state": "Active", "error": "None"})
    };
    let mut all = json!({
        "id": user.id, "displayName": user.name, "userPrincipalName": user.upn, "mail": user.mail,
        "employeeId": user.number, "userType": "Member", "createdDateTime": "2024-05-01T08:00:00Z", "accountEnabled": user.enabled,
        "onPremisesSyncEnabled": null, "signInSessionsValidFromDateTime": user.valid_from,
        "lastPasswordChangeDateTime": user.password_changed,
        "licenseAssignmentStates": user.licences.iter().map(licence).collect::<Vec<_>>(),
        "signInActivity": {"lastSignInDateTime": user.last_sign_in},
    });
    let select = if select.is_empty() { "id,displayName,userPrincipalName,mail" } else { select };
    if let Some(fields) = all.as_object_mut() {
        fields.retain(|name, _| name == "id" || select.split(',').any(|wanted| wanted == name));
    }
    all
}

pub(super) fn app_role_json(
    (id, resource, role, by_group): &(String, String, String, bool),
    user: &str,
) -> Value {
    let (kind, principal) = if *by_group { ("Group", EVERYBODY) } else { ("User", user) };
    json!({"id": id, "appRoleId": role, "principalId": principal, "principalType": kind,
           "resourceId": resource, "resourceDisplayName": resource_name(resource), "createdDateTime": "2025-11-03T10:00:00Z"})
}

pub(super) fn method_json((kind, id, name): &(&'static str, String, &'static str)) -> Value {
    let mut method = json!({"@odata.type": format!("#microsoft.graph.{kind}AuthenticationMethod"), "id": id,
                            "createdDateTime": "2025-11-03T10:00:00Z"});
    let field = if *kind == "phone" { "phoneType" } else { "displayName" };
    method[field] = json!(name);
    method
}

pub(super) fn device_json(device: &Device) -> Value {
    json!({"@odata.type": "#microsoft.graph.device", "id": device.id, "displayName": device.name,
           "accountEnabled": device.enabled, "registrationDateTime": "2025-11-03T10:00:00Z"})
}

pub(super) fn role_json(held: &RoleHeld) -> Value {
    json!({"id": held.id, "principalId": held.principal, "roleDefinitionId": held.role,
           "directoryScopeId": held.scope})
}
