//! SharePoint's and OneDrive's stand-in: Microsoft Graph's sites, document libraries, files, permissions and links, behind
//! the token endpoint that a client's secret opens. Accounts are read only: another row disables them.

use crate::{
    credentials::{Maker, pairs},
    people::SamplePerson,
    twin::{AccountView, Ask, Reply, Twin, World, slice, token_reply},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "sharepoint";
/// Entries per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;
const SCOPE: &str = "https://graph.microsoft.com/.default";
/// So many people hold permissions by name; all others come in by groups.
const BY_NAME: usize = 5;

struct User {
    id: String,
    username: String,
    name: String,
    upn: String,
    mail: String,
    number: String,
}

/// Whom a permission is for.
#[derive(Clone, PartialEq)]
enum Holder {
    User(String),
    Group(&'static str),
    Guest(&'static str),
    /// A link: its scope.
    Link(&'static str),
}

#[derive(Clone)]
struct Permission {
    id: String,
    role: &'static str,
    holder: Holder,
}

struct Item {
    id: String,
    name: String,
    /// Who shared it, where it is shared by itself.
    shared_by: Option<String>,
    permissions: Vec<Permission>,
}

/// A library, or a person's OneDrive: the first item is its root.
struct Drive {
    id: String,
    name: String,
    site: Option<usize>,
    owner: Option<String>,
    items: Vec<Item>,
}

struct Sharepoint {
    tenant: String,
    client_id: String,
    client_secret: String,
    users: Vec<User>,
    sites: Vec<&'static str>,
    drives: Vec<Drive>,
    made: u32,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", format!("{base}/v1.0")),
        ("login_url", base.to_owned()),
        ("tenant_id", "example.com".to_owned()),
        ("client_id", "leaver-shares".to_owned()),
        ("client_secret", make.token("8Q~")),
        ("links", "everywhere".to_owned()),
    ])
}

fn guid(kind: u32, index: usize) -> String {
    format!("{kind:08x}-5ba4-4000-8000-{index:012x}")
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut tenant = Sharepoint {
        tenant: world.setting(ID, "tenant_id"),
        client_id: world.setting(ID, "client_id"),
        client_secret: world.setting(ID, "client_secret"),
        users: Vec::new(),
        sites: vec!["Intranet", "Projects", "Handbook"],
        drives: Vec::new(),
        made: 0,
    };
    for (site, name) in [(0, "Documents"), (1, "Documents"), (1, "Archive"), (2, "Documents")] {
        let group = Permission { id: "members".into(), role: "write", holder: Holder::Group("Members") };
        let owners = Permission { id: "owners".into(), role: "owner", holder: Holder::Group("Owners") };
        let index = tenant.drives.len();
        let everybody =
            Permission { id: format!("plan-{index}"), role: "read", holder: Holder::Link("organization") };
        tenant.drives.push(Drive {
            id: format!("b!library-{index}"),
            name: name.into(),
            site: Some(site),
            owner: None,
            items: vec![
                item(&format!("root-{index}"), "root", None, vec![group, owners]),
                item(&format!("plan-{index}"), "Plan.docx", Some("somebody".into()), vec![everybody]),
            ],
        });
    }
    for (index, sample) in world.people_in(ID).enumerate() {
        tenant.add(sample, index);
    }
    Box::new(tenant)
}

fn item(id: &str, name: &str, shared_by: Option<String>, permissions: Vec<Permission>) -> Item {
    Item { id: id.to_owned(), name: name.to_owned(), shared_by, permissions }
}

impl Sharepoint {
    fn add(&mut self, sample: &SamplePerson, index: usize) {
        let person = &sample.person;
        let id = guid(1, index);
        let traits = &sample.traits;
        let owner = traits.sole_admin_of.contains(ID) || traits.admin_of.contains(ID);
        let named = |role, library: usize| Permission {
            id: format!("name-{index}-{library}"),
            role,
            holder: Holder::User(id.clone()),
        };
        let mut held = Vec::new();
        if index < BY_NAME {
            held.extend([(0, "read"), (1, "write")]);
        }
        if owner {
            held.push((2, "owner"));
        }
        for (library, role) in held {
            let root = &mut self.drives[library].items[0];
            if traits.sole_admin_of.contains(ID) && role == "owner" {
                root.permissions.retain(|permission| permission.role != "owner");
            }
            root.permissions.push(named(role, library));
        }
        let link = |name: &str, scope| Permission {
            id: format!("{name}-{index}"),
            role: "read",
            holder: Holder::Link(scope),
        };
        let mine = Some(id.clone());
        if sample.is_engineer() && index < BY_NAME {
            let shared =
                item(&format!("spec-{index}"), "Spec.docx", mine.clone(), vec![link("spec", "anonymous")]);
            self.drives[1].items.push(shared);
        }
        let anybody = link("folder", "anonymous");
        let guest =
            Permission { id: format!("guest-{index}"), role: "read", holder: Holder::Guest("Dana Partner") };
        self.drives.push(Drive {
            id: format!("b!onedrive-{index}"),
            name: "OneDrive".into(),
            site: None,
            owner: mine.clone(),
            items: vec![
                item(&format!("mine-{index}"), "root", None, Vec::new()),
                item(&format!("folder-{index}"), "Offer", mine.clone(), vec![anybody.clone()]),
                // Shared with its folder: the same permission, which only the folder can lose.
                item(&format!("file-{index}"), "Prices.xlsx", mine.clone(), vec![anybody]),
                item(
                    &format!("draft-{index}"),
                    "Draft.docx",
                    mine,
                    vec![guest, link("draft", "organization")],
                ),
                item(&format!("notes-{index}"), "Notes.txt", None, Vec::new()),
            ],
        });
        self.users.push(User {
            username: person.username.to_string(),
            name: person.name.clone(),
            upn: person.email.clone(),
            mail: sample.email_in(ID).to_owned(),
            number: person.employee_id.to_string(),
            id,
        });
    }

    fn token(&self) -> String {
        // Not the secret itself: what travels with every call must differ from what opens the token endpoint.
        format!("eyJ.{}", self.client_secret.chars().rev().collect::<String>())
    }

    fn sign_in(&self, ask: &Ask, tenant: &str) -> Reply {
        let form = ask.form();
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        let known = given("client_id") == self.client_id && given("client_secret") == self.client_secret;
        if !known || self.client_secret.is_empty() {
            return Reply::json(
                401,
                json!({"error": "invalid_client", "error_description": "AADSTS7000215"}),
            );
        }
        match (given("grant_type"), given("scope")) {
            _ if tenant != self.tenant => Reply::json(400, json!({"error": "invalid_request"})),
            ("client_credentials", SCOPE) => token_reply(&self.token()),
            _ => Reply::json(400, json!({"error": "invalid_scope"})),
        }
    }

    fn user_json(user: &User) -> Value {
        json!({"id": user.id, "userPrincipalName": user.upn, "mail": user.mail, "employeeId": user.number,
               "displayName": user.name, "userType": "Member", "accountEnabled": true,
               "licenseAssignmentStates": []})
    }

    fn of_users(&self, ask: &Ask, rest: &[&str]) -> Reply {
        let [key, rest @ ..] = rest else {
            let filter = ask.param("$filter");
            let named = |user: &&User| {
                filter.is_empty()
                    || filter.contains(&format!("mail eq '{}'", user.mail))
                    || filter.contains(&format!("employeeId eq '{}'", user.number))
            };
            return paged(ask, self.users.iter().filter(named).map(Self::user_json).collect());
        };
        let user = self.users.iter().find(|user| user.id == *key || user.upn.eq_ignore_ascii_case(key));
        let Some(user) = user else { return not_found() };
        match rest {
            [] => Reply::json(200, Self::user_json(user)),
            ["drive"] => {
                let drive = self.drives.iter().find(|drive| drive.owner.as_deref() == Some(user.id.as_str()));
                drive.map_or_else(not_found, |drive| Reply::json(200, drive_json(drive)))
            }
            _ => not_found(),
        }
    }

    fn of_sites(&self, ask: &Ask, rest: &[&str]) -> Reply {
        let site = |(index, name): (usize, &&str)| {
            json!({"id": format!("example.sharepoint.com,{},{}", guid(3, index), guid(4, index)),
                   "displayName": name, "isPersonalSite": false,
                   "webUrl": format!("https://example.sharepoint.com/sites/{name}")})
        };
        let all: Vec<Value> = self.sites.iter().enumerate().map(site).collect();
        let personal =
            json!({"id": "example-my.sharepoint.com,p,p", "displayName": "John Doe", "isPersonalSite": true});
        match rest {
            ["getAllSites"] => paged(ask, all.into_iter().chain([personal]).collect()),
            ["root"] => Reply::json(200, all.into_iter().next().unwrap_or_default()),
            [id, rest @ ..] => {
                let Some(index) = all.iter().position(|site| site["id"] == **id) else { return not_found() };
                let drives = self.drives.iter().filter(|drive| drive.site == Some(index));
                match rest {
                    [] => Reply::json(200, all[index].clone()),
                    ["drives"] => paged(ask, drives.map(drive_json).collect()),
                    _ => not_found(),
                }
            }
            [] => not_found(),
        }
    }

    fn permission_json(&self, permission: &Permission) -> Value {
        let mut body = json!({"id": permission.id, "roles": [permission.role]});
        match &permission.holder {
            Holder::User(id) => {
                let user = self.users.iter().find(|user| user.id == *id);
                let (name, upn) = user.map_or(("", ""), |user| (user.name.as_str(), user.upn.as_str()));
                body["grantedToV2"] = json!({
                    "user": {"id": id, "displayName": name, "email": upn},
                    "siteUser": {"id": "9", "displayName": name, "loginName": format!("i:0#.f|membership|{upn}")},
                });
            }
            Holder::Group(name) => {
                body["grantedToV2"] =
                    json!({"siteGroup": {"id": "5", "displayName": name, "loginName": name}});
            }
            Holder::Guest(name) => {
                let login = "i:0#.f|membership|dana_partner.example#ext#@example.onmicrosoft.com";
                body["grantedToV2"] =
                    json!({"siteUser": {"id": "11", "displayName": name, "loginName": login}});
            }
            Holder::Link(scope) => {
                body["hasPassword"] = json!(false);
                body["grantedToIdentitiesV2"] = json!([]);
                body["link"] = json!({"scope": scope, "type": "view", "preventsDownload": false,
                                      "webUrl": format!("https://example.sharepoint.com/:w:/g/{}", permission.id)});
            }
        }
        body
    }

    fn of_drives(&mut self, ask: &Ask, drive: &str, rest: &[&str]) -> Reply {
        let Some(at) = self.drives.iter().position(|known| known.id == drive) else { return not_found() };
        match (ask.method.as_str(), rest) {
            ("GET", ["root"]) => Reply::json(200, json!({"id": self.drives[at].items[0].id, "root": {}})),
            ("GET", ["root", "delta"]) => {
                let items = self.drives[at].items.iter().map(item_json).collect();
                paged(ask, items)
            }
            (_, ["items", id, rest @ ..]) => {
                let Some(item) = self.drives[at].items.iter().position(|item| item.id == *id) else {
                    return not_found();
                };
                self.of_item(ask, (at, item), rest)
            }
            _ => not_found(),
        }
    }

    fn of_item(&mut self, ask: &Ask, (drive, item): (usize, usize), rest: &[&str]) -> Reply {
        match (ask.method.as_str(), rest) {
            ("GET", ["permissions"]) => {
                let held = self.drives[drive].items[item].permissions.iter();
                paged(ask, held.map(|one| self.permission_json(one)).collect())
            }
            ("DELETE", ["permissions", id]) => {
                let items = &mut self.drives[drive].items;
                let first = items.iter().position(|one| one.permissions.iter().any(|held| held.id == *id));
                match first {
                    None => return not_found(),
                    Some(first) if first != item => {
                        return error(400, "invalidRequest", "Cannot delete an inherited permission.");
                    }
                    Some(_) => {}
                }
                for one in items {
                    one.permissions.retain(|held| held.id != *id);
                    if one.permissions.is_empty() {
                        one.shared_by = None;
                    }
                }
                Reply::empty(204)
            }
            ("POST", ["invite"]) => {
                let body = ask.json();
                let id = body.pointer("/recipients/0/objectId").and_then(Value::as_str).unwrap_or_default();
                let role = match body.pointer("/roles/0").and_then(Value::as_str) {
                    Some("read") => "read",
                    Some("write") => "write",
                    _ => return error(400, "invalidRequest", "The role is not valid for an invitation."),
                };
                if !self.users.iter().any(|user| user.id == id) || body["requireSignIn"] != true {
                    return error(400, "invalidRequest", "The recipient could not be resolved.");
                }
                self.made += 1;
                let holder = Holder::User(id.to_owned());
                let permission = Permission { id: format!("name-new-{}", self.made), role, holder };
                self.drives[drive].items[item].permissions.push(permission.clone());
                Reply::json(200, json!({"value": [self.permission_json(&permission)]}))
            }
            _ => not_found(),
        }
    }
}

impl Twin for Sharepoint {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        if let ("POST", [tenant, "oauth2", "v2.0", "token"]) = (ask.method.as_str(), path.as_slice()) {
            return self.sign_in(ask, tenant);
        }
        if ask.credential("Bearer ") != self.token() {
            return error(401, "InvalidAuthenticationToken", "Access token is empty or invalid.");
        }
        match (ask.method.as_str(), path.as_slice()) {
            ("GET", ["v1.0", "users", rest @ ..]) => self.of_users(ask, rest),
            ("GET", ["v1.0", "sites", rest @ ..]) => self.of_sites(ask, rest),
            (_, ["v1.0", "drives", drive, rest @ ..]) => self.of_drives(ask, drive, rest),
            _ => not_found(),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(user) = self.users.iter().find(|user| user.username == username) else {
            return AccountView::default();
        };
        let (mut credentials, mut grants) = (Vec::new(), Vec::new());
        for drive in &self.drives {
            for item in &drive.items {
                let mine = item.shared_by.as_deref() == Some(user.id.as_str());
                for permission in &item.permissions {
                    match &permission.holder {
                        Holder::Link("anonymous") if mine => credentials.push(permission.id.clone()),
                        Holder::User(id) if *id == user.id => {
                            grants.push(format!("{}: {}", drive.id, permission.role));
                        }
                        _ => {}
                    }
                }
            }
        }
        AccountView {
            exists: true,
            active: !(credentials.is_empty() && grants.is_empty()),
            sessions: Vec::new(),
            credentials,
            grants,
        }
    }
}

fn drive_json(drive: &Drive) -> Value {
    json!({"id": drive.id, "name": drive.name, "webUrl": format!("https://example.sharepoint.com/{}", drive.id),
           "driveType": if drive.owner.is_some() { "business" } else { "documentLibrary" }})
}

fn item_json(item: &Item) -> Value {
    let mut body = json!({"id": item.id, "name": item.name});
    if let Some(by) = &item.shared_by {
        body["shared"] = json!({"scope": "users", "sharedBy": {"user": {"id": by}}});
    }
    body
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

fn error(status: u16, code: &str, message: &str) -> Reply {
    let inner = json!({"request-id": guid(9, 0), "date": "2026-02-02T09:00:00"});
    Reply::json(status, json!({"error": {"code": code, "message": message, "innerError": inner}}))
}

fn not_found() -> Reply {
    error(404, "itemNotFound", "The resource could not be found.")
}
