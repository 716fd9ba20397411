//! What the guides show of the registry.

use crate::{read, root};
use leaver_adapters::{Part, Roster, SPECS, Spec, custom};
use std::fs;

/// What people call what a leaver has there.
fn part(spec: &Spec) -> &'static str {
    match spec.part {
        Part::Account => "An account, which is disabled.",
        Part::Shares => "What was shared or granted there, which is taken back.",
        Part::Record => "A record without access, which is ended.",
        Part::Ticket => "Things that have to come back, by a ticket.",
        Part::Source => "The source of who is employed: it is read, and never written to.",
    }
}

fn list(title: &str, items: &[&str], numbered: bool) -> String {
    let mark = |index: usize| if numbered { format!("{}.", index + 1) } else { "-".to_owned() };
    let end = |item: &str| if item.ends_with('.') { "" } else { "." };
    let lines =
        items.iter().enumerate().map(|(index, item)| format!("{} {item}{}\n", mark(index), end(item)));
    if items.is_empty() { String::new() } else { format!("\n{title}\n\n{}", lines.collect::<String>()) }
}

/// A sentence behind a colon.
fn lowered(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}

fn section(spec: &Spec) -> String {
    let mut text =
        format!("\n## {} (`{}`)\n\n{} Follows: {}.\n", spec.name, spec.id, part(spec), spec.source);
    text += &list("When somebody leaves:", spec.order, true);
    text += &list("What stays, or ends later:", spec.residuals, false);
    text += &match spec.roster {
        Roster::Listed(what) => format!("\nIts accounts are listed each night: {}\n", lowered(what)),
        Roster::Unlisted(why) => format!("\nIts accounts are not listed: {}\n", lowered(why)),
    };
    text += &list("Setting it up:", spec.setup, true);
    text += "\n| field of its secret | what it is |\n|---|---|\n";
    for (name, what) in spec.settings {
        text += &format!("| `{name}` | {what} |\n");
    }
    for (host, address) in spec.hosts {
        let name = if host.is_empty() { "base_url".to_owned() } else { format!("{host}_url") };
        if spec.settings.iter().all(|(known, _)| *known != name) {
            text += &format!("| `{name}` | only where it is not `{address}` |\n");
        }
    }
    if !spec.scopes.is_empty() {
        text += "\nIts credential needs:\n\n";
        spec.scopes.iter().for_each(|scope| text += &format!("- {scope}\n"));
    }
    text
}

/// Every row says what is done, what stays and how it is set up: the guide has no empty place.
#[test]
fn every_row_can_be_set_up_by_its_guide() {
    for spec in SPECS.iter().copied().chain(custom::SPECS.iter().copied()) {
        let told = [spec.order.len(), spec.setup.len(), usize::from(!spec.source.is_empty())];
        assert!(told.iter().all(|lines| *lines > 0), "{}: {told:?}", spec.id);
        assert!(
            spec.part != Part::Source || spec.order.iter().any(|line| line.contains("ead")),
            "{}",
            spec.id
        );
        let (Roster::Listed(roster) | Roster::Unlisted(roster)) = spec.roster;
        let lines = spec.order.iter().chain(spec.residuals).chain(spec.setup).chain([&roster]);
        for line in lines {
            assert!((8..400).contains(&line.len()), "{}: {line}", spec.id);
        }
    }
}

/// `docs/systems.md`, made from the registry. `BLESS=1` rewrites it.
#[test]
fn the_guide_to_the_systems_is_what_the_registry_says() {
    let mut text = "# The systems\n\nMade from the adapter registry. Each system's secret, `leaver/<environment>/systems/<id>`, is a JSON object of strings; `leaver doctor` tries it \
                    out and names the scope that is missing. Everything is contained everywhere before anything is tidied up.\n".to_owned();
    SPECS.iter().for_each(|spec| text += &section(spec));
    text += "\n# Systems of your own\n\nWithout code: a system whose id begins with `custom_`, with `custom` in infra/policy.yaml. Make its secret yourself, as \
             `leaver/<environment>/systems/<id>`. With code: docs/adding-a-system.md.\n";
    custom::SPECS.iter().for_each(|spec| text += &section(spec));
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join("docs/systems.md"), text).expect("written");
        return;
    }
    assert!(read("docs/systems.md") == text, "drifted: BLESS=1 cargo test -p leaver-tests --test wiring");
}
