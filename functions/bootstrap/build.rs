//! Checks infra/policy.yaml and puts it into the binary as JSON: a policy that makes no sense cannot be deployed, and
//! the functions need no YAML parser.

use leaver_domain::policy::Policy;
use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let file = "../../infra/policy.yaml";
    println!("cargo::rerun-if-changed={file}");
    let document: serde_json::Value = serde_norway::from_str(&fs::read_to_string(file)?)?;
    for environment in ["local", "staging", "prod"] {
        Policy::parse(document.clone(), environment)
            .map_err(|error| format!("{file} ({environment}): {error}"))?;
    }
    let to = Path::new(&env::var("OUT_DIR")?).join("policy.json");
    fs::write(to, serde_json::to_string(&document)?)?;
    Ok(())
}
