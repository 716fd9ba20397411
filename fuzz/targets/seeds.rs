//! Writes what each target starts from into `fuzz/corpus`.

#[path = "../../tests/support/fuzz.rs"]
mod bodies;
#[path = "../../tests/support/fuzz_pack.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod packs;

use std::{fs, path::Path};

fn main() -> std::io::Result<()> {
    let all = bodies::TARGETS.iter().map(|(name, _, seeds)| (*name, seeds()));
    for (name, seeds) in all.chain([("pack", packs::seeds())]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
    }
    Ok(())
}
