//! One SCIM 2.0 client (RFC 7643, RFC 7644) for every system that speaks it: finding a user, reading groups, and the few
//! changes that leaver makes. What a server does otherwise is said by [`Quirks`].

mod wire;

pub(crate) use wire::User;

use crate::{
    Missing,
    http::{Answer, Command, Query, Reader, Writer},
    missing_by_reads, page,
};
use leaver_domain::{
    custom::{DeactivateBy, FilterBy, Quirks},
    fault::{Fault, FaultKind},
    inventory::{AccountStatus, Grant, GrantKind},
    person::Person,
    plan::Outcome,
    roster::{Mark, Page, Seen},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use wire::{List, Many, WireGroup, WireUser};

/// The employee number, as filters name it.
const NUMBER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ACCEPT: &str = "application/scim+json, application/json;q=0.9";

/// A text inside a filter expression: quotes and backslashes cannot end it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What is asked of the server to find a person; `None` for everybody.
fn filters(by: &[FilterBy], login: &str, who: &Person) -> Vec<Option<String>> {
    if by.is_empty() {
        return vec![None];
    }
    let mut all: Vec<Option<String>> = Vec::new();
    for attribute in by {
        let (name, values): (&str, Vec<&str>) = match attribute {
            FilterBy::UserName => ("userName", vec![login]),
            FilterBy::Emails => ("emails", vec![&who.email]),
            FilterBy::EmailsValue => ("emails.value", vec![&who.email]),
            // Where this is the name that people log in with, a recorded login is another address.
            FilterBy::Email if login.contains('@') && login != who.email => {
                ("email", vec![&who.email, login])
            }
            FilterBy::Email => ("email", vec![&who.email]),
            FilterBy::ExternalId => ("externalId", vec![who.employee_id.as_str()]),
            FilterBy::EmployeeNumber => (NUMBER, vec![who.employee_id.as_str()]),
        };
        all.extend(values.into_iter().map(|value| Some(format!("{name} eq {}", quoted(value)))));
    }
    all
}

/// The client of one server. Its address is that of the system's main host, `/Users` and `/Groups` lie below it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Where the server departs from the standard.
    pub(crate) quirks: Quirks,
    /// The media type of what is sent.
    pub(crate) media_type: &'static str,
}

fn read<'a>(path: impl IntoIterator<Item = &'a str>) -> Query {
    Query::get(path).header("accept", ACCEPT)
}

fn outcome(answer: &Answer) -> Outcome {
    if answer.status == 202 { Outcome::Accepted } else { Outcome::Done }
}

impl Client {
    async fn list<T: serde::de::DeserializeOwned>(
        &self,
        http: &Reader,
        kind: &'static str,
        filter: Option<&str>,
        id: impl Fn(&T) -> String,
    ) -> Result<Vec<T>, Fault> {
        let ask = |start: usize| {
            let query = read([kind]).query("startIndex", start).query("count", self.quirks.page_size);
            match filter {
                Some(filter) => query.query("filter", filter),
                None => query,
            }
        };
        page::by_index(http, ask, |answer| {
            let list: List<T> = answer.json()?;
            let items = list.resources.unwrap_or_default().into_iter().map(|one| (id(&one), one));
            Ok((items.collect(), list.total))
        })
        .await
    }

    /// Every user.
    pub(crate) async fn everybody(&self, http: &Reader) -> Result<Vec<User>, Fault> {
        let all = self.list(http, "Users", None, |user: &WireUser| user.id.clone()).await?;
        Ok(all.into_iter().map(User::from).collect())
    }

    /// One page of everybody, and what a vendor's own attributes say of them.
    ///
    /// # Errors
    /// What the call says.
    pub(crate) async fn roster(
        &self,
        http: &Reader,
        from: Option<&Mark>,
        inactive: AccountStatus,
        privileged: impl Fn(&User) -> Option<bool>,
    ) -> Result<Page, Fault> {
        let query = read(["Users"]).query("startIndex", page::index_of(from));
        let list: List<WireUser> = http.ask(query.query("count", self.quirks.page_size)).await?.json()?;
        let users = list.resources.unwrap_or_default();
        let next = page::index_after(from, users.len(), list.total);
        let seen = |wire: WireUser| {
            let user = User::from(wire);
            let privileged = privileged(&user);
            let status = if user.active { AccountStatus::Active } else { inactive };
            let (email, name) = (user.emails.into_iter().next(), user.display_name);
            let employee_id = user.number;
            Seen { email, employee_id, name, privileged, ..Seen::new(user.id, user.login, status) }
        };
        page::of_roster(users.into_iter().map(seen).collect(), next, from)
    }

    /// The person's user, read by its id, and what found it. What the filters give is compared here once more: a server
    /// that ignores a filter gives everybody.
    ///
    /// # Errors
    /// `Ambiguous` where several match, or the one that does carries another employee number.
    pub(crate) async fn find(
        &self,
        http: &Reader,
        system: &str,
        who: &Person,
    ) -> Result<Option<(User, &'static str)>, Fault> {
        let login = who.login_or_email(system);
        let mut ids = BTreeSet::new();
        for filter in filters(&self.quirks.filter, login, who) {
            let found =
                self.list(http, "Users", filter.as_deref(), |user: &WireUser| user.id.clone()).await?;
            let theirs =
                found.into_iter().map(User::from).filter(|user| user.matched_by(login, who).is_some());
            ids.extend(theirs.map(|user| user.id));
        }
        let Some(id) = ids.pop_first() else { return Ok(None) };
        let ambiguous = |detail: String| Err(Fault::new(FaultKind::Ambiguous, detail));
        if !ids.is_empty() {
            let several = ids.len() + 1;
            return ambiguous(format!("{several} accounts carry this person's login, e-mail or number"));
        }
        // The list was asked for by a search, which may lag behind: what counts is the record itself.
        let changed = || Fault::new(FaultKind::Conflict, "the server lists a user that it does not give");
        let answer = http.find(read(["Users", &id])).await?.ok_or_else(changed)?;
        let user = User::from(answer.json::<WireUser>()?);
        let Some(matched_by) = user.matched_by(login, who) else { return Err(changed()) };
        if user.number.as_deref().is_some_and(|number| number != who.employee_id.as_str()) {
            return ambiguous(format!("the account {} carries another employee number", user.login));
        }
        Ok(Some((user, matched_by)))
    }

    /// The groups that a user belongs to, by the groups' members and by what the user's own record says.
    pub(crate) async fn groups_of(&self, http: &Reader, user: &User) -> Result<Vec<Grant>, Fault> {
        if !self.quirks.groups {
            return Ok(Vec::new());
        }
        let grant = |id: String, name: Option<String>| Grant {
            name: name.unwrap_or_else(|| id.clone()),
            id,
            kind: GrantKind::Group,
            privileged: false,
            fixed: None,
            sole_holder: false,
        };
        let groups = self.list(http, "Groups", None, |group: &WireGroup| group.id.clone()).await?;
        let mut held = Vec::new();
        for group in groups {
            let members = Many::of(group.members);
            if members.iter().any(|member| member.value.as_deref() == Some(user.id.as_str())) {
                held.push(grant(group.id, group.display_name));
            }
        }
        for named in &user.groups {
            if held.iter().all(|known| known.id != named.value) {
                let mut further = grant(named.value.clone(), named.display.clone());
                if named.r#type.as_deref() == Some("indirect") {
                    further.fixed = Some("held through another group".to_owned());
                }
                held.push(further);
            }
        }
        Ok(held)
    }

    /// What leaver's credential cannot read, by the two names that it has for the scopes.
    pub(crate) async fn missing(
        &self,
        http: &Reader,
        users: &'static str,
        groups: &'static str,
    ) -> Result<Vec<Missing>, Fault> {
        let mut reads = vec![(users, read(["Users"]).query("count", 1))];
        if self.quirks.groups {
            reads.push((groups, read(["Groups"]).query("count", 1)));
        }
        missing_by_reads(http, reads).await
    }

    /// The cheapest read.
    pub(crate) async fn probe(&self, http: &Reader) -> Result<(), Fault> {
        http.ask(read(["Users"]).query("startIndex", 1).query("count", 1)).await.map(|_| ())
    }

    async fn tell(&self, http: &Writer, command: Command, body: Value) -> Result<Outcome, Fault> {
        let command = command.header("accept", ACCEPT).json_as(self.media_type, body);
        http.tell(command).await.map(|answer| outcome(&answer))
    }

    async fn patch(&self, http: &Writer, of: [&str; 2], operation: Value) -> Result<Outcome, Fault> {
        let body = json!({"schemas": [PATCH], "Operations": [operation]});
        self.tell(http, Command::patch(of), body).await
    }

    /// Reads a resource, changes it and puts it back whole.
    async fn put(
        &self,
        http: &Writer,
        of: [&str; 2],
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Outcome, Fault> {
        let mut resource: Map<String, Value> = http.ask(read(of)).await?.json()?;
        let version = resource.get("meta").and_then(|meta| meta["version"].as_str()).map(str::to_owned);
        // What only the server sets is left out.
        resource.remove("meta");
        if of[0] == "Users" {
            resource.remove("groups");
        }
        change(&mut resource);
        let command = Command::put(of);
        let command = match version {
            Some(version) => command.header("if-match", version),
            None => command,
        };
        self.tell(http, command, Value::Object(resource)).await
    }

    /// Replaces one attribute of a user.
    pub(crate) async fn replace(
        &self,
        http: &Writer,
        id: &str,
        attribute: &str,
        value: Value,
    ) -> Result<Outcome, Fault> {
        let operation = json!({"op": "replace", "path": attribute, "value": value});
        self.patch(http, ["Users", id], operation).await
    }

    /// Replaces what is given of an extension of a user, in the form that names no path: an extension's own name has dots
    /// and colons, which servers read differently in a path.
    pub(crate) async fn replace_in(
        &self,
        http: &Writer,
        id: &str,
        extension: &str,
        value: Value,
    ) -> Result<Outcome, Fault> {
        let operation = json!({"op": "replace", "value": {extension: value}});
        self.patch(http, ["Users", id], operation).await
    }

    /// Lets a user log in, or not any more.
    pub(crate) async fn set_active(&self, http: &Writer, id: &str, active: bool) -> Result<Outcome, Fault> {
        if !active && self.quirks.deactivate_by == DeactivateBy::Delete {
            let command = Command::delete(["Users", id]).header("accept", ACCEPT);
            return http.tell(command).await.map(|answer| outcome(&answer));
        }
        let value = if self.quirks.active_as_string { json!(active.to_string()) } else { json!(active) };
        if self.quirks.put_only {
            let change = |user: &mut Map<String, Value>| {
                user.insert("active".to_owned(), value);
            };
            return self.put(http, ["Users", id], change).await;
        }
        self.replace(http, id, "active", value).await
    }

    /// Adds a new user, or one that was removed, who can log in.
    pub(crate) async fn create(&self, http: &Writer, email: &str) -> Result<Outcome, Fault> {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": email, "active": true, "emails": [{"value": email, "primary": true}],
        });
        self.tell(http, Command::post(["Users"]), body).await
    }

    /// Takes a user into a group.
    pub(crate) async fn join(&self, http: &Writer, group: &str, id: &str) -> Result<Outcome, Fault> {
        if self.quirks.put_only {
            let add = |members: &mut Vec<Value>| members.push(json!({"value": id}));
            return self.put_members(http, group, id, add).await;
        }
        let operation = json!({"op": "add", "path": "members", "value": [{"value": id}]});
        self.patch(http, ["Groups", group], operation).await
    }

    /// Takes a user out of a group. By a filter: with the member as the value, a server that follows the standard would
    /// take out everybody.
    pub(crate) async fn leave(&self, http: &Writer, group: &str, id: &str) -> Result<Outcome, Fault> {
        if self.quirks.put_only {
            return self.put_members(http, group, id, |_| {}).await;
        }
        let operation = json!({"op": "remove", "path": format!("members[value eq {}]", quoted(id))});
        self.patch(http, ["Groups", group], operation).await
    }

    /// Puts a group back without this member, and with whom `add` adds.
    async fn put_members(
        &self,
        http: &Writer,
        group: &str,
        id: &str,
        add: impl FnOnce(&mut Vec<Value>),
    ) -> Result<Outcome, Fault> {
        let change = |group: &mut Map<String, Value>| {
            let mut members = match group.remove("members") {
                Some(Value::Array(members)) => members,
                Some(Value::Null) | None => Vec::new(),
                Some(one) => vec![one],
            };
            members.retain(|member| member["value"].as_str() != Some(id));
            add(&mut members);
            group.insert("members".to_owned(), Value::Array(members));
        };
        self.put(http, ["Groups", group], change).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(body: Value) -> User {
        User::from(serde_json::from_value::<WireUser>(body).unwrap())
    }

    #[test]
    fn whoever_is_not_said_to_be_inactive_is_active() {
        let active = |body| user(body).active;
        assert!(active(json!({"id": "1", "userName": "a"})));
        assert!(active(json!({"id": "1", "active": null})));
        assert!(active(json!({"id": "1", "active": "True"})));
        assert!(!active(json!({"id": "1", "active": false})));
        assert!(!active(json!({"id": "1", "active": "False"})));
    }

    #[test]
    fn one_value_may_stand_in_place_of_a_list() {
        let found = user(
            json!({"id": "1", "emails": {"value": "a@b.c"}, "groups": [{"value": "g", "type": "direct"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": 7}, "roles": []}),
        );
        assert_eq!((found.emails, found.number.as_deref()), (vec!["a@b.c".to_owned()], Some("7")));
        assert_eq!((found.groups.len(), found.more.contains_key("roles")), (1, true));
    }

    #[test]
    fn a_value_cannot_end_its_filter() {
        assert_eq!(quoted(r#"a" or userName pr or "b\"#), r#""a\" or userName pr or \"b\\""#);
    }
}
