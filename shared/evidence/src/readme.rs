//! `README.md`: what the pack is, how it is checked, and what each file is.

use crate::{figures::Figures, tables::Look};

const FILES: &str = "\
| file | what it is |
|---|---|
| `report.html` | The report for people. It needs no network and prints well. |
| `population.csv` | Every case that was opened in the period, as its first row tells it. |
| `cases.csv` | What each case came to: times, time allowed, systems done, held, called off, giving back. |
| `systems.csv` | What each system of each case came to, and what outlives the revocation. |
| `approvals.csv` | What waited for a human, who was asked, who decided, what silence led to, and whether duties were separated. |
| `exceptions.csv` | Late, failed, not approved, not reviewed, denied, handed over, waiting, held, mistakes; measures in force and over. |
| `completeness.json` | Whether anything is missing, and what this pack cannot say. |
| `controls.md`, `oscal.json` | Which control asks what, and the answer; the second for tools (OSCAL 1.1.2). |
| `sample.csv`, `proofs/*.tlog-proof` | A sample that you can pick again, with a proof per row. |
| `rows.jsonl`, `rows.csv` | The rows of the log, verbatim and as a table. Everything above follows from them. |
| `checkpoint`, `keys.json`, `proofs/range.json` | The signed root, the keys, what ties the rows to the root, and the rows next to them. |
| `policies/` | The settings that the cases ran under, by their digests. |
| `verify.py` | The check, in one file of Python. |
| `manifest.json` | The SHA-256 of every other file. |
";

const RULES: &str = "\
- A case is of the period when its first row was recorded in it. `rows.*` hold all rows of these cases, and whatever was
  recorded in between.
- The time allowed starts when the event was received, but not before access was to end. Seconds are rounded up. A case is
  done when each of its systems was read again and found without access, or never had any.
- `within_sla` is `open` while a case is not done and its time is not over at the time this pack was made; `no` when it is.
- A case that gives access back (`mode` is `reactivate`) calls for no access rows and has no time limit; one that was called
  off calls for its trigger's only. Where an owner did the task of a system by hand, their statement stands for its access row.
- A measure (`measure-...`: an exception, a grant, emergency access, the release of held cases) is asked for, decided, begins
  and ends under its own id. It is in `approvals.csv` and `exceptions.csv` where one of its rows was recorded in the period.
- `approvals.csv` has a line for each thing that happened to a request: two where two must approve, one more for each time
  that others were asked because nobody decided (`escalated`), and one where nobody did (`expired`). `separated` says
  whether whoever decided was neither the person concerned nor the one who asked.
- An emergency is `unreviewed` until its review (`review-...`) was done by somebody who took no part in it.
- `wrongful_revocation` counts cases that brought back for good what an earlier case had taken.
- `result` in `systems.csv` is what the last row of the system says; `access_row` is its last access row.
- Times are UTC. A cell that a spreadsheet would run as a formula has a `'` in front.
- The sample: for each case the SHA-256 of the checkpoint's root (32 bytes) followed by the case's id; the 25 smallest are in it.
";

/// The file.
pub fn text(look: &Look<'_>, figures: &Figures) -> String {
    let context = look.context;
    let (rows, cases) = (figures.rows, figures.cases);
    format!(
        "# Evidence of offboarding\n\n\
         Log `{log}`, period {from} to {to} (excluded), made {made}.\n\n\
         {statement}\n\n\
         ## How to check it\n\n\
         Nothing but this directory is needed, and no network:\n\n\
         ```\nleaver verify .\n```\n\n\
         or, without leaver, with Python 3.9 or later:\n\n\
         ```\npython3 verify.py .\n```\n\n\
         The first recomputes every row's hash, the chain, the tree's root, the signatures, and every other file from the \
         rows. The\nsecond shares no code with it; it names the files that it does not recompute. Of a good pack both say\n\
         `VERIFIED`, {rows} rows, {cases} cases and this root:\n\n\
         ```\n{root}\n```\n\n\
         Otherwise they name the first bad row or file and end with a code other than 0. The keys are in this pack: compare \
         them,\nor a checkpoint that you kept from earlier, with what you got on another way.\n\n\
         ## What is in it\n\n{FILES}\n\
         ## How to read the tables\n\n{RULES}",
        log = context.log,
        from = context.period.from,
        to = context.period.to,
        made = context.generated_at,
        statement = crate::completeness::statement(look, figures),
        root = context.checkpoint.root,
    )
}
