//! The files of a pack and their columns.

/// Which wording the files have that are not tables: `README.md`, `report.html`, `controls.md`, `oscal.json`, `verify.py`
/// and the sentences of `completeness.json`. It is raised with every change of theirs, so that packs of earlier versions
/// are not refused for words that nobody writes any more.
pub const FORM: u32 = 2;

/// The rows, one JSON object per line.
pub const ROWS_JSONL: &str = "rows.jsonl";
/// The rows as a table.
pub const ROWS_CSV: &str = "rows.csv";
/// Every case of the period.
pub const POPULATION: &str = "population.csv";
/// What each case came to, and how long it took.
pub const CASES: &str = "cases.csv";
/// What each system of each case came to.
pub const SYSTEMS: &str = "systems.csv";
/// What waited for a human, who decided, and what silence led to.
pub const APPROVALS: &str = "approvals.csv";
/// Everything that did not go as it should, or that an auditor asks about.
pub const EXCEPTIONS: &str = "exceptions.csv";
/// Whether anything is missing.
pub const COMPLETENESS: &str = "completeness.json";
/// Which file answers which control.
pub const CONTROLS: &str = "controls.md";
/// The sampled rows.
pub const SAMPLE: &str = "sample.csv";
/// Where the proofs lie.
pub const PROOFS: &str = "proofs/";
/// What ties the rows to the checkpoint.
pub const RANGE: &str = "proofs/range.json";
/// The signed note.
pub const CHECKPOINT: &str = "checkpoint";
/// The keys that the note is checked with.
pub const KEYS: &str = "keys.json";
/// Where the policies lie.
pub const POLICIES: &str = "policies/";
/// OSCAL assessment results.
pub const OSCAL: &str = "oscal.json";
/// The report for people.
pub const REPORT: &str = "report.html";
/// What the pack is and how it is checked.
pub const README: &str = "README.md";
/// The verifier that needs nothing but Python.
pub const VERIFIER: &str = "verify.py";
/// Files whose wording belongs to a form, [`COMPLETENESS`] aside: nothing stands in them that is not in a table.
pub const WORDED: [&str; 5] = [README, REPORT, CONTROLS, OSCAL, VERIFIER];
/// The digests of all other files.
pub const MANIFEST: &str = "manifest.json";

/// Columns of [`ROWS_CSV`].
pub const ROWS_COLUMNS: &[&str] = &[
    "seq",
    "hash",
    "previous",
    "event_id",
    "case_id",
    "ordinal",
    "event_type",
    "occurred_at",
    "recorded_at",
    "username",
    "actor",
    "system",
    "action",
    "result",
    "risk",
    "access_row",
    "evidence_sha256",
    "leaf",
];

/// Columns of [`POPULATION`].
pub const POPULATION_COLUMNS: &[&str] = &[
    "case_id",
    "username",
    "employee_id",
    "mode",
    "dry_run",
    "reason",
    "trigger_kind",
    "trigger_source",
    "triggered_by",
    "trigger_event_id",
    "trigger_at",
    "received_at",
    "recorded_at",
    "effective_at",
    "systems",
    "policy_digest",
    "row",
];

/// Columns of [`CASES`].
pub const CASES_COLUMNS: &[&str] = &[
    "case_id",
    "username",
    "status",
    "triggered_at",
    "effective_at",
    "first_revoked_at",
    "last_revoked_at",
    "last_verified_at",
    "closed_at",
    "seconds_to_contained",
    "seconds_to_verified",
    "sla_seconds",
    "within_sla",
    "systems_expected",
    "systems_done",
    "access_rows",
    "rows",
    "mode",
    "restores",
    "measure",
];

/// Columns of [`SYSTEMS`].
pub const SYSTEMS_COLUMNS: &[&str] = &[
    "case_id",
    "username",
    "system",
    "result",
    "risk",
    "before_status",
    "after_status",
    "actions",
    "attempts",
    "revoked_at",
    "verified_at",
    "seconds_to_revoked",
    "within_sla",
    "residuals",
    "access_row",
    "verification_row",
    "restored_row",
    "restored_at",
    "not_restorable",
];

/// Columns of [`APPROVALS`].
pub const APPROVALS_COLUMNS: &[&str] = &[
    "case_id",
    "username",
    "system",
    "requested_row",
    "requested_at",
    "plan_digest",
    "decided_row",
    "decided_at",
    "decision",
    "approver",
    "reason",
    "requested_by",
    "separated",
    "approval",
    "status",
    "approvals",
    "needed",
    "through",
    "asked",
    "expires_at",
];

/// Columns of [`EXCEPTIONS`].
pub const EXCEPTIONS_COLUMNS: &[&str] = &["kind", "case_id", "username", "system", "row", "at", "detail"];

/// Columns of [`SAMPLE`].
pub const SAMPLE_COLUMNS: &[&str] = &["rank", "selector", "case_id", "username", "system", "row", "proof"];

/// The file with the proof of one row.
pub fn proof(row: u64) -> String {
    format!("{PROOFS}{row}.tlog-proof")
}

/// The file with one policy.
pub fn policy(digest: &str) -> String {
    format!("{POLICIES}{digest}.json")
}
