//! Messages out of a dead-letter queue, back to where they came from.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::cloud::{Class, Fault, Move, MoveState, Queues};

/// A move that was started is listed by then, and one that goes on is seen as often.
const LISTED_WITHIN: Duration = Duration::from_secs(120);
/// SQS ends a move after 36 hours.
const MOVED_WITHIN: Duration = Duration::from_secs(36 * 60 * 60);
/// Seconds between looks; the last one repeats.
const LOOKS: [u64; 3] = [1, 2, 5];

/// A queue of the blueprint as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    pub url: String,
    pub arn: String,
    /// Where messages go that are given up, by ARN.
    pub dead_letters: Option<String>,
}

/// From which queue to which, by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub from: String,
    /// None: each message to the queue that it came from.
    pub to: Option<String>,
    /// The queues that give up to `from`.
    pub sources: Vec<String>,
}

/// Why messages of a queue cannot be moved back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    /// It is no dead-letter queue, and has none.
    NoDeadLetters(String),
    /// Its dead letters go where this blueprint has no queue.
    Elsewhere(String, String),
    /// This queue does not give up to that one.
    NoSource(String, String),
}

impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDeadLetters(id) => write!(
                f,
                "`{id}` is no dead-letter queue of this blueprint and has none: no `redrive` \
                 names it, and it has no `redrive`"
            ),
            Self::Elsewhere(id, arn) => {
                write!(
                    f,
                    "the dead letters of `{id}` go to {arn}, which this blueprint does not have"
                )
            }
            Self::NoSource(id, from) => {
                write!(f, "the dead letters of `{id}` do not go to `{from}`")
            }
        }
    }
}

/// Which way: `asked` is a dead-letter queue, or one that has one. A single source is named as the
/// destination, since what a program sent to the dead-letter queue by itself came from nowhere
/// that SQS knows of.
pub fn route(
    queues: &BTreeMap<String, Queue>,
    asked: &str,
    to: Option<&str>,
) -> Result<Route, NoRoute> {
    let Some(queue) = queues.get(asked) else {
        return Err(NoRoute::NoDeadLetters(asked.to_owned()));
    };
    let gives_up_to = |arn: &str| -> Vec<String> {
        let sources = queues.iter().filter(|(_, queue)| queue.dead_letters.as_deref() == Some(arn));
        sources.map(|(id, _)| id.clone()).collect()
    };
    let sources = gives_up_to(&queue.arn);
    if !sources.is_empty() {
        let to = match to {
            Some(to) if sources.iter().any(|source| source == to) => Some(to.to_owned()),
            Some(to) => return Err(NoRoute::NoSource(to.to_owned(), asked.to_owned())),
            None if sources.len() == 1 => sources.first().cloned(),
            None => None,
        };
        return Ok(Route { from: asked.to_owned(), to, sources });
    }
    let Some(arn) = &queue.dead_letters else {
        return Err(NoRoute::NoDeadLetters(asked.to_owned()));
    };
    let from = queues.iter().find(|(_, queue)| queue.arn == *arn).map(|(id, _)| id.clone());
    let from = from.ok_or_else(|| NoRoute::Elsewhere(asked.to_owned(), arn.clone()))?;
    if let Some(to) = to.filter(|to| *to != asked) {
        return Err(NoRoute::NoSource(to.to_owned(), asked.to_owned()));
    }
    Ok(Route { from, to: Some(asked.to_owned()), sources: gives_up_to(arn) })
}

pub trait MoveReporter {
    fn moving(&self, task: &Move);
}

/// Why not everything was moved.
#[derive(Debug, PartialEq, Eq)]
pub enum Halt {
    Refused(Fault),
    /// SQS gave up; its reason, and how many had been moved.
    Failed(String, u64),
    Cancelled(u64),
    /// It is not known whether it was started, or how it ended.
    NotListed,
    TooLong,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(fault) => fault.fmt(f),
            Self::Failed(why, moved) => write!(f, "SQS gave up after {moved} messages: {why}"),
            Self::Cancelled(moved) => write!(f, "somebody cancelled it after {moved} messages"),
            Self::NotListed => write!(f, "SQS does not list the move: run again"),
            Self::TooLong => write!(f, "the move takes longer than SQS lets it: look there"),
        }
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

/// The move out of a queue that goes on now, if there is one.
pub async fn running(queues: &dyn Queues, from: &str) -> Result<Option<Move>, Fault> {
    let last = queues.last_move(from).await?;
    Ok(last.filter(|task| task.state == MoveState::Running))
}

/// Starts a move and follows it to its end; one that goes on already is followed instead.
pub async fn redrive(
    queues: &dyn Queues,
    from: &str,
    to: Option<&str>,
    reporter: &dyn MoveReporter,
) -> Result<Move, Halt> {
    let last = queues.last_move(from).await?;
    let before = match last {
        Some(task) if task.state == MoveState::Running => task.started - 1,
        last => {
            match queues.start_move(from, to).await {
                Ok(()) => {}
                // It may have been started; who looks finds out.
                Err(fault)
                    if matches!(fault.class, Class::Lost | Class::Broken | Class::Conflict) => {}
                Err(fault) => return Err(fault.into()),
            }
            last.map_or(i64::MIN, |task| task.started)
        }
    };
    follow(queues, from, before, reporter).await
}

/// Follows the move that was started after `before`.
async fn follow(
    queues: &dyn Queues,
    from: &str,
    before: i64,
    reporter: &dyn MoveReporter,
) -> Result<Move, Halt> {
    let started = Instant::now();
    let mut heard = started;
    for look in 0.. {
        let (found, trouble) = match queues.last_move(from).await {
            Ok(found) => (found.filter(|task| task.started > before), None),
            Err(fault) if matches!(fault.class, Class::Throttled | Class::Lost | Class::Broken) => {
                (None, Some(fault))
            }
            Err(fault) => return Err(fault.into()),
        };
        match found {
            Some(task) => match &task.state {
                MoveState::Running => {
                    heard = Instant::now();
                    reporter.moving(&task);
                }
                MoveState::Completed => return Ok(task),
                MoveState::Cancelled => return Err(Halt::Cancelled(task.moved)),
                MoveState::Failed(why) => return Err(Halt::Failed(why.clone(), task.moved)),
            },
            None if heard.elapsed() > LISTED_WITHIN => {
                return Err(trouble.map_or(Halt::NotListed, Halt::Refused));
            }
            None => {}
        }
        if started.elapsed() > MOVED_WITHIN {
            break;
        }
        pause(Duration::from_secs(LOOKS[usize::min(look, LOOKS.len() - 1)])).await;
    }
    Err(Halt::TooLong)
}

#[expect(clippy::disallowed_methods, reason = "a move is followed by looking at it")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use crate::cloud::{Boxed, Depth, Message};

    use super::*;

    fn queues(all: &[(&str, Option<&str>)]) -> BTreeMap<String, Queue> {
        let queue = |(id, dead): &(&str, Option<&str>)| {
            let dead_letters = dead.map(|id| format!("arn:{id}"));
            let (url, arn) = (format!("http://{id}"), format!("arn:{id}"));
            ((*id).to_owned(), Queue { url, arn, dead_letters })
        };
        all.iter().map(queue).collect()
    }

    #[test]
    fn a_queue_is_found_from_either_end() {
        let one = queues(&[("in", Some("dead")), ("dead", None), ("other", None)]);
        let two = queues(&[("in", Some("dead")), ("more", Some("dead")), ("dead", None)]);
        let away = queues(&[("in", Some("abroad"))]);
        // A dead-letter queue with one of its own, and a queue that is its own.
        let chain = queues(&[("in", Some("dead")), ("dead", Some("dust")), ("dust", None)]);
        let found = |queues, asked, to| match route(queues, asked, to) {
            Ok(route) => format!("{} -> {}", route.from, route.to.unwrap_or("each".into())),
            Err(why) => why.to_string(),
        };
        for (queues, asked, to, expected) in [
            (&one, "dead", None, "dead -> in"),
            (&one, "in", None, "dead -> in"),
            (&one, "dead", Some("in"), "dead -> in"),
            (&one, "in", Some("in"), "dead -> in"),
            (&one, "dead", Some("other"), "the dead letters of `other` do not go to `dead`"),
            (&one, "in", Some("other"), "the dead letters of `other` do not go to `in`"),
            (&two, "dead", None, "dead -> each"),
            (&two, "dead", Some("more"), "dead -> more"),
            (&two, "in", None, "dead -> in"),
            (&chain, "dead", None, "dead -> in"),
            (&chain, "dust", None, "dust -> dead"),
            (
                &away,
                "in",
                None,
                "the dead letters of `in` go to arn:abroad, which this blueprint does not have",
            ),
        ] {
            assert_eq!(found(queues, asked, to), expected, "{asked} {to:?}");
        }
        assert_eq!(route(&one, "other", None), Err(NoRoute::NoDeadLetters("other".into())));
    }

    /// SQS as a list of what each look shows; a move that is started shows from then on.
    #[derive(Default)]
    struct Fake {
        looks: RefCell<Vec<Option<Move>>>,
        started: RefCell<u32>,
        answer: Option<Class>,
    }

    impl Queues for Fake {
        fn depth<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<Depth, Fault>> {
            Box::pin(async { Ok(Depth::default()) })
        }

        fn peek<'a>(&'a self, _: &'a str, _: u8) -> Boxed<'a, Result<Vec<Message>, Fault>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn start_move<'a>(
            &'a self,
            _: &'a str,
            _: Option<&'a str>,
        ) -> Boxed<'a, Result<(), Fault>> {
            *self.started.borrow_mut() += 1;
            let answer = self.answer;
            let fault = |class| Fault::new(class, "sqs:StartMessageMoveTask", "no");
            Box::pin(async move { answer.map_or(Ok(()), |class| Err(fault(class))) })
        }

        fn last_move<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<Option<Move>, Fault>> {
            let mut looks = self.looks.borrow_mut();
            let seen = if looks.len() > 1 { looks.remove(0) } else { looks[0].clone() };
            Box::pin(async move { Ok(seen) })
        }
    }

    impl MoveReporter for RefCell<Vec<u64>> {
        fn moving(&self, task: &Move) {
            self.borrow_mut().push(task.moved);
        }
    }

    fn task(started: i64, state: MoveState, moved: u64) -> Option<Move> {
        Some(Move { started, state, moved, of: Some(9) })
    }

    /// How it ended, what was told meanwhile, and how often a move was started.
    async fn moved(
        looks: Vec<Option<Move>>,
        answer: Option<Class>,
    ) -> (Result<u64, Halt>, Vec<u64>, u32) {
        let fake = Fake { looks: RefCell::new(looks), answer, ..Fake::default() };
        let told = RefCell::new(Vec::new());
        let ended = redrive(&fake, "arn:dead", Some("arn:in"), &told).await;
        (ended.map(|task| task.moved), told.take(), fake.started.take())
    }

    #[tokio::test(start_paused = true)]
    async fn a_move_is_started_once_and_followed_to_its_end() {
        use MoveState::{Completed, Running};
        let old = task(1, Completed, 4);
        let looks = vec![
            old.clone(),
            old,
            None,
            task(2, Running, 3),
            task(2, Running, 8),
            task(2, Completed, 9),
        ];
        assert_eq!(moved(looks, None).await, (Ok(9), vec![3, 8], 1));
        // One that goes on already, perhaps of a run that was killed.
        let looks = vec![task(2, Running, 3), task(2, Running, 8), task(2, Completed, 9)];
        assert_eq!(moved(looks, None).await, (Ok(9), vec![8], 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_whose_answer_was_lost_is_resolved_by_looking() {
        use MoveState::{Completed, Running};
        for class in [Class::Lost, Class::Broken, Class::Conflict] {
            let looks = vec![None, None, task(2, Running, 3), task(2, Completed, 9)];
            assert_eq!(moved(looks, Some(class)).await, (Ok(9), vec![3], 1), "{class:?}");
            let old = vec![task(1, Completed, 4)];
            assert_eq!(moved(old, Some(class)).await, (Err(Halt::NotListed), vec![], 1));
        }
        let (ended, _, _) = moved(vec![None], Some(Class::Denied)).await;
        assert!(matches!(ended, Err(Halt::Refused(_))), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_move_that_does_not_get_to_its_end_is_told_with_what_it_moved() {
        for (state, halt) in [
            (MoveState::Cancelled, Halt::Cancelled(3)),
            (MoveState::Failed("why".into()), Halt::Failed("why".into(), 3)),
        ] {
            assert_eq!(moved(vec![None, task(2, state, 3)], None).await.0, Err(halt));
        }
        assert_eq!(moved(vec![task(2, MoveState::Running, 1)], None).await.0, Err(Halt::TooLong));
    }
}
