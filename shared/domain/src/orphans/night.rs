//! What one night's roster changes about a system's orphans. Pure, so that a repeat changes nothing.

use super::{Orphan, OrphanId, Standing, matching::Class};
use crate::{
    id::{SystemId, Username},
    ledger::EventKind,
    roster::Seen,
    time::Timestamp,
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

const ACTOR: &str = "leaver/reconcile";
/// How long a case may take before an account that still works is an open orphan again.
const CASE_TIME: Duration = Duration::from_secs(3 * 86_400);

/// An account and what it is.
pub type Found<'a> = (&'a Seen, &'a Class);

/// The orphans that have to be written, each with its version raised by one, given all of the system that are known. The roster is
/// whole: what is not in it is gone.
pub fn night(
    system: &SystemId,
    owner: &Username,
    known: &[Orphan],
    roster: &[Found<'_>],
    now: Timestamp,
) -> Vec<Orphan> {
    let mut open: BTreeMap<OrphanId, Found<'_>> = BTreeMap::new();
    for (seen, class) in roster.iter().copied().filter(|(_, class)| class.is_orphan()) {
        open.insert(OrphanId::of(system, &seen.id), (seen, class));
    }
    let mut changed = Vec::new();
    for orphan in known {
        let next = match open.remove(&orphan.orphan_id) {
            Some(found) => still_there(orphan, found, owner, now),
            None => gone(orphan, roster, now),
        };
        changed.extend(next);
    }
    let new = open.into_iter().map(|(id, (seen, class))| {
        let mut orphan = Orphan {
            orphan_id: id,
            system: system.clone(),
            account: seen.clone(),
            class: class.clone(),
            owner: owner.clone(),
            first_seen: now,
            standing: Standing::Open,
            log: Vec::new(),
            version: 1,
        };
        found(&mut orphan, "find", now);
        orphan
    });
    changed.extend(new);
    changed
}

fn found(orphan: &mut Orphan, action: &str, now: Timestamp) {
    if !orphan.class.is_information() {
        orphan.tell(EventKind::OrphanFound, (ACTOR, action), now, json!({}));
    }
}

/// One that the roster shows again. A new row is written only where somebody has to look at it anew.
fn still_there(was: &Orphan, (seen, class): Found<'_>, owner: &Username, now: Timestamp) -> Option<Orphan> {
    let mut next = was.clone();
    next.account = seen.clone();
    next.class = class.clone();
    next.owner = owner.clone();
    let other = was.class != *class;
    match &was.standing {
        Standing::Gone { .. } => {
            next.standing = Standing::Open;
            next.first_seen = now;
            found(&mut next, "find_again", now);
        }
        Standing::Open if other => found(&mut next, "find", now),
        // Whoever decided did so about something else.
        Standing::Ignored { .. } if other => {
            next.standing = Standing::Open;
            found(&mut next, "find", now);
        }
        Standing::Ignored { until, .. } if *until <= now => {
            next.standing = Standing::Open;
            found(&mut next, "ignored_until_now", now);
        }
        Standing::Adopted { .. } if other && matches!(class, Class::Left { .. }) => {
            next.standing = Standing::Open;
            found(&mut next, "find", now);
        }
        Standing::Revoking { since, .. } if now.since(*since) > CASE_TIME => {
            next.standing = Standing::Open;
            found(&mut next, "still_there_after_case", now);
        }
        Standing::Open | Standing::Adopted { .. } | Standing::Ignored { .. } | Standing::Revoking { .. } => {}
    }
    if next == *was {
        return None;
    }
    next.version += 1;
    Some(next)
}

/// One that is none any more.
fn gone(was: &Orphan, roster: &[Found<'_>], now: Timestamp) -> Option<Orphan> {
    if !was.is_there() {
        return None;
    }
    let mut next = was.clone();
    let now_is = roster.iter().find(|(seen, _)| seen.id == was.account.id);
    let how = match now_is {
        None => "not_listed_any_more",
        Some((_, Class::Owned { .. })) => "has_an_owner",
        Some(_) => "cannot_be_used_any_more",
    };
    if let Some((seen, class)) = now_is {
        next.account = (*seen).clone();
        next.class = (*class).clone();
    }
    next.standing = Standing::Gone { at: now };
    if !was.class.is_information() {
        next.tell(EventKind::OrphanSettled, (ACTOR, "close"), now, json!({"how": how}));
    }
    next.version += 1;
    Some(next)
}
