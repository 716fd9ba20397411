//! Identity Center beside IAM: users of the identity store with their groups, and their permission sets in accounts.
//! Assignments are made and deleted in the background, which here takes a few further calls.

use super::ID;
use crate::twin::{Ask, Reply, World, slice};
use leaver_domain::time::Timestamp;
use serde_json::{Value, json};

/// Entries per page: small, so that the sample person's lists have more than one.
const PAGE: usize = 2;
/// How many calls an assignment takes after the one that began it.
const TURNS: usize = 2;
/// The one sample person who has a user here and none in IAM.
pub(super) const ONLY_HERE: &str = "hana.huber39";
/// Accounts of the organization.
const DEVELOPMENT: &str = "222222222222";
const TESTING: &str = "333333333333";
const PRODUCTION: &str = "444444444444";

struct Person {
    username: String,
    /// The user's name.
    name: String,
    email: String,
    id: String,
    last_seen: Timestamp,
    /// Ids of memberships and their groups.
    memberships: Vec<(String, String)>,
    /// Accounts and the permission sets in them.
    assignments: Vec<(String, String)>,
}

struct Group {
    id: String,
    name: String,
    /// What it gives: an account and a permission set in it.
    gives: Option<(&'static str, String)>,
}

/// An assignment that is being made or deleted.
struct Operation {
    id: String,
    give: bool,
    user: String,
    account: String,
    set: String,
    turns: usize,
    status: &'static str,
    begun: Timestamp,
}

/// One instance and its identity store.
pub(super) struct Center {
    store: String,
    instance: String,
    sets: Vec<(String, &'static str)>,
    groups: Vec<Group>,
    people: Vec<Person>,
    operations: Vec<Operation>,
    turns: usize,
    outcome: &'static str,
    made: usize,
}

type Answer = Result<Value, Refusal>;
/// A code and a sentence.
type Refusal = (&'static str, &'static str);

const GONE: Refusal = ("ResourceNotFoundException", "The resource was not found.");
const TWICE: Refusal = ("ConflictException", "The resource exists, or an operation on it is in progress.");

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

impl Center {
    /// With the sample people.
    pub(super) fn new(world: &World) -> Self {
        let setting = |name: &str| world.setting(ID, name);
        let mut center = Self {
            store: setting("identity_store_id"),
            instance: setting("instance_arn"),
            sets: Vec::new(),
            groups: Vec::new(),
            people: Vec::new(),
            operations: Vec::new(),
            turns: TURNS,
            outcome: "SUCCEEDED",
            made: 0,
        };
        let of = center.instance.replacen(":instance/", ":permissionSet/", 1);
        for (index, name) in
            ["ViewOnlyAccess", "DeveloperAccess", "AdministratorAccess"].into_iter().enumerate()
        {
            center.sets.push((format!("{of}/ps-{index:016}"), name));
        }
        for sample in world.people_in(ID) {
            center.add(world, sample);
        }
        center
    }

    fn add(&mut self, world: &World, sample: &crate::people::SamplePerson) {
        let person = &sample.person;
        let name = person.login(ID).unwrap_or(person.username.as_str()).to_owned();
        let builds = sample.is_engineer() || name == ONLY_HERE;
        let admin = sample.traits.admin_of.contains(ID) || sample.traits.sole_admin_of.contains(ID);
        let set = |name: &str| self.sets.iter().find(|set| set.1 == name).map(|set| set.0.clone());
        let (view, develop, administer) =
            (set("ViewOnlyAccess"), set("DeveloperAccess"), set("AdministratorAccess"));
        let mut groups =
            vec![("AWS everybody".to_owned(), None), (format!("AWS {}", person.department), None)];
        let mut assignments = Vec::new();
        if builds {
            groups.push(("AWS builders".to_owned(), view.clone().map(|set| (TESTING, set))));
            assignments = vec![(DEVELOPMENT, develop.clone()), (TESTING, develop), (PRODUCTION, view)];
        }
        if admin {
            groups.push(("AWS platform".to_owned(), administer.clone().map(|set| (PRODUCTION, set))));
            assignments.push((DEVELOPMENT, administer));
        }
        let known = |(account, set): (&str, Option<String>)| Some((account.to_owned(), set?));
        let index = self.people.len();
        let memberships = groups.into_iter().map(|(name, gives)| {
            let group = self.group(name, gives);
            (self.next_id("9000"), group)
        });
        let memberships = memberships.collect();
        self.people.push(Person {
            username: person.username.to_string(),
            name,
            email: sample.email_in(ID).to_owned(),
            id: self.resource("8000", index),
            last_seen: world.hours_ago(sample.traits.idle_days.unwrap_or(1) * 24),
            memberships,
            assignments: assignments.into_iter().filter_map(known).collect(),
        });
    }

    /// An id of the identity store's form.
    fn resource(&self, kind: &str, number: usize) -> String {
        let store = self.store.strip_prefix("d-").unwrap_or_default();
        format!("{store}-00000000-0000-4000-{kind}-{number:012}")
    }

    fn next_id(&mut self, kind: &str) -> String {
        self.made += 1;
        self.resource(kind, self.made)
    }

    /// The group of that name, made where there is none.
    fn group(&mut self, name: String, gives: Option<(&'static str, String)>) -> String {
        if let Some(group) = self.groups.iter().find(|group| group.name == name) {
            return group.id.clone();
        }
        let id = self.resource("a000", self.groups.len());
        self.groups.push(Group { id: id.clone(), name, gives });
        id
    }

    /// What a sample person holds now; `None` where they have no user here.
    pub(super) fn held(&self, username: &str) -> Option<Vec<String>> {
        let person = self.people.iter().find(|person| person.username == username)?;
        let groups = person.memberships.iter().map(|(_, id)| self.group_name(id).to_owned());
        let sets =
            person.assignments.iter().map(|(account, set)| format!("{} in {account}", self.set_name(set)));
        let mut all: Vec<String> = groups.chain(sets).collect();
        all.sort();
        Some(all)
    }

    /// When a user was last seen.
    pub(super) fn last_seen(&self, name: &str) -> Option<Timestamp> {
        self.people.iter().find(|person| person.name == name).map(|person| person.last_seen)
    }

    fn group_name(&self, id: &str) -> &str {
        self.groups.iter().find(|group| group.id == id).map_or("", |group| &group.name)
    }

    fn set_name(&self, arn: &str) -> &'static str {
        self.sets.iter().find(|set| set.0 == arn).map_or("", |set| set.1)
    }

    /// How further operations go: after how many calls, and to which end.
    pub(super) fn set_pace(&mut self, ask: &Ask) -> Reply {
        let body = ask.json();
        self.turns = body["turns"].as_u64().and_then(|turns| turns.try_into().ok()).unwrap_or(TURNS);
        self.outcome = if body["outcome"] == "FAILED" { "FAILED" } else { "SUCCEEDED" };
        Reply::json(200, json!({"turns": self.turns, "outcome": self.outcome}))
    }

    /// Answers a call of a service that was signed well.
    pub(super) fn answer(&mut self, service: &str, ask: &Ask) -> Reply {
        let prefix = if service == "sso" { "SWBExternalService." } else { "AWSIdentityStore." };
        let target = ask.headers.get("x-amz-target").map_or("", String::as_str);
        let Some(operation) = target.strip_prefix(prefix) else {
            return refusal(("UnknownOperationException", ""));
        };
        let body = ask.json();
        let done = if service == "sso" {
            // A list is read to its end as it was when its reading began: tokens of the vendor hold a place in it.
            if body["NextToken"].is_null() {
                self.time_passes();
            }
            self.sso(operation, &body, ask.at)
        } else {
            self.identity_store(operation, &body)
        };
        match done {
            Ok(answer) => Reply { media_type: "application/x-amz-json-1.1", ..Reply::json(200, answer) },
            Err(code) => refusal(code),
        }
    }

    fn identity_store(&mut self, operation: &str, body: &Value) -> Answer {
        let store = self.store.clone();
        if text(body, "IdentityStoreId") != store {
            return Err(GONE);
        }
        match operation {
            "GetUserId" => {
                let unique = &body["AlternateIdentifier"]["UniqueAttribute"];
                let value = text(unique, "AttributeValue");
                let same = |own: &str| own.eq_ignore_ascii_case(value);
                let found = match text(unique, "AttributePath") {
                    "emails.value" => self.people.iter().find(|person| same(&person.email)),
                    "userName" => self.people.iter().find(|person| same(&person.name)),
                    _ => return Err(("ValidationException", "The attribute is not unique.")),
                };
                let id = &found.ok_or(GONE)?.id;
                Ok(json!({"IdentityStoreId": store, "UserId": id, "UserArn": arn("user", id)}))
            }
            "DescribeUser" => {
                let person = self.person(text(body, "UserId")).ok_or(GONE)?;
                Ok(described(&store, (&person.id, &person.name, &person.email)))
            }
            "ListUsers" => {
                let one = |person: &Person| described(&store, (&person.id, &person.name, &person.email));
                Ok(paged("Users", self.people.iter().map(one).collect(), body))
            }
            "DescribeGroup" => {
                let id = text(body, "GroupId");
                let group = self.groups.iter().find(|group| group.id == id).ok_or(GONE)?;
                Ok(json!({
                    "IdentityStoreId": store, "GroupId": id, "GroupArn": arn("group", id), "Revision": "1",
                    "DisplayName": group.name,
                }))
            }
            "ListGroupMembershipsForMember" => {
                let person = self.person(text(&body["MemberId"], "UserId")).ok_or(GONE)?;
                let entry = |(id, group): &(String, String)| {
                    json!({
                        "IdentityStoreId": store, "MembershipId": id, "MembershipArn": arn("membership", id),
                        "GroupId": group, "MemberId": {"UserId": person.id},
                    })
                };
                Ok(paged("GroupMemberships", person.memberships.iter().map(entry).collect(), body))
            }
            "CreateGroupMembership" => self.join(text(body, "GroupId"), text(&body["MemberId"], "UserId")),
            "DeleteGroupMembership" => {
                let id = text(body, "MembershipId");
                let held = |person: &&mut Person| person.memberships.iter().any(|held| held.0 == id);
                let person = self.people.iter_mut().find(held).ok_or(GONE)?;
                person.memberships.retain(|held| held.0 != id);
                Ok(json!({}))
            }
            _ => Err(("UnknownOperationException", "")),
        }
    }

    fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    fn join(&mut self, group: &str, user: &str) -> Answer {
        if !self.groups.iter().any(|known| known.id == group) {
            return Err(GONE);
        }
        let id = self.next_id("9000");
        let person = self.people.iter_mut().find(|person| person.id == user).ok_or(GONE)?;
        if person.memberships.iter().any(|held| held.1 == group) {
            return Err(TWICE);
        }
        person.memberships.push((id.clone(), group.to_owned()));
        Ok(
            json!({"IdentityStoreId": self.store, "MembershipId": id, "MembershipArn": arn("membership", &id)}),
        )
    }

    fn sso(&mut self, operation: &str, body: &Value, at: Timestamp) -> Answer {
        if text(body, "InstanceArn") != self.instance {
            return Err(GONE);
        }
        match operation {
            "DescribePermissionSet" => {
                let arn = text(body, "PermissionSetArn");
                let (_, name) = self.sets.iter().find(|set| set.0 == arn).ok_or(GONE)?;
                Ok(
                    json!({"PermissionSet": {"Name": name, "PermissionSetArn": arn, "SessionDuration": "PT8H"}}),
                )
            }
            "ListAccountAssignmentsForPrincipal" => {
                let person = self.person(text(body, "PrincipalId")).ok_or(GONE)?;
                Ok(paged("AccountAssignments", self.assignments(person), body))
            }
            "CreateAccountAssignment" => self.begin(true, body, at),
            "DeleteAccountAssignment" => self.begin(false, body, at),
            "DescribeAccountAssignmentCreationStatus" => self.status(true, body),
            "DescribeAccountAssignmentDeletionStatus" => self.status(false, body),
            _ => Err(("UnknownOperationException", "")),
        }
    }

    /// To the user itself, and through groups.
    fn assignments(&self, person: &Person) -> Vec<Value> {
        let entry = |account: &str, set: &str, kind: &str, id: &str| {
            json!({"AccountId": account, "PermissionSetArn": set, "PrincipalType": kind,
                   "PrincipalId": id})
        };
        let own = person.assignments.iter().map(|(account, set)| entry(account, set, "USER", &person.id));
        let is_in = |group: &&Group| person.memberships.iter().any(|held| held.1 == group.id);
        let given = self.groups.iter().filter(is_in).filter_map(|group| {
            let (account, set) = group.gives.as_ref()?;
            Some(entry(account, set, "GROUP", &group.id))
        });
        own.chain(given).collect()
    }

    fn begin(&mut self, give: bool, body: &Value, at: Timestamp) -> Answer {
        let (user, set) = (text(body, "PrincipalId"), text(body, "PermissionSetArn"));
        let account = text(body, "TargetId");
        let whole = body["TargetType"] == "AWS_ACCOUNT" && body["PrincipalType"] == "USER";
        if !whole || account.len() != 12 {
            return Err(("ValidationException", "The target or the principal is none."));
        }
        let running = self.operations.iter().any(|one| {
            one.status == "IN_PROGRESS" && one.user == user && one.set == set && one.account == account
        });
        let person = self.person(user).ok_or(GONE)?;
        let holds = person.assignments.iter().any(|held| held.0 == account && held.1 == set);
        let known = self.sets.iter().any(|known| known.0 == set);
        match (running, holds, give) {
            (true, ..) | (_, true, true) => return Err(TWICE),
            (_, false, false) => return Err(GONE),
            _ if !known => return Err(GONE),
            _ => {}
        }
        self.made += 1;
        let operation = Operation {
            id: format!("00000000-0000-4000-b000-{:012}", self.made),
            give,
            user: user.to_owned(),
            account: account.to_owned(),
            set: set.to_owned(),
            turns: self.turns,
            status: "IN_PROGRESS",
            begun: at,
        };
        let answer = operation.json();
        self.operations.push(operation);
        Ok(answer)
    }

    fn status(&self, give: bool, body: &Value) -> Answer {
        let kind = if give { "Creation" } else { "Deletion" };
        let id = text(body, &format!("AccountAssignment{kind}RequestId"));
        let found = self.operations.iter().find(|one| one.give == give && one.id == id);
        found.map(Operation::json).ok_or(GONE)
    }

    /// Each call brings what is in progress nearer to its end.
    fn time_passes(&mut self) {
        for one in self.operations.iter_mut().filter(|one| one.status == "IN_PROGRESS") {
            one.turns = one.turns.saturating_sub(1);
            if one.turns > 0 {
                continue;
            }
            one.status = self.outcome;
            let person = self.people.iter_mut().find(|person| person.id == one.user);
            let Some(person) = person.filter(|_| one.status == "SUCCEEDED") else { continue };
            person.assignments.retain(|held| held.0 != one.account || held.1 != one.set);
            if one.give {
                person.assignments.push((one.account.clone(), one.set.clone()));
            }
        }
    }
}

impl Operation {
    fn json(&self) -> Value {
        let kind = if self.give { "Creation" } else { "Deletion" };
        let mut status = json!({
            "Status": self.status, "RequestId": self.id, "TargetId": self.account, "TargetType": "AWS_ACCOUNT",
            "PermissionSetArn": self.set, "PrincipalType": "USER", "PrincipalId": self.user,
            "CreatedDate": self.begun.seconds(),
        });
        if self.status == "FAILED" {
            status["FailureReason"] = "The account is closed.".into();
        }
        json!({format!("AccountAssignment{kind}Status"): status})
    }
}

fn arn(kind: &str, id: &str) -> String {
    format!("arn:aws:identitystore:::{kind}/{id}")
}

/// A user.
fn described(store: &str, (id, name, email): (&str, &str, &str)) -> Value {
    json!({
        "IdentityStoreId": store, "UserId": id, "UserArn": arn("user", id), "Revision": "1", "UserName": name,
        "UserStatus": "ENABLED", "Emails": [{"Value": email, "Type": "work", "Primary": true}],
    })
}

fn paged(list: &str, entries: Vec<Value>, body: &Value) -> Value {
    let start = text(body, "NextToken").parse().unwrap_or(0);
    let size = body["MaxResults"].as_u64().and_then(|size| size.try_into().ok()).unwrap_or(PAGE);
    let (page, next) = slice(&entries, start, size.min(PAGE));
    let mut answer = json!({list: page});
    if let Some(next) = next {
        answer["NextToken"] = next.to_string().into();
    }
    answer
}

/// As both services refuse.
pub(super) fn refusal((code, message): Refusal) -> Reply {
    let reply = Reply::json(400, json!({"__type": code, "Message": message}));
    Reply { media_type: "application/x-amz-json-1.1", ..reply }
}
