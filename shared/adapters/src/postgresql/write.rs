//! Writing. Statements are put together by the server, or from names that it has just quoted; each action is one transaction.

use super::{
    held::{Held, Membership, Privileges},
    read::parsed,
    session::{Idle, Server, Writing},
    sql,
};
use crate::http::Writer;
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, Inventory},
    plan::{Action, ActionKind, Outcome},
};
use serde::Deserialize;
use std::time::Duration;

/// How often the server is asked whether ended backends are gone, and how long is waited in between.
const LOOKS: u32 = 30;
const BETWEEN: Duration = Duration::from_millis(100);

/// An object and what a statement about its privileges needs, quoted by the server.
#[derive(Deserialize)]
struct Object {
    object: String,
    column: String,
    part: String,
    role: Option<String>,
    grantor: Option<String>,
    passed_on: Vec<PassedOn>,
}

/// A privilege that the role gave to somebody else.
#[derive(Deserialize)]
struct PassedOn {
    to: String,
    privilege: String,
    on: bool,
}

fn unknown() -> Fault {
    Fault::new(FaultKind::Internal, "not an action of this adapter")
}

/// Does one action.
pub(super) async fn apply(
    (server, idle): (&Server, &Idle),
    http: &Writer,
    found: &Inventory,
    account: &Account,
    action: &Action,
) -> Result<Outcome, Fault> {
    let is_grant = matches!(action.kind, ActionKind::RemoveGroup | ActionKind::AddGrant);
    let is_held = found.grants.iter().any(|grant| grant.id == action.target);
    if is_grant && is_held == (action.kind == ActionKind::AddGrant) {
        return Ok(Outcome::Already);
    }
    let held = if is_grant { Some(Held::parse(&action.target).ok_or_else(unknown)?) } else { None };
    let database = match &held {
        Some(Held::Privileges(of)) if !of.database.is_empty() => &of.database,
        _ => &server.main,
    };
    let at = idle.writing(server, http, database).await?;
    match &held {
        Some(held) => change(&at, account, held, action.kind == ActionKind::AddGrant).await?,
        None => whole(&at, http, &account.id, action).await?,
    }
    idle.keep(database, at).await;
    Ok(Outcome::Done)
}

/// What is done to the role itself.
async fn whole(at: &Writing, http: &Writer, id: &str, action: &Action) -> Result<(), Fault> {
    match action.kind {
        ActionKind::DisableAccount => built(at, "disable", sql::DISABLE, &[id]).await,
        ActionKind::EnableAccount => {
            let limit = action.target.rsplit('/').next().unwrap_or("-1");
            built(at, "enable", sql::ENABLE, &[id, limit]).await
        }
        ActionKind::EndSessions => terminate(at, http, id).await,
        ActionKind::RevokeToken => built(at, "password", sql::NO_PASSWORD, &[id]).await,
        _ => Err(unknown()),
    }
}

/// What is taken from the role or given to it.
async fn change(at: &Writing, account: &Account, held: &Held, gives: bool) -> Result<(), Fault> {
    let id = account.id.as_str();
    match held {
        Held::Attribute(name) => {
            let word = if gives { (*name).to_owned() } else { format!("NO{name}") };
            built(at, "attribute", sql::ATTRIBUTE, &[id, &word]).await
        }
        Held::Membership(of) if gives => join(at, id, of).await,
        Held::Membership(of) => {
            let grantor = of.grantor.as_deref().unwrap_or_default();
            built(at, "membership", sql::LEAVE, &[id, &of.role, grantor]).await
        }
        Held::Privileges(of) => privileges(at, account, of, gives).await,
    }
}

/// Has the server put a statement together, and runs it.
async fn built(at: &Writing, what: &str, statement: &str, of: &[&str]) -> Result<(), Fault> {
    let built = at.rows(what, statement, of).await?;
    let gone = || Fault::new(FaultKind::NotFound, format!("SQL {what}: the role is not there any more"));
    at.run(what, built.first().ok_or_else(gone)?).await
}

async fn join(at: &Writing, id: &str, of: &Membership) -> Result<(), Fault> {
    let word = |is_so: bool| if is_so { "true" } else { "false" };
    let grantor = of.grantor.as_deref().unwrap_or_default();
    let options = [id, &of.role, grantor, word(of.admin), word(of.inherit), word(of.set)];
    built(at, "membership", sql::JOIN, &options).await
}

/// Ends the role's backends, and waits until they are gone: the server says yes before that.
async fn terminate(at: &Writing, http: &Writer, id: &str) -> Result<(), Fault> {
    at.rows("end sessions", sql::TERMINATE, &[id]).await?;
    for _ in 0..LOOKS {
        if at.rows("sessions", sql::SESSIONS, &[id]).await?.is_empty() || !http.pause(BETWEEN).await {
            break;
        }
    }
    Ok(())
}

async fn privileges(at: &Writing, account: &Account, of: &Privileges, gives: bool) -> Result<(), Fault> {
    let version = account.facts.get("server_version").and_then(|text| text.parse().ok()).unwrap_or(0);
    let grantor = of.grantor.as_deref().unwrap_or_default();
    let parameters = [account.id.as_str(), &of.kind, &of.object, &of.part, grantor];
    let rows = at.rows("object", &sql::object(of.database.is_empty(), version), &parameters).await?;
    let objects: Vec<Object> = parsed("object", &rows)?;
    let gone =
        |what| Fault::new(FaultKind::NotFound, format!("SQL privileges: the {what} is not there any more"));
    let object = objects.first().ok_or_else(|| gone("object"))?;
    let role = object.role.as_deref().ok_or_else(|| gone("role"))?;
    let statements = if gives { given(of, object, role) } else { taken(of, object, role) };
    at.run("privileges", &statements).await
}

/// The words between GRANT or REVOKE and the role: privileges of one kind on the object.
fn words(of: &Privileges, object: &Object, names: &[&str]) -> String {
    let list = names.join(", ");
    match of.kind.as_str() {
        "COLUMN" => {
            let each: Vec<String> = names.iter().map(|name| format!("{name} ({})", object.column)).collect();
            format!("{} ON TABLE {}", each.join(", "), object.object)
        }
        "DEFAULT" => format!("{list} ON {}", object.part),
        kind => format!("{list} ON {kind} {}", object.object),
    }
}

fn before(of: &Privileges, object: &Object) -> String {
    if of.kind == "DEFAULT" { format!("ALTER DEFAULT PRIVILEGES {} ", object.object) } else { String::new() }
}

fn grant(of: &Privileges, object: &Object, names: &[&str], to: &str, on: bool) -> String {
    if names.is_empty() {
        return String::new();
    }
    let option = if on { " WITH GRANT OPTION" } else { "" };
    format!("{}GRANT {} TO {to}{option}; ", before(of, object), words(of, object, names))
}

/// Whoever granted it has to take it away: not even a superuser takes what another than the owner gave.
fn as_grantor(of: &Privileges, object: &Object) -> String {
    match (&of.grantor, &object.grantor) {
        (Some(_), Some(grantor)) if of.kind != "DEFAULT" => format!("SET LOCAL ROLE {grantor}; "),
        _ => String::new(),
    }
}

/// Takes privileges away. What the role granted on is granted by the owner first, so that nobody else loses anything.
fn taken(of: &Privileges, object: &Object, role: &str) -> String {
    let held: Vec<&str> = of.held.iter().map(|(name, _)| name.as_str()).collect();
    let kept = object.passed_on.iter().filter(|passed| held.contains(&passed.privilege.as_str()));
    let kept: String = kept.map(|p| grant(of, object, &[&p.privilege], &p.to, p.on)).collect();
    let cascade = if kept.is_empty() { "" } else { " CASCADE" };
    let (before, words) = (before(of, object), words(of, object, &held));
    format!("BEGIN; {kept}{}{before}REVOKE {words} FROM {role}{cascade}; COMMIT", as_grantor(of, object))
}

fn given(of: &Privileges, object: &Object, role: &str) -> String {
    let of_kind = |on: bool| -> Vec<&str> {
        of.held.iter().filter(|(_, is_on)| *is_on == on).map(|(name, _)| name.as_str()).collect()
    };
    let (plain, on) = (of_kind(false), of_kind(true));
    let both = grant(of, object, &plain, role, false) + &grant(of, object, &on, role, true);
    format!("BEGIN; {both}COMMIT")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a suite fails by panicking")]
mod tests {
    use super::*;

    fn object(passed_on: Vec<PassedOn>) -> Object {
        Object {
            object: "shop.orders".into(),
            column: "\"Total\"".into(),
            part: "Total".into(),
            role: Some("john".into()),
            grantor: Some("\"Mid\"".into()),
            passed_on,
        }
    }

    fn privileges(id: &str) -> Privileges {
        let Some(Held::Privileges(of)) = Held::parse(id) else { unreachable!() };
        of
    }

    #[test]
    fn what_was_granted_on_is_kept_for_the_others() {
        let of = privileges("privilege/app/TABLE/shop.orders//INSERT,SELECT*");
        let on = PassedOn { to: "pat".into(), privilege: "SELECT".into(), on: true };
        assert_eq!(
            taken(&of, &object(vec![on]), "john"),
            "BEGIN; GRANT SELECT ON TABLE shop.orders TO pat WITH GRANT OPTION; \
             REVOKE INSERT, SELECT ON TABLE shop.orders FROM john CASCADE; COMMIT"
        );
        assert_eq!(
            given(&of, &object(vec![]), "john"),
            "BEGIN; GRANT INSERT ON TABLE shop.orders TO john; \
             GRANT SELECT ON TABLE shop.orders TO john WITH GRANT OPTION; COMMIT"
        );
    }

    #[test]
    fn columns_defaults_and_other_grantors_have_their_own_words() {
        let column = privileges("privilege/app/COLUMN/shop.orders/Total/SELECT,UPDATE/by=Mid");
        assert_eq!(
            taken(&column, &object(vec![]), "john"),
            "BEGIN; SET LOCAL ROLE \"Mid\"; \
             REVOKE SELECT (\"Total\"), UPDATE (\"Total\") ON TABLE shop.orders FROM john; COMMIT"
        );
        let default = privileges("privilege/app/DEFAULT/FOR ROLE shop/TABLES/SELECT");
        let object = Object { object: "FOR ROLE shop".into(), part: "TABLES".into(), ..object(vec![]) };
        assert_eq!(
            taken(&default, &object, "john"),
            "BEGIN; ALTER DEFAULT PRIVILEGES FOR ROLE shop REVOKE SELECT ON TABLES FROM john; COMMIT"
        );
    }
}
