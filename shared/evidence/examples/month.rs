//! Writes the pack of the made-up month into a directory: `cargo run -p leaver-evidence --example month -- DIR`.

use leaver_evidence::{files::Directory, sample_log::SampleLog};
use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("which directory?")?;
    let log = SampleLog::month();
    let (from, to) = ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z");
    let rows = log.extent(from, to);
    let about = log.about(from, to, rows.start);
    let (packed, _) = log.pack(Directory::create(Path::new(&dir))?, about, rows.end)?;
    println!("{} rows, {} cases, {} files", packed.rows, packed.cases, packed.files.len());
    Ok(())
}
