//! A run's own lock: taken, renewed while it is held, and given back.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, timeout};

use crate::cloud::{Class, Fault, Locks, Object, Put, Removal, Seen};
use crate::kind::Name;

use super::process::Process;
use super::{HELD_FOR, LAPSES_AFTER, Lock, Loss, RENEWED_EVERY, Signs, Verdict, judge};

/// A renewal that has no answer by then is sent again.
const ANSWERED_WITHIN: Duration = Duration::from_secs(8);
/// Whether it is lost is asked this often at least: the calendar alone tells of a sleep.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// The pause before a renewal that failed is sent again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A run that is stopped has to end within five seconds.
const RELEASED_WITHIN: Duration = Duration::from_secs(3);
/// What was sent and let go may still arrive: the pauses between looks for it, in milliseconds.
const ARRIVES_WITHIN: [u64; 4] = [100, 200, 400, 800];
/// Asking that has no answer by then is given up.
const ASKED_FOR: Duration = Duration::from_secs(30);
/// How often somebody who waits asks.
const ASKED_EVERY: Duration = Duration::from_secs(3);
const SILENCE: &str = "no answer in time";
/// Others may come and go between two calls; each time is one round.
const ROUNDS: u32 = 5;

/// Where the lock of a blueprint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    pub object: Object,
    /// What is below goes with the bucket, as the lock does: it says what was so for minutes.
    pub starts: Object,
    /// The bucket, as its plan calls it.
    pub kind: String,
    pub identity: Name,
}

/// What asking for the lock came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Ours,
    Theirs(Box<Lock>),
    /// Another version of the blueprint, which keeps its lock there, is at work.
    Elsewhere(Box<Lock>, Object),
    /// There is no bucket yet that could keep it.
    NoBucket,
}

#[derive(Debug)]
enum State {
    /// Nobody can have it: its bucket is not there.
    Nowhere,
    /// Its bucket may be there, so it has to be taken before anything is written.
    Wanted,
    Held(Held),
    /// Its bucket is being emptied or deleted, and the lock goes with it.
    Going,
    Lost(Loss),
}

#[derive(Debug, Clone)]
struct Held {
    etag: String,
    sent: Sent,
}

impl Held {
    /// How long an answer may take: no longer than the lock counts as held.
    fn patience(&self) -> Duration {
        ANSWERED_WITHIN.min(HELD_FOR.saturating_sub(self.sent.ago()))
    }
}

/// When something was sent. A machine that slept knows it by one of its clocks only.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    wall: SystemTime,
}

impl Sent {
    fn now() -> Self {
        Self { at: Instant::now(), wall: SystemTime::now() }
    }

    fn ago(&self) -> Duration {
        self.at.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

/// The lock of a blueprint as one run sees it.
pub struct Lease<'a> {
    locks: &'a dyn Locks,
    pub home: Home,
    me: RefCell<Lock>,
    state: RefCell<State>,
    /// Why it could not be renewed of late.
    trouble: RefCell<String>,
    /// Somebody else's lock, and since when it has been seen unchanged.
    watched: RefCell<Option<(String, Instant)>>,
    /// Whether a put was sent of which nothing was heard.
    unheard: Cell<bool>,
    /// Why asking failed last, and when.
    failed: RefCell<Option<(Fault, Instant)>>,
    /// Whoever asks, asks alone.
    asking: Mutex<()>,
    changed: Notify,
}

impl<'a> Lease<'a> {
    pub fn new(locks: &'a dyn Locks, home: Home, me: Lock) -> Self {
        Self {
            locks,
            home,
            me: RefCell::new(me),
            state: RefCell::new(State::Nowhere),
            trouble: RefCell::default(),
            watched: RefCell::default(),
            unheard: Cell::default(),
            failed: RefCell::default(),
            asking: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Asks once.
    pub async fn take(&self) -> Result<Answer, Fault> {
        let since = Instant::now();
        let _alone = self.asking.lock().await;
        // Whoever waited for another's asking has its answer: each on its own would take as long.
        let failed = self.failed.borrow().clone();
        if let Some((fault, _)) = failed.filter(|(_, at)| *at > since) {
            return Err(fault);
        }
        let answer = timeout(ASKED_FOR, self.ask()).await;
        let answer = answer.unwrap_or_else(|_| {
            let why = format!("the lock was asked for, and {SILENCE}");
            Err(Fault::new(Class::Lost, "s3:PutObject", why))
        });
        if let Err(fault) = &answer {
            *self.failed.borrow_mut() = Some((fault.clone(), Instant::now()));
        }
        answer
    }

    async fn ask(&self) -> Result<Answer, Fault> {
        match &*self.state.borrow() {
            State::Held(_) => return Ok(Answer::Ours),
            State::Lost(loss) => return Err(told(loss)),
            _ => {}
        }
        // From here on an object of ours may be there, whatever is heard of it.
        self.turn_into(State::Wanted);
        let sent = Sent::now();
        let (mut over, mut last) = (None, None);
        for _ in 0..ROUNDS {
            self.me.borrow_mut().since = time(SystemTime::now());
            let lost = match self.write(over.as_deref()).await {
                Ok(Put::Written(etag)) => return Ok(self.hold(etag, sent)),
                Ok(Put::NoBucket) => return Ok(Answer::NoBucket),
                Ok(Put::Raced) => None,
                Err(fault) if matches!(fault.class, Class::Lost | Class::Broken) => Some(fault),
                Err(fault) => return Err(fault),
            };
            over = None;
            let Some(seen) = self.locks.look(&self.home.object).await? else {
                match lost {
                    Some(fault) => return Err(fault),
                    None => continue,
                }
            };
            let found = Lock::read(&seen.content);
            match self.judge(&found, &seen) {
                Verdict::Mine => return Ok(self.hold(seen.etag, sent)),
                Verdict::Held => return Ok(Answer::Theirs(Box::new(found))),
                Verdict::Lapsed => over = Some(seen.etag),
            }
            last = Some(found);
        }
        let crowd = || Fault::new(Class::Conflict, "s3:PutObject", "others take the lock in turns");
        last.map(|lock| Answer::Theirs(Box::new(lock))).ok_or_else(crowd)
    }

    /// Asks until it is ours and none of `others` is held, or `patience` has run out. `housed`:
    /// whether the bucket that keeps it is there.
    pub async fn wait(
        &self,
        housed: bool,
        others: &[Object],
        patience: Duration,
        tell: &dyn Fn(&Lock, Duration),
    ) -> Result<Answer, Fault> {
        let started = Instant::now();
        loop {
            let mut answer = if housed { self.take().await? } else { Answer::NoBucket };
            // Who looks once its own is there is seen by whoever looks later.
            if !matches!(answer, Answer::Theirs(_))
                && let Some(theirs) = self.elsewhere(others).await?
            {
                // Whatever comes of it, it lapses.
                let _ = self.release().await;
                answer = theirs;
            }
            let (Answer::Theirs(lock) | Answer::Elsewhere(lock, _)) = &answer else {
                return Ok(answer);
            };
            let left = patience.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(answer);
            }
            tell(lock, started.elapsed());
            pause(ASKED_EVERY.min(left)).await;
        }
    }

    /// A lock of another version of the blueprint that is held.
    async fn elsewhere(&self, others: &[Object]) -> Result<Option<Answer>, Fault> {
        for other in others {
            let seen = match self.locks.look(other).await {
                // Who may use a bucket for its lock only is told nothing of the others.
                Err(fault) if fault.class == Class::Denied => None,
                seen => seen?,
            };
            let Some(seen) = seen else { continue };
            let found = Lock::read(&seen.content);
            let dead = found.process.as_ref().is_some_and(Process::is_dead);
            let signs = Signs { age: seen.age, dead, ..Signs::default() };
            if judge(&found, &self.me.borrow().holder, signs) == Verdict::Held {
                return Ok(Some(Answer::Elsewhere(Box::new(found), other.clone())));
            }
        }
        Ok(None)
    }

    /// Renews the lock for as long as it is polled; ends when it is lost. Each poll asks whether it
    /// is: on a machine that slept no timer tells, and what was under way would go on.
    pub async fn keep(&self) {
        let mut renewing = pin!(self.renewing());
        loop {
            let mut tick = pin!(pause(LOOKED_EVERY));
            let over = poll_fn(|context| {
                if self.lost().is_some() || renewing.as_mut().poll(context).is_ready() {
                    return Poll::Ready(true);
                }
                tick.as_mut().poll(context).map(|()| false)
            });
            if over.await {
                return;
            }
        }
    }

    async fn renewing(&self) {
        let mut again = None;
        while self.lost().is_none() {
            let Some(held) = self.held() else {
                self.changed.notified().await;
                continue;
            };
            let next = RENEWED_EVERY.saturating_sub(held.sent.at.elapsed());
            tokio::select! {
                () = pause(again.take().unwrap_or(next)) => {
                    if self.lost().is_none() {
                        again = self.renew(&held).await;
                    }
                }
                () = self.changed.notified() => {}
            }
        }
    }

    /// How soon to try again, if it could not be renewed.
    async fn renew(&self, held: &Held) -> Option<Duration> {
        let sent = Sent::now();
        let answer = timeout(held.patience(), self.write(Some(&held.etag))).await;
        self.held()?;
        let trouble = match answer {
            Ok(Ok(Put::Written(etag))) => {
                self.turn_into(State::Held(Held { etag, sent }));
                return None;
            }
            Ok(Ok(Put::Raced | Put::NoBucket)) => match self.find_out(held).await {
                Ok(()) => return Some(Duration::ZERO),
                Err(fault) => fault.to_string(),
            },
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => SILENCE.to_owned(),
        };
        *self.trouble.borrow_mut() = trouble;
        Some(AGAIN_AFTER)
    }

    /// The lock is not as we left it: an answer was lost, or the lock is.
    async fn find_out(&self, held: &Held) -> Result<(), Fault> {
        let look = timeout(held.patience(), self.locks.look(&self.home.object)).await;
        let seen = look.map_err(|_| Fault::new(Class::Lost, "s3:GetObject", SILENCE))??;
        let Some(held) = self.held() else { return Ok(()) };
        let loss = match seen {
            None => Loss::Removed,
            Some(seen) => match Lock::read(&seen.content) {
                lock if lock.holder == self.me.borrow().holder => {
                    // When it was written is not known, so its time still counts from before.
                    self.turn_into(State::Held(Held { etag: seen.etag, ..held }));
                    return Ok(());
                }
                lock => Loss::Taken(Box::new(lock)),
            },
        };
        self.turn_into(State::Lost(loss));
        Ok(())
    }

    /// Before a write: whether this run may write.
    pub async fn pass(&self) -> Result<(), Fault> {
        if let Some(loss) = self.lost() {
            return Err(told(&loss));
        }
        if !matches!(*self.state.borrow(), State::Wanted) {
            return Ok(());
        }
        match self.take().await? {
            Answer::Ours | Answer::NoBucket => Ok(()),
            Answer::Theirs(lock) | Answer::Elsewhere(lock, _) => {
                let loss = Loss::Taken(lock);
                let fault = told(&loss);
                self.turn_into(State::Lost(loss));
                Err(fault)
            }
        }
    }

    /// The bucket may be there from now on.
    pub fn want(&self) {
        if matches!(*self.state.borrow(), State::Nowhere | State::Going) {
            self.turn_into(State::Wanted);
        }
    }

    /// The bucket is about to lose all that it holds.
    pub fn let_go(&self) {
        if matches!(*self.state.borrow(), State::Held(_)) {
            self.turn_into(State::Going);
        }
    }

    /// The bucket is gone, and the lock with it.
    pub fn gone(&self) {
        if matches!(*self.state.borrow(), State::Going | State::Wanted) {
            self.turn_into(State::Nowhere);
        }
    }

    /// Removes the lock and all that is remembered of it, so that its bucket can be deleted.
    pub async fn erase(&self) -> Result<(), Fault> {
        self.locks.erase(&self.home.starts).await?;
        self.locks.erase(&self.home.object).await
    }

    /// Why it is no longer held, if it was and is not. What could not be renewed for too long is
    /// lost, whatever S3 holds.
    pub fn lost(&self) -> Option<Loss> {
        let silent = match &*self.state.borrow() {
            State::Lost(loss) => return Some(loss.clone()),
            State::Held(held) => held.sent.ago() >= HELD_FOR,
            _ => false,
        };
        silent.then(|| {
            let loss = Loss::Silent(self.trouble.borrow().clone());
            self.turn_into(State::Lost(loss.clone()));
            loss
        })
    }

    /// Gives it back. What cannot be given back in time lapses by itself; then this says why.
    pub async fn release(&self) -> Result<(), Fault> {
        let before = self.state.replace(State::Nowhere);
        let etag = match before {
            State::Held(held) => Some(held.etag),
            // Who is stopped while the bucket is emptied may have left it there.
            State::Wanted | State::Going => None,
            lost @ State::Lost(_) => {
                self.state.replace(lost);
                return Ok(());
            }
            State::Nowhere => return Ok(()),
        };
        let released = timeout(RELEASED_WITHIN, self.remove(etag)).await;
        released.unwrap_or_else(|_| Err(Fault::new(Class::Lost, "s3:DeleteObject", SILENCE)))
    }

    /// A renewal that was under way may have changed it, and an answer to the first may be missing.
    async fn remove(&self, etag: Option<String>) -> Result<(), Fault> {
        let object = &self.home.object;
        if let Some(etag) = etag
            && self.locks.remove(object, &etag).await? == Removal::Gone
        {
            return Ok(());
        }
        let mut seen = self.locks.look(object).await?;
        for wait in ARRIVES_WITHIN {
            if seen.is_some() || !self.unheard.get() {
                break;
            }
            pause(Duration::from_millis(wait)).await;
            seen = self.locks.look(object).await?;
        }
        let mine = |seen: &Seen| Lock::read(&seen.content).holder == self.me.borrow().holder;
        if let Some(seen) = seen.filter(mine) {
            self.locks.remove(object, &seen.etag).await?;
        }
        Ok(())
    }

    fn judge(&self, found: &Lock, seen: &Seen) -> Verdict {
        let mut watched = self.watched.borrow_mut();
        let since = match &*watched {
            Some((etag, since)) if *etag == seen.etag => *since,
            _ => Instant::now(),
        };
        *watched = Some((seen.etag.clone(), since));
        let dead = found.process.as_ref().is_some_and(Process::is_dead);
        let signs = Signs { age: seen.age, watched: since.elapsed(), dead };
        judge(found, &self.me.borrow().holder, signs)
    }

    async fn write(&self, over: Option<&str>) -> Result<Put, Fault> {
        let content = {
            let mut me = self.me.borrow_mut();
            me.renewed += 1;
            me.until = time(SystemTime::now() + LAPSES_AFTER);
            me.content()
        };
        self.unheard.set(true);
        let answer = self.locks.put(&self.home.object, content, over).await;
        let lost = |fault: &Fault| matches!(fault.class, Class::Lost | Class::Broken);
        self.unheard.set(answer.as_ref().is_err_and(lost));
        answer
    }

    fn held(&self) -> Option<Held> {
        match &*self.state.borrow() {
            State::Held(held) => Some(held.clone()),
            _ => None,
        }
    }

    fn hold(&self, etag: String, sent: Sent) -> Answer {
        self.turn_into(State::Held(Held { etag, sent }));
        Answer::Ours
    }

    fn turn_into(&self, state: State) {
        *self.state.borrow_mut() = state;
        self.changed.notify_one();
    }
}

/// What a write that may not be made is answered.
fn told(loss: &Loss) -> Fault {
    let why = match loss {
        Loss::Taken(lock) => format!("{} holds the lock", lock.who),
        Loss::Removed => "the lock was removed".into(),
        Loss::Silent(_) => "the lock could not be renewed".into(),
    };
    Fault::new(Class::Invalid, "lock", why)
}

/// As people and programs read it.
fn time(at: SystemTime) -> String {
    let seconds = DateTime::from_secs(DateTime::from(at).secs());
    seconds.fmt(Format::DateTime).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a lock is renewed, and waited for, by the clock")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests;
