//! What a person has in the directory: read entry by entry, each list to its end.

use super::values::{DISABLED, guid, instant, rid, sid};
use crate::ldap::{Entry, Search, Wanted, all, any, by_rule, has, is, not};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{
        Account, AccountStatus, Asset, Credential, CredentialKind, Grant, GrantKind, Inventory, Next,
        Sessions,
    },
    person::Person,
};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt::Write as _};

/// The server's rule "these bits are set".
const BITS: &str = "1.2.840.113556.1.4.803";
/// The server's rule "over any number of groups in groups".
const CHAIN: &str = "1.2.840.113556.1.4.1941";
/// Entries that are asked what may be written of them: rights are given by organisational unit.
const SAMPLE: usize = 50;
/// The built-in administrator, who is nobody's own account.
const BUILT_IN_ADMINISTRATOR: u32 = 500;
/// Groups that rule the whole domain or forest: Domain Admins, Schema Admins, Enterprise Admins, Administrators.
const RULERS: [u32; 4] = [512, 518, 519, 544];
/// Groups with rights beyond a user's: the rulers, creators of group policy, Key Admins, and the operators.
const PRIVILEGED: [u32; 13] = [512, 517, 518, 519, 520, 526, 527, 544, 548, 549, 550, 551, 556];
/// Attributes whose values let somebody prove being this person, and what they are.
pub(super) const KEYS: [(&str, CredentialKind, &str); 3] = [
    ("msDS-KeyCredentialLink", CredentialKind::Factor, "Windows Hello or security key"),
    ("altSecurityIdentities", CredentialKind::Certificate, "mapped certificate or principal"),
    ("userCertificate", CredentialKind::Certificate, "published certificate"),
];
/// The id of the password.
pub(super) const PASSWORD: &str = "password";

pub(super) const USER: &[&str] = &[
    "objectClass",
    "displayName",
    "objectGUID",
    "objectSid",
    "sAMAccountName",
    "mail",
    "employeeID",
    "userAccountControl",
    "primaryGroupID",
    "accountExpires",
    "lastLogonTimestamp",
    "whenCreated",
    "pwdLastSet",
    "adminCount",
    "servicePrincipalName",
    "msDS-KeyCredentialLink",
    "altSecurityIdentities",
    "userCertificate",
];
const GROUP: &[&str] = &["objectGUID", "objectSid", "sAMAccountName", "adminCount"];

/// People's accounts: computers and contacts are none.
pub(super) fn people() -> [crate::ldap::Filter; 2] {
    [is("objectCategory", "person"), is("objectClass", "user")]
}

/// Accounts that are not disabled.
fn enabled() -> crate::ldap::Filter {
    not(by_rule("userAccountControl", BITS, &DISABLED.to_string()))
}

/// Everybody who could be meant: a second account with the same address or number is seen.
async fn candidates(search: &mut Search<'_>, base: &str, who: &Person) -> Result<Vec<Entry>, Fault> {
    let login = who.login("active_directory").unwrap_or(who.username.as_str());
    let one = any([
        is("mail", &who.email),
        is("employeeID", who.employee_id.as_str()),
        is("sAMAccountName", login),
    ]);
    let [person, user] = people();
    search.list(&Wanted { base, deep: true, filter: all([person, user, one]), attributes: USER }).await
}

/// The one account of this person; `None` where there is none.
async fn one(search: &mut Search<'_>, base: &str, who: &Person) -> Result<Option<Entry>, Fault> {
    let mut found = candidates(search, base, who).await?;
    let Some(user) = found.pop() else { return Ok(None) };
    if !found.is_empty() {
        let detail = format!("{} accounts carry this person's login, e-mail or number", found.len() + 1);
        return Err(Fault::new(FaultKind::Ambiguous, detail));
    }
    let (number, mail) = (user.text("employeeID"), user.text("mail"));
    let name = user.text("sAMAccountName").unwrap_or_default();
    if number.is_some_and(|number| number != who.employee_id.as_str()) {
        let detail = format!("the account {name} carries another employee number");
        return Err(Fault::new(FaultKind::Ambiguous, detail));
    }
    // Where the company recorded the login itself, nothing else has to agree.
    let same = mail.is_some_and(|mail| mail.eq_ignore_ascii_case(&who.email));
    if number.is_none() && !same && who.login("active_directory").is_none() {
        let detail = format!("the account {name} carries neither this person's number nor their address");
        return Err(Fault::new(FaultKind::Ambiguous, detail));
    }
    Ok(Some(user))
}

fn matched_by(user: &Entry, who: &Person) -> &'static str {
    if user.text("employeeID").is_some() {
        "employee_id"
    } else if user.text("mail").is_some_and(|mail| mail.eq_ignore_ascii_case(&who.email)) {
        "email"
    } else {
        "login"
    }
}

/// Everything that hangs on this person's account.
pub(super) async fn discover(search: &mut Search<'_>, base: &str, who: &Person) -> Result<Inventory, Fault> {
    let Some(user) = one(search, base, who).await? else { return Ok(Inventory::absent()) };
    let disabled = is_disabled(search, &user).await?;
    let account = account_of(&user, disabled, matched_by(&user, who))?;
    let mut found = Inventory::of(account, Sessions::Unreadable);
    found.grants = grants(search, base, &user).await?;
    found.credentials = credentials(&user, !disabled);
    found.assets = assets(search, base, &user).await?;
    if let Some(account) = &mut found.account {
        account.privileged =
            user.number("adminCount") == Some(1) || found.grants.iter().any(|grant| grant.privileged);
    }
    Ok(found)
}

/// Whether the server itself says so: its own rule over the bits, on the entry.
async fn is_disabled(search: &mut Search<'_>, user: &Entry) -> Result<bool, Fault> {
    let filter = by_rule("userAccountControl", BITS, &DISABLED.to_string());
    let wanted = Wanted { base: &user.dn, deep: false, filter, attributes: &["userAccountControl"] };
    Ok(search.entry(&wanted).await?.is_some())
}

pub(super) fn missing(what: &str) -> Fault {
    Fault::shape(format!("LDAP search: an entry without {what}; leaver's account may not read it"))
}

pub(super) fn id_of(entry: &Entry) -> Result<String, Fault> {
    entry.bytes("objectGUID").and_then(guid).ok_or_else(|| missing("objectGUID"))
}

fn sid_of(entry: &Entry) -> Result<String, Fault> {
    entry.bytes("objectSid").and_then(sid).ok_or_else(|| missing("objectSid"))
}

fn account_of(user: &Entry, disabled: bool, matched_by: &str) -> Result<Account, Fault> {
    let control = user.number("userAccountControl").ok_or_else(|| missing("userAccountControl"))?;
    let mut facts = BTreeMap::from([
        ("dn".to_owned(), user.dn.clone()),
        ("userAccountControl".to_owned(), control.to_string()),
    ]);
    for name in ["primaryGroupID", "accountExpires", "pwdLastSet", "adminCount"] {
        facts.extend(user.text(name).map(|value| (name.to_owned(), value.to_owned())));
    }
    Ok(Account {
        id: id_of(user)?,
        login: user.text("sAMAccountName").ok_or_else(|| missing("sAMAccountName"))?.to_owned(),
        status: if disabled { AccountStatus::Suspended } else { AccountStatus::Active },
        matched_by: matched_by.to_owned(),
        privileged: false,
        last_login: user.number("lastLogonTimestamp").and_then(instant),
        facts,
    })
}

/// The groups of which the account is a member itself, and its primary group, which lists no members.
async fn grants(search: &mut Search<'_>, base: &str, user: &Entry) -> Result<Vec<Grant>, Fault> {
    let member = all([is("objectClass", "group"), is("member", &user.dn)]);
    let groups = search.list(&Wanted { base, deep: true, filter: member, attributes: GROUP }).await?;
    let mut held = Vec::new();
    for group in &groups {
        held.push(grant_of(search, base, group, user, None).await?);
    }
    let own = sid_of(user)?;
    if let (Some(number), Some((domain, _))) = (user.number("primaryGroupID"), own.rsplit_once('-')) {
        let filter = is("objectSid", &format!("{domain}-{number}"));
        let primary = search.list(&Wanted { base, deep: true, filter, attributes: GROUP }).await?;
        for group in &primary {
            let why = "the account's primary group: every account has one".to_owned();
            held.push(grant_of(search, base, group, user, Some(why)).await?);
        }
    }
    Ok(held)
}

async fn grant_of(
    search: &mut Search<'_>,
    base: &str,
    group: &Entry,
    user: &Entry,
    fixed: Option<String>,
) -> Result<Grant, Fault> {
    let number = rid(&sid_of(group)?);
    // The directory marks groups that lie in a protected one, however deep.
    let privileged =
        number.is_some_and(|number| PRIVILEGED.contains(&number)) || group.number("adminCount") == Some(1);
    let rules = number.filter(|number| RULERS.contains(number));
    let sole_holder = match rules {
        Some(number) => is_alone(search, base, group, number, user).await?,
        None => false,
    };
    Ok(Grant {
        id: id_of(group)?,
        kind: GrantKind::Group,
        name: group.text("sAMAccountName").unwrap_or(&group.dn).to_owned(),
        privileged,
        fixed,
        sole_holder,
    })
}

/// Whether no other person's account that works is in a group, over any number of groups in groups.
async fn is_alone(
    search: &mut Search<'_>,
    base: &str,
    group: &Entry,
    number: u32,
    user: &Entry,
) -> Result<bool, Fault> {
    let within = any([by_rule("memberOf", CHAIN, &group.dn), is("primaryGroupID", &number.to_string())]);
    let [person, class] = people();
    let filter = all([person, class, enabled(), within]);
    let wanted = Wanted { base, deep: true, filter, attributes: &["objectGUID", "objectSid"] };
    let own = sid_of(user)?;
    for holder in search.list(&wanted).await? {
        let holder = sid_of(&holder)?;
        if holder != own && rid(&holder) != Some(BUILT_IN_ADMINISTRATOR) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The id of a value of one of [`KEYS`]: values may be long, and only their holder's entry has them.
pub(super) fn key_id(attribute: &str, value: &[u8]) -> String {
    let digest = Sha256::digest(value);
    let mut id = format!("{attribute}:");
    for byte in digest.iter().take(16) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

fn credentials(user: &Entry, works: bool) -> Vec<Credential> {
    let credential = |id: String, kind, label: String, created_at, active| Credential {
        id,
        kind,
        label,
        created_at,
        last_used: None,
        active,
    };
    let set = user.number("pwdLastSet").and_then(instant);
    let mut held =
        vec![credential(PASSWORD.to_owned(), CredentialKind::Password, "password".to_owned(), set, works)];
    for (attribute, kind, label) in KEYS {
        for (place, value) in user.all(attribute).iter().enumerate() {
            let label = format!("{label} {}", place + 1);
            held.push(credential(key_id(attribute, value), kind, label, None, true));
        }
    }
    held
}

/// Services that run under this account, and groups that it manages.
async fn assets(search: &mut Search<'_>, base: &str, user: &Entry) -> Result<Vec<Asset>, Fault> {
    let mut owned: Vec<Asset> = Vec::new();
    for name in user.texts("servicePrincipalName") {
        owned.push(Asset {
            id: format!("spn:{name}"),
            kind: "service".to_owned(),
            name: name.to_owned(),
            live_automation: true,
            next: Next::Task,
        });
    }
    let managed = all([is("objectClass", "group"), is("managedBy", &user.dn)]);
    for group in search.list(&Wanted { base, deep: true, filter: managed, attributes: GROUP }).await? {
        owned.push(Asset {
            id: id_of(&group)?,
            kind: "managed group".to_owned(),
            name: group.text("sAMAccountName").unwrap_or(&group.dn).to_owned(),
            live_automation: false,
            next: Next::Transfer,
        });
    }
    Ok(owned)
}

/// Some ordinary accounts and some ordinary groups, with the attributes that leaver may write, as the directory says itself.
pub(super) async fn writable(search: &mut Search<'_>, base: &str) -> Result<[Vec<Entry>; 2], Fault> {
    // Those that came with the domain are protected in part.
    let ordinary = || not(any([is("adminCount", "1"), has("isCriticalSystemObject")]));
    let [person, class] = people();
    let attributes = &["allowedAttributes", "allowedAttributesEffective"];
    let user = Wanted { base, deep: true, filter: all([person, class, ordinary()]), attributes };
    let filter = all([is("objectClass", "group"), ordinary()]);
    let group = Wanted { base, deep: true, filter, attributes };
    Ok([search.some(&user, SAMPLE).await?, search.some(&group, SAMPLE).await?])
}
