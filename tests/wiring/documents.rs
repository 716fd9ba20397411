//! What the guides show of the registry.

use crate::{read, root};
use leaver_adapters::{SPECS, Spec};
use std::fs;

fn section(spec: &Spec) -> String {
    let mut text = format!("\n## {} (`{}`)\n\nFollows: {}.\n", spec.name, spec.id, spec.source);
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
    text += "\nIts credential needs:\n\n";
    spec.scopes.iter().for_each(|scope| text += &format!("- {scope}\n"));
    text
}

/// `docs/systems.md`, made from the registry. `BLESS=1` rewrites it.
#[test]
fn the_guide_to_the_systems_is_what_the_registry_says() {
    let mut text = "# The systems\n\nMade from the adapter registry. A secret is a JSON object of strings; `leaver doctor` tries it out.\n".to_owned();
    SPECS.iter().for_each(|spec| text += &section(spec));
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join("docs/systems.md"), text).expect("written");
        return;
    }
    assert!(read("docs/systems.md") == text, "drifted: BLESS=1 cargo test -p leaver-tests --test wiring");
}
