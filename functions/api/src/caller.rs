//! Who calls, and what they may do.

use leaver_domain::{case::CaseRecord, id::Username, person::Person, problem::Problem, time::Timestamp};
use std::collections::{BTreeSet, HashMap};

/// What somebody may be in leaver. The names are those of the groups in the user pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// HR partner.
    Hr,
    /// Somebody's manager; sees their own reports only.
    Manager,
    /// Decides on flagged systems.
    Approver,
    /// IT security.
    Security,
    /// Reads everything, changes nothing.
    Auditor,
    /// Runs leaver itself.
    Operator,
    /// Looks at what is archived of people.
    Compliance,
}

impl Role {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "hr" => Self::Hr,
            "manager" => Self::Manager,
            "approver" => Self::Approver,
            "security" => Self::Security,
            "auditor" => Self::Auditor,
            "operator" => Self::Operator,
            "compliance" => Self::Compliance,
            _ => return None,
        })
    }
}

/// Which tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

/// Somebody with a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Their login name.
    pub username: Username,
    /// What they may be.
    pub roles: BTreeSet<Role>,
}

impl Caller {
    /// From the claims that API Gateway passes on, all of them texts. `None` where the token is not an ID token for this
    /// API, is over, or names nobody: API Gateway also lets access tokens through, which carry no proof of who it is.
    pub fn of_claims(claims: &HashMap<String, String>, accepted: &Accepted, now: Timestamp) -> Option<Self> {
        let claim = |name: &str| claims.get(name).map(String::as_str).unwrap_or_default();
        let expires: i64 = claim("exp").parse().ok()?;
        let is_id_token = matches!(claim("token_use"), "id" | "");
        if claim("iss") != accepted.issuer || claim("aud") != accepted.audience || !is_id_token {
            return None;
        }
        if expires <= now.seconds() {
            return None;
        }
        let name = [claim("cognito:username"), claim("preferred_username")]
            .into_iter()
            .find(|name| !name.is_empty())?;
        // API Gateway writes a list as `[one two]`.
        let groups = [claim("cognito:groups"), claim("groups")].join(" ");
        let groups = groups.split(|c: char| c.is_whitespace() || "[],\"".contains(c));
        Some(Self { username: name.parse().ok()?, roles: groups.filter_map(Role::of).collect() })
    }

    /// Whether they have one of these roles.
    pub fn is(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }

    /// Refuses who has none of these roles.
    pub(crate) fn must_be(&self, roles: &[Role]) -> Result<(), Problem> {
        if self.is(roles) {
            return Ok(());
        }
        Err(Problem::forbidden("Your roles do not allow this. Ask whoever administers leaver's groups."))
    }

    /// Whether they may see every case.
    pub fn sees_all(&self) -> bool {
        self.is(&[Role::Hr, Role::Approver, Role::Security, Role::Auditor, Role::Operator])
    }

    /// Whether they may know of this case, given whose it is.
    pub fn sees(&self, case: &CaseRecord, person: Option<&Person>) -> bool {
        debug_assert!(person.is_none_or(|person| person.username == case.person.username));
        self.sees_all() || person.is_some_and(|person| self.manages(person))
    }

    /// Whether this person reports to them.
    pub fn manages(&self, person: &Person) -> bool {
        self.is(&[Role::Manager]) && person.manager.as_ref() == Some(&self.username)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(change: &[(&str, &str)]) -> Option<Caller> {
        let mut claims: HashMap<String, String> = [
            ("iss", "https://issuer"),
            ("aud", "client"),
            ("exp", "2000"),
            ("token_use", "id"),
            ("cognito:username", "sam.admin"),
            ("cognito:groups", "[security approver nonsense]"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        claims.extend(change.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let accepted = Accepted { issuer: "https://issuer".into(), audience: "client".into() };
        Caller::of_claims(&claims, &accepted, Timestamp::from_millis(1_000_000).unwrap())
    }

    #[test]
    fn roles_come_out_of_the_list_as_the_gateway_writes_it() {
        let caller = claims(&[]).unwrap();
        assert_eq!(caller.roles, [Role::Approver, Role::Security].into());
        assert!(claims(&[("cognito:groups", "")]).unwrap().roles.is_empty());
    }

    #[test]
    fn another_issuer_audience_kind_or_time_is_nobody() {
        for change in [
            ("iss", "https://other"),
            ("aud", "x"),
            ("token_use", "access"),
            ("exp", "1000"),
            ("exp", "soon"),
            ("cognito:username", "a b"),
        ] {
            assert_eq!(claims(&[change]), None, "{change:?}");
        }
    }
}
