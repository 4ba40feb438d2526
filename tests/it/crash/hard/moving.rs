//! What is made, changed and deleted in its own time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::world::World;

#[derive(Clone)]
struct Move {
    word: &'static str,
    until: Instant,
    shown: bool,
}

#[derive(Clone)]
pub struct Moves {
    world: World,
    by_name: BTreeMap<String, Move>,
}

impl Moves {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), by_name: BTreeMap::new() }
    }

    pub fn start(&mut self, name: String, word: &'static str, time: Duration) {
        let until = self.world.now() + time;
        self.by_name.insert(name, Move { word, until, shown: false });
    }

    /// What a look tells: each move at least once, however late it comes.
    pub fn looks(&self, name: &str) -> Option<&'static str> {
        let Move { word, until, shown } = self.by_name.get(name)?;
        (!shown || self.world.now() < *until).then_some(*word)
    }

    pub fn show(&mut self, name: &str) {
        if let Some(shown) = self.by_name.get_mut(name) {
            shown.shown = true;
        }
    }

    /// What a change meets.
    pub fn meets(&self, name: &str) -> Option<&'static str> {
        let Move { word, until, .. } = self.by_name.get(name)?;
        (self.world.now() < *until).then_some(*word)
    }

    pub fn under_way(&self) -> impl Iterator<Item = &'static str> {
        self.by_name.keys().filter_map(|name| self.meets(name))
    }
}
