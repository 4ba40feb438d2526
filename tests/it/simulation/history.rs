//! A history: what happens to one blueprint and to the account that it lives in, act by act.

use crate::fake::{Answer, Verb};

use super::sheet::Part;

/// Plain data, so that it is printed, replayed and made smaller.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The blueprint at first; a part uses only those before it.
    pub parts: Vec<Part>,
    /// Whether the first bucket of the blueprint keeps a lock.
    pub locks: bool,
    /// Whether all is destroyed once it has converged.
    pub ends: bool,
    pub acts: Vec<Act>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Edit(Edit),
    Outside(Outside),
    Run(Run),
    /// Several runs at once.
    Race(Vec<Run>),
    /// So many seconds in which nothing happens.
    Pass(u64),
}

/// Somebody changes the blueprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Takes the place of a part in the same slot.
    Put(Part),
    Remove(u8),
    /// The parts in another order, so that others need each other.
    Turn(u8),
}

/// Somebody else changes the account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outside {
    /// Deletes what stands in a slot.
    Delete(u8),
    /// Changes what stands in a slot.
    Change(u8, Change),
    /// Makes a look-alike of a slot.
    Make(u8, Guise),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// A field that can be changed back.
    Field,
    /// A field that only a replacement changes.
    Fixed,
    /// A tag of theirs.
    Tag,
    /// Takes the tags away that say whose it is.
    Strip,
    /// Gives it to another blueprint.
    Seize,
    /// Puts something into it.
    Fill,
}

/// What a look-alike shares with the slot that it is like, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Guise {
    /// The kind and the name, with no tags.
    Bare,
    /// The same, and it differs in what only a replacement changes.
    Odd,
    /// The kind and the name, of another environment.
    Sibling,
    /// The name and the tags but for the owner, in the next kind.
    Namesake,
    /// The kind and the tags but for the owner, under another name.
    Neighbour,
}

/// One apply or destroy, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub destroy: bool,
    pub delete_data: bool,
    /// How AWS behaves meanwhile.
    pub nature: Nature,
    pub blows: Vec<(u8, Blow)>,
    pub end: Option<End>,
    pub faults: Vec<Trouble>,
    /// What others do between the plan and the first write.
    pub between: Vec<Outside>,
    /// Somebody removes the lock when this run makes its so-many-th call.
    pub unlocked: Option<u32>,
    /// Longest wait of a call, in milliseconds, and for the lock, in seconds.
    pub latency: u32,
    pub patience: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Nature {
    pub settles: u32,
    pub forgets: u32,
    pub leaves: u32,
    pub unlisted: u32,
    pub one_field: bool,
}

/// What no apply gets through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blow {
    /// AWS gives up on what is made.
    Fails,
    /// It ends as soon as it is made.
    Ends,
    /// No update changes anything.
    Stuck,
}

/// How a run ends before its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// Killed: the call never arrives.
    Before(Point),
    /// Killed: the call is carried out and nobody hears of it.
    After(Point),
    /// Told to stop.
    Stop(Point),
}

/// A call of a run, by its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Point {
    Call(u32),
    Write(u32),
}

/// What the call at a point is answered, and as often again when it is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trouble {
    pub at: Point,
    pub answer: Answer,
    pub times: u32,
}

impl Run {
    /// Nothing happens to it.
    pub fn quiet() -> Self {
        Self {
            destroy: false,
            delete_data: true,
            nature: Nature::default(),
            blows: Vec::new(),
            end: None,
            faults: Vec::new(),
            between: Vec::new(),
            unlocked: None,
            latency: 0,
            patience: 600,
        }
    }
}

impl Point {
    /// Whether this is it: the so-many-th call, which is a write or not.
    pub fn is(self, verb: Verb, call: u32, write: u32) -> bool {
        match self {
            Self::Call(number) => number == call,
            Self::Write(number) => verb != Verb::Look && number == write,
        }
    }
}
