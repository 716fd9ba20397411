//! IAM Identity Center beside IAM: the person's user in the identity store, the groups that it is in and the permission
//! sets that it is assigned directly. JSON 1.1, as CloudTrail.
//!
//! The user itself stays: `UserStatus` can be read, but no call is described that changes it. What gives the user power is
//! taken instead, assignments first, then memberships. Assignments are made and deleted in the background, so a call for one
//! is followed by asking after it; whether it is there is nevertheless only ever what the list says.

mod shapes;

use super::{SPEC, sounds_privileged};
use crate::{
    http::{Answer, Command, Query, Reader, Writer},
    page,
    settings::Settings,
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, AccountStatus, Grant, GrantKind, Inventory, Sessions},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    roster::Seen,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shapes::{
    Assignment, Assignments, Described, Group, Membership, Memberships, PermissionSet, Progress, UserId,
    Users,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Where it is set up: as in the addresses of its hosts in [`SPEC`].
pub(super) const REGION: &str = "{identity_center_region|region|us-east-1}";
/// Facts of an account: the user's id in the identity store, its name there, whether its source disabled it, and whether the
/// IAM user beside it is denied everything.
const USER: &str = "identity-center-user";
pub(super) const LOGIN: &str = "identity-center-login";
const DISABLED: &str = "identity-center-disabled";
const DENIED: &str = "iam-user-denied";
/// How the ids of grants begin.
const GROUP: &str = "idc-group:";
const ASSIGNMENT: &str = "idc-assignment:";
/// How an assignment is marked that the user has through a group.
const THROUGH_GROUP: &str = "GROUP";
/// Entries asked for per page; the services may answer fewer.
const PAGE: u32 = 100;
/// How long one assignment is asked after, and what is left to the read that follows.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_BACK: Duration = Duration::from_secs(5);
/// An id that nothing has.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A service: the name of its host and for signatures, and the prefix of its operations.
type Service = (&'static str, &'static str);
const STORE: Service = ("identitystore", "AWSIdentityStore");
const SSO: Service = ("sso", "SWBExternalService");

/// An instance and its identity store.
pub(super) struct Center {
    store: String,
    instance: String,
}

/// A grant of Identity Center, out of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// Membership of a group.
    Group(&'a str),
    /// A permission set in an account.
    Assignment { account: &'a str, set: &'a str },
}

/// What a person has there.
pub(super) struct Held {
    user: Described,
    matched_by: &'static str,
    memberships: Vec<Membership>,
    grants: Vec<Grant>,
}

impl<'a> Target<'a> {
    /// `None` for a grant of IAM. Whatever the services list is read here, however they form their ids: what was not
    /// understood would not be taken away.
    pub(super) fn parse(id: &'a str) -> Option<Self> {
        if let Some(group) = id.strip_prefix(GROUP) {
            return Some(Self::Group(group));
        }
        let rest = id.strip_prefix(ASSIGNMENT)?;
        let (account, set) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self::Assignment { account, set })
    }

    /// Whether something can have such an id, for one that somebody asks for.
    pub(super) fn is_well_formed(self) -> bool {
        match self {
            Self::Group(group) => !group.is_empty(),
            Self::Assignment { account, set } => {
                let digits = account.bytes().all(|digit| digit.is_ascii_digit());
                account.len() == 12 && digits && set.contains(":permissionSet/")
            }
        }
    }
}

/// The fact that holds the id of a group's membership.
fn membership_of(group: &str) -> String {
    format!("idc-membership:{group}")
}

/// Whether the account is an IAM user, and not only one of Identity Center.
pub(super) fn has_iam_user(account: &Account) -> bool {
    account.facts.get(USER) != Some(&account.id)
}

/// Whether the account has a user in Identity Center.
pub(super) fn has_user(account: &Account) -> bool {
    account.facts.contains_key(USER)
}

/// Whether there is an IAM user that is not denied everything.
pub(super) fn is_iam_user_open(account: &Account) -> bool {
    let denied = account.facts.contains_key(DENIED);
    has_iam_user(account) && account.status == AccountStatus::Active && !denied
}

/// Whether an action on this target is about Identity Center: about a grant of it, or about the user itself.
pub(super) fn is_meant(account: &Account, target: &str) -> bool {
    Target::parse(target).is_some() || account.facts.get(USER).is_some_and(|user| user == target)
}

/// What to take, assignments before memberships, each the privileged ones first.
pub(super) fn revoke(found: &Inventory) -> Vec<Action> {
    let mut held: Vec<(bool, bool, &Grant)> = Vec::new();
    for grant in &found.grants {
        if let Some(target) = Target::parse(&grant.id) {
            held.push((matches!(target, Target::Group(_)), !grant.privileged, grant));
        }
    }
    held.sort_by_key(|(is_group, plain, _)| (*is_group, *plain));
    let taken =
        |(_, _, grant): (_, _, &Grant)| Action::contain(ActionKind::RemoveGroup, &grant.id, &grant.name);
    held.into_iter().map(taken).collect()
}

/// What of the user itself is to be brought back: nothing but that it can sign in, where its source has disabled it since.
pub(super) fn restore(was: &Account, is: &Account) -> Option<Action> {
    let enabled = |account: &Account| has_user(account) && !account.facts.contains_key(DISABLED);
    let id = is.facts.get(USER).filter(|_| enabled(was) && !enabled(is))?;
    let login = is.facts.get(LOGIN).unwrap_or(id);
    Some(Action::contain(ActionKind::EnableAccount, id, format!("{login} in Identity Center")))
}

/// A call of one of the two services.
fn ask((host, prefix): Service, operation: &str, body: Value) -> Query {
    let call = Query::post(std::iter::empty()).at(host).header("x-amz-service", host);
    call.header("x-amz-target", format!("{prefix}.{operation}")).json_as("application/x-amz-json-1.1", body)
}

fn tell((host, prefix): Service, operation: &str, body: Value) -> Command {
    let call = Command::post(std::iter::empty()).at(host).header("x-amz-service", host);
    call.header("x-amz-target", format!("{prefix}.{operation}")).json_as("application/x-amz-json-1.1", body)
}

async fn find<T: DeserializeOwned>(http: &Reader, query: Query) -> Result<Option<T>, Fault> {
    http.find(query).await?.map(|answer: Answer| answer.json()).transpose()
}

impl Center {
    /// `None` where neither the store nor the instance is named: then there is IAM alone.
    ///
    /// # Errors
    /// `CredentialRejected` where one is named without the other, or no instance can be named so.
    pub(super) fn open(settings: &Settings) -> Result<Option<Self>, Fault> {
        let (store, instance) = ("identity_store_id", "instance_arn");
        if settings.optional(store).is_none() && settings.optional(instance).is_none() {
            return Ok(None);
        }
        let center = Self { store: settings.text(store)?, instance: settings.text(instance)? };
        let region = settings.filled(REGION);
        let wrong = |what: &str| {
            let detail = format!("`{what}` in the secret of {} is not one", SPEC.id);
            Err(Fault::new(FaultKind::CredentialRejected, detail))
        };
        match () {
            () if !center.instance.contains(":sso:::instance/") => wrong(instance),
            () if !region.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') => {
                wrong("identity_center_region")
            }
            () => Ok(Some(center)),
        }
    }

    fn in_store(&self, mut body: Value) -> Value {
        body["IdentityStoreId"] = self.store.as_str().into();
        body
    }

    fn in_instance(&self, mut body: Value) -> Value {
        body["InstanceArn"] = self.instance.as_str().into();
        body
    }

    /// Reads about what nobody has, each with the permission that it needs.
    pub(super) fn permissions(&self) -> Vec<(&'static str, Query)> {
        let set =
            format!("{}/ps-0000000000000000", self.instance.replacen(":instance/", ":permissionSet/", 1));
        let of_user = json!({"MemberId": {"UserId": NOBODY}, "MaxResults": 1});
        let principal = json!({"PrincipalId": NOBODY, "PrincipalType": "USER", "MaxResults": 1});
        let store = |operation: &str, body| ask(STORE, operation, self.in_store(body));
        let sso = |operation: &str, body| ask(SSO, operation, self.in_instance(body));
        vec![
            ("identitystore:GetUserId", self.user_id("userName", "leaver-probe")),
            ("identitystore:ListUsers", store("ListUsers", json!({"MaxResults": 1}))),
            ("identitystore:DescribeUser", store("DescribeUser", json!({"UserId": NOBODY}))),
            ("identitystore:ListGroupMembershipsForMember", store("ListGroupMembershipsForMember", of_user)),
            ("identitystore:DescribeGroup", store("DescribeGroup", json!({"GroupId": NOBODY}))),
            ("sso:ListAccountAssignmentsForPrincipal", sso("ListAccountAssignmentsForPrincipal", principal)),
            ("sso:DescribePermissionSet", sso("DescribePermissionSet", json!({"PermissionSetArn": set}))),
            ("sso:DescribeAccountAssignmentCreationStatus", self.progress(true, NOBODY)),
            ("sso:DescribeAccountAssignmentDeletionStatus", self.progress(false, NOBODY)),
        ]
    }

    fn user_id(&self, attribute: &str, value: &str) -> Query {
        let unique = json!({"AttributePath": attribute, "AttributeValue": value});
        let body = json!({"AlternateIdentifier": {"UniqueAttribute": unique}});
        ask(STORE, "GetUserId", self.in_store(body))
    }

    fn progress(&self, give: bool, request: &str) -> Query {
        let kind = if give { "Creation" } else { "Deletion" };
        let body = json!({format!("AccountAssignment{kind}RequestId"): request});
        ask(SSO, &format!("DescribeAccountAssignment{kind}Status"), self.in_instance(body))
    }

    /// A page of all users, and where the next begins. One that holds nothing cannot do anything: that is what a revocation comes to.
    pub(super) async fn roster(
        &self,
        http: &Reader,
        token: Option<&str>,
    ) -> Result<(Vec<Seen>, Option<String>), Fault> {
        let mut body = json!({"MaxResults": 25});
        token.into_iter().for_each(|token| body["NextToken"] = token.into());
        let page: Users = http.ask(ask(STORE, "ListUsers", self.in_store(body))).await?.json()?;
        let mut all = Vec::new();
        for user in page.users {
            let id = user.user_id.as_str();
            let (memberships, assignments) =
                tokio::try_join!(self.memberships(http, id), self.assignments(http, id))?;
            let disabled = user.user_status.as_deref() == Some("DISABLED");
            let holds = !memberships.is_empty() || !assignments.is_empty();
            let status = if holds && !disabled { AccountStatus::Active } else { AccountStatus::Suspended };
            let login = user.user_name.unwrap_or_else(|| user.user_id.clone());
            all.push(Seen {
                email: user.emails.into_iter().find_map(|email| email.value),
                realm: Some("Identity Center".to_owned()),
                ..Seen::new(user.user_id, login, status)
            });
        }
        Ok((all, page.next_token))
    }

    /// The person's user and what it holds.
    pub(super) async fn held(&self, http: &Reader, who: &Person) -> Result<Option<Held>, Fault> {
        let named = who.login(SPEC.id);
        let by_name = if named.is_some() { "login" } else { "username" };
        let name = named.unwrap_or(who.username.as_str());
        let by = [("emails.value", who.email.as_str(), "email"), ("userName", name, by_name)];
        for (attribute, value, matched_by) in by {
            let id = find::<UserId>(http, self.user_id(attribute, value)).await?;
            let Some(UserId { user_id }) = id else { continue };
            let query = ask(STORE, "DescribeUser", self.in_store(json!({"UserId": user_id})));
            let Some(user) = find::<Described>(http, query).await? else { continue };
            confirm(who, &user)?;
            let memberships = self.memberships(http, &user.user_id).await?;
            let assignments = self.assignments(http, &user.user_id).await?;
            let grants = self.grants(http, &memberships, &assignments).await?;
            return Ok(Some(Held { user, matched_by, memberships, grants }));
        }
        Ok(None)
    }

    async fn memberships(&self, http: &Reader, user: &str) -> Result<Vec<Membership>, Fault> {
        let query = |token: Option<&str>| {
            let mut body = json!({"MemberId": {"UserId": user}, "MaxResults": PAGE});
            token.into_iter().for_each(|token| body["NextToken"] = token.into());
            Ok(ask(STORE, "ListGroupMembershipsForMember", self.in_store(body)))
        };
        let each = |answer: &Answer| {
            answer.json::<Memberships>().map(|page| (page.group_memberships, page.next_token))
        };
        page::by_token(http, query, each).await
    }

    /// Those through groups among them.
    async fn assignments(&self, http: &Reader, user: &str) -> Result<Vec<Assignment>, Fault> {
        let query = |token: Option<&str>| {
            let mut body = json!({"PrincipalId": user, "PrincipalType": "USER", "MaxResults": PAGE});
            token.into_iter().for_each(|token| body["NextToken"] = token.into());
            Ok(ask(SSO, "ListAccountAssignmentsForPrincipal", self.in_instance(body)))
        };
        let each = |answer: &Answer| {
            answer.json::<Assignments>().map(|page| (page.account_assignments, page.next_token))
        };
        page::by_token(http, query, each).await
    }

    async fn grants(
        &self,
        http: &Reader,
        memberships: &[Membership],
        assignments: &[Assignment],
    ) -> Result<Vec<Grant>, Fault> {
        let sets: BTreeSet<&str> = assignments.iter().map(|one| one.permission_set_arn.as_str()).collect();
        let mut names = BTreeMap::new();
        for arn in sets {
            let query = ask(SSO, "DescribePermissionSet", self.in_instance(json!({"PermissionSetArn": arn})));
            let found = find::<PermissionSet>(http, query).await?;
            let name = found.and_then(|found| found.permission_set.name);
            names.insert(arn, name.unwrap_or_else(|| arn.rsplit('/').next().unwrap_or(arn).to_owned()));
        }
        let mut all: Vec<Grant> = assignments.iter().filter_map(|one| direct(one, &names)).collect();
        for Membership { group_id, .. } in memberships {
            let query = ask(STORE, "DescribeGroup", self.in_store(json!({"GroupId": group_id})));
            let name = find::<Group>(http, query).await?.and_then(|group| group.display_name);
            let name = name.unwrap_or_else(|| group_id.clone());
            let gives_power = assignments.iter().any(|one| {
                let set = names.get(one.permission_set_arn.as_str());
                one.principal_id == *group_id && set.is_some_and(|name| sounds_privileged(name))
            });
            let privileged = gives_power || sounds_privileged(&name);
            all.push(super::grant(format!("{GROUP}{group_id}"), GrantKind::Group, name, privileged));
        }
        Ok(all)
    }

    /// Gives or takes what an action names.
    pub(super) async fn apply(
        &self,
        http: &Writer,
        account: &Account,
        action: &Action,
    ) -> Result<Outcome, Fault> {
        let missing = || Fault::new(FaultKind::NotFound, "the person has no user in Identity Center");
        let user = account.facts.get(USER).ok_or_else(missing)?;
        let wrong = || Fault::new(FaultKind::Internal, "not an action of this adapter");
        let give = match action.kind {
            ActionKind::AddGrant => true,
            ActionKind::RemoveGroup => false,
            ActionKind::EnableAccount => {
                let detail =
                    "the user's own source disabled it in Identity Center, and it alone can enable it";
                return Err(Fault::new(FaultKind::Conflict, detail));
            }
            _ => return Err(wrong()),
        };
        let target = Target::parse(&action.target).ok_or_else(wrong)?;
        let told = match target {
            Target::Group(group) => self.tell_membership(http, (account, user), group, give).await,
            Target::Assignment { account, set } => {
                self.tell_assignment(http, user, (account, set), give).await
            }
        };
        match told {
            // What such a refusal means, a read says: it was so already, or it is refused.
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Conflict) => {
                match self.holds(http, user, target).await? == give {
                    true => Ok(Outcome::Already),
                    false => Err(fault),
                }
            }
            told => told,
        }
    }

    async fn holds(&self, http: &Reader, user: &str, target: Target<'_>) -> Result<bool, Fault> {
        Ok(match target {
            Target::Group(group) => {
                self.memberships(http, user).await?.iter().any(|held| held.group_id == group)
            }
            Target::Assignment { account, set } => {
                let all = self.assignments(http, user).await?;
                all.iter().any(|held| {
                    let direct = held.principal_type != THROUGH_GROUP;
                    direct && held.account_id == account && held.permission_set_arn == set
                })
            }
        })
    }

    async fn tell_membership(
        &self,
        http: &Writer,
        (account, user): (&Account, &str),
        group: &str,
        give: bool,
    ) -> Result<Outcome, Fault> {
        if give {
            let body = self.in_store(json!({"GroupId": group, "MemberId": {"UserId": user}}));
            http.tell(tell(STORE, "CreateGroupMembership", body)).await?;
            return Ok(Outcome::Done);
        }
        let Some(membership) = account.facts.get(&membership_of(group)) else { return Ok(Outcome::Already) };
        let body = self.in_store(json!({"MembershipId": membership}));
        http.tell(tell(STORE, "DeleteGroupMembership", body)).await?;
        Ok(Outcome::Done)
    }

    async fn tell_assignment(
        &self,
        http: &Writer,
        user: &str,
        (account, set): (&str, &str),
        give: bool,
    ) -> Result<Outcome, Fault> {
        let body = self.in_instance(json!({
            "TargetId": account, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": set,
            "PrincipalType": "USER", "PrincipalId": user,
        }));
        let operation = if give { "CreateAccountAssignment" } else { "DeleteAccountAssignment" };
        let mut now = http.tell(tell(SSO, operation, body)).await?.json::<Progress>()?.progress;
        let (mut waited, mut wait) = (Duration::ZERO, Duration::from_millis(25));
        loop {
            match (now.status.as_str(), &now.request_id) {
                ("SUCCEEDED", _) => return Ok(Outcome::Done),
                ("FAILED", _) => return Err(failed(give)),
                (_, Some(request)) => {
                    let enough = waited >= PATIENCE || http.left() < wait + READ_BACK;
                    if enough || !http.pause(wait).await {
                        return Ok(Outcome::Accepted);
                    }
                    (waited, wait) = (waited + wait, (wait * 2).min(Duration::from_secs(2)));
                    now = http.ask(self.progress(give, request)).await?.json::<Progress>()?.progress;
                }
                (_, None) => return Ok(Outcome::Accepted),
            }
        }
    }
}

fn failed(give: bool) -> Fault {
    let what = if give { "make" } else { "delete" };
    Fault::new(FaultKind::Conflict, format!("Identity Center failed to {what} an account assignment"))
}

/// The grant of an assignment to the user itself; those through a group go with the membership.
fn direct(one: &Assignment, names: &BTreeMap<&str, String>) -> Option<Grant> {
    if one.principal_type == THROUGH_GROUP {
        return None;
    }
    let arn = one.permission_set_arn.as_str();
    let set = names.get(arn).map_or(arn, String::as_str);
    let id = format!("{ASSIGNMENT}{}/{arn}", one.account_id);
    let name = format!("{set} in {}", one.account_id);
    Some(super::grant(id, GrantKind::Role, name, sounds_privileged(set)))
}

/// A user that carries an address of somebody else is not guessed to be the person.
fn confirm(who: &Person, user: &Described) -> Result<(), Fault> {
    let mut emails = user.emails.iter().filter_map(|email| email.value.as_deref()).peekable();
    if emails.peek().is_none() || emails.any(|email| email.eq_ignore_ascii_case(&who.email)) {
        return Ok(());
    }
    let detail = format!("the Identity Center user {} has another person's e-mail address", user.user_id);
    Err(Fault::new(FaultKind::Ambiguous, detail))
}

impl Held {
    /// Together with what was found in IAM: one account, the IAM user's where there is one.
    pub(super) fn beside(self, iam: Inventory) -> Inventory {
        let Described { user_id, user_name, user_status, .. } = self.user;
        let disabled = user_status.as_deref() == Some("DISABLED");
        let login = user_name.unwrap_or_else(|| user_id.clone());
        let mut facts =
            BTreeMap::from([(USER.to_owned(), user_id.clone()), (LOGIN.to_owned(), login.clone())]);
        facts.extend(disabled.then(|| (DISABLED.to_owned(), "true".to_owned())));
        facts.extend(
            self.memberships.into_iter().map(|one| (membership_of(&one.group_id), one.membership_id)),
        );
        let has_power = !disabled && !self.grants.is_empty();
        let privileged = self.grants.iter().any(|grant| grant.privileged);
        let status = if has_power { AccountStatus::Active } else { AccountStatus::Suspended };
        let mut all = match iam.account {
            Some(_) => iam,
            None => Inventory::of(
                Account {
                    id: user_id,
                    login,
                    status,
                    matched_by: self.matched_by.to_owned(),
                    privileged,
                    last_login: None,
                    facts: BTreeMap::new(),
                },
                Sessions::Unreadable,
            ),
        };
        if let Some(account) = &mut all.account {
            account.facts.append(&mut facts);
            account.privileged |= privileged;
            if has_iam_user(account) && account.status != AccountStatus::Active {
                account.facts.insert(DENIED.to_owned(), "true".to_owned());
                account.status = status;
            }
        }
        all.grants.extend(self.grants);
        all
    }
}
