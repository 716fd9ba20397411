//! Active Directory's stand-in: a domain with its users and groups, reached by LDAP inside TLS at the sandbox's own port.

mod directory;
mod sample;
mod value;
mod wire;

pub(crate) use wire::{acceptor, serve};

use crate::{
    credentials::{Maker, pairs},
    twin::{AccountView, Ask, Reply, Twin, World, slice},
};
use directory::{Directory, Entry, Refused};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "active_directory";
/// The sample domain.
const BASE: &str = "DC=example,DC=com";
/// Entries per page, whatever is asked for: small, so that the sample person's lists have more than one.
const PAGE: usize = 2;

struct ActiveDirectory {
    bound: String,
    directory: Directory,
    people: BTreeMap<String, String>,
}

/// The credentials that leaver presents here, and what the directory proves itself with.
pub(crate) fn settings(base: &str, make: &mut Maker) -> BTreeMap<String, String> {
    let host = base.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let certified = make.certificate();
    pairs([
        ("url", format!("ldaps://{host}")),
        ("bind_dn", "leaver@example.com".to_owned()),
        ("bind_password", make.token("Aa1")),
        ("base_dn", BASE.to_owned()),
        ("ca", certified.ca),
        ("sandbox_certificate", certified.certificate),
        ("sandbox_certificate_key", certified.key),
    ])
}

/// The stand-in with the sample people.
pub(crate) fn twin(world: &World) -> Box<dyn Twin> {
    let (directory, people) = sample::fill(world);
    let bound = format!("{}:{}", world.setting(ID, "bind_dn"), world.setting(ID, "bind_password"));
    Box::new(ActiveDirectory { bound, directory, people })
}

fn refused((status, code, message): Refused) -> Reply {
    Reply::json(status, json!({"code": code, "message": message}))
}

impl ActiveDirectory {
    fn search(&self, base: &str, body: &Value) -> Reply {
        let deep = body["deep"] == true;
        let found = match self.directory.search(base, deep, &body["filter"]) {
            Ok(found) => found,
            Err(why) => return refused(why),
        };
        let start = body["cookie"].as_str().and_then(|cookie| cookie.parse().ok()).unwrap_or(0);
        let size = body["size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let (page, next) = slice(&found, start, size.min(PAGE));
        let names = body["attributes"].as_array().cloned().unwrap_or_default();
        let entries: Vec<Value> = page.into_iter().map(|entry| self.shown(entry, &names)).collect();
        // As the vendor: a search of the whole domain names the other parts of the directory.
        let elsewhere = (deep && base == BASE && next.is_none())
            .then_some("ldap://DomainDnsZones.example.com/DC=DomainDnsZones,DC=example,DC=com");
        let cookie = next.map(|next| next.to_string()).unwrap_or_default();
        let references: Vec<&str> = elsewhere.into_iter().collect();
        Reply::json(200, json!({"code": 0, "entries": entries, "references": references, "cookie": cookie}))
    }

    fn shown(&self, entry: &Entry, names: &[Value]) -> Value {
        let names = names.iter().filter_map(Value::as_str);
        let shown = names.map(|name| (name.to_owned(), self.directory.shown(entry, name)));
        let attributes: BTreeMap<String, Vec<Value>> =
            shown.filter(|(_, values)| !values.is_empty()).collect();
        json!({"dn": entry.dn, "attributes": attributes})
    }
}

impl Twin for ActiveDirectory {
    fn answer(&mut self, ask: &Ask) -> Reply {
        let body = ask.json();
        let presented = match ask.method.as_str() {
            "BIND" => {
                let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                format!("{}:{}", text("name"), text("password"))
            }
            _ => ask.credential("Simple ").to_owned(),
        };
        if presented != self.bound || self.bound.ends_with(':') {
            let why =
                "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v4563";
            return refused((401, 49, why));
        }
        let name = ask.path.first().map(String::as_str).unwrap_or_default();
        match ask.method.as_str() {
            "BIND" => Reply::json(200, json!({"code": 0})),
            "SEARCH" => self.search(name, &body),
            "MODIFY" => {
                let changes = body["changes"].as_array().cloned().unwrap_or_default();
                match self.directory.modify(name, &changes, ask.at) {
                    Ok(()) => Reply::json(200, json!({"code": 0})),
                    Err(why) => refused(why),
                }
            }
            _ => refused((400, 2, "only LDAP is spoken here")),
        }
    }

    fn account(&self, username: &str) -> AccountView {
        let dn = self.people.get(username);
        let Some(user) = dn.and_then(|dn| self.directory.entries.iter().find(|entry| entry.dn == *dn)) else {
            return AccountView::default();
        };
        let bits: i64 = user.text("userAccountControl").parse().unwrap_or(0);
        let password = self.directory.known.contains(&user.dn).then(|| "password".to_owned());
        let keys = ["msDS-KeyCredentialLink", "altSecurityIdentities", "userCertificate"];
        let keys = keys.into_iter().flat_map(|name| vec![name.to_owned(); user.all(name).len()]);
        let groups = self.directory.groups(&user.dn, false).into_iter();
        AccountView {
            exists: true,
            active: bits & 2 == 0,
            sessions: Vec::new(),
            credentials: password.into_iter().chain(keys).collect(),
            grants: groups.chain(["CN=Domain Users".to_owned()]).collect(),
        }
    }
}
