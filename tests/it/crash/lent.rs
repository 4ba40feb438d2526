//! Local AWSs that are started once and lent to one scene after the other.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::e2e::machine::Machine;

/// Connections of all scenes that play at once, with room to spare.
const FILES: u64 = 10_000;

static IDLE: Mutex<Vec<Machine>> = Mutex::new(Vec::new());

/// One starts after the other: many at once would all be late.
static STARTING: Mutex<()> = Mutex::new(());

/// Held by all who play, or by the one who has to play alone.
static STAGE: RwLock<()> = RwLock::new(());

/// One of them; it goes back when this is dropped.
pub struct Lent {
    machine: Option<Machine>,
    _stage: Stage,
}

#[expect(dead_code, reason = "they are held, and never looked at")]
enum Stage {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Lent {
    pub fn take() -> Self {
        Self::on(Stage::Shared(STAGE.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// While nobody else has one: where it matters how fast calls follow each other, a crowded
    /// machine that holds them back and lets them go together would tell a rate that was not.
    pub fn alone() -> Self {
        Self::on(Stage::Alone(STAGE.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn on(stage: Stage) -> Self {
        let idle = IDLE.lock().expect("nothing panics in here").pop();
        let start = || {
            let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
            open_files();
            Machine::start()
        };
        Self { machine: Some(idle.unwrap_or_else(start)), _stage: stage }
    }
}

/// Many shells allow 1,024, and the scenes of two families hold more.
fn open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |most| most.min(FILES));
    if limit.current.is_some_and(|now| now < wanted) {
        limit.current = Some(wanted);
        setrlimit(Resource::Nofile, limit).expect("a limit may rise as far as its hard one");
    }
}

impl Deref for Lent {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.machine.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(machine), Ok(mut idle)) = (self.machine.take(), IDLE.lock()) {
            idle.push(machine);
        }
    }
}
