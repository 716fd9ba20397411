//! Which control asks what, what this pack answers, and where: for `controls.md`, the report and OSCAL.

use crate::{
    figures::{Figures, PerSystem},
    layout,
    tables::exceptions::Kind,
};

/// One control of a standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Id in OSCAL.
    pub id: &'static str,
    /// The standard and the control's number there.
    pub name: &'static str,
    /// What it asks, in short.
    pub asks: &'static str,
    /// The files that answer.
    pub files: &'static [&'static str],
    /// Answers.
    pub answers: Vec<Answer>,
}

/// One thing that the figures say about a control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was looked at.
    pub what: &'static str,
    /// What was found.
    pub found: String,
    /// Whether it is as it should be.
    pub holds: bool,
}

impl Control {
    /// Whether everything looked at is as it should be.
    pub fn holds(&self) -> bool {
        self.answers.iter().all(|answer| answer.holds)
    }
}

fn complete(figures: &Figures) -> Answer {
    Answer {
        what: "Every system that a case calls for has its access row",
        found: format!(
            "access rows called for: {1}, there: {0}, missing: {2}",
            figures.found(),
            figures.expected,
            figures.missing.len()
        ),
        holds: figures.missing.is_empty(),
    }
}

fn in_time(figures: &Figures) -> Answer {
    let times = figures.in_time;
    Answer {
        what: "Access was gone, and read to be gone, within the time that the policy allows",
        found: format!(
            "in time: {}, late: {}, not done and still in time: {}, without a known limit: {}",
            times.yes, times.no, times.open, times.unknown
        ),
        holds: times.no == 0 && times.unknown == 0,
    }
}

fn closed(figures: &Figures) -> Answer {
    Answer {
        what: "Every case is closed",
        found: format!(
            "cases: {1}, of these closed: {0}, {2} of them called off",
            figures.closed, figures.cases, figures.cancelled
        ),
        holds: figures.closed == figures.cases,
    }
}

fn separated(figures: &Figures) -> Answer {
    let decisions = figures.decisions;
    Answer {
        what: "Whoever decided was neither the person concerned nor the one who asked",
        found: format!(
            "requests: {}, approved: {}, denied: {}, expired: {}, open: {}; decisions without separation of duties: {}",
            decisions.all,
            decisions.approved,
            decisions.denied,
            decisions.expired,
            decisions.open,
            decisions.not_separated
        ),
        holds: decisions.not_separated == 0,
    }
}

fn approved(figures: &Figures) -> Answer {
    Answer {
        what: "What is risky, or gives access, was done only after enough people had approved exactly that",
        found: format!(
            "requests approved: {}; done without the decision that it needed: {}",
            figures.decisions.approved,
            figures.exceptions_of(Kind::Unapproved)
        ),
        holds: figures.exceptions_of(Kind::Unapproved) == 0,
    }
}

fn ended(figures: &Figures) -> Answer {
    Answer {
        what: "Exceptions, grants and emergency access were asked for, decided, and ended when they had to",
        found: format!(
            "requests: {}, in force: {}, over: {}, refused: {}, in force though their end is past: {}",
            figures.measures,
            figures.exceptions_of(Kind::InForce),
            figures.exceptions_of(Kind::Over),
            figures.exceptions_of(Kind::Refused),
            figures.exceptions_of(Kind::Overdue)
        ),
        holds: figures.exceptions_of(Kind::Overdue) == 0,
    }
}

fn reviewed(figures: &Figures) -> Answer {
    Answer {
        what: "Every emergency was reviewed afterwards by somebody who took no part in it",
        found: format!(
            "emergencies: {}, of these not reviewed: {}",
            figures.exceptions_of(Kind::Emergency),
            figures.exceptions_of(Kind::Unreviewed)
        ),
        holds: figures.exceptions_of(Kind::Unreviewed) == 0,
    }
}

fn justified(figures: &Figures) -> Answer {
    Answer {
        what: "Fewer than one in a thousand cases took access by mistake, counted from those that brought it back",
        found: format!(
            "cases that take access: {}, of these called off before: {}; cases undone: {}",
            figures.terminations(),
            figures.cancelled,
            figures.mistakes.len()
        ),
        holds: figures.mistakes_are_rare(),
    }
}

fn reconciled(figures: &Figures) -> Answer {
    let wrong = figures.days.iter().filter(|day| !day.matches).count();
    Answer {
        what: "The HR system's events, the cases and the rows agree on every day of the period",
        found: format!(
            "days counted: {}, of these not in agreement: {wrong}; days not counted: {}",
            figures.days.len(),
            figures.missing_days.len()
        ),
        holds: figures.days_agree(),
    }
}

fn followed_up(figures: &Figures) -> Answer {
    Answer {
        what: "What failed was tried again until it was done, or given to an owner",
        found: format!(
            "systems with failures: {}, tasks that are open: {}, done by hand: {}, waiting for a decision: {}, denied or \
             not decided in time: {}",
            figures.exceptions_of(Kind::Failed),
            figures.exceptions_of(Kind::TaskOpened),
            figures.exceptions_of(Kind::TaskClosed),
            figures.exceptions_of(Kind::AwaitingApproval),
            figures.exceptions_of(Kind::Denied) + figures.exceptions_of(Kind::Expired)
        ),
        holds: figures.systems.values().all(PerSystem::is_finished),
    }
}

fn recorded(figures: &Figures) -> Answer {
    Answer {
        what: "Every step is recorded in a log that cannot be changed unseen",
        found: format!("{} rows, chained, and bound by the signed root of the checkpoint", figures.rows),
        holds: true,
    }
}

/// The controls with this pack's answers.
pub fn controls(figures: &Figures) -> Vec<Control> {
    use layout::{APPROVALS, CASES, CHECKPOINT, COMPLETENESS, EXCEPTIONS, POPULATION, ROWS_JSONL, SYSTEMS};
    vec![
        Control {
            id: "soc2-cc6.2",
            name: "SOC 2 CC6.2",
            asks: "Credentials are issued to those who are authorised, and removed when access is no longer authorised.",
            files: &[POPULATION, SYSTEMS, APPROVALS, EXCEPTIONS, COMPLETENESS],
            answers: vec![complete(figures), reconciled(figures), ended(figures)],
        },
        Control {
            id: "soc2-cc6.3",
            name: "SOC 2 CC6.3",
            asks: "Access is changed or removed by role and duty, with least privilege and separation of duties in mind.",
            files: &[SYSTEMS, APPROVALS, CASES, EXCEPTIONS],
            answers: vec![
                in_time(figures),
                separated(figures),
                approved(figures),
                reviewed(figures),
                justified(figures),
            ],
        },
        Control {
            id: "iso27001-2013-a.9.2.6",
            name: "ISO/IEC 27001:2013 A.9.2.6",
            asks: "Access rights are removed upon termination of employment, or adjusted upon change.",
            files: &[POPULATION, CASES, SYSTEMS],
            answers: vec![complete(figures), in_time(figures), closed(figures)],
        },
        Control {
            id: "iso27001-2022-a.5.18",
            name: "ISO/IEC 27001:2022 A.5.18",
            asks: "Access rights are provisioned, reviewed, changed and removed by the rules on access control.",
            files: &[CASES, SYSTEMS, APPROVALS, EXCEPTIONS, layout::POLICIES],
            answers: vec![complete(figures), in_time(figures), followed_up(figures), ended(figures)],
        },
        Control {
            id: "bsi-c5-ois-04",
            name: "BSI C5 OIS-04",
            asks: "Conflicting tasks are separated, and where they cannot be, this is compensated for.",
            files: &[APPROVALS, EXCEPTIONS],
            answers: vec![separated(figures), reviewed(figures)],
        },
        Control {
            id: "gdpr-art-32",
            name: "GDPR Art. 32",
            asks: "Suitable measures keep personal data confidential, and their effect is tested and assessed regularly.",
            files: &[ROWS_JSONL, EXCEPTIONS, CHECKPOINT],
            answers: vec![followed_up(figures), recorded(figures)],
        },
    ]
}

/// The file `controls.md`.
pub fn text(figures: &Figures) -> String {
    let mut text = String::from(
        "# Controls\n\nWhat each control asks, which files of this pack answer it, and what they say for this period. \
         \"As asked\" is\nwhat the figures say; whether a control is met is the auditor's judgement.\n",
    );
    for control in controls(figures) {
        let files: Vec<_> = control.files.iter().map(|file| format!("`{file}`")).collect();
        text.push_str(&format!(
            "\n## {}\n\n{}\n\nAnswered by {}.\n\n",
            control.name,
            control.asks,
            files.join(", ")
        ));
        text.push_str("| looked at | found | as asked |\n|---|---|---|\n");
        for answer in &control.answers {
            let holds = if answer.holds { "yes" } else { "**no**" };
            text.push_str(&format!("| {} | {} | {holds} |\n", answer.what, answer.found));
        }
    }
    text
}
