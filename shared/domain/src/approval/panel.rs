//! Who is asked at a level, and who is entitled to decide.

use super::{Approval, ApprovalPolicy, Asked, Need};
use crate::{id::Username, person::Person};
use std::collections::BTreeSet;

/// Who must not decide, and whom the matter is about.
#[derive(Debug, Clone, Default)]
pub struct Concerned<'a> {
    /// Whose access it is about.
    pub subject: Option<&'a Person>,
    /// Who asked for it.
    pub requested_by: &'a str,
    /// Who is leaving or has left: they are replaced wherever they are named.
    pub gone: BTreeSet<Username>,
    /// Who must not decide besides, where it is about held cases: whoever opened one of them, or is the subject of one.
    pub barred: BTreeSet<Username>,
}

impl Concerned<'_> {
    fn is(&self, username: &Username) -> bool {
        self.subject.is_some_and(|person| person.username == *username)
    }

    /// Whom the subject reports to, where they may be asked.
    pub(crate) fn manager(&self) -> Option<&Username> {
        let manager = self.subject.and_then(|person| person.manager.as_ref());
        manager.filter(|manager| self.may_be_asked(manager))
    }

    fn may_be_asked(&self, username: &Username) -> bool {
        let asked = self.requested_by == username.as_str();
        !self.is(username) && !asked && !self.gone.contains(username) && !self.barred.contains(username)
    }
}

/// Who is asked at a level: whoever policy names there and may decide, without those concerned and those who are gone. Where
/// somebody named is gone or concerned, who stands in for them is asked instead, unless that right comes through the subject
/// alone. Where nobody is left, the security team is asked. Where nobody of that is left either because they all are in the
/// cases that are held, those whom policy names besides hear of it, and the team itself: they can still call off single cases.
pub fn panel(policy: &ApprovalPolicy, level: usize, need: &Need, concerned: &Concerned<'_>) -> Vec<Username> {
    let Some(asked) = policy.levels.get(level) else { return Vec::new() };
    let named: BTreeSet<Username> = match asked {
        Asked::Approvers => policy.approvers.clone(),
        Asked::SecurityTeam => policy.security_team.clone(),
        Asked::Person(username) => [username.clone()].into(),
        Asked::Manager => concerned.subject.and_then(|person| person.manager.clone()).into_iter().collect(),
    };
    let mut panel: BTreeSet<Username> = BTreeSet::new();
    for one in named {
        if concerned.may_be_asked(&one) {
            panel.insert(one);
        } else if !concerned.is(&one)
            && let Some(delegate) = policy.delegates.get(&one).filter(|who| concerned.may_be_asked(who))
        {
            panel.insert(delegate.clone());
        }
    }
    panel.retain(|one| {
        let entitled = entitlement(policy, one, concerned);
        !entitled.through_subject && if need.security { entitled.security } else { entitled.approver }
    });
    if panel.is_empty() {
        let team = policy.security_team.iter().filter(|one| concerned.may_be_asked(one));
        panel.extend(team.cloned());
    }
    if panel.is_empty() && !concerned.barred.is_empty() {
        let others = policy.approvers.iter().chain(policy.delegates.values());
        panel.extend(others.filter(|one| concerned.may_be_asked(one)).cloned());
        let barred = |one: &&Username| concerned.barred.contains(one) && !concerned.is(one);
        panel.extend(policy.security_team.iter().filter(barred).cloned());
    }
    panel.into_iter().collect()
}

/// Whether a later level names somebody who was not asked and may decide, by what the request itself says. Who is leaving, and
/// whom the subject reports to, stand in other records: a manager counts as somebody new.
pub fn goes_further(policy: &ApprovalPolicy, approval: &Approval) -> bool {
    let gone = approval.subject.iter().cloned().collect();
    let concerned = Concerned { requested_by: &approval.requested_by, gone, ..Concerned::default() };
    let later = policy.levels.iter().enumerate().skip(approval.level + 1);
    let anybody = |(level, asked): (usize, &Asked)| {
        let manager = *asked == Asked::Manager && approval.subject.is_some() && !approval.need.security;
        let mut panel = panel(policy, level, &approval.need, &concerned).into_iter();
        manager || panel.any(|one| !approval.asked.contains(&one))
    };
    approval.need.only.is_empty() && later.into_iter().any(anybody)
}

/// What somebody may decide, by policy's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entitlement {
    /// May decide where nothing more is asked for.
    pub approver: bool,
    /// Belongs to security.
    pub security: bool,
    /// Holds whatever they hold only by standing in for the person whom the matter is about.
    pub through_subject: bool,
}

/// What policy's lists let somebody decide about this.
pub fn entitlement(policy: &ApprovalPolicy, username: &Username, concerned: &Concerned<'_>) -> Entitlement {
    let manager = concerned.subject.and_then(|person| person.manager.as_ref());
    let named = |who: &Username| {
        policy.levels.iter().any(|level| match level {
            Asked::Person(named) => named == who,
            Asked::Manager => manager == Some(who),
            Asked::Approvers | Asked::SecurityTeam => false,
        })
    };
    let approver = |who: &Username| policy.approvers.contains(who) || named(who);
    let security = |who: &Username| policy.security_team.contains(who);
    let mut found =
        Entitlement { approver: approver(username), security: security(username), through_subject: false };
    let principals = policy.delegates.iter().filter(|(_, to)| *to == username).map(|(of, _)| of);
    for of in principals {
        if concerned.is(of) {
            found.through_subject |= (approver(of) && !found.approver) || (security(of) && !found.security);
        } else {
            found.approver |= approver(of);
            found.security |= security(of);
        }
    }
    found.approver |= found.security;
    found.through_subject &= !found.approver;
    found
}
