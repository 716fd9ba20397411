//! Salesforce's stand-in: one organisation with users, their logins, sessions, tokens, permissions, groups and what they
//! own, behind SOQL and the rows of its objects.

mod people;
mod soql;

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Face, Reply, Twin, World, claims, slice},
};
use ring::digest;
use serde_json::{Value, json};
use soql::{Select, Tables};
use std::{collections::BTreeMap, time::Duration};

const ID: &str = "salesforce";
const VERSION: &str = "v66.0";
const CLIENT: &str = "3MVG9leaver.sandbox";
const OWN: &str = "leaver@example.com.integration";
const AUDIENCE: &str = "https://login.salesforce.com";
/// Records per page: small, so that every list of the sample data has more than one.
const PAGE: usize = 2;

struct Salesforce {
    key: String,
    tables: Tables,
    /// What queries found that have more than one page.
    cursors: Vec<Vec<Value>>,
    /// Ids of users by the sample people's names.
    users: BTreeMap<String, String>,
    /// Ids of users who stand in one of the organisation's defaults.
    defaults: Vec<String>,
    made: usize,
}

/// The credentials that leaver presents here.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    pairs([
        ("base_url", base.to_owned()),
        ("client_id", CLIENT.to_owned()),
        ("private_key", make.rsa_pem()),
        ("username", OWN.to_owned()),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let mut salesforce = Salesforce {
        key: world.setting(ID, "private_key"),
        tables: people::organisation(),
        cursors: Vec::new(),
        users: BTreeMap::new(),
        defaults: Vec::new(),
        made: 0,
    };
    for (index, sample) in world.people_in(ID).enumerate() {
        let id = people::add(&mut salesforce.tables, world, sample, index);
        salesforce.users.insert(sample.person.username.to_string(), id);
    }
    Box::new(salesforce)
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, json!([{"errorCode": code, "message": message}]))
}

fn not_found() -> Reply {
    error(404, "NOT_FOUND", "The requested resource does not exist")
}

fn refused(message: &str) -> Reply {
    error(400, "FIELD_INTEGRITY_EXCEPTION", message)
}

impl Salesforce {
    /// The access token: made from the app's key, so that only its holder could have been given it.
    fn token(&self) -> String {
        let sum = digest::digest(&digest::SHA256, self.key.as_bytes());
        sum.as_ref().iter().take(20).fold("00Dsandbox!".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    fn give_token(&self, ask: &Ask) -> Reply {
        let form = ask.form();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let claims = claims(field("assertion"), &self.key, ask.at);
        let good = claims.is_some_and(|claims| {
            // Salesforce takes no assertion that is good for more than a few minutes.
            let soon = claims["exp"].as_i64().is_some_and(|exp| exp <= ask.at.seconds() + 300);
            soon && claims["iss"] == CLIENT && claims["sub"] == OWN && claims["aud"] == AUDIENCE
        });
        if field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || !good {
            let body = json!({"error": "invalid_grant", "error_description": "invalid assertion"});
            return Reply::json(400, body);
        }
        let id = format!("{AUDIENCE}/id/00D000000000001AAA/005000000009999AAA");
        Reply::json(
            200,
            json!({"access_token": self.token(), "scope": "api", "instance_url": ask.base,
                   "id": id, "token_type": "Bearer"}),
        )
    }

    fn rows(&mut self, object: &str) -> Option<&mut Vec<Value>> {
        self.tables.get_mut(object)
    }

    fn row(&mut self, object: &str, id: &str) -> Option<&mut Value> {
        self.rows(object)?.iter_mut().find(|row| row["Id"] == id)
    }

    /// The value of a field of a row, where both are there.
    fn field(&self, object: &str, id: &Value, field: &str) -> Value {
        let row = self.tables.get(object).into_iter().flatten().find(|row| row["Id"] == *id);
        row.map(|row| row[field].clone()).unwrap_or_default()
    }

    fn query(&mut self, text: &str) -> Reply {
        let select = match Select::parse(text) {
            Ok(select) => select,
            Err(code) => return error(400, code, "unexpected token"),
        };
        let mut found = match select.run(&self.tables) {
            Ok(found) => found,
            Err(code) => return error(400, code, "the query names what is not there"),
        };
        // Reports in private folders are seen in this scope only.
        if select.object == "Report" && select.scope.as_deref() != Some("allPrivate") {
            found.clear();
        }
        if select.counts() {
            return Reply::json(200, json!({"totalSize": found.len(), "done": true, "records": []}));
        }
        self.cursors.push(found);
        self.page(self.cursors.len() - 1, 0)
    }

    fn page(&self, cursor: usize, start: usize) -> Reply {
        let Some(found) = self.cursors.get(cursor) else {
            return error(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
        };
        let (records, next) = slice(found, start, PAGE);
        let mut body = json!({"totalSize": found.len(), "done": next.is_none(), "records": records});
        if let Some(next) = next {
            body["nextRecordsUrl"] =
                format!("/services/data/{VERSION}/query/01g{cursor:012}AAA-{next}").into();
        }
        Reply::json(200, body)
    }

    fn more(&self, locator: &str) -> Reply {
        let parts = locator.strip_prefix("01g").and_then(|rest| rest.split_once("AAA-"));
        match parts.map(|(cursor, start)| (cursor.parse(), start.parse())) {
            Some((Ok(cursor), Ok(start))) => self.page(cursor, start),
            _ => error(400, "INVALID_QUERY_LOCATOR", "invalid query locator"),
        }
    }

    fn update(&mut self, object: &str, id: &str, fields: &Value) -> Reply {
        let changed = match object {
            "UserLogin" => fields.get("IsFrozen").map(|frozen| ("IsFrozen", frozen.clone())),
            "User" => fields.get("IsActive").map(|active| ("IsActive", active.clone())),
            _ => return error(405, "METHOD_NOT_ALLOWED", "HTTP Method 'PATCH' not allowed"),
        };
        let Some((name, value)) = changed else { return error(400, "INVALID_FIELD", "no such field") };
        if object == "User" && value == false && self.defaults.iter().any(|held| held == id) {
            return refused("This user is the default lead owner and cannot be deactivated");
        }
        let Some(row) = self.row(object, id) else { return not_found() };
        row[name] = value.clone();
        if object == "User"
            && value == false
            && let Some(sessions) = self.rows("AuthSession")
        {
            sessions.retain(|session| session["UsersId"] != id);
        }
        Reply::empty(204)
    }

    /// Gives records to other owners, each by itself. Nobody who is not active becomes one.
    fn reassign(&mut self, body: &Value) -> Reply {
        let records = body["records"].as_array().cloned().unwrap_or_default();
        if records.is_empty() || records.len() > 200 {
            return error(400, "INVALID_INPUT", "between one and 200 records");
        }
        let mut told = Vec::new();
        for record in records {
            let object = record["attributes"]["type"].as_str().unwrap_or_default().to_owned();
            let id = record["id"].as_str().unwrap_or_default().to_owned();
            let active = self.field("User", &record["OwnerId"], "IsActive") == true;
            let row = self.row(&object, &id).filter(|row| active && row.get("OwnerId").is_some());
            told.push(match row {
                Some(row) => {
                    row["OwnerId"] = record["OwnerId"].clone();
                    json!({"id": id, "success": true, "errors": []})
                }
                None => json!({"id": id, "success": false, "errors": [
                    {"statusCode": "INACTIVE_OWNER_OR_USER", "message": "invalid owner", "fields": ["OwnerId"]}]}),
            });
        }
        Reply::json(200, Value::Array(told))
    }

    /// Whether the user still has a permission set that needs this licence.
    fn needed(&self, user: &Value, licence: &Value) -> bool {
        self.tables.get("PermissionSetAssignment").into_iter().flatten().any(|row| {
            row["AssigneeId"] == *user
                && self.field("PermissionSet", &row["PermissionSetId"], "LicenseId") == *licence
        })
    }

    fn remove(&mut self, object: &str, id: &str) -> Reply {
        let Some(row) = self.row(object, id).map(|row| row.clone()) else { return not_found() };
        match object {
            "AuthSession" => {}
            "GroupMember" => {}
            "PermissionSetAssignment"
                if self.field("PermissionSet", &row["PermissionSetId"], "IsOwnedByProfile") == true =>
            {
                return refused("You can't remove a permission set that a profile owns");
            }
            "PermissionSetAssignment" => {}
            "PermissionSetLicenseAssign"
                if self.needed(&row["AssigneeId"], &row["PermissionSetLicenseId"]) =>
            {
                return refused("A permission set that needs this license is still assigned");
            }
            "PermissionSetLicenseAssign" => {}
            _ => return error(405, "METHOD_NOT_ALLOWED", "HTTP Method 'DELETE' not allowed"),
        }
        if let Some(rows) = self.rows(object) {
            // A session takes those with it that it opened.
            rows.retain(|row| row["Id"] != id && row.get("ParentId").is_none_or(|parent| parent != id));
        }
        Reply::empty(204)
    }

    fn insert(&mut self, object: &str, fields: &Value) -> Reply {
        let (who, what, prefix) = match object {
            "PermissionSetAssignment" if fields.get("PermissionSetGroupId").is_some() => {
                ("AssigneeId", "PermissionSetGroupId", "0Pa")
            }
            "PermissionSetAssignment" => ("AssigneeId", "PermissionSetId", "0Pa"),
            "PermissionSetLicenseAssign" => ("AssigneeId", "PermissionSetLicenseId", "2LA"),
            "GroupMember" => ("UserOrGroupId", "GroupId", "011"),
            _ => return error(405, "METHOD_NOT_ALLOWED", "HTTP Method 'POST' not allowed"),
        };
        let (user, key) = (fields[who].clone(), fields[what].clone());
        let target = what.trim_end_matches("Id");
        let known = self.tables.get(target).is_some_and(|rows| rows.iter().any(|row| row["Id"] == key));
        if !known {
            return error(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id");
        }
        if self.field("User", &user, "IsActive") != true {
            return error(400, "INACTIVE_OWNER_OR_USER", "the user is not active");
        }
        let licence = self.field("PermissionSet", &key, "LicenseId");
        let held = self.tables.get("PermissionSetLicenseAssign").into_iter().flatten();
        let licensed =
            held.filter(|row| row["AssigneeId"] == user).any(|row| row["PermissionSetLicenseId"] == licence);
        if licence.is_string() && !licensed {
            return refused("The user lacks the license that this permission set needs");
        }
        self.made += 1;
        let id = people::id(prefix, 900_000 + self.made);
        let Some(rows) = self.rows(object) else { return not_found() };
        if rows.iter().any(|row| row[who] == user && row[what] == key) {
            return error(400, "DUPLICATE_VALUE", "duplicate value found");
        }
        let mut row = json!({"Id": id, who: user, what: key});
        if object == "PermissionSetAssignment" {
            row["ExpirationDate"] = fields["ExpirationDate"].clone();
            if what == "PermissionSetGroupId" {
                row["PermissionSetId"] = people::id("0PS", people::AGGREGATE).into();
            } else {
                row["PermissionSetGroupId"] = Value::Null;
            }
        }
        rows.push(row);
        Reply::json(201, json!({"id": id, "success": true, "errors": []}))
    }

    fn revoke(&mut self, token: &str) -> Reply {
        let Some(rows) = self.rows("OauthToken") else { return not_found() };
        let before = rows.len();
        rows.retain(|row| row["DeleteToken"] != token);
        if rows.len() < before {
            Reply::empty(200)
        } else {
            Reply::json(400, json!({"error": "invalid_token", "error_description": "invalid token"}))
        }
    }

    fn names(&self, object: &str, who: &str, id: &str, target: &str, name: &str) -> Vec<String> {
        let rows = self.tables.get(object).into_iter().flatten().filter(|row| row[who] == id);
        rows.filter_map(|row| {
            let held = self.field(target, &row[format!("{target}Id").as_str()], name);
            held.as_str().map(str::to_owned)
        })
        .collect()
    }
}

impl Twin for Salesforce {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let path = ask.segments();
        match (ask.method.as_str(), path.as_slice()) {
            ("POST", ["services", "oauth2", "token"]) => return self.give_token(ask),
            // Whoever holds the text that revokes a token needs nothing else.
            ("POST", ["services", "oauth2", "revoke"]) => {
                return self.revoke(ask.form().get("token").map_or("", String::as_str));
            }
            _ => {}
        }
        if ask.credential("Bearer ") != self.token() || self.key.is_empty() {
            return error(401, "INVALID_SESSION_ID", "Session expired or invalid");
        }
        let ["services", "data", VERSION, rest @ ..] = path.as_slice() else { return not_found() };
        match (ask.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, json!({"sobjects": "/sobjects", "query": "/query"})),
            ("GET", ["query"]) => self.query(ask.param("q")),
            ("GET", ["query", locator]) => self.more(locator),
            ("PATCH", ["composite", "sobjects"]) => self.reassign(&ask.json()),
            ("PATCH", ["sobjects", object, id]) => self.update(object, id, &ask.json()),
            ("DELETE", ["sobjects", object, id]) => self.remove(object, id),
            ("POST", ["sobjects", object]) => self.insert(object, &ask.json()),
            _ => not_found(),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let Some(id) = self.users.get(username) else { return AccountView::default() };
        let text = |object: &str, who: &str, name: &str| -> Vec<String> {
            let rows = self.tables.get(object).into_iter().flatten().filter(|row| row[who] == id.as_str());
            rows.filter_map(|row| row[name].as_str().map(str::to_owned)).collect()
        };
        let frozen = self.tables.get("UserLogin").into_iter().flatten();
        let frozen = frozen.filter(|row| row["UserId"] == id.as_str()).any(|row| row["IsFrozen"] == true);
        let active = self.field("User", &json!(id), "IsActive") == true;
        let mut grants = self.names("PermissionSetAssignment", "AssigneeId", id, "PermissionSet", "Label");
        let licence = "PermissionSetLicense";
        grants.extend(self.names("PermissionSetLicenseAssign", "AssigneeId", id, licence, "MasterLabel"));
        grants.extend(self.names("GroupMember", "UserOrGroupId", id, "Group", "Name"));
        AccountView {
            exists: true,
            active: active && !frozen,
            sessions: text("AuthSession", "UsersId", "Id"),
            credentials: text("OauthToken", "UserId", "AppName"),
            grants,
        }
    }

    /// `PUT /_sandbox/salesforce/default-owner/{username}`: from now on leads go to this user by default.
    fn face(&mut self, ask: &Ask) -> Option<Face> {
        let path = ask.segments();
        let (method, [_, "default-owner", username]) = (ask.method.as_str(), path.as_slice()) else {
            return None;
        };
        let id = self.users.get(*username).filter(|_| method == "PUT")?;
        self.defaults.push(id.clone());
        Some(Face::Answer(Reply::empty(204)))
    }
}

/// An instant some hours ago, as Salesforce writes it.
fn hours_ago(world: &World, hours: u32) -> String {
    world.born.minus(Duration::from_secs(u64::from(hours) * 3600)).to_string()
}
