//! Several feeders at once, in any interleaving of their calls, dying where they like.

use super::{Clock, cases, feed, finish};
use futures_util::{FutureExt as _, future::LocalBoxFuture, task::noop_waker};
use leaver_domain::{
    batch::{Batch, BatchStatus, Line, LineState},
    case::{CaseStatus, Mode},
    digest::Digest,
    id::{BatchId, CaseId},
    person::Person,
    ports::{CaseStore, Change, Workflow},
};
use leaver_platform::memory::{MemoryCases, MemoryWorkflow};
use leaver_tests::{
    failing::{Failing, When},
    flow::policy,
};
use proptest::prelude::*;
use serde_json::json;
use std::{collections::BTreeMap, future::Future, pin::pin, task::Context, time::Duration};

const PEOPLE: u32 = 9;

/// Everything here yields only so that others get their turn.
fn run<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let waker = noop_waker();
    loop {
        if let std::task::Poll::Ready(value) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
    }
}

fn person(number: u32) -> Person {
    serde_json::from_value(json!({
        "username": format!("p{number}"), "employee_id": format!("E-{number}"), "email": format!("p{number}@example.com"),
        "name": "P", "role": "r", "employment": "employee", "department": "Sales", "status": "active", "version": 1,
    }))
    .unwrap()
}

/// A batch with these people, recorded.
async fn recorded(
    store: &MemoryCases,
    name: &str,
    people: impl Iterator<Item = u32>,
    clock: &Clock,
) -> Batch {
    let line = |number: u32| Line {
        line: number + 2,
        username: format!("p{number}").parse().unwrap(),
        reason: "R".into(),
        mode: Mode::Leave,
        preserve_data: false,
        first: number.is_multiple_of(4),
    };
    let mut lines: Vec<Line> = people.map(line).collect();
    lines.sort_by_key(|line| (!line.first, line.line));
    let by = "harper.hr".parse().unwrap();
    let id: BatchId = name.parse().unwrap();
    let batch = Batch::recorded(id.clone(), by, (Digest::ZERO, &lines), None, clock.now());
    store.keep_lines(&id, &batch.lines, &lines).await.unwrap();
    store.commit(&[Change::Batch(Box::new(batch.clone()))]).await.unwrap();
    batch
}

#[derive(Debug, Clone)]
enum Act {
    /// A feeder's next call.
    Step(usize),
    /// A feeder dies, and another begins in its place.
    Dies(usize),
    /// Time goes on: a lease may end.
    Later(u64),
    /// Some cases come to their end.
    Finish(u8),
    /// The first batch is called off.
    Cancel,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        60 => (0_usize..3).prop_map(Act::Step),
        3 => (0_usize..3).prop_map(Act::Dies),
        6 => (1_u64..40).prop_map(Act::Later),
        6 => any::<u8>().prop_map(Act::Finish),
        1 => Just(Act::Cancel),
    ]
}

async fn check(store: &MemoryCases, was_cancelled: bool) {
    let all = cases(store).await;
    let mut of_person: BTreeMap<String, Vec<CaseId>> = BTreeMap::new();
    for case in all {
        of_person.entry(case.person.username.to_string()).or_default().push(case.case_id);
    }
    for (person, cases) in &of_person {
        assert_eq!(cases.len(), 1, "{person} has {cases:?}");
    }
    for batch in store.batches(None, 9).await.unwrap().batches {
        assert_eq!(
            batch.status,
            if batch.states.any(|state| state != LineState::Skipped) {
                BatchStatus::Ended
            } else {
                BatchStatus::Cancelled
            }
        );
        let lines = store.lines(&batch).await.unwrap();
        for (line, state) in lines.iter().zip(batch.states.iter()) {
            let own = leaver_domain::batch::case_of(&batch.batch_id, line).unwrap();
            let theirs = of_person.get(line.username.as_str());
            let is_own = theirs.is_some_and(|theirs| theirs.contains(&own));
            match state {
                LineState::Complete => assert!(is_own, "{line:?} was lost"),
                LineState::Already => assert!(theirs.is_some() && !is_own, "{line:?} has no case"),
                LineState::Skipped => {
                    assert!(was_cancelled && !is_own, "{line:?} runs though it was called off")
                }
                other => panic!("{line:?} is {other:?}"),
            }
        }
    }
}

fn interleave(acts: &[Act]) {
    let (store, workflow, clock, policy) =
        (MemoryCases::default(), MemoryWorkflow::default(), Clock::new(), {
            let mut policy = policy("local");
            policy.batch.max_running = 3;
            policy
        });
    run(async {
        for number in 0..PEOPLE {
            store.put_person(&person(number)).await.unwrap();
        }
        recorded(&store, "batch-one", 0..6, &clock).await;
        recorded(&store, "batch-two", 4..PEOPLE, &clock).await;
    });
    // It fails nothing, and gives others their turn at each call.
    let slow = Failing::at(&store, i64::MAX, When::Before);
    let names = ["a", "b", "c"];
    let with = (&policy, &workflow as &dyn Workflow);
    let begin = |name: &'static str| -> LocalBoxFuture<'_, ()> {
        feed(with, &slow, &clock, name, Duration::from_secs(9)).map(|_| ()).boxed_local()
    };
    let mut feeders: Vec<LocalBoxFuture<'_, ()>> = names.iter().map(|name| begin(name)).collect();
    let waker = noop_waker();
    let mut was_cancelled = false;
    for act in acts {
        match act {
            Act::Step(which) => {
                if feeders[*which].as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    feeders[*which] = begin(names[*which]);
                }
            }
            Act::Dies(which) => feeders[*which] = begin(names[*which]),
            Act::Later(seconds) => clock.pass(Duration::from_secs(*seconds)),
            Act::Finish(some) => {
                run(finish(&store, |case| case.case_id.as_str().as_bytes()[7] % 4 == some % 4))
            }
            Act::Cancel => run(async {
                let first = store.batch(&"batch-one".parse().unwrap()).await.unwrap().unwrap();
                if let Some(next) = first.cancelled("harper.hr", "a mistake", clock.now()) {
                    store.commit(&[Change::Batch(Box::new(next))]).await.unwrap();
                    was_cancelled = true;
                }
            }),
        }
    }
    drop(feeders);
    run(async {
        for _ in 0..20 {
            clock.pass(Duration::from_secs(31));
            feed(with, &store, &clock, "last", Duration::ZERO).await.unwrap();
            finish(&store, |_| true).await;
        }
        assert!(cases(&store).await.iter().all(|case| case.status == CaseStatus::Complete));
        check(&store, was_cancelled).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever the order in which they come to speak, wherever one dies, whenever a lease ends: no line is lost, nobody has two
    /// cases, and what was called off does not run.
    #[test]
    fn any_interleaving_of_feeders_loses_none_and_opens_none_twice(acts in prop::collection::vec(act(), 0..400)) {
        interleave(&acts);
    }
}
