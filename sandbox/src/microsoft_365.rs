//! Microsoft Graph's stand-in: users of an Entra tenant with sign-in methods, roles, groups, consents, devices,
//! licences and logs, behind the token endpoint that a client's secret opens.

mod tenant;

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Reply, Twin, World, slice, token_reply},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tenant::{
    Device, Licence, RoleHeld, SKUS, User, app_role_json, device_json, groups, guid, method_json, role_json,
    user_json,
};

const ID: &str = "microsoft_365";
/// Entries per page: small, so that every longer list of the sample data has more than one.
const PAGE: usize = 2;
const SCOPE: &str = "https://graph.microsoft.com/.default";
struct Microsoft365 {
    tenant: String,
    client_id: String,
    client_secret: String,
    users: Vec<User>,
    groups: BTreeMap<String, Value>,
    roles: Vec<RoleHeld>,
    eligible: Vec<RoleHeld>,
    devices: Vec<Device>,
    sign_ins: Vec<Value>,
    audits: Vec<Value>,
    made: u32,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", format!("{base}/v1.0")),
        ("login_url", base.to_owned()),
        ("tenant_id", "example.com".to_owned()),
        ("client_id", "leaver-local".to_owned()),
        ("client_secret", make.token("8Q~")),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut tenant = Microsoft365 {
        tenant: world.setting(ID, "tenant_id"),
        client_id: world.setting(ID, "client_id"),
        client_secret: world.setting(ID, "client_secret"),
        users: Vec::new(),
        groups: groups(),
        roles: Vec::new(),
        eligible: Vec::new(),
        devices: Vec::new(),
        sign_ins: Vec::new(),
        audits: Vec::new(),
        made: 0,
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        tenant.add(world, sample, index);
    }
    Box::new(tenant)
}

impl Microsoft365 {
    fn token(&self) -> String {
        // Not the secret itself: what travels with every call must differ from what opens the token endpoint.
        format!("eyJ.{}", self.client_secret.chars().rev().collect::<String>())
    }

    fn sign_in(&self, ask: &Ask, tenant: &str) -> Reply {
        let form = ask.form();
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        if tenant != self.tenant {
            return Reply::json(400, json!({"error": "invalid_request", "error_description": "AADSTS90002"}));
        }
        let known = given("client_id") == self.client_id && given("client_secret") == self.client_secret;
        if !known || self.client_secret.is_empty() {
            return Reply::json(
                401,
                json!({"error": "invalid_client", "error_description": "AADSTS7000215"}),
            );
        }
        match (given("grant_type"), given("scope")) {
            ("client_credentials", SCOPE) => token_reply(&self.token()),
            ("client_credentials", _) => Reply::json(400, json!({"error": "invalid_scope"})),
            _ => Reply::json(400, json!({"error": "unsupported_grant_type"})),
        }
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.users.iter().position(|user| user.id == key || user.upn.eq_ignore_ascii_case(key))
    }

    fn users(&self, ask: &Ask) -> Reply {
        let wanted = clauses(ask.param("$filter"), " or ");
        let hits = self.users.iter().filter(|user| {
            wanted.is_empty()
                || wanted.iter().any(|(field, _, value)| match field.as_str() {
                    "mail" => user.mail == *value,
                    "userPrincipalName" => user.upn == *value,
                    "employeeId" => user.number == *value,
                    _ => false,
                })
        });
        paged(ask, hits.map(|user| user_json(user, ask.param("$select"))).collect())
    }

    fn update(&mut self, ask: &Ask, index: usize) -> Reply {
        let (body, user) = (ask.json(), &mut self.users[index]);
        let Some(fields) = body.as_object().filter(|fields| !fields.is_empty()) else {
            return error(400, "Request_BadRequest", "Empty Payload. JSON content expected.");
        };
        for (field, value) in fields {
            match (field.as_str(), value) {
                ("accountEnabled", Value::Bool(enabled)) => user.enabled = *enabled,
                ("passwordProfile", profile)
                    if profile["password"].as_str().is_some_and(|p| p.len() >= 8) =>
                {
                    user.password_changed = ask.at;
                }
                _ => return error(400, "Request_BadRequest", "Invalid value specified for a property."),
            }
        }
        Reply::empty(204)
    }

    fn assign_licence(&mut self, ask: &Ask, index: usize) -> Reply {
        let (body, user) = (ask.json(), &mut self.users[index]);
        let (Some(add), Some(remove)) = (body["addLicenses"].as_array(), body["removeLicenses"].as_array())
        else {
            return error(400, "Request_BadRequest", "addLicenses and removeLicenses are required.");
        };
        for sku in remove.iter().filter_map(Value::as_str) {
            let held = user.licences.iter().filter(|licence| licence.sku == sku);
            match held.map(|licence| licence.group).min() {
                Some(None) => user.licences.retain(|held| held.sku != sku || held.group.is_some()),
                Some(Some(_)) => {
                    return error(
                        400,
                        "Request_BadRequest",
                        "User license is inherited from a group membership and it cannot be removed directly from the user.",
                    );
                }
                None => {
                    return error(400, "Request_BadRequest", "User does not have a corresponding license.");
                }
            }
        }
        for licence in add {
            let sku = licence["skuId"].as_str().unwrap_or_default();
            if SKUS.iter().all(|(known, _)| *known != sku) {
                return error(
                    400,
                    "Request_BadRequest",
                    "License does not correspond to a valid company license.",
                );
            }
            user.licences.retain(|held| held.sku != sku || held.group.is_some());
            let disabled_plans = licence["disabledPlans"].clone();
            user.licences.push(Licence { sku: sku.to_owned(), group: None, disabled_plans });
        }
        Reply::json(200, user_json(user, ""))
    }

    fn delete_method(&mut self, index: usize, path: &str, id: &str) -> Reply {
        let kind = path.trim_end_matches("Methods");
        let methods = &mut self.users[index].methods;
        let others = methods.iter().filter(|method| method.0 != "password" && method.1 != id).count();
        let is_there = methods.iter().any(|method| method.0 == kind && method.1 == id);
        if is_there && kind == "phone" && others > 0 {
            return error(
                400,
                "invalidRequest",
                "The default method cannot be deleted while others are registered.",
            );
        }
        removed(methods, |method| method.0 == kind && method.1 == id)
    }

    fn of_user(&mut self, ask: &Ask, index: usize, rest: &[&str]) -> Reply {
        self.made += 1;
        let made = self.made;
        match (ask.method.as_str(), rest) {
            ("PATCH", []) => return self.update(ask, index),
            ("POST", ["assignLicense"]) => return self.assign_licence(ask, index),
            ("DELETE", ["authentication", path, id]) => return self.delete_method(index, path, id),
            _ => {}
        }
        let user = &mut self.users[index];
        match (ask.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, user_json(user, ask.param("$select"))),
            ("POST", ["revokeSignInSessions"]) => {
                (user.sessions, user.valid_from) = (0, ask.at);
                Reply::json(200, json!({"value": true}))
            }
            ("GET", ["memberOf"]) => {
                paged(ask, user.groups.iter().filter_map(|id| self.groups.get(id).cloned()).collect())
            }
            ("GET", ["appRoleAssignments"]) => {
                paged(ask, user.app_roles.iter().map(|role| app_role_json(role, &user.id)).collect())
            }
            ("POST", ["appRoleAssignments"]) => {
                let body = ask.json();
                let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                let role = (format!("app-new-{made}"), text("resourceId"), text("appRoleId"), false);
                if text("principalId") != user.id || role.1.is_empty() || role.2.is_empty() {
                    return error(400, "Request_BadRequest", "Invalid value specified for a property.");
                }
                let reply = Reply::json(201, app_role_json(&role, &user.id));
                user.app_roles.push(role);
                reply
            }
            ("DELETE", ["appRoleAssignments", id]) => {
                removed(&mut user.app_roles, |role| role.0 == *id && !role.3)
            }
            ("GET", ["oauth2PermissionGrants"]) => {
                let consent = |(id, client, scope): &(String, String, String)| {
                    json!({"id": id, "clientId": client, "consentType": "Principal", "principalId": user.id,
                           "resourceId": "sp-graph", "scope": scope})
                };
                paged(ask, user.consents.iter().map(consent).collect())
            }
            ("GET", ["authentication", "methods"]) => {
                paged(ask, user.methods.iter().map(method_json).collect())
            }
            ("GET", ["registeredDevices"]) => {
                let mine = self.devices.iter().filter(|device| user.devices.contains(&device.id));
                paged(ask, mine.map(device_json).collect())
            }
            ("GET", ["ownedObjects"]) => {
                let app = json!({"@odata.type": "#microsoft.graph.application", "id": format!("app-of-{}", user.id),
                                 "displayName": "Prototype", "passwordCredentials": [], "keyCredentials": []});
                paged(ask, vec![app])
            }
            ("GET", ["licenseDetails"]) => {
                let detail = |(sku, part): &(&str, &str)| {
                    let held = user.licences.iter().any(|licence| licence.sku == *sku);
                    held.then(|| json!({"id": sku, "skuId": sku, "skuPartNumber": part, "servicePlans": []}))
                };
                paged(ask, SKUS.iter().filter_map(detail).collect())
            }
            _ => not_found(),
        }
    }

    fn membership(&mut self, ask: &Ask, group: &str, user: &str) -> Reply {
        let (Some(index), Some(found)) = (self.find(user), self.groups.get(group)) else {
            return not_found();
        };
        let types = found["groupTypes"].as_array().cloned().unwrap_or_default();
        if types.contains(&json!("DynamicMembership")) {
            return error(
                400,
                "Request_BadRequest",
                "Insufficient privileges to manage a dynamic group's members.",
            );
        }
        if found["mailEnabled"] == true && !types.contains(&json!("Unified")) {
            return error(
                400,
                "Request_BadRequest",
                "Cannot Update a mail-enabled security groups and or distribution list.",
            );
        }
        let groups = &mut self.users[index].groups;
        let is_member = groups.iter().any(|id| id == group);
        match (ask.method.as_str(), is_member) {
            ("DELETE", _) => removed(groups, |id| id == group),
            (_, true) => error(
                400,
                "Request_BadRequest",
                "One or more added object references already exist for the following modified properties: 'members'.",
            ),
            (_, false) => {
                groups.push(group.to_owned());
                Reply::empty(204)
            }
        }
    }

    fn role_management(&mut self, ask: &Ask, rest: &[&str]) -> Reply {
        self.made += 1;
        let body = ask.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let held = RoleHeld {
            id: format!("role-new-{}", self.made),
            principal: text("principalId"),
            role: text("roleDefinitionId"),
            scope: text("directoryScopeId"),
        };
        let is_complete = ![&held.principal, &held.role, &held.scope].iter().any(|text| text.is_empty());
        match (ask.method.as_str(), rest) {
            ("GET", ["roleAssignments"]) => roles(ask, &self.roles),
            ("GET", ["roleEligibilityScheduleInstances"]) => roles(ask, &self.eligible),
            ("POST", _) if !is_complete => {
                error(400, "Request_BadRequest", "A required property is missing.")
            }
            ("POST", ["roleAssignments"]) => {
                let reply = Reply::json(201, role_json(&held));
                self.roles.push(held);
                reply
            }
            ("DELETE", ["roleAssignments", id]) => removed(&mut self.roles, |role| role.id == *id),
            ("POST", ["roleEligibilityScheduleRequests"]) => {
                let same = |role: &RoleHeld| {
                    (&role.principal, &role.role, &role.scope) == (&held.principal, &held.role, &held.scope)
                };
                let (before, action) = (self.eligible.len(), text("action"));
                self.eligible.retain(|role| !same(role));
                match action.as_str() {
                    "adminRemove" if before == self.eligible.len() => {
                        return error(
                            400,
                            "RoleAssignmentDoesNotExist",
                            "The Role assignment does not exist.",
                        );
                    }
                    "adminRemove" => {}
                    "adminAssign" if body["scheduleInfo"].is_object() => self.eligible.push(held),
                    _ => return error(400, "InvalidAction", "The action is invalid."),
                }
                Reply::json(201, json!({"id": "request", "action": action, "status": "Provisioned"}))
            }
            _ => not_found(),
        }
    }

    fn log(&self, ask: &Ask, events: &[Value], at: &str, by: &str) -> Reply {
        let wanted = clauses(ask.param("$filter"), " and ");
        let value =
            |op: &str| wanted.iter().find(|clause| clause.1 == op).map_or("", |clause| clause.2.as_str());
        let mine = events.iter().filter(|event| {
            let who = event.pointer(by).and_then(Value::as_str).unwrap_or_default();
            who == value("eq") && event[at].as_str().is_some_and(|at| at >= value("ge"))
        });
        paged(ask, mine.cloned().collect())
    }
}

impl Twin for Microsoft365 {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        if let ("POST", [tenant, "oauth2", "v2.0", "token"]) = (ask.method.as_str(), path.as_slice()) {
            return self.sign_in(ask, tenant);
        }
        if ask.credential("Bearer ") != self.token() {
            return error(401, "InvalidAuthenticationToken", "Access token is empty or invalid.");
        }
        let Some(path) = path.strip_prefix(&["v1.0"]) else { return not_found() };
        match (ask.method.as_str(), path) {
            ("GET", ["users"]) => self.users(ask),
            (_, ["users", key, rest @ ..]) => match self.find(key) {
                Some(index) => self.of_user(ask, index, rest),
                None => not_found(),
            },
            ("POST", ["groups", group, "members", "$ref"]) => {
                let body = ask.json();
                let reference = body["@odata.id"].as_str().unwrap_or_default();
                match reference.rsplit_once("/directoryObjects/") {
                    Some((_, user)) => self.membership(ask, group, user),
                    None => error(400, "Request_BadRequest", "The reference is not a directory object."),
                }
            }
            ("DELETE", ["groups", group, "members", user, "$ref"]) => self.membership(ask, group, user),
            (_, ["roleManagement", "directory", rest @ ..]) => self.role_management(ask, rest),
            ("DELETE", ["oauth2PermissionGrants", id]) => {
                let held =
                    self.users.iter_mut().find(|user| user.consents.iter().any(|consent| consent.0 == *id));
                held.map_or_else(not_found, |user| removed(&mut user.consents, |consent| consent.0 == *id))
            }
            ("PATCH", ["devices", id]) => {
                let device = self.devices.iter_mut().find(|device| device.id == *id);
                let (Some(device), Some(enabled)) = (device, ask.json()["accountEnabled"].as_bool()) else {
                    return not_found();
                };
                device.enabled = enabled;
                Reply::empty(204)
            }
            ("GET", ["auditLogs", "signIns"]) => self.log(ask, &self.sign_ins, "createdDateTime", "/userId"),
            ("GET", ["auditLogs", "directoryAudits"]) => {
                self.log(ask, &self.audits, "activityDateTime", "/initiatedBy/user/id")
            }
            _ => not_found(),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return AccountView::default();
        };
        let name = |id: &String| {
            self.groups.get(id).and_then(|group| group["displayName"].as_str()).map(str::to_owned)
        };
        let devices =
            self.devices.iter().filter(|device| device.enabled && user.devices.contains(&device.id));
        // A password opens nothing while the account is disabled.
        let methods = user.methods.iter().filter(|method| method.0 != "password" || user.enabled);
        let roles = self.roles.iter().chain(&self.eligible).filter(|role| role.principal == user.id);
        AccountView {
            exists: true,
            active: user.enabled,
            sessions: (1..=user.sessions).map(|number| format!("session-{number}")).collect(),
            credentials: methods
                .map(|method| method.0.to_owned())
                .chain(user.consents.iter().map(|consent| consent.1.clone()))
                .chain(devices.map(|device| device.name.clone()))
                .collect(),
            grants: user
                .groups
                .iter()
                .filter_map(name)
                .chain(roles.map(|role| role.id.clone()))
                .chain(user.app_roles.iter().map(|role| role.1.clone()))
                .chain(user.licences.iter().map(|licence| licence.sku.clone()))
                .collect(),
        }
    }
}

/// The comparisons of a filter: field, operator and value, without its quotes.
fn clauses(filter: &str, between: &str) -> Vec<(String, String, String)> {
    let clause = |text: &str| {
        let (field, rest) = text.trim().split_once(' ')?;
        let (operator, value) = rest.split_once(' ')?;
        Some((field.to_owned(), operator.to_owned(), value.trim_matches('\'').replace("''", "'")))
    };
    filter.split(between).filter_map(clause).collect()
}

fn paged(ask: &Ask, all: Vec<Value>) -> Reply {
    let start = ask.param("$skiptoken").parse().unwrap_or(0);
    let (page, next) = slice(&all, start, PAGE);
    let mut body = json!({"@odata.context": format!("{}/$metadata", ask.base), "value": page});
    if let Some(next) = next {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(ask.query.iter().filter(|(name, _)| name.as_str() != "$skiptoken"));
        query.append_pair("$skiptoken", &next.to_string());
        body["@odata.nextLink"] = json!(format!("{}/{}?{}", ask.base, ask.path.join("/"), query.finish()));
    }
    Reply::json(200, body)
}

fn removed<T>(from: &mut Vec<T>, is: impl Fn(&T) -> bool) -> Reply {
    let before = from.len();
    from.retain(|item| !is(item));
    if from.len() < before { Reply::empty(204) } else { not_found() }
}

fn roles(ask: &Ask, held: &[RoleHeld]) -> Reply {
    let wanted = clauses(ask.param("$filter"), " and ");
    let hits = held.iter().filter(|role| {
        wanted.iter().all(|(field, _, value)| match field.as_str() {
            "principalId" => role.principal == *value,
            "roleDefinitionId" => role.role == *value,
            _ => false,
        })
    });
    let shown = |held: &RoleHeld| {
        let mut shown = role_json(held);
        if ask.param("$expand") == "roleDefinition" {
            shown["roleDefinition"] = json!({"id": held.role, "displayName": "Global Administrator"});
        }
        // Only what is eligible says whether it is so directly.
        if ask.path.iter().any(|segment| segment == "roleEligibilityScheduleInstances") {
            shown["memberType"] = json!("Direct");
        }
        shown
    };
    paged(ask, hits.map(shown).collect())
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        json!({"error": {"code": code, "message": message, "innerError": {"request-id": guid(9, 0)}}}),
    )
}

fn not_found() -> Reply {
    error(
        404,
        "Request_ResourceNotFound",
        "Resource does not exist or one of its queried reference-property objects are not present.",
    )
}
