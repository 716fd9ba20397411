//! Values that make no sense, section by section: where, and why.

use super::{LedgerPolicy, SystemPolicy, Timing};
use crate::{
    canary::CanaryPolicy,
    id::SystemId,
    plan::ActionKind,
    profiles::Profile,
    risk::RiskSettings,
    routing::{self, Routing},
    text, watch,
};
use std::collections::{BTreeMap, BTreeSet};

/// A place of the policy, and what is wrong there.
pub(super) type Wrong = (String, String);

fn wrong(place: &str, why: &str) -> Wrong {
    (place.to_owned(), why.to_owned())
}

/// What stands there where a condition does not hold.
fn unless(holds: bool, place: &str, why: &str) -> Option<Wrong> {
    (!holds).then(|| wrong(place, why))
}

pub(super) fn version(version: u32) -> Option<Wrong> {
    unless(version == 1, "version", "only version 1 is known")
}

pub(super) fn actions(actions: &BTreeMap<ActionKind, bool>) -> Option<Wrong> {
    let on = actions.get(&ActionKind::DisableAccount) == Some(&true);
    unless(on, "actions.disable_account", "must be on: without it nothing is contained")
}

pub(super) fn timing(timing: &Timing) -> Vec<Wrong> {
    let verification = (1..=3_600).contains(&timing.verification_delay_seconds);
    let termination = (60..=86_400).contains(&timing.termination_seconds);
    let transition = timing.role_change_seconds <= 30 * 86_400;
    let by_hand = timing.manual_task_seconds >= 60;
    let day = (1..=86_400).contains(&timing.reverify_day_seconds);
    [
        unless(verification, "timing.verification_delay_seconds", "must be between 1 second and an hour"),
        unless(termination, "timing.termination_seconds", "must be between a minute and a day"),
        unless(transition, "timing.role_change_seconds", "must be at most thirty days"),
        unless(by_hand, "timing.manual_task_seconds", "must be at least a minute"),
        unless(day, "timing.reverify_day_seconds", "must be between a second and a day"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn risk(risk: &RiskSettings) -> Option<Wrong> {
    unless((1..=365).contains(&risk.window_days), "risk.window_days", "must be between 1 and 365")
}

pub(super) fn system(id: &SystemId, of: &SystemPolicy) -> Option<Wrong> {
    let place = format!("systems.{id}");
    if let Err(why) = of.check(id) {
        return Some((place, why));
    }
    let manual = of.manual.as_ref()?;
    if text::clean(&manual.instructions, 2_000).as_ref() != Ok(&manual.instructions) {
        return Some(wrong(&place, "a manual system needs instructions of 1 to 2,000 plain characters"));
    }
    let due = (60..=31_536_000).contains(&manual.due_seconds);
    unless(due, &place, "due_seconds of a manual system must be between a minute and a year")
}

/// Two profiles whose names count as the same would leave it open what the role needs.
pub(super) fn roles(roles: &BTreeMap<String, Profile>) -> Vec<Wrong> {
    let mut found = Vec::new();
    for (index, name) in roles.keys().enumerate() {
        if let Some(other) = roles.keys().take(index).find(|other| routing::is_same(other, name)) {
            found.push(wrong("roles", &format!("`{other}` and `{name}` are the same role: keep one")));
        }
    }
    let blank =
        |(_, profile): &(&String, &Profile)| profile.0.values().flatten().any(|one| one.trim().is_empty());
    let named = roles.iter().filter(blank);
    found.extend(named.map(|(name, _)| wrong(&format!("roles.{name}"), "a grant has no name: leave it out")));
    found
}

pub(super) fn ledger(ledger: &LedgerPolicy) -> Option<Wrong> {
    ledger.check().err().map(|(place, why)| wrong(place, why))
}

/// Names of rules and profiles that mean nothing: access that nobody takes away.
pub(super) fn names(
    routing: &Routing,
    roles: &BTreeMap<String, Profile>,
    known: &BTreeSet<String>,
) -> Vec<Wrong> {
    let unknown = |system: &&SystemId| !known.contains(system.as_str());
    let mut found = Vec::new();
    for placed in routing.rules() {
        for system in placed.rule.systems().iter().filter(unknown) {
            let why = format!("“{}”: {}", placed.rule.sentence(), none_of(system, known));
            found.push((format!("routing, rule {}", placed.number), why));
        }
    }
    for (role, profile) in roles {
        for system in profile.systems().filter(unknown) {
            found.push((format!("roles.{role}"), none_of(system, known)));
        }
    }
    found
}

/// On which days a finished case is looked at again.
pub(super) fn days(days: &BTreeSet<u32>) -> Option<Wrong> {
    let few = days.len() <= watch::MAX_DAYS && days.iter().all(|day| (1..=watch::LAST_DAY).contains(day));
    unless(few, "reverify_days", "must be at most 12 different days, each between 1 and 3,650")
}

pub(super) fn canary(canary: &CanaryPolicy, systems: &BTreeMap<SystemId, SystemPolicy>) -> Option<Wrong> {
    let automatic = |system: &SystemId| systems.get(system).is_some_and(|of| of.manual.is_none());
    if let Some(system) = canary.systems.keys().find(|system| !automatic(system)) {
        let why = format!("{system} is none of the systems that leaver works on by itself");
        return Some(("canary".to_owned(), why));
    }
    canary.check().err().map(|why| ("canary".to_owned(), why))
}

/// Systems that no sentence leads to.
pub(super) fn unreached(systems: &BTreeMap<SystemId, SystemPolicy>, routing: &Routing) -> Vec<Wrong> {
    let lost = systems.keys().filter(|system| !routing.reaches(system));
    let why = |system: &SystemId| {
        format!("no rule leads to {system}: nobody's access there would be taken away; say who has it")
    };
    lost.map(|system| ("routing".to_owned(), why(system))).collect()
}

fn none_of(system: &SystemId, known: &BTreeSet<String>) -> String {
    let near = known.iter().map(|name| (distance(name, system.as_str()), name)).min();
    match near.filter(|(distance, _)| *distance <= 2) {
        Some((_, name)) => format!("{system} is none of the systems; did you mean {name}?"),
        None => format!("{system} is none of the systems"),
    }
}

/// How many letters have to be changed, put in or left out.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (index, a) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((above, corner), b) in row.iter().skip(1).zip(&row).zip(other.chars()) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above + 1).min(left + 1).min(corner + usize::from(a != b)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
