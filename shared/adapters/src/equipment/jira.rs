//! Jira: things are issues of one project that are assigned to their holder, tickets are issues of another.
//!
//! A search may lag behind what was just written. It only names candidates, each of which is then read by itself; what
//! this process has opened is handed to it, which makes it look at those issues as they are now.

use super::{Holder, Order, Thing, Ticket, cancelled, kind_of};
use crate::{
    Missing,
    auth::Auth,
    http::{Answer, Command, Query, Reader, Writer},
    page,
    settings::Settings,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use leaver_domain::{
    fault::{Fault, FaultKind},
    person::Person,
    secret::Secret,
};
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// Entries per page.
const PER: usize = 100;
/// What a way out of a workflow is called that says "not any more".
const CANCELLED: [&str; 5] = ["cancel", "declin", "withdraw", "won't", "reject"];

/// One Jira site.
pub(super) struct Jira {
    project: String,
    issue_type: String,
    things: String,
    /// The issues that this process opened, by their label.
    opened: Mutex<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    account_id: String,
    account_type: Option<String>,
    email_address: Option<String>,
    display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    issues: Vec<Issue>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Issue {
    id: String,
    key: String,
    #[serde(default)]
    fields: Fields,
}

#[derive(Deserialize, Default)]
struct Fields {
    summary: Option<String>,
    issuetype: Option<Named>,
    status: Option<Status>,
    #[serde(default)]
    labels: Vec<String>,
    description: Option<Value>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    name: Option<String>,
    status_category: Option<Category>,
}

#[derive(Deserialize)]
struct Category {
    key: String,
}

#[derive(Deserialize)]
struct Created {
    id: String,
    key: String,
}

#[derive(Deserialize)]
struct Transitions {
    transitions: Vec<Transition>,
}

#[derive(Deserialize)]
struct Transition {
    id: String,
    name: String,
    to: Option<Status>,
}

#[derive(Deserialize)]
struct Permissions {
    permissions: BTreeMap<String, Permission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    have_permission: bool,
}

impl Status {
    fn is_done(&self) -> bool {
        self.status_category.as_ref().is_some_and(|category| category.key == "done")
    }
}

/// The site and the way it authenticates: the account's e-mail address and its token.
pub(super) fn open(settings: &Settings) -> Result<(Jira, Auth), Fault> {
    let pair = format!("{}:{}", settings.text("email")?, settings.secret("api_token")?.expose());
    let value = Secret::new(BASE64_STANDARD.encode(pair));
    let things = match settings.optional("assets_jql") {
        Some(jql) => jql,
        None => {
            let project = quoted(&settings.text("assets_project")?);
            format!("project = \"{project}\" AND assignee = \"{{account_id}}\" ORDER BY key")
        }
    };
    let jira = Jira {
        project: settings.text("project")?,
        issue_type: settings.optional("issue_type").unwrap_or_else(|| "Task".to_owned()),
        things,
        opened: Mutex::default(),
    };
    Ok((jira, Auth::Header { name: AUTHORIZATION, prefix: "Basic ", value }))
}

fn api<'a>(path: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    ["rest", "api", "3"].into_iter().chain(path)
}

/// The cheapest read.
pub(super) fn myself() -> Query {
    Query::get(api(["myself"]))
}

/// A text inside a JQL string: quotes and backslashes cannot end it.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// All text of a document in Atlassian's format.
fn text_of(document: &Value) -> String {
    let mut text = String::new();
    match document {
        Value::Object(node) => {
            text.push_str(node.get("text").and_then(Value::as_str).unwrap_or_default());
            text.push_str(&node.get("content").map(text_of).unwrap_or_default());
        }
        Value::Array(nodes) => nodes.iter().for_each(|node| text.push_str(&text_of(node))),
        _ => {}
    }
    text
}

fn paragraph(text: &str) -> Value {
    json!({"type": "paragraph", "content": [{"type": "text", "text": text}]})
}

fn document(order: &Order<'_>) -> Value {
    let item = |thing: &String| json!({"type": "listItem", "content": [paragraph(thing)]});
    let items: Vec<Value> = order.things.iter().map(item).collect();
    json!({"type": "doc", "version": 1,
           "content": [paragraph(&order.intro), {"type": "bulletList", "content": items}]})
}

/// Who of those found carries exactly this address. Whoever hides theirs is told by their name.
fn only(users: Vec<User>, email: &str, name: Option<&str>) -> Result<Option<String>, Fault> {
    let is = |user: &User| {
        let human = user.account_type.as_deref().is_none_or(|kind| kind == "atlassian");
        let shown = user.email_address.as_deref().filter(|shown| !shown.is_empty());
        let same = match shown {
            Some(shown) => shown.eq_ignore_ascii_case(email),
            None => name.is_some() && user.display_name.as_deref() == name,
        };
        human && same
    };
    let ids: BTreeSet<String> = users.into_iter().filter(is).map(|user| user.account_id).collect();
    if ids.len() > 1 {
        let detail = format!("{} accounts carry this person's e-mail address or name", ids.len());
        return Err(Fault::new(FaultKind::Ambiguous, detail));
    }
    Ok(ids.into_iter().next())
}

/// The search goes by number, and may give fewer than asked for: it ends with an empty page.
async fn users(http: &Reader, email: &str) -> Result<Vec<User>, Fault> {
    let mut start = 0;
    let ask = |token: Option<&str>| {
        let query = Query::get(api(["user", "search"])).query("query", email);
        Ok(query.query("startAt", token.unwrap_or("0")).query("maxResults", PER))
    };
    let each = |answer: &Answer| {
        let users: Vec<User> = answer.json()?;
        start += users.len();
        let next = (!users.is_empty()).then(|| start.to_string());
        Ok((users, next))
    };
    page::by_token(http, ask, each).await
}

async fn issues(http: &Reader, jql: &str, fields: &str, now: Option<&str>) -> Result<Vec<Issue>, Fault> {
    let ask = |token: Option<&str>| {
        let mut query = Query::get(api(["search", "jql"])).query("jql", jql).query("fields", fields);
        query = query.query("maxResults", PER);
        for (name, value) in [("nextPageToken", token), ("reconcileIssues", now)] {
            query = value.into_iter().fold(query, |query, value| query.query(name, value));
        }
        Ok(query)
    };
    let each = |answer: &Answer| {
        let found: Found = answer.json()?;
        Ok((found.issues, found.next_page_token))
    };
    page::by_token(http, ask, each).await
}

/// An issue as it is now, where it still carries the label.
async fn read(http: &Reader, id: &str, label: &str) -> Result<Option<Ticket>, Fault> {
    let query = Query::get(api(["issue", id])).query("fields", "status,labels,description");
    let Some(answer) = http.find(query).await? else { return Ok(None) };
    let issue: Issue = answer.json()?;
    let fields = issue.fields;
    let Some(status) = fields.status else {
        return Err(Fault::shape("a ticket has no status"));
    };
    Ok(fields.labels.iter().any(|one| one == label).then(|| Ticket {
        id: issue.id,
        key: issue.key,
        is_open: !status.is_done(),
        text: fields.description.as_ref().map(text_of).unwrap_or_default(),
    }))
}

impl Jira {
    /// The account of a person. Jira lists active accounts only.
    pub(super) async fn holder(&self, http: &Reader, who: &Person) -> Result<Option<Holder>, Fault> {
        if let Some(id) = who.login("equipment") {
            return Ok(Some(Holder { id: id.to_owned(), matched_by: "login" }));
        }
        let id = only(users(http, &who.email).await?, &who.email, Some(&who.name))?;
        Ok(id.map(|id| Holder { id, matched_by: "email" }))
    }

    /// The account of the person's manager, whose address follows the same form.
    pub(super) async fn manager(&self, http: &Reader, who: &Person) -> Result<Option<String>, Fault> {
        let (Some(manager), Some((_, domain))) = (&who.manager, who.email.split_once('@')) else {
            return Ok(None);
        };
        let email = format!("{manager}@{domain}");
        // Two of the manager's name are no reason to ask nobody for the things.
        Ok(only(users(http, &email).await?, &email, None).unwrap_or_default())
    }

    pub(super) async fn things(
        &self,
        http: &Reader,
        who: &Person,
        id: Option<&str>,
    ) -> Result<Vec<Thing>, Fault> {
        if id.is_none() && self.things.contains("{account_id}") {
            return Ok(Vec::new());
        }
        let jql = self.things.replace("{account_id}", &quoted(id.unwrap_or_default()));
        let jql = jql.replace("{employee_id}", &quoted(who.employee_id.as_str()));
        let jql = jql.replace("{email}", &quoted(&who.email));
        let found = issues(http, &jql, "summary,issuetype", None).await?;
        let thing = |issue: Issue| Thing {
            kind: kind_of(&issue.fields.issuetype.map_or_else(|| "thing".to_owned(), |kind| kind.name)),
            name: issue.fields.summary.unwrap_or_else(|| issue.key.clone()),
            id: issue.key,
        };
        Ok(found.into_iter().map(thing).collect())
    }

    pub(super) async fn tickets(&self, http: &Reader, label: &str) -> Result<Vec<Ticket>, Fault> {
        let (project, quoted_label) = (quoted(&self.project), quoted(label));
        let jql = format!("project = \"{project}\" AND labels = \"{quoted_label}\" ORDER BY created");
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(label).cloned();
        let found = issues(http, &jql, "status", opened.as_deref()).await?;
        let mut ids: Vec<String> = found.into_iter().map(|issue| issue.id).collect();
        ids.extend(opened);
        let mut seen = BTreeSet::new();
        let mut tickets = Vec::new();
        for id in ids.into_iter().filter(|id| seen.insert(id.clone())) {
            tickets.extend(read(http, &id, label).await?);
        }
        Ok(tickets)
    }

    /// Opens the ticket and reads it back. An assignee who may not work in the project is left out.
    pub(super) async fn open(&self, http: &Writer, order: &Order<'_>) -> Result<(), Fault> {
        let mut fields = json!({
            "project": {"key": self.project}, "issuetype": {"name": self.issue_type},
            "summary": order.summary, "description": document(order), "labels": [order.label],
        });
        if let Some(due) = order.due {
            fields["duedate"] = due.into();
        }
        let create =
            |fields: &Value| http.tell(Command::post(api(["issue"])).json(json!({"fields": fields})));
        let mut assigned = fields.clone();
        if let Some(assignee) = order.assignee {
            assigned["assignee"] = json!({"id": assignee});
        }
        let answer = match create(&assigned).await {
            Err(fault) if fault.kind == FaultKind::Conflict && order.assignee.is_some() => {
                create(&fields).await?
            }
            answer => answer?,
        };
        let created: Created = answer.json()?;
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(order.label.to_owned(), created.id.clone());
        let kept = read(http, &created.id, order.label).await?;
        let whole = kept.is_some_and(|kept| order.things.iter().all(|thing| kept.text.contains(thing)));
        if whole {
            return Ok(());
        }
        let detail = format!("Jira opened {} without the label or the list that it was given", created.key);
        Err(Fault::new(FaultKind::PermissionMissing, detail))
    }

    /// Closes the ticket by the way out that says "cancelled", else by any that ends it; then it speaks for nothing.
    pub(super) async fn cancel(&self, http: &Writer, ticket: &Ticket, label: &str) -> Result<(), Fault> {
        let id = ticket.id.as_str();
        if ticket.is_open {
            let all: Transitions = http.ask(Query::get(api(["issue", id, "transitions"]))).await?.json()?;
            let Some(way) = way_out(&all.transitions) else {
                let detail =
                    format!("the workflow of {} has no way to close it from where it is", ticket.key);
                return Err(Fault::new(FaultKind::PermissionMissing, detail));
            };
            let body = json!({"transition": {"id": way.id}});
            http.tell(Command::post(api(["issue", id, "transitions"])).json(body)).await?;
        }
        let labels = json!([{"remove": label}, {"add": cancelled(label)}]);
        let edit = Command::put(api(["issue", id])).json(json!({"update": {"labels": labels}}));
        http.tell(edit).await.map(|_| ())
    }

    /// What Jira says of leaver's account in the tickets' project.
    pub(super) async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault> {
        const NEEDED: [(&str, &str); 6] = [
            ("BROWSE_PROJECTS", "tickets: browse"),
            ("CREATE_ISSUES", "tickets: create"),
            ("EDIT_ISSUES", "tickets: edit and close"),
            ("ASSIGN_ISSUES", "tickets: edit and close"),
            ("TRANSITION_ISSUES", "tickets: edit and close"),
            ("USER_PICKER", "people: browse"),
        ];
        let keys = NEEDED.map(|(key, _)| key).join(",");
        let query = Query::get(api(["mypermissions"])).query("permissions", keys);
        let held: Permissions = http.ask(query.query("projectKey", &self.project)).await?.json()?;
        let lacks = |key: &str| held.permissions.get(key).is_none_or(|held| !held.have_permission);
        let lacking = NEEDED.iter().filter(|(key, _)| lacks(key));
        let missing = |(key, scope): &(&str, &'static str)| Missing {
            scope,
            shown_by: format!("Jira says that this account lacks {key} in the project {}", self.project),
        };
        Ok(lacking.map(missing).collect())
    }
}

fn way_out(all: &[Transition]) -> Option<&Transition> {
    let ends = |way: &&Transition| way.to.as_ref().is_some_and(Status::is_done);
    let says = |way: &&Transition| {
        let to = way.to.as_ref().and_then(|to| to.name.as_deref()).unwrap_or_default();
        let words = format!("{} {to}", way.name).to_lowercase();
        CANCELLED.iter().any(|word| words.contains(word))
    };
    all.iter().filter(ends).find(says).or_else(|| all.iter().find(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(id: &str, name: &str, category: &str) -> Transition {
        let status_category = Some(Category { key: category.into() });
        Transition { id: id.into(), name: name.into(), to: Some(Status { name: None, status_category }) }
    }

    #[test]
    fn the_way_out_is_the_one_that_cancels_else_any_that_ends() {
        let all =
            [way("1", "Start", "indeterminate"), way("2", "Done", "done"), way("3", "Cancel it", "done")];
        assert_eq!(way_out(&all).map(|way| way.id.as_str()), Some("3"));
        assert_eq!(way_out(&all[..2]).map(|way| way.id.as_str()), Some("2"));
        assert!(way_out(&all[..1]).is_none());
    }

    #[test]
    fn nothing_ends_a_text_in_a_query() {
        assert_eq!(quoted(r#"a" OR project = "B\"#), r#"a\" OR project = \"B\\"#);
    }

    #[test]
    fn whoever_hides_the_address_is_told_by_name_and_two_are_too_many() {
        let user = |id: &str, email: Option<&str>| User {
            account_id: id.into(),
            account_type: Some("atlassian".into()),
            email_address: email.map(str::to_owned),
            display_name: Some("John Doe".into()),
        };
        let found = |users| only(users, "john.doe@example.com", Some("John Doe"));
        assert_eq!(found(vec![user("a", Some("john.doe@example.com.br"))]).unwrap(), None);
        assert_eq!(found(vec![user("a", None)]).unwrap(), Some("a".to_owned()));
        assert!(found(vec![user("a", None), user("b", Some("john.doe@example.com"))]).is_err());
    }
}
