//! Listings that are behind: what is asked of one is answered as of some seconds ago, so that what
//! was just made is left out and what was just deleted is still in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::http::{Answer, Lines, Request};
use super::super::proxy::{Reply, Rule};
use super::Behaviour;
use super::answer::well;
use super::world::World;

/// Which listing does not tell at once of which writes.
struct Listed {
    behaviour: &'static str,
    service: &'static str,
    reads: &'static str,
    /// None: every write, of every service.
    writes: &'static [&'static str],
}

/// AWS's own figures stand beside each.
const BEHIND: Duration = Duration::from_secs(3);

pub const ROLES: &str = "the account's roles are listed late";

const LISTINGS: &[Listed] = &[
    // Seconds.
    Listed {
        behaviour: ROLES,
        service: "iam",
        reads: "GetAccountAuthorizationDetails",
        writes: &["CreateRole", "DeleteRole"],
    },
    // A minute or two, and a cluster that changes its state may be left out.
    Listed {
        behaviour: "clusters are listed late",
        service: "elasticmapreduce",
        reads: "ListClusters",
        writes: &["RunJobFlow"],
    },
    // Minutes to hours.
    Listed {
        behaviour: "the tagging API is late",
        service: "tagging",
        reads: "GetResources",
        writes: &[],
    },
];

/// What a listing said, by what it was asked.
type Said = BTreeMap<String, Answer>;

/// One listing at work.
#[derive(Clone)]
pub struct Listing {
    listed: &'static Listed,
    world: World,
    lines: Arc<Lines>,
    asked: BTreeMap<String, Request>,
    /// After each write, the oldest first.
    said: VecDeque<(Instant, Said)>,
}

pub fn behaviours() -> impl Iterator<Item = &'static str> {
    LISTINGS.iter().map(|listed| listed.behaviour)
}

/// In front of the AWS at a port.
pub fn all(world: &World, port: u16) -> impl Iterator<Item = Box<dyn Behaviour>> {
    LISTINGS.iter().map(move |listed| -> Box<dyn Behaviour> {
        let (asked, said) = (BTreeMap::new(), VecDeque::new());
        let lines = Arc::new(Lines::to(port));
        Box::new(Listing { listed, world: world.clone(), lines, asked, said })
    })
}

impl Listing {
    fn lists(&self, call: &Call) -> bool {
        call.service == self.listed.service && call.operation == self.listed.reads
    }

    fn is_told_of(&self, call: &Call) -> bool {
        match self.listed.writes {
            [] => call.writes(),
            some => call.service == self.listed.service && some.contains(&call.operation.as_str()),
        }
    }

    /// As it is now, for later.
    fn keep(&mut self) {
        let say = |request| self.lines.exchange(request).expect("the local AWS answers");
        let said = self.asked.iter().map(|(key, request)| (key.clone(), say(request))).collect();
        self.said.push_back((self.world.now(), said));
    }

    /// As it was; none where all that it does not tell of is older.
    fn old(&mut self, key: &str) -> Option<&Answer> {
        while self.said.len() > 1 && self.world.since(self.said[1].0) >= BEHIND {
            self.said.pop_front();
        }
        let (_, said) = self.said.front().filter(|_| self.said.len() > 1)?;
        said.get(key)
    }
}

impl Rule for Listing {
    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if self.lists(call) {
            let key = call.question();
            if let Some(old) = self.old(&key).filter(|old| old.body != answer.body).cloned() {
                *answer = old;
                self.world.strike(self.listed.behaviour);
            } else if self.asked.insert(key, call.request.clone()).is_none() {
                self.keep();
            }
        } else if self.is_told_of(call) && well(answer) {
            self.keep();
        }
        Reply::Send
    }
}
