//! The count of a period's last day, which is made once the day is over: it is in the pack, and nothing odd.

use crate::{both::second, forge::Folder};
use leaver_evidence::{
    sample_log::{Case, SampleLog},
    verify::{Trust, verify},
};

#[test]
fn the_count_of_the_last_day_belongs_to_the_pack() {
    let mut log = SampleLog::new("2026-02-03T10:00:00Z");
    Case::new(1, "john.doe", "hris").clean(&mut log, &mut |_| {});
    log.at("2026-02-04T00:20:00Z");
    log.count("2026-02-03", 0);
    let files = log.whole("2026-02-03T00:00:00Z", "2026-02-04T00:00:00Z").expect("a pack");
    let folder = Folder::new(&files);
    let verdict = verify(folder.path(), &Trust::default());
    assert!(verdict.ok && verdict.remarks.is_empty(), "{verdict:?}");
    let completeness = String::from_utf8(files["completeness.json"].clone()).expect("UTF-8");
    let completeness: serde_json::Value = serde_json::from_str(&completeness).expect("JSON");
    assert_eq!(completeness["hr"]["missing_days"], serde_json::json!([]));
    assert_eq!(completeness["hr"]["days"][0]["day"], "2026-02-03");
    let python = second(folder.path(), &Trust::default());
    assert_eq!((&python["verified"], &python["remarks"]), (&true.into(), &serde_json::json!([])), "{python}");
}
