//! Who has not logged in anywhere for as long as policy says.

use crate::{Reconciling, Rosters};
use leaver_domain::{
    id::Username,
    orphans::idle::{self, Verdict},
    person::Person,
    ports::StoreError,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Why nobody was judged, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<String>,
    /// Who would be suspended, with the days since their newest login.
    pub idle: BTreeMap<Username, u64>,
    /// Who would be, but for a reason.
    pub listed: BTreeMap<Username, String>,
    /// Of whom no system reports a login.
    pub no_data: Vec<Username>,
}

/// Judges everybody, once all the systems whose logins count are read.
pub(crate) async fn judge(
    of: &Reconciling<'_>,
    here: &[Person],
    rosters: &Rosters,
) -> Result<Judged, StoreError> {
    let Some(rules) = &of.policy.inactivity else {
        return Ok(Judged { not: Some("policy has no `inactivity`".into()), ..Judged::default() });
    };
    if let Some(missing) = rules.systems.iter().find(|system| !rosters.contains_key(*system)) {
        return Ok(Judged { not: Some(format!("{missing} is not read yet")), ..Judged::default() });
    }
    let counting = rosters.iter().filter(|(system, _)| rules.systems.contains(*system));
    let used = idle::gather(counting.map(|(system, roster)| (system, roster.as_slice())));
    let mut judged = Judged::default();
    for person in here {
        let username = person.username.clone();
        match idle::judge(person, used.get(&person.username), of.policy, rules, of.now) {
            Verdict::Idle { days, .. } => {
                judged.idle.insert(username, days);
            }
            Verdict::Listed { why, .. } => {
                judged.listed.insert(username, why);
            }
            Verdict::NoData => judged.no_data.push(username),
            Verdict::InUse | Verdict::New | Verdict::NotConcerned => {}
        }
    }
    Ok(judged)
}
