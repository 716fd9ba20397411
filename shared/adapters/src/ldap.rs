//! The one LDAP client: always inside TLS, the server always verified, answers limited, every result code turned into a
//! fault in one table.
//!
//! It comes in two halves, as the HTTP client does: [`Search`] is opened by a [`Reader`] and has no way to change anything;
//! [`Modify`] can only be opened by a [`Writer`]. Filters are values and not texts, so that nothing in a name can end one.

mod line;

pub use ldap3_proto::LdapFilter as Filter;
pub use line::Server;

use crate::{
    http::{Reader, Writer},
    page::MAX_PAGES,
};
use ldap3_proto::{
    control::LdapControl,
    proto::{
        LdapDerefAliases, LdapMatchingRuleAssertion, LdapModify, LdapModifyRequest, LdapModifyType, LdapOp,
        LdapPartialAttribute, LdapResult, LdapResultCode, LdapSearchRequest, LdapSearchScope,
    },
};
use leaver_domain::{
    fault::{Fault, FaultKind},
    inventory::MAX_ENTRIES,
};
use line::Line;
use std::collections::BTreeMap;

/// Entries that are asked for at once; a server may give fewer.
const PAGE: i64 = 200;
/// Entries that are asked for at once where everything is wanted: what Active Directory gives at most.
const LARGE_PAGE: i64 = 1_000;
/// Most entries of a whole directory. A larger one is a fault, never a silent cut.
const MOST_OF_ALL: usize = 100_000;

/// How much of a list is read.
#[derive(Debug, Clone, Copy)]
struct Amount {
    page: i64,
    /// Enough, where less than all is wanted.
    enough: Option<usize>,
    /// Too many.
    most: usize,
    /// Pages of any size.
    pages: usize,
}

impl Amount {
    /// All that hangs on one account.
    const LIST: Self = Self { page: PAGE, enough: None, most: MAX_ENTRIES, pages: MAX_PAGES };
    /// A whole directory.
    const EVERYTHING: Self = Self { page: LARGE_PAGE, enough: None, most: MOST_OF_ALL, pages: MAX_PAGES * 5 };
}

/// All of these.
pub fn all(of: impl IntoIterator<Item = Filter>) -> Filter {
    Filter::And(of.into_iter().collect())
}

/// One of these.
pub fn any(of: impl IntoIterator<Item = Filter>) -> Filter {
    Filter::Or(of.into_iter().collect())
}

/// Not this.
pub fn not(of: Filter) -> Filter {
    Filter::Not(Box::new(of))
}

/// An attribute has this value.
pub fn is(attribute: &str, value: &str) -> Filter {
    Filter::Equality(attribute.to_owned(), value.to_owned())
}

/// An attribute has a value.
pub fn has(attribute: &str) -> Filter {
    Filter::Present(attribute.to_owned())
}

/// A value matches by one of the server's rules, such as Active Directory's bitwise and.
pub fn by_rule(attribute: &str, rule: &str, value: &str) -> Filter {
    Filter::Extensible(LdapMatchingRuleAssertion {
        matching_rule: Some(rule.to_owned()),
        type_: Some(attribute.to_owned()),
        match_value: value.to_owned(),
        dn_attributes: false,
    })
}

/// One entry that a search found.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its distinguished name.
    pub dn: String,
    values: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// Attributes' names have no case. One of which the server gives only a range of values is refused: what was not read
    /// was not revoked.
    fn of(dn: String, attributes: Vec<LdapPartialAttribute>) -> Result<Self, Fault> {
        let mut values: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for attribute in attributes {
            let name = attribute.atype.to_ascii_lowercase();
            let (name, options) = name.split_once(';').unwrap_or((name.as_str(), ""));
            if options.starts_with("range=") {
                return Err(Fault::shape("LDAP search: an attribute has more values than one answer holds"));
            }
            values.entry(name.to_owned()).or_default().extend(attribute.vals);
        }
        Ok(Self { dn, values })
    }

    /// All values of an attribute.
    pub fn all(&self, name: &str) -> &[Vec<u8>] {
        self.values.get(&name.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The first value of an attribute.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.all(name).first().map(Vec::as_slice)
    }

    /// The first value of an attribute, as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of an attribute that are texts.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).iter().filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of an attribute, as a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.parse().ok())
    }
}

/// Where to look, and for what.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The entry from which on.
    pub base: &'a str,
    /// Only that entry, or everything below it as well.
    pub deep: bool,
    /// Which entries.
    pub filter: Filter,
    /// Which of their attributes.
    pub attributes: &'a [&'a str],
}

/// A connection that reads. It has no way to send a change: a dry run holds nothing else.
pub struct Search<'a> {
    server: &'a Server,
    http: &'a Reader,
    line: Option<Line>,
}

impl<'a> Search<'a> {
    /// To a server. It connects and binds with the first search, and anew after each failure.
    pub fn new(server: &'a Server, http: &'a Reader) -> Self {
        Self { server, http, line: None }
    }

    /// Every entry that matches, through all pages. Outages are tried again within the invocation, from the first page
    /// on: where a page ends is known to the connection only.
    ///
    /// # Errors
    /// As the table of result codes says; `UnexpectedShape` for a list beyond the limits.
    pub async fn list(&mut self, wanted: &Wanted<'_>) -> Result<Vec<Entry>, Fault> {
        self.tried(wanted, Amount::LIST).await
    }

    /// The same for a list of everybody, which is longer than one of what somebody has.
    ///
    /// # Errors
    /// As [`Search::list`].
    pub async fn everything(&mut self, wanted: &Wanted<'_>) -> Result<Vec<Entry>, Fault> {
        self.tried(wanted, Amount::EVERYTHING).await
    }

    /// The first entries that match, at most one page of this size.
    ///
    /// # Errors
    /// As the table of result codes says.
    pub async fn some(&mut self, wanted: &Wanted<'_>, size: usize) -> Result<Vec<Entry>, Fault> {
        let page = i64::try_from(size).unwrap_or(PAGE).min(PAGE);
        self.tried(wanted, Amount { page, enough: Some(size), ..Amount::LIST }).await
    }

    /// One entry, by its name; `None` where there is none, or it does not match.
    ///
    /// # Errors
    /// As the table of result codes says, but for `NotFound`.
    pub async fn entry(&mut self, wanted: &Wanted<'_>) -> Result<Option<Entry>, Fault> {
        match self.list(wanted).await {
            Ok(mut found) => Ok(found.pop()),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn connected(&mut self) -> Result<&mut Line, Fault> {
        match &mut self.line {
            Some(line) => Ok(line),
            line => Ok(line.insert(Line::open(self.server, self.http).await?)),
        }
    }

    async fn tried(&mut self, wanted: &Wanted<'_>, amount: Amount) -> Result<Vec<Entry>, Fault> {
        let again = |kind| matches!(kind, FaultKind::Throttled | FaultKind::Unavailable);
        let mut tried = 0;
        loop {
            tried += 1;
            let fault = match self.once(wanted, amount).await {
                Ok(found) => return Ok(found),
                Err(fault) => fault,
            };
            self.line = None;
            self.http.try_again(tried, fault, again).await?;
        }
    }

    async fn once(&mut self, wanted: &Wanted<'_>, amount: Amount) -> Result<Vec<Entry>, Fault> {
        let http = self.http;
        let line = self.connected().await?;
        let (mut found, mut cookie) = (Vec::new(), Vec::new());
        for _ in 0..amount.pages {
            let (entries, next) = page(line, http, wanted, amount.page, cookie).await?;
            found.extend(entries);
            if next.is_empty() || amount.enough.is_some_and(|enough| found.len() >= enough) {
                return Ok(found);
            }
            if found.len() > amount.most {
                break;
            }
            cookie = next;
        }
        let (pages, most) = (amount.pages, amount.most);
        Err(Fault::shape(format!("a list is longer than {pages} pages or {most} entries")))
    }
}

/// One page (RFC 2696), and where the next one begins; nothing there for the last one, and from a server without pages.
async fn page(
    line: &mut Line,
    http: &Reader,
    wanted: &Wanted<'_>,
    size: i64,
    cookie: Vec<u8>,
) -> Result<(Vec<Entry>, Vec<u8>), Fault> {
    let request = LdapOp::SearchRequest(LdapSearchRequest {
        base: wanted.base.to_owned(),
        scope: if wanted.deep { LdapSearchScope::Subtree } else { LdapSearchScope::Base },
        aliases: LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: i32::try_from(http.call_limit().as_secs().max(1)).unwrap_or(1),
        typesonly: false,
        filter: wanted.filter.clone(),
        attrs: wanted.attributes.iter().map(|name| (*name).to_owned()).collect(),
    });
    let paged = LdapControl::SimplePagedResults { size, cookie: cookie.clone() };
    line.send(http, request, if wanted.deep { vec![paged] } else { Vec::new() }).await?;
    let mut entries = Vec::new();
    loop {
        let message = line.receive(http).await?;
        match message.op {
            LdapOp::SearchResultEntry(entry) => entries.push(Entry::of(entry.dn, entry.attributes)?),
            // Another naming context, in which there are no accounts.
            LdapOp::SearchResultReference(_) => {}
            LdapOp::SearchResultDone(result) => {
                accepted("LDAP search", &result)?;
                let next = message.ctrl.into_iter().find_map(|control| match control {
                    LdapControl::SimplePagedResults { cookie, .. } => Some(cookie),
                    _ => None,
                });
                let next = next.unwrap_or_default();
                if !next.is_empty() && next == cookie && entries.is_empty() {
                    return Err(Fault::shape("a page names itself as the next one"));
                }
                return Ok((entries, next));
            }
            _ => return Err(Fault::shape("LDAP search: an answer of another operation")),
        }
        if entries.len() > MAX_ENTRIES {
            return Err(Fault::shape(format!("LDAP search: more than {MAX_ENTRIES} entries")));
        }
    }
}

/// What is changed about one attribute.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// This value goes; the whole modification is refused where it is not there.
    Delete(&'a str, &'a [u8]),
    /// This value comes; the whole modification is refused where it is there, or another one of a single value.
    Add(&'a str, &'a [u8]),
    /// This value takes the place of whatever is there.
    Replace(&'a str, &'a [u8]),
}

impl Change<'_> {
    fn on_the_wire(self) -> LdapModify {
        let (operation, name, value) = match self {
            Self::Delete(name, value) => (LdapModifyType::Delete, name, value),
            Self::Add(name, value) => (LdapModifyType::Add, name, value),
            Self::Replace(name, value) => (LdapModifyType::Replace, name, value),
        };
        let modification = LdapPartialAttribute { atype: name.to_owned(), vals: vec![value.to_vec()] };
        LdapModify { operation, modification }
    }
}

/// A connection that changes entries. Only who may write can have one.
pub struct Modify<'a> {
    http: &'a Writer,
    reads: Search<'a>,
}

impl<'a> Modify<'a> {
    /// To a server. It connects and binds with the first request, and anew after each failure.
    pub fn new(server: &'a Server, http: &'a Writer) -> Self {
        Self { http, reads: Search::new(server, http) }
    }

    /// Reads over the same connection.
    pub fn reads(&mut self) -> &mut Search<'a> {
        &mut self.reads
    }

    /// Changes one entry, all of it or nothing. A busy server is tried again within the invocation, and so is one that could
    /// not be reached; any failure after the request was sent goes to the loop, which reads afresh before anything is
    /// repeated.
    ///
    /// # Errors
    /// As the table of result codes says.
    pub async fn change(&mut self, dn: &str, changes: &[Change<'_>]) -> Result<(), Fault> {
        let mut tried = 0;
        loop {
            tried += 1;
            let mut sent = false;
            let Err(fault) = self.once(dn, changes, &mut sent).await else { return Ok(()) };
            self.reads.line = None;
            let again = |kind| match kind {
                FaultKind::Throttled => true,
                FaultKind::Unavailable => !sent,
                _ => false,
            };
            self.http.try_again(tried, fault, again).await?;
        }
    }

    async fn once(&mut self, dn: &str, changes: &[Change<'_>], sent: &mut bool) -> Result<(), Fault> {
        let line = self.reads.connected().await?;
        let changes = changes.iter().map(|change| change.on_the_wire()).collect();
        let request = LdapOp::ModifyRequest(LdapModifyRequest { dn: dn.to_owned(), changes });
        *sent = true;
        line.send(self.http, request, Vec::new()).await?;
        match line.receive(self.http).await?.op {
            LdapOp::ModifyResponse(result) => accepted("LDAP modify", &result),
            _ => Err(Fault::shape("LDAP modify: an answer of another operation")),
        }
    }
}

/// The table of result codes (RFC 4511, appendix A). The server's own text never passes.
pub(crate) fn accepted(what: &str, result: &LdapResult) -> Result<(), Fault> {
    use LdapResultCode as Code;
    let number = result.code.clone() as i64;
    let (kind, why) = match result.code {
        Code::Success => return Ok(()),
        Code::InvalidCredentials | Code::InappropriateAuthentication => {
            (FaultKind::CredentialRejected, "the credentials are not accepted")
        }
        Code::StrongerAuthRequired | Code::ConfidentialityRequired | Code::AuthMethodNotSupported => (
            FaultKind::CredentialRejected,
            "the server accepts no simple bind here: it asks for a stronger one, such as channel binding",
        ),
        Code::InsufficentAccessRights => (FaultKind::PermissionMissing, "the right to do this is missing"),
        Code::NoSuchObject => (FaultKind::NotFound, "there is no such entry"),
        // Nothing was done: the same request may be sent again.
        Code::Busy => (FaultKind::Throttled, "the server is busy"),
        Code::Unavailable | Code::TimeLimitExceeded | Code::AdminLimitExceeded => {
            (FaultKind::Unavailable, "the server cannot do it now")
        }
        Code::OperationsError | Code::Other => (FaultKind::Unavailable, "the server failed"),
        Code::UnwillingToPerform | Code::ConstraintViolation => {
            (FaultKind::Conflict, "the server is unwilling in the entry's present state")
        }
        Code::NoSuchAttribute | Code::AttributeOrValueExists | Code::EntryAlreadyExists => {
            (FaultKind::Conflict, "the value changed since it was read")
        }
        Code::AssertionFailed | Code::ObjectClassViolation | Code::NotAllowedOnNonLeaf => {
            (FaultKind::Conflict, "the entry's present state does not allow it")
        }
        Code::Referral => (FaultKind::UnexpectedShape, "another server holds this part of the directory"),
        _ => (FaultKind::UnexpectedShape, "an unexpected result"),
    };
    Err(Fault::new(kind, format!("{what}: LDAP {number}, {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: LdapResultCode) -> LdapResult {
        LdapResult { code, matcheddn: String::new(), message: "data 52e secret".into(), referral: Vec::new() }
    }

    #[test]
    fn result_codes_become_faults_without_the_servers_words() {
        use LdapResultCode as Code;
        let table = [
            (Code::InvalidCredentials, FaultKind::CredentialRejected),
            (Code::StrongerAuthRequired, FaultKind::CredentialRejected),
            (Code::InsufficentAccessRights, FaultKind::PermissionMissing),
            (Code::NoSuchObject, FaultKind::NotFound),
            (Code::Busy, FaultKind::Throttled),
            (Code::Unavailable, FaultKind::Unavailable),
            (Code::UnwillingToPerform, FaultKind::Conflict),
            (Code::ConstraintViolation, FaultKind::Conflict),
            (Code::NoSuchAttribute, FaultKind::Conflict),
            (Code::Referral, FaultKind::UnexpectedShape),
        ];
        for (code, kind) in table {
            let fault = accepted("LDAP bind", &answer(code)).unwrap_err();
            assert_eq!(fault.kind, kind, "{fault}");
            assert!(!fault.detail.contains("52e"), "{fault}");
        }
        assert_eq!(accepted("LDAP bind", &answer(Code::Success)), Ok(()));
    }

    #[test]
    fn attributes_have_no_case_and_a_cut_off_list_is_refused() {
        let attribute = |name: &str| LdapPartialAttribute { atype: name.into(), vals: vec![b"1".to_vec()] };
        let entry = Entry::of("CN=a".into(), vec![attribute("userCertificate;binary")]).unwrap();
        assert_eq!((entry.number("USERCERTIFICATE"), entry.text("mail")), (Some(1), None));
        let fault = Entry::of("CN=a".into(), vec![attribute("member;range=0-1499")]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::UnexpectedShape);
    }
}
