//! What can happen to a call.

use crate::tape::Call;

/// What comes of a call, outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// What was asked.
    Now,
    /// What was asked, twice: the client repeated it, since the first answer was lost. The second answer counts.
    Twice,
    /// What was asked, but later: the write is still on its way when the caller gives up.
    Later,
    /// Half of it; only a store whose transactions are none can do that.
    Half,
}

/// What the caller hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Heard {
    /// The answer.
    All,
    /// That something went wrong.
    Error,
    /// Nothing any more: it died, or its time ran out.
    Dead,
}

/// A call that goes as it should.
pub(crate) const GOOD: (Effect, Heard) = (Effect::Now, Heard::All);

/// How a call can go wrong.
pub(crate) fn faults(call: &Call, atomic: bool) -> Vec<(Effect, Heard)> {
    use Effect::{Half, Later, None, Now, Twice};
    use Heard::{All, Dead, Error};
    let mut all = vec![(None, Error), (None, Dead)];
    if call.is_write() {
        all.extend([(Now, Error), (Now, Dead), (Later, Error), (Later, Dead), (Twice, All)]);
    }
    if !atomic {
        all.push((Half, Dead));
    }
    all
}
