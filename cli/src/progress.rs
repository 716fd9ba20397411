//! Progress for whoever waits: bars on a terminal, plain lines elsewhere, nothing where nobody looks. Always on stderr,
//! so that stdout holds results only.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal as _, stderr, stdout},
    time::{Duration, Instant},
};

/// Time between two lines about one step.
const PAUSE: Duration = Duration::from_secs(15);

/// How progress is told.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Moving bars and spinners.
    Bars(MultiProgress),
    /// A line when something begins and one when it is done.
    Lines,
    /// Not at all.
    Silent,
}

impl Progress {
    /// Bars where people look at a terminal, lines otherwise.
    pub fn detect() -> Self {
        if stdout().is_terminal() && stderr().is_terminal() {
            Self::Bars(MultiProgress::new())
        } else {
            Self::Lines
        }
    }

    /// Begins a step of unknown length.
    pub fn step(&self, what: &str) -> Step {
        let bar = match self {
            Self::Bars(all) => {
                let bar = all.add(ProgressBar::new_spinner());
                bar.set_style(style("{spinner:.cyan} {prefix:<28} {wide_msg} {elapsed:.dim}"));
                bar.set_prefix(what.to_owned());
                bar.enable_steady_tick(Duration::from_millis(100));
                Some(bar)
            }
            Self::Lines => {
                eprintln!("{what} ...");
                None
            }
            Self::Silent => None,
        };
        let lines = matches!(self, Self::Lines);
        let now = Instant::now();
        Step { bar, lines, what: what.to_owned(), begun: now, told: now, counted: false }
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        match self {
            Self::Bars(all) => {
                // A terminal that went away is no reason to stop working.
                let _ = all.println(line);
            }
            Self::Lines => eprintln!("{line}"),
            Self::Silent => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .progress_chars("=> ")
}

/// Something under way.
#[derive(Debug)]
pub struct Step {
    bar: Option<ProgressBar>,
    lines: bool,
    what: String,
    begun: Instant,
    told: Instant,
    counted: bool,
}

impl Step {
    /// What is going on just now.
    pub fn note(&self, now: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(now.into());
        }
    }

    /// How far it is.
    pub fn at(&mut self, done: u64, of: u64) {
        let Some(bar) = &self.bar else {
            // Where there is no bar, a line now and then shows that it is alive.
            if self.lines && self.told.elapsed() > PAUSE {
                self.told = Instant::now();
                eprintln!("{}: {done} of {of}", self.what);
            }
            return;
        };
        if !self.counted {
            bar.set_style(style(
                "{spinner:.cyan} {prefix:<28} [{bar:24.cyan}] {pos}/{len} {wide_msg} {elapsed:.dim}",
            ));
            self.counted = true;
        }
        bar.set_length(of);
        bar.set_position(done);
    }

    /// It is done.
    pub fn done(self, result: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        if let Some(bar) = &self.bar {
            bar.set_style(style("{prefix:<30} {wide_msg}"));
            bar.finish_with_message(format!("{result} ({seconds:.1} s)"));
        } else if self.lines {
            eprintln!("{}: {result} ({seconds:.1} s)", self.what);
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // A step that failed leaves its line: the error below it says the rest.
        if let Some(bar) = &self.bar
            && !bar.is_finished()
        {
            bar.abandon();
        }
    }
}
