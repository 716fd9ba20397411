//! Builds a pack of a made-up year and prints what it took, as JSON.
//!
//! `cargo bench -p leaver-evidence --bench pack -- [CASES] [SYSTEMS] [DIR]`; without a directory the pack is thrown away.

use leaver_domain::ports::Row;
use leaver_evidence::{
    edges::Edges,
    pack::Pack,
    sample_log::{Case, Opening, SampleLog},
};
use std::{error::Error, path::PathBuf, time::Instant};

/// When the made-up year begins.
const BEGINS: &str = "2026-01-01T00:00:00Z";
/// One behind its end.
const ENDS: &str = "2027-01-01T00:00:00Z";

fn log(systems: usize) -> SampleLog {
    let mut log = SampleLog::without_rows(BEGINS);
    log.systems = (0..systems).map(|n| format!("system_{n:02}")).collect();
    log.systems.sort();
    log
}

/// Tells the year: of a hundred cases, ninety are clean, five fail at first, three are flagged, two miss an account.
fn play(log: &mut SampleLog, cases: usize, each: &mut dyn FnMut(Row)) {
    let step = 31_000_000 / cases.max(1) as u64;
    let systems = log.systems.clone();
    let mut day = log.now.to_string();
    day.truncate(10);
    for number in 0..cases {
        let mut case = Case::new(number, &format!("person.{number:05}"), "hris");
        if number % 10 != 3 {
            case.clean(log, each);
        } else {
            each(case.open(log, &Opening::default()));
            each(case.validated(log.wait(2)));
            for (place, system) in systems.iter().enumerate() {
                match (place, number / 10 % 10) {
                    (1, 0..5) => {
                        each(case.failed(log.wait(5), system, 1, "Throttled"));
                        each(case.revoked(log.wait(if number % 200 == 3 { 950 } else { 120 }), system, None));
                    }
                    (2, 5..8) => {
                        each(case.waits(log, system));
                        each(case.decided(log.wait(300), system, "approve", "robin.lead"));
                        each(case.revoked(log.wait(3), system, None));
                    }
                    (3, 8..) => each(case.absent(log, system)),
                    _ => each(case.revoked(log, system, Some("access tokens that were issued before"))),
                }
            }
            log.wait(60);
            for (place, system) in systems.iter().enumerate() {
                if !(place == 3 && number / 10 % 10 >= 8) {
                    each(case.verified(log, system, true));
                }
            }
            each(case.closed(log));
        }
        log.wait(step.saturating_sub(90));
        let now = log.now.to_string();
        if now[..10] != day {
            each(log.count(&day, 0));
            day = now[..10].to_owned();
        }
    }
}

/// The most memory that this process ever used, in kB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

/// What this process has computed so far, in seconds: what others do on the machine does not count.
fn computed() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = status.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    // Linux counts a hundred ticks a second.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |place: usize, other| given.get(place).map_or(Ok(other), |text| text.parse::<usize>());
    let (cases, systems) = (number(0, 10_000)?, number(1, 15)?);
    let kept = given.get(2).map(PathBuf::from);
    let scratch = std::env::temp_dir().join(format!("leaver-pack-{}", std::process::id()));
    let dir = kept.clone().unwrap_or_else(|| scratch.clone());

    let mut first = log(systems);
    let telling = Instant::now();
    play(&mut first, cases, &mut drop);
    let (telling, told) = (telling.elapsed(), computed());
    let before = peak();

    let begun = Instant::now();
    let mut pack = Pack::create(&dir, first.about(BEGINS, ENDS, 0))?;
    let mut failed = None;
    play(&mut log(systems), cases, &mut |row| failed = failed.take().or(pack.row(&row).err()));
    if let Some(error) = failed {
        return Err(error.into());
    }
    let (packed, _) = pack.finish(&Edges::default(), &|level, index| first.node(level, index))?;
    // The rows are made up a second time while the pack is built; what that takes is not the pack's.
    let took = begun.elapsed().saturating_sub(telling).as_secs_f64();
    let cpu = computed().zip(told).map(|(all, told)| all - 2.0 * told);
    let bytes: u64 = packed.files.values().map(|sum| sum.bytes).sum();
    println!(
        "{}",
        serde_json::json!({
            "cases": packed.cases, "systems": systems, "rows": packed.rows, "seconds": took, "cpu_seconds": cpu,
            "rows_per_second": (packed.rows as f64 / took).round(), "files": packed.files.len(), "bytes": bytes,
            "rows_jsonl_bytes": packed.files.get("rows.jsonl").map(|sum| sum.bytes),
            "peak_kb_before": before, "peak_kb": peak(),
        })
    );
    if kept.is_none() {
        std::fs::remove_dir_all(&scratch)?;
    }
    Ok(())
}
