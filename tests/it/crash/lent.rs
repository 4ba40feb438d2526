//! Local AWSs that are started once and lent to one scene after the other.

use std::ops::Deref;
use std::sync::Mutex;

use crate::e2e::machine::Machine;

static IDLE: Mutex<Vec<Machine>> = Mutex::new(Vec::new());

/// One of them; it goes back when this is dropped.
pub struct Lent(Option<Machine>);

impl Lent {
    pub fn take() -> Self {
        let idle = IDLE.lock().expect("nothing panics in here").pop();
        Self(Some(idle.unwrap_or_else(Machine::start)))
    }
}

impl Deref for Lent {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(machine), Ok(mut idle)) = (self.0.take(), IDLE.lock()) {
            idle.push(machine);
        }
    }
}
