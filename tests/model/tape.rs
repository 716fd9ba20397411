//! Drives an async function by hand: each of its calls is a step that the checker answers when, and as, it likes.
//!
//! A function's state cannot be copied, but it follows from the answers that it was given. So a step is taken by
//! starting the function anew, playing back the answers so far, and looking at what it waits for then.

use async_trait::async_trait;
use leaver_domain::{
    ledger::{Draft, Head},
    ports::{
        Appended, Batch, LedgerStore, Located, Object, ObjectStore, Placed, Present, Row, StoreError, Unless,
    },
    time::Timestamp,
};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

/// What a function asks of the outside.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Head,
    Present(Vec<Draft>),
    Append(Batch),
    Rows(u64, usize),
    Locate(Vec<Draft>),
    Checkpoint,
    KeepCheckpoint(u64, String),
    Get(String),
    Put(String, Vec<u8>, Unless),
    Behind(String, String),
}

impl Call {
    /// Whether it changes anything.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self, Self::Append(_) | Self::KeepCheckpoint(..) | Self::Put(..))
    }
}

/// What it is told.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Head(Head),
    Present(Vec<Present>),
    Appended(Appended),
    Rows(Vec<Row>),
    Located(Vec<Located>),
    Checkpoint(Option<String>),
    Kept,
    Object(Option<Object>),
    Placed(Placed),
    Names(Vec<String>),
    /// Nothing that says what happened.
    Lost,
}

impl Hash for Answer {
    fn hash<H: Hasher>(&self, to: &mut H) {
        std::mem::discriminant(self).hash(to);
        let present = |there: &[Present], to: &mut H| {
            there.iter().for_each(|one| (&one.event_id, one.content).hash(to));
        };
        match self {
            Self::Head(head) => (head.version, head.last, head.tree.root()).hash(to),
            Self::Present(there) => present(there, to),
            Self::Appended(Appended::Present(there)) => present(there, to),
            Self::Appended(other) => std::mem::discriminant(other).hash(to),
            Self::Rows(rows) => rows.iter().for_each(|row| (row.seq, &row.leaf, &row.evidence).hash(to)),
            Self::Located(all) => all.iter().for_each(|one| (one.seq, &one.event_id, one.hash).hash(to)),
            Self::Checkpoint(note) => note.hash(to),
            Self::Object(object) => object.as_ref().map(|object| &object.bytes).hash(to),
            Self::Placed(placed) => (*placed == Placed::Done).hash(to),
            Self::Names(names) => names.hash(to),
            Self::Kept | Self::Lost => {}
        }
    }
}

/// A function in the middle of its work: the answers that it was given, and the calls that it waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    given: Arc<Vec<(usize, Answer)>>,
    mark: u64,
    waits: Arc<BTreeMap<usize, Call>>,
}

// The calls follow from the answers.
impl Hash for Run {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.mark.hash(to);
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.mark == other.mark
    }
}

/// How far a function came.
pub(crate) enum Came<T> {
    /// It waits.
    So(Run),
    /// It is done.
    Through(T),
}

/// A function that is to be driven: made anew for each step.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Run {
    /// Starts a function and runs it to its first calls.
    pub(crate) fn start<T>(work: impl FnOnce(Tape) -> Work<T>) -> Came<T> {
        Self::default().play(work)
    }

    /// What it was told so far.
    pub(crate) fn given(&self) -> &[(usize, Answer)] {
        &self.given
    }

    /// What it waits for, by the calls' numbers.
    pub(crate) fn waits(&self) -> &BTreeMap<usize, Call> {
        &self.waits
    }

    /// Answers one of its calls and runs it to the next ones.
    pub(crate) fn answer<T>(
        &self,
        call: usize,
        answer: Answer,
        work: impl FnOnce(Tape) -> Work<T>,
    ) -> Came<T> {
        let mut hash = DefaultHasher::new();
        (self.mark, call, &answer).hash(&mut hash);
        let mut given = self.given.to_vec();
        given.push((call, answer));
        Self { given: Arc::new(given), mark: hash.finish(), waits: Arc::default() }.play(work)
    }

    /// Runs a function from its beginning to its end, with nothing in between.
    pub(crate) fn through<T>(
        work: impl FnOnce(Tape) -> Work<T>,
        mut outside: impl FnMut(&Call) -> Answer,
    ) -> T {
        let tape = Tape::default();
        let mut future = work(tape.clone());
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return result;
            }
            let mut desk = tape.0.lock().expect("not poisoned");
            let (number, call) = desk.open.pop_first().expect("a call");
            desk.answers.insert(number, outside(&call));
        }
    }

    fn play<T>(mut self, work: impl FnOnce(Tape) -> Work<T>) -> Came<T> {
        let tape = Tape::default();
        let mut future = work(tape.clone());
        let mut context = Context::from_waker(Waker::noop());
        let mut played = self.given.iter();
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                assert_eq!(played.len(), 0, "the function does not do the same from the same answers");
                return Came::Through(result);
            }
            let Some((call, answer)) = played.next() else { break };
            let mut desk = tape.0.lock().expect("not poisoned");
            assert!(desk.open.remove(call).is_some(), "the function does not ask the same again");
            desk.answers.insert(*call, answer.clone());
        }
        let open = tape.0.lock().expect("not poisoned").open.clone();
        assert!(!open.is_empty(), "the function waits for something that is no call");
        self.waits = Arc::new(open);
        Came::So(self)
    }
}

#[derive(Debug, Default)]
struct Desk {
    asked: usize,
    open: BTreeMap<usize, Call>,
    answers: BTreeMap<usize, Answer>,
}

/// The stores of a function that is driven by hand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Desk>>);

impl Tape {
    async fn ask(&self, call: Call) -> Result<Answer, StoreError> {
        let number = {
            let mut desk = self.0.lock().expect("not poisoned");
            let number = desk.asked;
            desk.asked += 1;
            desk.open.insert(number, call);
            number
        };
        let answer =
            std::future::poll_fn(|_| match self.0.lock().expect("not poisoned").answers.remove(&number) {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            });
        match answer.await {
            Answer::Lost => Err(StoreError::Unavailable("the answer was lost".into())),
            answer => Ok(answer),
        }
    }
}

macro_rules! ask {
    ($tape:ident, $call:expr => $answer:pat => $value:expr) => {
        match $tape.ask($call).await? {
            $answer => Ok($value),
            other => panic!("not an answer to that: {other:?}"),
        }
    };
}

#[async_trait]
impl LedgerStore for Tape {
    async fn head(&self) -> Result<Head, StoreError> {
        ask!(self, Call::Head => Answer::Head(head) => head)
    }
    async fn present(&self, drafts: &[Draft]) -> Result<Vec<Present>, StoreError> {
        ask!(self, Call::Present(drafts.to_vec()) => Answer::Present(there) => there)
    }
    async fn append(&self, batch: &Batch) -> Result<Appended, StoreError> {
        ask!(self, Call::Append(batch.clone()) => Answer::Appended(what) => what)
    }
    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        ask!(self, Call::Rows(from, limit) => Answer::Rows(rows) => rows)
    }
    async fn locate(&self, drafts: &[Draft]) -> Result<Vec<Located>, StoreError> {
        ask!(self, Call::Locate(drafts.to_vec()) => Answer::Located(all) => all)
    }
    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        ask!(self, Call::Checkpoint => Answer::Checkpoint(note) => note)
    }
    async fn places_of(&self, _: &str) -> Result<Vec<u64>, StoreError> {
        // Neither appending nor publishing asks for it.
        Err(StoreError::Unavailable("this log is not asked for cases".into()))
    }
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        ask!(self, Call::KeepCheckpoint(size, note.to_owned()) => Answer::Kept => ())
    }
}

#[async_trait]
impl ObjectStore for Tape {
    async fn get(&self, key: &str) -> Result<Option<Object>, StoreError> {
        ask!(self, Call::Get(key.to_owned()) => Answer::Object(object) => object)
    }
    async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        unless: Unless,
        _: Option<Timestamp>,
    ) -> Result<Placed, StoreError> {
        ask!(self, Call::Put(key.to_owned(), bytes.to_vec(), unless) => Answer::Placed(placed) => placed)
    }
    async fn behind(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        ask!(self, Call::Behind(prefix.to_owned(), after.to_owned()) => Answer::Names(names) => names)
    }
}
