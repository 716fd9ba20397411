//! Appenders that meet, whose deliveries overlap, repeat, crash and lose answers.

use crate::{
    faults::{Effect, GOOD, Heard, faults},
    table::{ALL, Promises, Table},
    tape::{Answer, Call, Came, Run, Tape, Work},
    tell,
};
use leaver_domain::{
    digest::Digest,
    ledger::{Draft, EventKind, Outcome},
    ports::{Appended, StoreError},
    time::Timestamp,
};
use leaver_ledger::{Appending, Tally, append};
use stateright::{Checker, Model, Property};
use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Instant,
};

/// An event; the same name says the same, but for what stands behind a `!`.
pub(crate) fn draft(name: &str) -> Draft {
    let (id, forged) = name.split_once('!').unwrap_or((name, ""));
    Draft {
        event_id: format!("case/{id}"),
        case_id: "case".into(),
        ordinal: 0,
        kind: EventKind::AccessRevoked,
        occurred_at: Timestamp::from_millis(1).expect("an instant"),
        username: "john.doe".into(),
        actor: "leaver/adapter".into(),
        system: None,
        action: "revoke".into(),
        outcome: Outcome::Success,
        risk: None,
        evidence: format!("{{\"forged\":\"{forged}\"}}"),
    }
}

fn delivery(names: &[&str]) -> Vec<Draft> {
    names.iter().copied().map(draft).collect()
}

/// The outside that is explored.
struct Appenders {
    /// What is delivered to each appender, in order.
    deliveries: Vec<Vec<Vec<Draft>>>,
    /// How many calls may go wrong.
    faults: u8,
    keeps: Promises,
    /// How many writes took effect behind their caller's back.
    landed: AtomicUsize,
}

#[derive(Debug, Clone, Hash, PartialEq)]
struct Appender {
    /// Which delivery it has.
    job: usize,
    /// How often it was started anew with it.
    life: u8,
    /// Where it stands; `None` behind its last delivery.
    run: Option<Run>,
}

/// A write that is still on its way.
#[derive(Debug, Clone)]
struct Late(Arc<Call>);

impl Late {
    /// The new end of the log, which covers all that the write would change.
    fn mark(&self) -> Option<Digest> {
        match self.0.as_ref() {
            Call::Append(batch) => Some(batch.head.last),
            _ => None,
        }
    }
}

impl Hash for Late {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.mark().hash(to);
    }
}

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        self.mark() == other.mark()
    }
}

#[derive(Debug, Clone, Hash, PartialEq)]
struct State {
    table: Table,
    appenders: Vec<Appender>,
    late: Vec<Late>,
    faults: u8,
    /// What an appender was told, or did to the rows, that must not be.
    flaw: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    /// Something comes of a call of an appender.
    Call { who: usize, call: usize, effect: Effect, heard: Heard },
    /// A write that was on its way arrives.
    Arrives(usize),
}

impl Appenders {
    fn new(deliveries: &[&[&[&str]]], faults: u8, keeps: Promises) -> Self {
        let of = |one: &&[&[&str]]| one.iter().map(|names| delivery(names)).collect();
        Self { deliveries: deliveries.iter().map(of).collect(), faults, keeps, landed: AtomicUsize::new(0) }
    }

    /// The real function over a tape. Its clock is the appender's own; its salts never repeat.
    fn work(&self, who: usize, job: usize, life: u8) -> impl FnOnce(Tape) -> Work<Result<Tally, StoreError>> {
        let drafts = self.deliveries[who][job].clone();
        move |tape| {
            let (count, of) = (AtomicU8::new(0), [who, job].map(|n| u8::try_from(n).expect("few")));
            Box::pin(async move {
                let salt = || {
                    let mut salt = [0; 16];
                    salt[..4].copy_from_slice(&[of[0], of[1], life, count.fetch_add(1, Ordering::Relaxed)]);
                    salt
                };
                let wait = &|_| -> futures_util::future::BoxFuture<'_, ()> { Box::pin(async {}) };
                // The second one's clock is behind.
                let now = Timestamp::from_millis(1_000 - i64::from(of[0])).expect("an instant");
                append(&Appending { store: &tape, now, salt: &salt, wait }, drafts).await
            })
        }
    }

    fn start(&self, who: usize, job: usize, life: u8) -> Appender {
        let run = (job < self.deliveries[who].len()).then(|| match Run::start(self.work(who, job, life)) {
            Came::So(run) => run,
            Came::Through(_) => panic!("a delivery that takes no call"),
        });
        Appender { job, life, run }
    }

    fn events(&self) -> BTreeSet<String> {
        self.deliveries.iter().flatten().flatten().map(|draft| draft.event_id.clone()).collect()
    }

    /// What an appender says at its end must be so.
    fn check(&self, drafts: &[Draft], tally: &Tally, table: &Table) -> Option<String> {
        if tally.appended + tally.repeated + tally.quarantined.len() != drafts.len() {
            return Some(format!("{tally:?} is not about {} events", drafts.len()));
        }
        let wrong = drafts.iter().find(|draft| {
            let set_aside = tally.quarantined.iter().any(|one| one.delivered == draft.content());
            table.content(&draft.event_id).is_none_or(|there| (there == draft.content()) == set_aside)
        });
        wrong.map(|draft| format!("{} was confirmed, and is not there", draft.event_id))
    }

    /// Lets something come of a call, in the table.
    fn affect(&self, state: &mut State, call: &Call, effect: Effect) -> Answer {
        let before = state.table.rows().to_vec();
        let answer = match effect {
            Effect::None => Answer::Lost,
            Effect::Now => state.table.call(call, self.keeps),
            Effect::Twice => {
                state.table.call(call, self.keeps);
                state.table.call(call, self.keeps)
            }
            Effect::Later => {
                state.late.push(Late(Arc::new(call.clone())));
                Answer::Lost
            }
            Effect::Half => {
                state.table.half(call);
                Answer::Lost
            }
        };
        if !state.table.rows().starts_with(&before) {
            state.flaw = Some("a row that stood in the log is gone, or is another".to_owned());
        }
        answer
    }
}

impl State {
    fn is_done(&self) -> bool {
        self.appenders.iter().all(|one| one.run.is_none())
    }

    fn has_heard(&self, what: fn(&Appended) -> bool) -> bool {
        let runs = self.appenders.iter().filter_map(|one| one.run.as_ref());
        runs.flat_map(Run::given).any(|(_, answer)| matches!(answer, Answer::Appended(one) if what(one)))
    }
}

impl Model for Appenders {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let appenders = (0..self.deliveries.len()).map(|who| self.start(who, 0, 0)).collect();
        let (table, late) = (Table::default(), Vec::new());
        vec![State { table, appenders, late, faults: self.faults, flaw: None }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend((0..state.late.len()).map(Action::Arrives));
        for (who, appender) in state.appenders.iter().enumerate() {
            for (&call, asked) in appender.run.iter().flat_map(|run| run.waits()) {
                let bad = if state.faults > 0 { faults(asked, self.keeps.atomic) } else { Vec::new() };
                let all = std::iter::once(GOOD).chain(bad);
                actions.extend(all.map(|(effect, heard)| Action::Call { who, call, effect, heard }));
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let (who, call, effect, heard) = match action {
            Action::Call { who, call, effect, heard } => (who, call, effect, heard),
            Action::Arrives(late) => {
                let call = state.late.remove(late).0;
                if let Answer::Appended(Appended::Done) = self.affect(&mut state, &call, Effect::Now) {
                    self.landed.fetch_add(1, Ordering::Relaxed);
                }
                return Some(state);
            }
        };
        if (effect, heard) != GOOD {
            state.faults -= 1;
        }
        let Appender { job, life, run } = state.appenders[who].clone();
        let run = run?;
        let answer = self.affect(&mut state, &run.waits()[&call], effect);
        let answer = if heard == Heard::All { answer } else { Answer::Lost };
        let came = match heard {
            Heard::Dead => Came::Through(Err(StoreError::Unavailable("dead".into()))),
            _ => run.answer(call, answer, self.work(who, job, life)),
        };
        state.appenders[who] = match came {
            Came::So(run) => Appender { job, life, run: Some(run) },
            // The stream delivers again until it was taken.
            Came::Through(Err(_)) => self.start(who, job, life + 1),
            Came::Through(Ok(tally)) => {
                let flaw = self.check(&self.deliveries[who][job], &tally, &state.table);
                state.flaw = state.flaw.or(flaw);
                self.start(who, job + 1, 0)
            }
        };
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WHOLE, |_, state: &State| state.table.flaw.is_none()),
            Property::always(KEPT, |_, state: &State| state.flaw.is_none()),
            Property::always(ONCE, |model: &Self, state: &State| {
                let (events, all) = (state.table.events(), model.events());
                !state.is_done() || (events.len() == all.len() && all == events.into_iter().collect())
            }),
            Property::sometimes("all is delivered", |_, state: &State| state.is_done()),
            Property::sometimes("an appender is too late", |_, state: &State| {
                state.has_heard(|what| matches!(what, Appended::HeadMoved))
            }),
            Property::sometimes("an event stands there", |_, state: &State| {
                state.has_heard(|what| matches!(what, Appended::Present(_)))
            }),
        ]
    }
}

const WHOLE: &str = "the log is one chain from its first row to its head: no gap, no fork";
const KEPT: &str = "no row changes, and what was confirmed stands there";
const ONCE: &str = "after the last delivery each event stands there once";

/// Explores everything; nothing may break.
fn holds(what: &str, model: Appenders, at_least: usize) {
    let (began, threads) = (Instant::now(), 2);
    let checked = model.checker().threads(threads).spawn_bfs().join();
    tell(what, checked.unique_state_count(), began);
    checked.assert_properties();
    assert!(checked.is_done());
    assert!(checked.unique_state_count() >= at_least, "only {} states", checked.unique_state_count());
    assert!(checked.model().landed.load(Ordering::Relaxed) > 0, "no late write ever took effect");
}

#[test]
fn appenders_that_overlap_crash_and_lose_answers_make_one_log() {
    let deliveries: &[&[&[&str]]] = &[&[&["a", "b"], &["c"]], &[&["b", "c", "b"], &["d"]]];
    holds("two appenders, two faults", Appenders::new(deliveries, 2, ALL), 1_000);
}

#[test]
fn an_event_that_contradicts_another_never_stands_beside_it() {
    let deliveries: &[&[&[&str]]] = &[&[&["a", "b"]], &[&["b!"], &["c"]]];
    holds("two appenders that contradict", Appenders::new(deliveries, 2, ALL), 1_000);
}

#[test]
fn three_appenders_of_the_same_events_make_one_log() {
    let deliveries: &[&[&[&str]]] = &[&[&["a"]], &[&["a", "b"]], &[&["b"]]];
    holds("three appenders", Appenders::new(deliveries, 1, ALL), 1_000);
}

/// The checker itself is on trial: a store that breaks a promise must be found out. What it breaks.
fn broken(what: &str, keeps: Promises) -> &'static str {
    let began = Instant::now();
    let deliveries: &[&[&[&str]]] = &[&[&["a"], &["b"]], &[&["c"], &["a", "d"]]];
    for depth in 2..15 {
        // The checker keeps the last counterexample that it meets, so it is let down step by step.
        let model = Appenders::new(deliveries, 1, keeps);
        let checked = model.checker().target_max_depth(depth).spawn_bfs().join();
        let found = [WHOLE, KEPT, ONCE].into_iter().find_map(|name| Some((name, checked.discovery(name)?)));
        if let Some((name, path)) = found {
            let steps = path.into_actions();
            tell(&format!("{what}: {name}: not after {steps:?}"), checked.unique_state_count(), began);
            return name;
        }
    }
    panic!("{what}: nothing was found")
}

#[test]
fn a_store_that_breaks_a_promise_is_found_out() {
    let any = Promises { head: false, walk: false, ..ALL };
    assert_eq!(broken("no compare-and-swap", any), KEPT);
    assert_eq!(broken("no identity", Promises { entry: false, ..ALL }), WHOLE);
    assert_eq!(broken("no transaction", Promises { atomic: false, ..ALL }), WHOLE);
}

/// Either condition alone excludes forks: the walk's, since two batches on one head start at one place.
#[test]
fn the_heads_and_the_walks_conditions_each_suffice() {
    let deliveries: &[&[&[&str]]] = &[&[&["a"], &["b"]], &[&["c"], &["a", "d"]]];
    holds("only the head's", Appenders::new(deliveries, 1, Promises { walk: false, ..ALL }), 1_000);
    holds("only the walk's", Appenders::new(deliveries, 1, Promises { head: false, ..ALL }), 1_000);
}

/// Why the functions are stopped before a table is restored: versions of the head begin anew from the restored one, so that
/// a batch that was made before can meet the version that it waits for. The check of the log names the row.
#[test]
fn a_restore_under_a_running_appender_is_seen_in_the_log() {
    let model = Appenders::new(&[&[&["a"]], &[&["b"]], &[&["c"]]], 0, ALL);
    let mut table = Table::default();
    Run::through(model.work(0, 0, 0), |call| table.call(call, ALL)).expect("appended");
    let Came::So(slow) = Run::start(model.work(1, 0, 0)) else { panic!("no call") };
    let Came::So(slow) = slow.answer(0, table.call(&Call::Head, ALL), model.work(1, 0, 0)) else {
        panic!("no append")
    };
    table = Table::default();
    Run::through(model.work(2, 0, 0), |call| table.call(call, ALL)).expect("appended");
    assert_eq!(table.flaw, None);
    table.call(&slow.waits()[&1], ALL);
    assert!(table.flaw.expect("a fork").starts_with("row 1: it does not link"));
}
