//! Checks infra/policy.yaml and puts it into the binary as JSON: a policy that makes no sense cannot be deployed, and
//! the functions need no YAML parser. Beside it stand the ids of its systems, which src/config.rs holds against the
//! registry of adapters.

use leaver_domain::policy::Policy;
use std::{collections::BTreeSet, env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let file = "../../infra/policy.yaml";
    println!("cargo::rerun-if-changed={file}");
    let document: serde_json::Value = serde_norway::from_str(&fs::read_to_string(file)?)?;
    let (mut automatic, mut by_hand) = (BTreeSet::new(), BTreeSet::new());
    for environment in ["local", "staging", "prod"] {
        let policy = Policy::parse(document.clone(), environment)
            .map_err(|error| format!("{file} ({environment}): {error}"))?;
        // A system that is configured has neither a row in the registry nor an owner's instructions.
        for (id, system) in policy.systems.iter().filter(|(_, system)| system.custom.is_none()) {
            let ids = if system.manual.is_none() { &mut automatic } else { &mut by_hand };
            ids.insert(id.to_string());
        }
    }
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("policy.json"), serde_json::to_string(&document)?)?;
    let systems = format!(
        "/// Systems that policy leaves to an adapter.\nconst AUTOMATIC: &[&str] = &{automatic:?};\n\
         /// Systems that policy leaves to their owners.\nconst BY_HAND: &[&str] = &{by_hand:?};\n"
    );
    // A set is printed in braces.
    fs::write(Path::new(&out).join("systems.rs"), systems.replace('{', "[").replace('}', "]"))?;
    Ok(())
}
