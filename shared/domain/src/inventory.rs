//! What a person has in one system: account, sessions, credentials, grants and what they own.

use crate::{digest::Digest, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most entries of one inventory. A person beyond that is a finding for a human, not a longer loop.
pub const MAX_ENTRIES: usize = 5_000;

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// It can log in.
    Active,
    /// It exists and cannot log in; reversible.
    Suspended,
    /// The vendor holds it as deprovisioned or removed, harder to reverse or not at all.
    Deactivated,
}

/// What a person is in one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The vendor's immutable id.
    pub id: String,
    /// The name that the person logs in with.
    pub login: String,
    /// Whether it can be used.
    pub status: AccountStatus,
    /// Which of the person's attributes found it, such as `email` or `employee_id`.
    pub matched_by: String,
    /// Whether the vendor treats it as an administrator or owner.
    pub privileged: bool,
    /// Last login that the vendor reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Timestamp>,
    /// Further facts that restoring needs, by the adapter's own names. Never a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

/// What can be known about live sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "known", content = "value")]
pub enum Sessions {
    /// The vendor lists them: ids or labels of those alive now.
    Listed(Vec<String>),
    /// The vendor tells the instant before which every session is void.
    ValidFrom(Option<Timestamp>),
    /// The vendor has no way to read them. Ending them is evidenced by its answer to the call alone.
    Unreadable,
}

/// What kind of credential it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// Password or login profile.
    Password,
    /// OAuth grant or token given to an application.
    OauthToken,
    /// Long-lived API key or access key.
    ApiKey,
    /// Personal access token.
    PersonalAccessToken,
    /// Password for one application, bypassing the second factor.
    AppPassword,
    /// SSH public key.
    SshKey,
    /// Certificate.
    Certificate,
    /// Second factor, phone or hardware key.
    Factor,
    /// A trusted device or its registration.
    Device,
    /// Single-use backup codes.
    BackupCodes,
}

/// A means to prove being this person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The vendor's id; never the secret itself.
    pub id: String,
    /// What kind it is.
    pub kind: CredentialKind,
    /// For a human to recognise.
    pub label: String,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
    /// False where the vendor keeps it but it no longer works, such as an inactive access key.
    pub active: bool,
}

/// What kind of permission it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// Membership of a group, team or channel.
    Group,
    /// A role, administrative or not.
    Role,
    /// A paid seat.
    Licence,
    /// An access policy bound to the account.
    Policy,
    /// Access to one application, repository or site.
    Resource,
    /// Mail forwarded or a mailbox delegated to somebody else.
    Delegation,
}

/// A permission that this person holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The vendor's id, enough to remove and to add it again.
    pub id: String,
    /// What kind it is.
    pub kind: GrantKind,
    /// For a human to recognise.
    pub name: String,
    /// Whether it administers others or owns the tenant.
    pub privileged: bool,
    /// Why the vendor does not let it be removed directly, such as membership by rule; `None` where it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// Whether this person is the only one who holds it.
    #[serde(default)]
    pub sole_holder: bool,
}

/// Something that the person owns or created and that lives on without them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// The vendor's id.
    pub id: String,
    /// What it is, in the vendor's word: `repository`, `automation`, `deploy_key`, `oauth_app`, `file` ...
    pub kind: String,
    /// For a human to recognise.
    pub name: String,
    /// Whether it runs by itself or holds a credential that others depend on.
    pub live_automation: bool,
    /// What has to become of it.
    #[serde(default)]
    pub next: Next,
}

/// What has to become of something that outlives its owner's access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// It goes with the account, by an action of the plan.
    Revoke,
    /// It gets another owner: the manager, where nobody else is named.
    Transfer,
    /// A secret that the person could read: whoever uses it gets a new one.
    Rotate,
    /// Somebody has to look at it.
    #[default]
    Task,
}

/// All that was found of one person in one system, at one reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The account; `None` where the person has none.
    pub account: Option<Account>,
    /// Live sessions, as far as they can be known.
    pub sessions: Sessions,
    /// Means to prove being this person.
    pub credentials: Vec<Credential>,
    /// Permissions held.
    pub grants: Vec<Grant>,
    /// What lives on without them.
    pub assets: Vec<Asset>,
}

impl Inventory {
    /// Of a person who has no account here.
    pub fn absent() -> Self {
        Self {
            account: None,
            sessions: Sessions::Listed(Vec::new()),
            credentials: Vec::new(),
            grants: Vec::new(),
            assets: Vec::new(),
        }
    }

    /// Of an account, with nothing else read yet.
    pub fn of(account: Account, sessions: Sessions) -> Self {
        Self { account: Some(account), sessions, ..Self::absent() }
    }

    /// Whether the account exists and can log in.
    pub fn is_active(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.status == AccountStatus::Active)
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.credentials.len() + self.grants.len() + self.assets.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The before- or after-state of a ledger row (requirement A7's `account_status, roles, groups, permissions`).
    pub fn state(&self) -> State {
        let names = |kinds: &[GrantKind]| {
            let mut names: Vec<String> = self
                .grants
                .iter()
                .filter(|grant| kinds.contains(&grant.kind))
                .map(|grant| grant.name.clone())
                .collect();
            names.sort();
            names
        };
        let mut credentials: Vec<String> = self
            .credentials
            .iter()
            .filter(|credential| credential.active)
            .map(|credential| credential.label.clone())
            .collect();
        credentials.sort();
        State {
            account_status: self.account.as_ref().map(|account| account.status),
            roles: names(&[GrantKind::Role]),
            groups: names(&[GrantKind::Group]),
            permissions: names(&[
                GrantKind::Licence,
                GrantKind::Policy,
                GrantKind::Resource,
                GrantKind::Delegation,
            ]),
            credentials,
            sessions: match &self.sessions {
                Sessions::Listed(ids) => Some(ids.len()),
                Sessions::ValidFrom(_) | Sessions::Unreadable => None,
            },
            digest: Digest::of_json(self).unwrap_or(Digest::ZERO),
        }
    }
}

/// An inventory cut down to what people compare: the digest binds it to the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// `None` where there is no account.
    pub account_status: Option<AccountStatus>,
    /// Names of roles held.
    pub roles: Vec<String>,
    /// Names of groups that they belong to.
    pub groups: Vec<String>,
    /// Names of everything else granted.
    pub permissions: Vec<String>,
    /// Labels of credentials that work.
    pub credentials: Vec<String>,
    /// How many sessions live; `None` where the vendor cannot tell.
    pub sessions: Option<usize>,
    /// Of the whole inventory.
    pub digest: Digest,
}
