//! Checks a pack with both verifiers, beside `sha256sum` over the same bytes, and prints what each took, as JSON.
//!
//! `cargo bench -p leaver-evidence --bench verify -- DIR`; the benchmark `pack` writes such a directory.

use leaver_evidence::verify::{Trust, verify};
use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

/// All files of a directory, and their bytes.
fn files(dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bytes += files(&entry.path(), found)?;
        } else {
            bytes += entry.metadata()?.len();
            found.push(entry.path());
        }
    }
    Ok(bytes)
}

/// Most memory that this process had so far, in KiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed().as_secs_f64())
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let Some(dir) = dir.map(PathBuf::from) else {
        println!("{{\"skipped\": \"give the directory of a pack\"}}");
        return Ok(());
    };
    let mut found = Vec::new();
    let bytes = files(&dir, &mut found)?;
    let sum = || Command::new("sha256sum").args(&found).stdout(Stdio::null()).status();
    // Once for the page cache.
    sum()?;
    let (_, hashed) = timed(sum);
    let (verdict, first) = timed(|| verify(&dir, &Trust::default()));
    let memory = peak();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/verify.py");
    let python = || Command::new("python3").arg(script).arg(&dir).stdout(Stdio::null()).status();
    let (second, took) = timed(python);
    let rows = u32::try_from(verdict.rows)?;
    let rate = |seconds: f64| (f64::from(rows) / seconds).round();
    let result = serde_json::json!({
        "rows": rows, "bytes": bytes, "files": found.len(),
        "sha256sum": {"seconds": hashed, "rows_per_second": rate(hashed)},
        "rust": {"verified": verdict.ok, "seconds": first, "rows_per_second": rate(first), "peak_kib": memory},
        "python": {"verified": second?.success(), "seconds": took, "rows_per_second": rate(took)},
    });
    println!("{result:#}");
    Ok(())
}
