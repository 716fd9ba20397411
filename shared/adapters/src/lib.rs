//! Adapters: how each outside system is read and how access is taken away in it.
//!
//! An adapter says what there is and what could be done; [`run`] decides when. It never loops, retries, waits,
//! verifies or judges by itself. A new system is one file beside this one and one row in [`systems!`].

pub mod auth;
pub mod canary;
pub mod custom;
pub mod graphql;
mod gusto;
pub mod handover;
pub mod http;
pub mod ldap;
pub mod messenger;
pub mod pace;
pub mod page;
pub mod restore;
pub mod run;
pub mod scim;
pub mod settings;
pub mod sigv4;
pub mod witness;

use async_trait::async_trait;
use handover::Progress;
use http::{Reader, Writer};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::{Account, Asset, Grant, GrantKind, Inventory, Next},
    person::Person,
    plan::{Action, ActionKind, Outcome},
    risk::Activity,
    roster::{Mark, Page},
    time::Timestamp,
    transfers::Heir,
};
use std::time::Duration;

/// The registry: hands its rows, in alphabetical order, to another macro.
///
/// The adapters, the sandbox's stand-ins, the template's functions and the suites are all made from these rows, so
/// that a row without its file, or a file without its stand-in, does not compile.
#[macro_export]
macro_rules! systems {
    ($then:ident) => {
        $then! {
            active_directory
            aws_iam
            badge
            benefits
            bitwarden
            equipment
            figma
            github
            google_workspace
            hris
            linear
            microsoft_365
            notion
            okta
            onepassword
            payroll
            postgresql
            salesforce
            sharepoint
            slack
            vpn
        }
    };
}

macro_rules! register {
    ($($id:ident)*) => {
        $(pub mod $id;)*

        /// What is known of every system, in alphabetical order of its id.
        pub const SPECS: &[&Spec] = &[$(&$id::SPEC),*];

        /// The adapter of a system and the way it authenticates, for one deployment's settings.
        ///
        /// # Errors
        /// `Internal` for an id without a row; `CredentialRejected` where a setting is missing or unusable.
        pub fn open(id: &str, settings: &settings::Settings) -> Result<(Box<dyn Adapter>, auth::Auth), Fault> {
            match id {
                $(stringify!($id) => $id::open(settings),)*
                _ => Err(Fault::new(FaultKind::Internal, format!("there is no adapter for {id}"))),
            }
        }
    };
}
systems!(register);

/// What is known of a system without asking it.
#[derive(Debug)]
pub struct Spec {
    /// The system's id, as in contracts, policy and rows.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What a leaver has there.
    pub part: Part,
    /// Where its API listens: a host's name (empty for the main one) and its address at the vendor.
    pub hosts: http::Hosts,
    /// The settings its secret holds, with what each is. Of one that may be left out the text begins with `optional`.
    pub settings: &'static [(&'static str, &'static str)],
    /// Scopes, roles or permissions that its credential needs.
    pub scopes: &'static [&'static str],
    /// What is done when somebody leaves, step by step, in the vendor's order.
    pub order: &'static [&'static str],
    /// What nobody can take away, or only later.
    pub residuals: &'static [&'static str],
    /// How an administrator of the vendor's product sets leaver up there, step by step.
    pub setup: &'static [&'static str],
    /// Whether it tells all of its accounts.
    pub roster: Roster,
    /// The page or document that describes the calls.
    pub source: &'static str,
}

/// Whether a system tells all of its accounts. Each is a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roster {
    /// It does: what is listed, and what the list does not say.
    Listed(&'static str),
    /// It does not, or has none: why.
    Unlisted(&'static str),
}

impl Roster {
    /// Whether [`Adapter::roster`] can be asked.
    pub fn is_listed(self) -> bool {
        matches!(self, Self::Listed(_))
    }
}

/// What a leaver has in a system, and so what "revoked" means there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An account that gives access: it is disabled.
    Account,
    /// Permissions and links of an account that another system disables: they are taken away one by one.
    Shares,
    /// An employment or a benefit that has to end, and gives no access.
    Record,
    /// Things that have to come back, by a ticket.
    Ticket,
    /// The source that says who is employed: it is read, and never written to.
    Source,
}

impl Part {
    /// The action that stands in every full plan of a system of this kind; `None` where nothing is ever done.
    pub fn action(self) -> Option<ActionKind> {
        match self {
            Self::Account => Some(ActionKind::DisableAccount),
            Self::Shares => Some(ActionKind::RemoveGroup),
            Self::Record => Some(ActionKind::RecordEnd),
            Self::Ticket => Some(ActionKind::OpenTicket),
            Self::Source => None,
        }
    }
}

/// A scope that leaver's credential lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// One of [`Spec::scopes`].
    pub scope: &'static str,
    /// What showed it: the read that was refused, or what the vendor says of the credential.
    pub shown_by: String,
}

/// Tries reads that each need one scope: those that the vendor forbids are missing. Writes nothing.
///
/// # Errors
/// What the reads say, but for `PermissionMissing`; what is not there, or not in this state, was allowed to be read.
pub async fn missing_by_reads(
    http: &Reader,
    reads: impl IntoIterator<Item = (&'static str, http::Query)>,
) -> Result<Vec<Missing>, Fault> {
    let mut missing = Vec::new();
    for (scope, read) in reads {
        match http.ask(read).await {
            Ok(_) => {}
            Err(fault) if fault.kind == FaultKind::PermissionMissing => {
                missing.push(Missing { scope, shown_by: fault.detail });
            }
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Conflict) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(missing)
}

impl Spec {
    /// Whether its secret may be left empty: no setting is needed.
    pub fn needs_no_setting(&self) -> bool {
        self.settings.iter().all(|(_, what)| what.starts_with("optional"))
    }

    /// The description of a system; `None` for an id without a row.
    pub fn of(id: &str) -> Option<&'static Self> {
        SPECS.iter().copied().find(|spec| spec.id == id)
    }
}

/// Access that is known to outlive its revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residue {
    /// What lives on.
    pub what: String,
    /// For how long after the revocation; `None` where nobody can say.
    pub lasts: Option<Duration>,
}

/// A grant of which nothing but the id is known.
fn asked_for(id: &str) -> Grant {
    let (id, name) = (id.to_owned(), id.to_owned());
    Grant { id, kind: GrantKind::Group, name, privileged: false, fixed: None, sole_holder: false }
}

/// One outside system. Reads take a [`Reader`], which cannot write; only [`Adapter::apply`] gets a [`Writer`].
#[async_trait]
pub trait Adapter: Send + Sync {
    /// What is known of the system without asking it.
    fn spec(&self) -> &'static Spec;

    /// Finds the person's account and all that hangs on it. Must not use an endpoint that may answer from the past,
    /// because the same read is the verification.
    ///
    /// # Errors
    /// `Ambiguous` where more than one account matches; otherwise what the calls say.
    async fn discover(&self, http: &Reader, who: &Person) -> Result<Inventory, Fault>;

    /// What the account did since an instant. A log that this plan or credential cannot read is an answer, not an error.
    ///
    /// # Errors
    /// Those after which the whole reading should be repeated, such as `Throttled` and `Unavailable`.
    async fn activity(&self, http: &Reader, who: &Account, since: Timestamp) -> Result<Activity, Fault>;

    /// What to do so that nothing of this is left, in the vendor's order. Pure. Empty for what is revoked already,
    /// except for actions that only a receipt can evidence.
    fn revoke(&self, found: &Inventory) -> Vec<Action>;

    /// What to do so that all that can be restored of `before` is there again. Pure. Without more to say of a vendor: the account
    /// can be used, and what it held is given again.
    fn restore(&self, before: &Inventory, now: &Inventory) -> Vec<Action> {
        restore::plainly(before, now)
    }

    /// Whether a grant that is held is the one that somebody names, by the vendor's id or its name.
    fn is_named(&self, held: &Grant, name: &str) -> bool {
        held.id == name || held.name == name
    }

    /// The grant that somebody asks for, by an id in the form of this adapter's own; `None` where it can only be brought
    /// back, or such an id is none. Pure.
    fn grant(&self, id: &str) -> Option<Grant> {
        Some(asked_for(id))
    }

    /// Whether leaver can give this thing, which outlives its owner, to somebody else by itself. Where it cannot, somebody has to.
    fn hands_over(&self, _asset: &Asset) -> bool {
        false
    }

    /// What gives to an heir what the person owned. Pure. It goes behind what contains, and before licences are given back.
    fn transfer(&self, found: &Inventory, to: &Heir) -> Vec<Action> {
        let can = |asset: &&Asset| asset.next == Next::Transfer && self.hands_over(asset);
        found.assets.iter().filter(can).map(|asset| handover::action(asset, to)).collect()
    }

    /// The account of somebody who is to take over; `None` where they have none.
    ///
    /// # Errors
    /// `Ambiguous` where more than one account matches; otherwise what the calls say.
    async fn heir(&self, _http: &Reader, _who: &Person) -> Result<Option<Account>, Fault> {
        Ok(None)
    }

    /// How far the transfer of a thing to an account is, by a fresh read. `found` was read just now.
    ///
    /// # Errors
    /// What the calls say.
    async fn transferred(
        &self,
        _http: &Reader,
        found: &Inventory,
        asset: &str,
        _to: &str,
    ) -> Result<Progress, Fault> {
        Ok(handover::by_absence(found, asset))
    }

    /// Does one action. "Already so" is an outcome only where a read has just shown it.
    ///
    /// # Errors
    /// What the call says. The loop reads again and decides what is left.
    async fn apply(&self, http: &Writer, found: &Inventory, action: &Action) -> Result<Outcome, Fault>;

    /// What is known to live on after this inventory was revoked.
    fn residues(&self, before: &Inventory) -> Vec<Residue>;

    /// Which scopes leaver's credential lacks, as far as that can be seen without changing anything: by what the vendor says of
    /// the credential, otherwise by a read that needs the scope.
    ///
    /// # Errors
    /// What the calls say.
    async fn missing(&self, http: &Reader) -> Result<Vec<Missing>, Fault>;

    /// One page of all the accounts that the system has, beginning where an earlier page said, so that an invocation may stop after
    /// any page. Accounts that cannot be used are among them as far as the vendor lists them. Implemented exactly where
    /// [`Spec::roster`] says that it is listed.
    ///
    /// # Errors
    /// What the calls say; `Internal` where the system cannot list.
    async fn roster(&self, _http: &Reader, _from: Option<&Mark>) -> Result<Page, Fault> {
        let id = self.spec().id;
        Err(Fault::new(FaultKind::Internal, format!("{id} does not list its accounts")))
    }

    /// The cheapest read that shows that address and credential work.
    ///
    /// # Errors
    /// What the call says.
    async fn probe(&self, http: &Reader) -> Result<(), Fault>;
}
