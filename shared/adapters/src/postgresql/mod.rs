//! PostgreSQL: a person's login role at one server, with its sessions, attributes, memberships and privileges in every database.
//!
//! Order: no login first, so that no new session begins, then open sessions, which live on otherwise; then attributes, password,
//! memberships and privileges. The role itself stays, because objects belong to it. It is spoken to in its own protocol,
//! over TLS wherever it is not on this machine.

mod guard;
mod held;
mod read;
mod roster;
mod session;
mod sql;
mod write;

use crate::{
    Adapter, Missing, Part, Residue, Roster, Spec,
    auth::Auth,
    http::{Reader, Writer},
    settings::Settings,
};
use async_trait::async_trait;
use held::Held;
use leaver_domain::{
    fault::Fault,
    inventory::{Account, AccountStatus, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::{Activity, ActivityEvent, ActivityKind},
    roster::{Mark, Page},
    time::Timestamp,
};
use session::{Idle, Reading, Server};

const CREATEROLE: &str = "CREATEROLE (SUPERUSER where the server is your own)";
const ADMIN: &str = "ADMIN OPTION on every role that a person logs in with (from version 16 on)";
const SIGNAL: &str = "pg_signal_backend";
const STATS: &str = "pg_read_all_stats";
const OWNERS: &str =
    "membership in the roles that own objects, and from version 16 on in those that granted memberships";

/// What is known of PostgreSQL without asking it.
pub const SPEC: Spec = Spec {
    id: "postgresql",
    name: "PostgreSQL",
    part: Part::Account,
    hosts: &[],
    settings: &[
        ("url", "address of the server and the database to log in to: postgres://host:port/database"),
        ("user", "the role that leaver logs in with"),
        ("password", "its password, used with SCRAM"),
        (
            "ca",
            "PEM certificate of the authority that signed the server's; may be left out where that is a public one",
        ),
        ("databases", "names of the databases to look into, separated by commas; all where left out"),
    ],
    scopes: &[CREATEROLE, ADMIN, SIGNAL, STATS, OWNERS],
    order: &[
        "set the role to NOLOGIN with a connection limit of 0, so that nobody logs in with it any more",
        "end its open sessions, and wait until they are gone: they outlive NOLOGIN otherwise",
        "take SUPERUSER, CREATEROLE, REPLICATION, BYPASSRLS and CREATEDB away",
        "remove its password, which cannot be given back",
        "revoke its memberships; whom it gave a membership keeps it, from whoever gave it to the role",
        "revoke its privileges in every database; whom it gave a privilege keeps it, from the object's owner",
        "list what it owns, for another owner; dropping the role is left to a human, once nothing belongs to it",
    ],
    residuals: &[
        "a password that several people know, or that applications have in a .pgpass file, keeps working for every other role",
        "cloud identities (IAM) and certificates that map to another role are not touched",
        "sessions at read-only replicas go on until they end or are ended there",
        "functions and views that the role owns go on running with its rights until they have another owner",
        "what is granted to PUBLIC is open to every role that can log in",
        "what the role owns is listed for somebody to reassign: REASSIGN OWNED would hide who wrote it",
    ],
    setup: &[
        "create a role for leaver: CREATE ROLE leaver LOGIN SUPERUSER PASSWORD '...', with password_encryption = scram-sha-256",
        "where there is no superuser to be had (managed servers): LOGIN CREATEROLE, then GRANT pg_signal_backend, \
         pg_read_all_stats, the roles that own objects and those that grant memberships TO leaver, from version 16 on also people's roles WITH ADMIN OPTION",
        "let it log in over TLS, from where leaver runs, to every database to be read: hostssl ... scram-sha-256 in pg_hba.conf",
        "put url, user, password and, for an authority of your own, its certificate as ca into the secret",
        "have people's roles carry their username or e-mail address, or record each login for the system postgresql",
        "connect to the primary server itself: replicas refuse changes, and poolers refuse the options of its sessions",
    ],
    roster: Roster::Listed("Every role that may log in; the server keeps no logins."),
    source: "PostgreSQL 18 documentation: SQL commands, system catalogs, frontend/backend protocol 3.0",
};

struct Postgresql {
    server: Server,
    idle: Idle,
}

/// The adapter; no HTTP request is ever authorised for it.
///
/// # Errors
/// `CredentialRejected` where a setting is missing or unusable.
pub fn open(settings: &Settings) -> Result<(Box<dyn Adapter>, Auth), Fault> {
    Ok((Box::new(Postgresql { server: Server::of(settings)?, idle: Idle::default() }), Auth::None))
}

fn held(grants: &[Grant]) -> Vec<Held> {
    grants.iter().filter_map(|grant| Held::parse(&grant.id)).collect()
}

#[async_trait]
impl Adapter for Postgresql {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault> {
        read::patiently(http, || read::inventory(&self.server, http, who)).await
    }

    /// The server's log is a file that no session reads; only that sessions are open can be seen.
    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault> {
        let backends = read::patiently(http, || read::backends(&self.server, http, &who.id)).await?;
        let events = backends.iter().filter_map(|backend| {
            let at = backend.began().filter(|at| *at >= since)?;
            let id = format!("backend {}", backend.pid);
            Some(ActivityEvent { id, at, kind: ActivityKind::Login, country: None, count: 1 })
        });
        let why = "PostgreSQL writes logins and statements to its server's log, which no session can read: open sessions only";
        Ok(Activity { events: events.collect(), ..Activity::unavailable(since, why) })
    }

    fn revoke(&self, found: &Inventory) -> Vec<Action> {
        let Some(account) = &found.account else { return Vec::new() };
        let mut todo = Vec::new();
        let is_active = account.status == AccountStatus::Active;
        if is_active {
            todo.push(Action::contain(ActionKind::DisableAccount, &account.id, &account.login));
        }
        let none_open = matches!(&found.sessions, Sessions::Listed(open) if open.is_empty());
        if is_active || !none_open {
            // A session that begins between the reading and NOLOGIN is ended with the others.
            let action = Action::contain(ActionKind::EndSessions, &account.id, "open sessions");
            todo.push(action.irreversible());
        }
        let removable = || found.grants.iter().filter(|grant| grant.fixed.is_none());
        for attribute in removable().filter(|grant| grant.kind == GrantKind::Role) {
            let label = format!("attribute {}", attribute.name);
            todo.push(Action::contain(ActionKind::RemoveGroup, &attribute.id, label));
        }
        for password in found.credentials.iter().filter(|credential| credential.active) {
            let action =
                Action::clean_up(ActionKind::RevokeToken, &password.id, &password.label).irreversible();
            todo.push(if password.label == read::UNSEEN { action.by_receipt() } else { action });
        }
        for grant in removable().filter(|grant| grant.kind != GrantKind::Role) {
            todo.push(Action::clean_up(ActionKind::RemoveGroup, &grant.id, &grant.name));
        }
        let label = format!("DROP ROLE {}, once nothing belongs to it", account.login);
        todo.push(Action::parked(ActionKind::DisableAccount, format!("{}/drop", account.id), label));
        todo
    }

    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        let (Some(was), Some(is)) = (&before.account, &now.account) else { return Vec::new() };
        let mut todo = Vec::new();
        if was.status == AccountStatus::Active && is.status != AccountStatus::Active {
            let limit = was.facts.get("connection_limit").map_or("-1", String::as_str);
            let target = format!("{}/{limit}", is.id);
            todo.push(Action::contain(ActionKind::EnableAccount, target, &is.login));
        }
        let there = held(&now.grants);
        let missing = before.grants.iter().filter(|grant| {
            grant.fixed.is_none() && Held::parse(&grant.id).is_some_and(|had| !had.is_covered(&there))
        });
        todo.extend(missing.map(|grant| Action::clean_up(ActionKind::AddGrant, &grant.id, &grant.name)));
        todo
    }

    /// Who granted it is part of an id, and not of what is asked for.
    fn is_named(&self, held: &Grant, name: &str) -> bool {
        let same = || Some(Held::parse(&held.id)?.gives_as(&Held::parse(name)?));
        held.id == name || held.name == name || same() == Some(true)
    }

    fn grant(&self, id: &str) -> Option<Grant> {
        let held = Held::parse(id)?;
        let kind = match held {
            Held::Attribute(_) => GrantKind::Role,
            Held::Membership(_) => GrantKind::Group,
            Held::Privileges(_) => GrantKind::Resource,
        };
        Some(Grant {
            id: id.to_owned(),
            kind,
            name: held.name(),
            privileged: false,
            fixed: None,
            sole_holder: false,
        })
    }

    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault> {
        let Some(account) = &found.account else { return Ok(Outcome::Already) };
        write::apply((&self.server, &self.idle), http, found, account, action).await
    }

    fn residues(&self, before: &Inventory) -> Vec<Residue> {
        let residue = |what: &str| Residue { what: what.to_owned(), lasts: None };
        let owns = before
            .assets
            .iter()
            .any(|asset| matches!(asset.kind.as_str(), "function" | "procedure" | "view"));
        let rights =
            "functions and views that the role owns run with its rights until they have another owner";
        let mut left =
            vec![residue("sessions at read-only replicas go on until they end or are ended there")];
        left.extend(owns.then(|| residue(rights)));
        left
    }

    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        let own = read::patiently(http, || read::own(&self.server, http)).await?;
        if own.superuser {
            return Ok(Vec::new());
        }
        let owners = own.owners.unwrap_or_default();
        let shown = format!("no member of {}", owners.iter().take(5).cloned().collect::<Vec<_>>().join(", "));
        let lacks = [
            (!own.createrole, CREATEROLE, "pg_roles".to_owned()),
            (!own.admin, ADMIN, "pg_auth_members".to_owned()),
            (!own.signal, SIGNAL, "pg_has_role".to_owned()),
            (!own.stats, STATS, "pg_has_role".to_owned()),
            (!owners.is_empty(), OWNERS, shown),
        ];
        let missing = lacks.into_iter().filter(|(lacks, ..)| *lacks);
        Ok(missing.map(|(_, scope, shown_by)| Missing { scope, shown_by }).collect())
    }

    async fn roster(&self, http: &Reader, from: Option<&Mark>) -> Result<Page, Fault> {
        read::patiently(http, || roster::page(&self.server, http, from)).await
    }

    async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        let ask = || async {
            let main = Reading::open(&self.server, http, &self.server.main).await?;
            main.rows("probe", "SELECT 'here'::text", &[]).await.map(|_| ())
        };
        read::patiently(http, ask).await
    }
}
