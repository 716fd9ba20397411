//! Publishers that meet and crash beside a log that grows, and an operator who restores the table to an earlier time.
//!
//! Here an append is one step: what a publisher sees of it is its transaction, and all else is in `appenders.rs`.

use crate::{
    appenders::draft,
    bucket::{Bucket, root},
    faults::{Effect, GOOD, Heard, faults},
    table::{ALL, ORIGIN, Table},
    tape::{Answer, Call, Came, Run, Tape, Work},
    tell,
};
use leaver_domain::{policy::Policy, time::Timestamp};
use leaver_ledger::{Appending, append};
use leaver_platform::memory_log::{MemorySigner, NoWitnesses};
use leaver_publish::{NotPublished, Publish, Published, handle};
use stateright::{Checker, Model, Property};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::Instant,
};

/// What happens around the publishers.
struct Publishers {
    policy: Arc<Policy>,
    /// How often each publisher is started.
    starts: Vec<u8>,
    /// What is appended, one after another.
    events: Vec<&'static str>,
    faults: u8,
    restore: Restore,
    /// Tables and buckets from which an undisturbed run was tried.
    tried: Mutex<HashSet<u64>>,
}

/// What the operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restore {
    /// Nothing.
    Never,
    /// Stops the publishers, lets what is on its way arrive, restores the table, starts them again.
    Stopped,
}

#[derive(Debug, Clone, Hash, PartialEq)]
struct Publisher {
    starts: u8,
    run: Option<Run>,
}

/// A write that is still on its way.
#[derive(Debug, Clone)]
struct Late(Arc<Call>);

impl Late {
    fn key(&self) -> (String, Vec<u8>) {
        match self.0.as_ref() {
            Call::Put(key, bytes, _) => (key.clone(), bytes.clone()),
            Call::KeepCheckpoint(_, note) => (String::new(), note.clone().into_bytes()),
            other => panic!("no write: {other:?}"),
        }
    }
}

impl Hash for Late {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.key().hash(to);
    }
}

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

#[derive(Debug, Clone, Hash, PartialEq)]
struct State {
    table: Table,
    bucket: Bucket,
    publishers: Vec<Publisher>,
    late: Vec<Late>,
    faults: u8,
    /// How many events were appended, those of before a restore included.
    appended: usize,
    backup: Option<Table>,
    restored: bool,
    flaw: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    Append,
    Call { who: usize, call: usize, effect: Effect, heard: Heard },
    Arrives(usize),
    Backup,
    Restore,
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("an instant")
}

impl Publishers {
    fn new(starts: &[u8], events: &[&'static str], faults: u8, restore: Restore) -> Self {
        let mut policy = leaver_tests::flow::shipped("local");
        (policy.ledger.witnesses, policy.ledger.quorum) = (Vec::new(), 0);
        let (policy, starts, events) = (Arc::new(policy), starts.to_vec(), events.to_vec());
        Self { policy, starts, events, faults, restore, tried: Mutex::default() }
    }

    /// The real function over a tape. Its key is at hand: asking for it and signing change nothing outside.
    fn work(&self) -> impl FnOnce(Tape) -> Work<Result<Published, NotPublished>> + use<> {
        let policy = self.policy.clone();
        move |tape| {
            Box::pin(async move {
                let publish = Publish {
                    ledger: &tape,
                    objects: &tape,
                    signer: &MemorySigner::new([7; 32]),
                    witnesses: &NoWitnesses,
                    policy: &policy,
                    origin: ORIGIN,
                    now: at(5_000),
                    renew: false,
                };
                handle(&publish).await
            })
        }
    }

    fn start(&self, starts: u8) -> Publisher {
        let run = starts.checked_sub(1).map(|_| match Run::start(self.work()) {
            Came::So(run) => run,
            Came::Through(_) => panic!("a publisher that takes no call"),
        });
        Publisher { starts: starts.saturating_sub(1), run }
    }

    /// Appends the next event with the real function, in one go.
    fn append(&self, state: &mut State) {
        let salt = u8::try_from(state.appended).expect("few");
        let events = state.table.events();
        let mut names = self.events.iter().map(|name| draft(name));
        let next = names.find(|draft| !events.contains(&draft.event_id)).expect("an event");
        state.appended += 1;
        let work = move |tape: Tape| -> Work<()> {
            Box::pin(async move {
                let wait = &|_| -> futures_util::future::BoxFuture<'_, ()> { Box::pin(async {}) };
                let to = Appending { store: &tape, now: at(1_000), salt: &move || [salt; 16], wait };
                append(&to, vec![next]).await.expect("an append");
            })
        };
        Run::through(work, |call| state.table.call(call, ALL));
    }

    /// What a publisher says at its end must be so.
    fn check(&self, state: &State, said: &Result<Published, NotPublished>) -> Option<String> {
        match said {
            Ok(said) => {
                let size = usize::try_from(said.size).expect("a small log");
                let true_there = state.table.rows().get(..size).is_some_and(|rows| root(rows) == said.root);
                (!true_there).then(|| format!("{said:?} is not what the table holds"))
            }
            Err(NotPublished::Inconsistent(why)) if !state.is_tainted() => {
                Some(format!("refused for nothing: {why}"))
            }
            Err(_) => None,
        }
    }

    /// From wherever the others stopped, undisturbed runs publish everything; or refuse, where the table is not what was
    /// published.
    fn finish(&self, state: &State) -> Option<String> {
        let mut hash = DefaultHasher::new();
        (&state.table, &state.bucket).hash(&mut hash);
        if !self.tried.lock().expect("not poisoned").insert(hash.finish()) {
            return None;
        }
        let mut left = state.clone();
        let said = Run::through(self.work(), |call| left.world(call));
        let all = left.table.rows().len();
        match said {
            Err(NotPublished::Inconsistent(_)) if state.is_tainted() => None,
            Ok(said) if !state.is_contradicted() && usize::try_from(said.size) == Ok(all) => {
                let (flaw, root) = (left.bucket.flaw.clone(), left.bucket.largest());
                flaw.or((root != Some((said.size, said.root))).then(|| format!("{said:?} is not published")))
            }
            other => Some(format!("an undisturbed run ends with {other:?}")),
        }
    }
}

impl State {
    /// Answers a call, with what it does.
    fn world(&mut self, call: &Call) -> Answer {
        match call {
            Call::Get(_) | Call::Put(..) | Call::Behind(..) => self.bucket.call(call),
            _ => self.table.call(call, ALL),
        }
    }

    /// Whether the table is not what was published, continued.
    fn is_contradicted(&self) -> bool {
        let Some((size, published)) = self.bucket.largest() else { return false };
        let size = usize::try_from(size).expect("a small log");
        self.table.rows().get(..size).is_none_or(|rows| root(rows) != published)
    }

    /// Whether the bucket holds a row that the table does not, be it under a checkpoint or not yet: one may refuse that.
    fn is_tainted(&self) -> bool {
        self.is_contradicted() || !self.bucket.all_begin(self.table.rows())
    }

    fn is_done(&self) -> bool {
        self.publishers.iter().all(|one| one.run.is_none())
    }
}

impl Model for Publishers {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            table: Table::default(),
            bucket: Bucket::default(),
            publishers: self.starts.iter().map(|starts| self.start(*starts)).collect(),
            late: Vec::new(),
            faults: self.faults,
            appended: 0,
            backup: None,
            restored: false,
            flaw: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let twice = if state.restored { 2 } else { 1 };
        if state.appended < self.events.len() * twice && state.table.rows().len() < self.events.len() {
            actions.push(Action::Append);
        }
        if self.restore != Restore::Never && state.backup.is_none() {
            actions.push(Action::Backup);
        }
        // A table that was not changed since is nothing to restore.
        if !state.restored && state.backup.as_ref().is_some_and(|backup| backup.rows() != state.table.rows())
        {
            actions.push(Action::Restore);
        }
        actions.extend((0..state.late.len()).map(Action::Arrives));
        for (who, publisher) in state.publishers.iter().enumerate() {
            for (&call, asked) in publisher.run.iter().flat_map(|run| run.waits()) {
                let bad = if state.faults > 0 { faults(asked, true) } else { Vec::new() };
                let all = std::iter::once(GOOD).chain(bad);
                actions.extend(all.map(|(effect, heard)| Action::Call { who, call, effect, heard }));
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let (who, call, effect, heard) = match action {
            Action::Call { who, call, effect, heard } => (who, call, effect, heard),
            Action::Append => {
                self.append(&mut state);
                return Some(state);
            }
            Action::Arrives(late) => {
                let call = state.late.remove(late).0;
                state.world(&call);
                return Some(state);
            }
            Action::Backup => {
                state.backup = Some(state.table.clone());
                return Some(state);
            }
            Action::Restore => {
                std::mem::take(&mut state.late).iter().for_each(|late| {
                    state.world(&late.0);
                });
                (state.table, state.restored) = (state.backup.clone()?, true);
                for publisher in &mut state.publishers {
                    // Each is started once more at least.
                    *publisher = self.start(publisher.starts.max(1));
                }
                return Some(state);
            }
        };
        let run = state.publishers[who].run.clone()?;
        let asked = &run.waits()[&call];
        let answer = match effect {
            Effect::None => Answer::Lost,
            Effect::Now => state.world(asked),
            Effect::Twice => {
                state.world(asked);
                state.world(asked)
            }
            Effect::Later => {
                state.late.push(Late(Arc::new(asked.clone())));
                Answer::Lost
            }
            Effect::Half => panic!("a single object is written wholly"),
        };
        state.faults -= u8::from((effect, heard) != GOOD);
        let came = match heard {
            Heard::All => run.answer(call, answer, self.work()),
            Heard::Error => run.answer(call, Answer::Lost, self.work()),
            Heard::Dead => {
                state.publishers[who] = self.start(state.publishers[who].starts);
                return Some(state);
            }
        };
        match came {
            Came::So(run) => state.publishers[who].run = Some(run),
            Came::Through(said) => {
                state.flaw = state.flaw.take().or(self.check(&state, &said));
                state.publishers[who] = self.start(state.publishers[who].starts);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(ONE, |_, state: &State| state.bucket.flaw.is_none()),
            Property::always(TRUE, |_, state: &State| state.flaw.is_none()),
            Property::always(FINISHED, |model: &Self, state: &State| model.finish(state).is_none()),
            Property::always("the log is whole", |_, state: &State| state.table.flaw.is_none()),
            Property::sometimes("everything is published", |model: &Self, state: &State| {
                state
                    .bucket
                    .largest()
                    .is_some_and(|(size, _)| usize::try_from(size) == Ok(model.events.len()))
                    && state.is_done()
            }),
        ];
        if self.restore != Restore::Never {
            all.push(Property::sometimes(
                "a restored table contradicts what was published",
                |_, state: &State| state.restored && state.is_contradicted(),
            ));
            all.push(Property::sometimes(
                "a restored table grows as long again",
                |model: &Self, state: &State| {
                    state.restored
                        && state.is_contradicted()
                        && state.table.rows().len() == model.events.len()
                },
            ));
        }
        all
    }
}

const ONE: &str = "the published checkpoints tell one story";
const TRUE: &str = "what a publisher says is so, and it never refuses for nothing";
const FINISHED: &str =
    "an undisturbed run publishes the rest, or refuses a table that contradicts what was published";

/// Explores everything; nothing may break.
fn holds(what: &str, model: Publishers, at_least: usize) {
    let began = Instant::now();
    let checked = model.checker().threads(2).spawn_bfs().join();
    let tried = checked.model().tried.lock().expect("not poisoned").len();
    tell(&format!("{what}; {tried} undisturbed runs"), checked.unique_state_count(), began);
    for (name, path) in checked.discoveries() {
        if [ONE, TRUE, FINISHED].contains(&name) {
            let state = path.last_state().clone();
            let why = (&state.flaw, &state.bucket.flaw);
            tell(&format!("{name}: {why:?} not after {:?}", path.into_actions()), 0, began);
        }
    }
    checked.assert_properties();
    assert!(checked.unique_state_count() >= at_least, "only {} states", checked.unique_state_count());
}

#[test]
fn a_publisher_that_crashes_anywhere_is_finished_by_the_next() {
    holds("one publisher, two faults", Publishers::new(&[3], &["a", "b"], 2, Restore::Never), 1_000);
}

#[test]
fn publishers_that_meet_and_crash_tell_one_story() {
    holds("two publishers, one fault", Publishers::new(&[1, 1], &["a", "b"], 1, Restore::Never), 1_000);
}

#[test]
fn a_restored_table_is_refused_where_it_contradicts_what_was_published() {
    holds(
        "one publisher, a restore, one fault",
        Publishers::new(&[2], &["a", "b"], 1, Restore::Stopped),
        1_000,
    );
}

/// What no order of writes in one bucket can exclude, and why the functions are stopped before a table is restored: a
/// publisher that read the table before it was restored signs what it read. A witness excludes it, since it cosigns one of
/// the two only; and whoever reads the bucket sees it.
#[test]
fn a_restore_under_a_running_publisher_is_seen_in_the_bucket() {
    let model = Publishers::new(&[0], &["a", "b", "c"], 0, Restore::Never);
    let mut state = model.init_states().remove(0);
    model.append(&mut state);
    Run::through(model.work(), |call| state.world(call)).expect("published");
    let backup = state.table.clone();
    model.append(&mut state);
    // This one comes as far as to its checkpoint over two rows.
    let Came::So(mut slow) = Run::start(model.work()) else { panic!("no calls") };
    let step = |run: &Run, state: &mut State| {
        let (&number, call) = run.waits().first_key_value().expect("a call");
        run.answer(number, state.world(call), model.work())
    };
    while !slow
        .waits()
        .values()
        .any(|call| matches!(call, Call::Put(key, ..) if key.starts_with("checkpoints/")))
    {
        let Came::So(next) = step(&slow, &mut state) else { panic!("no checkpoint") };
        slow = next;
    }
    state.table = backup;
    (0..2).for_each(|_| model.append(&mut state));
    let said = Run::through(model.work(), |call| state.world(call));
    assert_eq!((said.map(|said| said.size), &state.bucket.flaw), (Ok(3), &None));
    while let Came::So(next) = step(&slow, &mut state) {
        slow = next;
    }
    let flaw = state.bucket.flaw.expect("two stories");
    assert!(flaw.contains("contradicts"), "{flaw}");
}
