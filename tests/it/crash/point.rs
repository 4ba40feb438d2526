//! Where a run is disturbed: a call, told by its name and which one of that name it is, since the
//! order in which calls arrive differs from run to run.

use std::collections::BTreeMap;
use std::fmt;

use super::call::Call;
use super::http::Answer;
use super::proxy::{Deed, Made, Reply, Rule};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub call: String,
    /// Counted from one.
    pub occurrence: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.occurrence)
    }
}

/// Every call of a run.
pub fn points(made: &[Made]) -> Vec<Point> {
    let mut count = Count::default();
    made.iter().map(|made| count.point(&made.call)).collect()
}

#[derive(Debug, Default)]
pub struct Count(BTreeMap<String, u32>);

impl Count {
    pub fn point(&mut self, call: &Call) -> Point {
        let count = self.0.entry(call.name()).or_default();
        *count += 1;
        Point { call: call.name(), occurrence: *count }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// AWS never hears of the call.
    Before,
    /// AWS has carried it out, and the program does not hear of it.
    After,
}

/// Kills the program at a point.
pub struct Kill {
    point: Point,
    side: Side,
    count: Count,
    due: bool,
}

impl Kill {
    pub fn at(point: Point, side: Side) -> Self {
        Self { point, side, count: Count::default(), due: false }
    }
}

impl Rule for Kill {
    fn before(&mut self, call: &Call) -> Deed {
        if self.count.point(call) != self.point {
            return Deed::Forward;
        }
        self.due = self.side == Side::After;
        if self.due { Deed::Forward } else { Deed::Kill }
    }

    fn after(&mut self, call: &Call, _answer: &mut Answer) -> Reply {
        if self.due && call.name() == self.point.call { Reply::Kill } else { Reply::Send }
    }
}
