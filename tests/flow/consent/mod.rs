//! Whatever people and machines do in whatever order: what is flagged is written to only where somebody entitled said yes to
//! it, or under a recorded emergency; and nothing is given back that nobody decided about.

mod acts;
pub(crate) mod fake;
mod judge;
mod run;

use acts::{Act, act};
use proptest::{
    collection::vec,
    test_runner::{Config, TestRunner},
};
use run::Run;
use std::sync::Mutex;

/// How often each way of writing came about over the whole run: a property that never writes shows nothing.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) clean: usize,
    pub(crate) approved: usize,
    pub(crate) emergency: usize,
    pub(crate) given_back: usize,
    pub(crate) asked_again: usize,
}

#[test]
fn nothing_flagged_is_written_without_a_decision_or_an_emergency() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let seen = Mutex::new(Seen::default());
    let config = Config { cases: 80, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&vec(act(), 20..90), |acts: Vec<Act>| {
        runtime.block_on(async {
            let mut run = Run::new().await;
            for act in &acts {
                run.act(act).await?;
            }
            run.afterwards().await?;
            let mut all = seen.lock().unwrap();
            let here = run.seen;
            all.clean += here.clean;
            all.approved += here.approved;
            all.emergency += here.emergency;
            all.given_back += here.given_back;
            all.asked_again += here.asked_again;
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let seen = *seen.lock().unwrap();
    println!("{seen:?}");
    // Giving back takes so many acts in the right order that not every run comes to it.
    let least = [seen.clean, seen.approved, seen.emergency, seen.asked_again];
    assert!(least.iter().all(|times| *times > 0), "too little came about to show anything: {seen:?}");
}
