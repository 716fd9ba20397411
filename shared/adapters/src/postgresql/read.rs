//! Reading: the role, and everything in every database that refers to it.

use super::{
    held::{ATTRIBUTES, Held, Membership, Privileges},
    session::{Reading, Server},
    sql,
};
use crate::http::Reader;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{
        Account, AccountStatus, Asset, Credential, CredentialKind, Grant, GrantKind, Inventory, Next,
        Sessions,
    },
    person::Person,
    time::Timestamp,
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::BTreeMap, time::Duration};

/// Tries of one reading within an invocation.
const TRIES: u32 = 3;

#[derive(Deserialize)]
struct Role {
    id: String,
    name: String,
    login: bool,
    limit: i32,
    until: Option<String>,
    own: bool,
    bootstrap: bool,
    attributes: Vec<String>,
    only_superuser: bool,
    sees_password: bool,
    version: u32,
}

/// One backend.
#[derive(Deserialize)]
pub(super) struct Backend {
    /// Its process.
    pub(super) pid: i64,
    /// When it began, in milliseconds; hidden from those who may not read statistics.
    pub(super) since: Option<i64>,
}

#[derive(Deserialize)]
struct Member {
    #[serde(flatten)]
    of: Membership,
    privileged: bool,
    sole: bool,
}

#[derive(Deserialize)]
struct Database {
    name: String,
    entries: u64,
    open: bool,
}

#[derive(Deserialize)]
struct Thing {
    kind: String,
    name: String,
    #[serde(default)]
    owned: bool,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    runs: bool,
}

/// Rows of a known shape.
pub(super) fn parsed<T: DeserializeOwned>(what: &str, rows: &[String]) -> Result<Vec<T>, Fault> {
    let bad = |_| Fault::shape(format!("SQL {what}: a field is missing or of another type"));
    rows.iter().map(|row| serde_json::from_str(row).map_err(bad)).collect()
}

async fn list<T: DeserializeOwned>(
    from: &Reading,
    what: &str,
    sql: &str,
    of: &[&str],
) -> Result<Vec<T>, Fault> {
    parsed(what, &from.rows(what, sql, of).await?)
}

/// Repeats a reading for as long as the server is only busy or away, within the invocation.
pub(super) async fn patiently<T, F>(http: &Reader, mut read: impl FnMut() -> F + Send) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>> + Send,
{
    let mut tried = 0;
    loop {
        tried += 1;
        let fault = match read().await {
            Ok(done) => return Ok(done),
            Err(fault) => fault,
        };
        let again = matches!(fault.kind, FaultKind::Throttled | FaultKind::Unavailable);
        let wait = Duration::from_millis(150 * 2_u64.pow(tried));
        if tried >= TRIES || !again || !http.pause(wait).await {
            return Err(fault);
        }
    }
}

/// The person's role: the one that is recorded, otherwise the one named like the person or their e-mail address.
async fn role_of(from: &Reading, who: &Person) -> Result<Option<(Role, &'static str)>, Fault> {
    let recorded = who.login("postgresql");
    let names = recorded.map_or([who.username.as_str(), who.email.as_str()], |login| [login, login]);
    let mut roles: Vec<Role> = list(from, "roles", sql::ROLES, &names).await?;
    let Some(role) = roles.pop() else { return Ok(None) };
    let ambiguous = |detail| Err(Fault::new(FaultKind::Ambiguous, detail));
    if !roles.is_empty() {
        return ambiguous("roles by the person's username and by their e-mail address exist".to_owned());
    }
    if role.own {
        return ambiguous(format!("the role {} is the one that leaver itself logs in with", role.name));
    }
    let by = match recorded {
        Some(_) => "login",
        None if role.name == who.email => "email",
        None => "username",
    };
    Ok(Some((role, by)))
}

fn account_of(role: &Role, by: &str, privileged: bool, backends: &[Backend]) -> Account {
    let mut facts = BTreeMap::from([("connection_limit".to_owned(), role.limit.to_string())]);
    facts.extend(role.until.clone().map(|until| ("password_valid_until".to_owned(), until)));
    facts.insert("server_version".to_owned(), role.version.to_string());
    Account {
        id: role.id.clone(),
        login: role.name.clone(),
        // Whether the password is still valid says nothing: certificates, peers and cloud identities have none.
        status: if role.login { AccountStatus::Active } else { AccountStatus::Suspended },
        matched_by: by.to_owned(),
        privileged,
        last_login: backends.iter().filter_map(Backend::began).max(),
        facts,
    }
}

impl Backend {
    /// When it began.
    pub(super) fn began(&self) -> Option<Timestamp> {
        self.since.and_then(Timestamp::from_millis)
    }
}

fn attributes(role: &Role) -> Vec<Grant> {
    let held = ATTRIBUTES.iter().filter(|(name, _)| role.attributes.iter().any(|has| has == name));
    let grant = |(name, privileged): &(&'static str, bool)| Grant {
        id: Held::Attribute(name).id(),
        kind: GrantKind::Role,
        name: Held::Attribute(name).name(),
        privileged: *privileged,
        fixed: (role.bootstrap && *name == "SUPERUSER")
            .then(|| "the role that the server was set up with keeps it".to_owned()),
        sole_holder: *name == "SUPERUSER" && role.only_superuser,
    };
    held.map(grant).collect()
}

async fn memberships(from: &Reading, id: &str) -> Result<Vec<Grant>, Fault> {
    let all: Vec<Member> = list(from, "memberships", sql::MEMBERSHIPS, &[id]).await?;
    let grant = |member: Member| {
        let held = Held::Membership(member.of);
        Grant {
            id: held.id(),
            kind: GrantKind::Group,
            name: held.name(),
            privileged: member.privileged,
            fixed: None,
            sole_holder: member.privileged && member.sole,
        }
    };
    Ok(all.into_iter().map(grant).collect())
}

async fn password(from: &Reading, role: &Role) -> Result<Option<Credential>, Fault> {
    let label = if role.sees_password {
        let set = from.rows("password", sql::PASSWORD, &[&role.id]).await?;
        if set.first().map(String::as_str) != Some("true") {
            return Ok(None);
        }
        "password"
    } else {
        UNSEEN
    };
    Ok(Some(Credential {
        id: "password".to_owned(),
        kind: CredentialKind::Password,
        label: label.to_owned(),
        created_at: None,
        last_used: None,
        active: true,
    }))
}

/// The label of a password of which nobody but a superuser can see whether there is one.
pub(super) const UNSEEN: &str = "password, if one is set: only a superuser can see that";

async fn privileges(from: &Reading, id: &str, database: &str, version: u32) -> Result<Vec<Grant>, Fault> {
    let statement = sql::privileges(database.is_empty(), version);
    let all: Vec<Privileges> = list(from, "privileges", &statement, &[id]).await?;
    let grant = |of: Privileges| {
        let held = Held::Privileges(Privileges { database: database.to_owned(), ..of });
        Grant {
            id: held.id(),
            kind: GrantKind::Resource,
            name: held.name(),
            privileged: false,
            fixed: None,
            sole_holder: false,
        }
    };
    Ok(all.into_iter().map(grant).collect())
}

fn asset(thing: Thing, database: &str) -> Asset {
    let place = if thing.shared { String::new() } else { format!(" in {database}") };
    let next = match thing.kind.as_str() {
        "user_mapping" => Next::Rotate,
        "cron_job" => Next::Transfer,
        _ if thing.owned => Next::Transfer,
        _ => Next::Task,
    };
    let kind = thing.kind.replace(' ', "_");
    Asset {
        id: format!("{}/{kind}/{}", if thing.shared { "" } else { database }, thing.name),
        live_automation: thing.runs || kind == "replication_slot",
        kind,
        name: format!("{}{place}", thing.name),
        next,
    }
}

async fn assets(from: &Reading, id: &str, database: &str) -> Result<Vec<Asset>, Fault> {
    let mut things: Vec<Thing> = list(from, "objects owned", sql::OWNED, &[id]).await?;
    things.extend(list::<Thing>(from, "uses", sql::USES, &[id]).await?);
    if from.rows("pg_cron", sql::HAS_CRON, &[]).await?.first().map(String::as_str) == Some("true") {
        things.extend(list::<Thing>(from, "pg_cron", sql::CRON, &[id]).await?);
    }
    Ok(things.into_iter().map(|thing| asset(thing, database)).collect())
}

/// Everything of the person at this server.
pub(super) async fn inventory(server: &Server, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
    let main = Reading::open(server, http, &server.main).await?;
    let Some((role, by)) = role_of(&main, who).await? else { return Ok(Inventory::absent()) };
    let id = role.id.as_str();
    let backends: Vec<Backend> = list(&main, "sessions", sql::SESSIONS, &[id]).await?;
    let mut grants = attributes(&role);
    grants.extend(memberships(&main, id).await?);
    let privileged = grants.iter().any(|grant| grant.privileged);
    let labels = backends.iter().map(|backend| match backend.began() {
        Some(began) => format!("{} since {began}", backend.pid),
        None => backend.pid.to_string(),
    });
    let mut found =
        Inventory::of(account_of(&role, by, privileged, &backends), Sessions::Listed(labels.collect()));
    found.credentials.extend(password(&main, &role).await?);
    grants.extend(privileges(&main, id, "", role.version).await?);
    found.assets = assets(&main, id, &server.main).await?;
    for database in list::<Database>(&main, "databases", sql::DATABASES, &[id]).await? {
        let name = database.name.as_str();
        let is_wanted = server.only.as_ref().is_none_or(|only| only.contains(name));
        if !is_wanted || !database.open {
            found.assets.push(unread(&database));
        } else if name == server.main {
            grants.extend(privileges(&main, id, name, role.version).await?);
        } else {
            let there = Reading::open(server, http, name).await?;
            grants.extend(privileges(&there, id, name, role.version).await?);
            let known = |asset: &Asset| found.assets.iter().any(|known| known.id == asset.id);
            let new: Vec<Asset> = assets(&there, id, name).await?.into_iter().filter(|a| !known(a)).collect();
            found.assets.extend(new);
        }
    }
    found.grants = grants;
    Ok(found)
}

/// A database that leaver does not look into, though something there refers to the role.
fn unread(database: &Database) -> Asset {
    Asset {
        id: format!("unread/{}", database.name),
        kind: "database".to_owned(),
        name: format!(
            "{} grants or objects in {}, which leaver does not read",
            database.entries, database.name
        ),
        live_automation: false,
        next: Next::Task,
    }
}

/// The backends of a role now.
pub(super) async fn backends(server: &Server, http: &Reader, id: &str) -> Result<Vec<Backend>, Fault> {
    let main = Reading::open(server, http, &server.main).await?;
    list(&main, "sessions", sql::SESSIONS, &[id]).await
}

/// What leaver's own role may do.
#[derive(Deserialize)]
pub(super) struct Own {
    /// Everything.
    pub(super) superuser: bool,
    /// May make and change roles.
    pub(super) createrole: bool,
    /// May end others' sessions.
    pub(super) signal: bool,
    /// May see when others' sessions began.
    pub(super) stats: bool,
    /// May change every role that logs in.
    pub(super) admin: bool,
    /// Owners of objects and grantors of memberships whose member it is not.
    pub(super) owners: Option<Vec<String>>,
}

/// What leaver's own role may do.
pub(super) async fn own(server: &Server, http: &Reader) -> Result<Own, Fault> {
    let main = Reading::open(server, http, &server.main).await?;
    let mut all: Vec<Own> = list(&main, "own role", sql::MISSING, &[]).await?;
    all.pop().ok_or_else(|| Fault::shape("SQL own role: no row"))
}
