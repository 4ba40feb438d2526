//! Leases against an S3 in memory, by a clock that is set forward.

use std::cell::Cell;
use std::collections::VecDeque;

use tokio::time::advance;

use crate::cloud::Boxed;

use super::*;

/// What becomes of a put.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Done,
    /// Carried out; the reply is lost, and the SDK sends it again.
    Repeated,
    /// Carried out, and the reply lost for good.
    ReplyLost,
    RequestLost,
    Refused,
    Hangs,
    /// Carried out half a second later, whether or not anybody still waits.
    Late,
}

#[derive(Default)]
struct Bucket {
    absent: Cell<bool>,
    object: RefCell<Option<(Vec<u8>, String, Instant)>>,
    written: Cell<u32>,
    fates: RefCell<VecDeque<Fate>>,
    /// What is on its way, until when.
    coming: RefCell<Option<(Vec<u8>, Instant)>>,
    /// Whether its clock is told.
    mute: Cell<bool>,
}

impl Bucket {
    fn content(&self) -> Option<Lock> {
        self.object.borrow().as_ref().map(|(content, ..)| Lock::read(content))
    }

    fn holder(&self) -> Option<String> {
        self.content().map(|lock| lock.holder)
    }

    /// As somebody else writes it.
    fn write(&self, lock: &Lock) {
        self.store(lock.content());
    }

    fn store(&self, content: Vec<u8>) -> String {
        self.written.set(self.written.get() + 1);
        let etag = format!("e{}", self.written.get());
        *self.object.borrow_mut() = Some((content, etag.clone(), Instant::now()));
        etag
    }

    fn put_now(&self, content: Vec<u8>, over: Option<&str>) -> Put {
        if self.absent.get() {
            return Put::NoBucket;
        }
        let there = self.object.borrow().as_ref().map(|(_, etag, _)| etag.clone());
        if there.as_deref() == over { Put::Written(self.store(content)) } else { Put::Raced }
    }
}

fn fault(class: Class) -> Fault {
    Fault::new(class, "s3:PutObject", "no")
}

impl Locks for Bucket {
    fn look<'a>(&'a self, _: &'a Object) -> Boxed<'a, Result<Option<Seen>, Fault>> {
        Box::pin(async move {
            let due = |(_, at): &mut (Vec<u8>, Instant)| *at <= Instant::now();
            if let Some((content, _)) = self.coming.borrow_mut().take_if(due) {
                self.put_now(content, None);
            }
            Ok(self.object.borrow().as_ref().map(|(content, etag, written)| Seen {
                content: content.clone(),
                etag: etag.clone(),
                age: (!self.mute.get()).then(|| written.elapsed()),
            }))
        })
    }

    fn put<'a>(
        &'a self,
        _: &'a Object,
        content: Vec<u8>,
        over: Option<&'a str>,
    ) -> Boxed<'a, Result<Put, Fault>> {
        Box::pin(async move {
            let fate = self.fates.borrow_mut().pop_front().unwrap_or(Fate::Done);
            match fate {
                Fate::Done => Ok(self.put_now(content, over)),
                Fate::Repeated => {
                    self.put_now(content.clone(), over);
                    Ok(self.put_now(content, over))
                }
                Fate::ReplyLost => {
                    self.put_now(content, over);
                    Err(fault(Class::Lost))
                }
                Fate::RequestLost => Err(fault(Class::Lost)),
                Fate::Refused => Err(fault(Class::Denied)),
                Fate::Late => {
                    let at = Instant::now() + Duration::from_millis(500);
                    *self.coming.borrow_mut() = Some((content, at));
                    std::future::pending().await
                }
                Fate::Hangs => std::future::pending().await,
            }
        })
    }

    fn remove<'a>(&'a self, _: &'a Object, etag: &'a str) -> Boxed<'a, Result<Removal, Fault>> {
        Box::pin(async move {
            let there = self.object.borrow().as_ref().map(|(_, etag, _)| etag.clone());
            match there {
                Some(there) if there != etag => Ok(Removal::Raced),
                _ => {
                    *self.object.borrow_mut() = None;
                    Ok(Removal::Gone)
                }
            }
        })
    }

    fn erase<'a>(&'a self, _: &'a Object) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            *self.object.borrow_mut() = None;
            Ok(())
        })
    }
}

fn lock(holder: &str) -> Lock {
    let lock = Lock::new(holder.into(), format!("{holder}@host"), None, "apply a.yaml".into());
    Lock { process: None, ..lock }
}

fn lease<'a>(bucket: &'a Bucket, holder: &str) -> Lease<'a> {
    let object = Object { bucket: "lake".into(), key: "lock.json".into() };
    let starts = Object { key: "starts/".into(), ..object.clone() };
    let home = Home { object, starts, kind: "s3-bucket".into(), identity: Name::new("lake") };
    Lease::new(bucket, home, lock(holder))
}

/// Lets time pass, second by second, while the lease is kept. Whether it is kept still.
async fn keep_for(lease: &Lease<'_>, seconds: u64) -> bool {
    let mut keep = std::pin::pin!(lease.keep());
    for _ in 0..seconds {
        tokio::select! {
            biased;
            () = &mut keep => return false,
            () = tokio::task::yield_now() => {}
        }
        advance(Duration::from_secs(1)).await;
    }
    tokio::select! {
        biased;
        () = &mut keep => false,
        () = tokio::task::yield_now() => true,
    }
}

async fn holding<'a>(bucket: &'a Bucket) -> Lease<'a> {
    let lease = lease(bucket, "me");
    assert_eq!(lease.take().await, Ok(Answer::Ours));
    lease
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_taken_whatever_becomes_of_the_answer() {
    for (fates, expected) in [
        (vec![Fate::Done], Ok(Answer::Ours)),
        (vec![Fate::Repeated], Ok(Answer::Ours)),
        (vec![Fate::ReplyLost], Ok(Answer::Ours)),
        (vec![Fate::RequestLost], Err(fault(Class::Lost))),
        (vec![Fate::Refused], Err(fault(Class::Denied))),
    ] {
        let bucket = Bucket::default();
        bucket.fates.borrow_mut().extend(&fates);
        let lease = lease(&bucket, "me");
        let ours = expected == Ok(Answer::Ours);
        assert_eq!(lease.take().await, expected, "{fates:?}");
        assert_eq!(bucket.holder().is_some(), ours, "{fates:?}");
        // Whatever was heard, nothing of ours stays.
        assert_eq!(lease.release().await, Ok(()));
        assert_eq!(bucket.holder(), None, "{fates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_kept_is_renewed_for_as_long_as_it_takes() {
    let bucket = Bucket::default();
    let mine = holding(&bucket).await;
    let other = lease(&bucket, "other");
    for _ in 0..20 {
        assert!(keep_for(&mine, 30).await);
        let Ok(Answer::Theirs(held)) = other.take().await else { panic!("it was taken") };
        assert_eq!(held.holder, "me");
        assert_eq!(mine.pass().await, Ok(()));
    }
    assert!((40..=60).contains(&bucket.written.get()), "{}", bucket.written.get());
    assert_eq!(mine.release().await, Ok(()));
    assert_eq!(other.take().await, Ok(Answer::Ours));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_was_lost_is_no_loss() {
    for fate in [Fate::Repeated, Fate::ReplyLost, Fate::RequestLost, Fate::Refused, Fate::Hangs] {
        let bucket = Bucket::default();
        let mine = holding(&bucket).await;
        bucket.fates.borrow_mut().push_back(fate);
        assert!(keep_for(&mine, 120).await, "{fate:?}");
        assert_eq!(mine.lost(), None, "{fate:?}");
        assert_eq!(mine.release().await, Ok(()));
        assert_eq!(bucket.holder(), None, "{fate:?}");
    }
}

/// The holder stops before anybody else may begin, whichever way its renewals fail.
#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_its_lock_stops_before_it_lapses() {
    for fate in [Fate::RequestLost, Fate::Refused, Fate::Hangs] {
        let bucket = Bucket::default();
        let mine = holding(&bucket).await;
        bucket.fates.borrow_mut().extend([fate; 100]);
        assert!(!keep_for(&mine, 50).await, "{fate:?}");
        assert!(matches!(mine.lost(), Some(Loss::Silent(_))), "{fate:?}");
        assert!(mine.pass().await.is_err(), "{fate:?}");
        bucket.fates.borrow_mut().clear();
        let other = lease(&bucket, "other");
        assert!(matches!(other.take().await, Ok(Answer::Theirs(_))), "{fate:?}");
        advance(LAPSES_AFTER - HELD_FOR + Duration::from_secs(2)).await;
        assert_eq!(other.take().await, Ok(Answer::Ours), "{fate:?}");
        // What is another's is not given back.
        assert_eq!(mine.release().await, Ok(()));
        assert_eq!(bucket.holder().as_deref(), Some("other"), "{fate:?}");
    }
}

/// A machine that slept, or a thread that was busy: nobody renewed and nobody looked.
#[tokio::test(start_paused = true)]
async fn a_holder_that_was_asleep_writes_nothing_more() {
    let bucket = Bucket::default();
    let mine = holding(&bucket).await;
    advance(HELD_FOR).await;
    assert!(mine.pass().await.is_err());
    assert_eq!(mine.lost(), Some(Loss::Silent(String::new())));
}

/// The clock that timers go by stands still while a machine sleeps: what was under way would go on
/// when it wakes, and the next renewal is not due yet.
#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_the_machine_fell_asleep_does_not_go_on() {
    let bucket = Bucket::default();
    let mine = holding(&bucket).await;
    let (answered, mut asleep) = tokio::sync::oneshot::channel::<()>();
    let went_on = Cell::new(false);
    let work = async {
        let _ = (&mut asleep).await;
        went_on.set(true);
    };
    let (mut keep, mut work) = (std::pin::pin!(mine.keep()), std::pin::pin!(work));
    let lost = tokio::select! {
        biased;
        () = &mut keep => true,
        () = &mut work => false,
        () = tokio::task::yield_now() => {
            sleep_for(&mine, HELD_FOR);
            answered.send(()).expect("somebody waits");
            tokio::select! { biased; () = &mut keep => true, () = &mut work => false }
        }
    };
    assert!(lost && !went_on.get());
}

/// Also where nothing wakes it but the lease itself, well before the next renewal.
#[tokio::test(start_paused = true)]
async fn a_holder_that_wakes_knows_within_two_seconds() {
    let bucket = Bucket::default();
    let mine = holding(&bucket).await;
    let mut keep = std::pin::pin!(mine.keep());
    assert!(timeout(Duration::from_secs(3), &mut keep).await.is_err());
    sleep_for(&mine, HELD_FOR);
    assert!(timeout(Duration::from_secs(2), &mut keep).await.is_ok());
    assert_eq!(mine.lost(), Some(Loss::Silent(String::new())));
}

/// As a machine that sleeps: the calendar goes on, and nothing else.
fn sleep_for(lease: &Lease<'_>, time: Duration) {
    let State::Held(held) = &mut *lease.state.borrow_mut() else { panic!("it is held") };
    held.sent.wall -= time;
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_robbed_knows_by_whom() {
    for (removed, expected) in
        [(true, Loss::Removed), (false, Loss::Taken(Box::new(lock("other"))))]
    {
        let bucket = Bucket::default();
        let mine = holding(&bucket).await;
        match removed {
            true => *bucket.object.borrow_mut() = None,
            false => bucket.write(&lock("other")),
        }
        assert!(!keep_for(&mine, 20).await);
        assert_eq!(mine.lost(), Some(expected));
        assert!(mine.pass().await.is_err());
        assert_eq!(mine.release().await, Ok(()));
        assert_eq!(bucket.holder().is_none(), removed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_whose_holder_is_gone_is_taken_over_by_one() {
    for mute in [false, true] {
        let bucket = Bucket::default();
        bucket.mute.set(mute);
        bucket.write(&lock("dead"));
        let (one, two) = (lease(&bucket, "one"), lease(&bucket, "two"));
        let asked = Cell::new(0);
        let tell = |held: &Lock, _: Duration| {
            asked.set(asked.get() + 1);
            assert_eq!(held.holder, "dead");
        };
        let started = Instant::now();
        let patience = Duration::from_secs(600);
        let winner = tokio::select! {
            answer = one.wait(true, &[], patience, &tell) => answer,
            answer = two.wait(true, &[], patience, &tell) => answer,
        };
        assert_eq!(winner, Ok(Answer::Ours));
        let waited = started.elapsed();
        assert!(waited >= LAPSES_AFTER && waited < LAPSES_AFTER * 2, "{waited:?}");
        assert!(asked.get() > 10);
        let loser = if bucket.holder().as_deref() == Some("one") { &two } else { &one };
        assert!(matches!(loser.take().await, Ok(Answer::Theirs(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_stops_when_patience_has_run_out() {
    let bucket = Bucket::default();
    let mine = holding(&bucket).await;
    let other = lease(&bucket, "other");
    for seconds in [0, 10, 300] {
        let patience = Duration::from_secs(seconds);
        let started = Instant::now();
        let wait = other.wait(true, &[], patience, &|_, _| {});
        let answer = tokio::select! { answer = wait => answer, () = mine.keep() => panic!("lost") };
        assert!(matches!(answer, Ok(Answer::Theirs(_))), "{seconds}");
        assert_eq!(started.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_process_of_this_machine_holds_nothing() {
    let Some(own) = Process::own() else { return };
    for (started, expected) in [("0".to_owned(), true), (own.started.clone(), false)] {
        let bucket = Bucket::default();
        bucket.write(&Lock { process: Some(Process { started, ..own.clone() }), ..lock("dead") });
        let answer = lease(&bucket, "me").take().await;
        assert_eq!(answer == Ok(Answer::Ours), expected, "{answer:?}");
    }
}

/// The first apply: there is no lock until there is a bucket, and then it is asked for.
#[tokio::test(start_paused = true)]
async fn a_lock_is_asked_for_once_its_bucket_may_be_there() {
    let bucket = Bucket::default();
    bucket.absent.set(true);
    let mine = lease(&bucket, "me");
    assert_eq!(mine.pass().await, Ok(()));
    mine.want();
    assert_eq!(mine.pass().await, Ok(()), "it is not there yet");
    bucket.absent.set(false);
    assert_eq!(mine.pass().await, Ok(()));
    assert_eq!(bucket.holder().as_deref(), Some("me"));
    assert!(keep_for(&mine, 60).await);

    let late = lease(&bucket, "late");
    late.want();
    assert!(late.pass().await.is_err());
    assert!(matches!(late.lost(), Some(Loss::Taken(_))));
    assert!(late.take().await.is_err(), "who lost it does not ask again");
}

/// Destroy: emptying and deleting the bucket takes the lock away, and that is no loss.
#[tokio::test(start_paused = true)]
async fn a_lock_may_go_with_its_bucket() {
    let bucket = Bucket::default();
    let mine = holding(&bucket).await;
    mine.let_go();
    *bucket.object.borrow_mut() = None;
    assert!(keep_for(&mine, 60).await);
    assert_eq!(mine.pass().await, Ok(()));
    mine.want();
    assert_eq!(mine.pass().await, Ok(()));
    assert_eq!(bucket.holder().as_deref(), Some("me"), "others are kept out until it is gone");
    mine.let_go();
    bucket.absent.set(true);
    *bucket.object.borrow_mut() = None;
    mine.gone();
    assert!(keep_for(&mine, 60).await);
    assert_eq!(mine.pass().await, Ok(()));
    assert_eq!(mine.release().await, Ok(()));
}

/// A signal, while the bucket is emptied: the lock may still be there, or not.
#[tokio::test(start_paused = true)]
async fn a_lock_that_was_about_to_go_with_its_bucket_is_given_back() {
    for (went, left) in [(false, None), (true, None), (true, Some("other"))] {
        let bucket = Bucket::default();
        let mine = holding(&bucket).await;
        mine.let_go();
        if went {
            *bucket.object.borrow_mut() = None;
        }
        if let Some(other) = left {
            bucket.write(&lock(other));
        }
        assert_eq!(mine.release().await, Ok(()));
        assert_eq!(bucket.holder().as_deref(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_who_came_while_the_bucket_was_emptied_is_not_robbed() {
    let bucket = Bucket::default();
    let mine = holding(&bucket).await;
    mine.let_go();
    bucket.write(&lock("other"));
    mine.want();
    assert!(mine.pass().await.is_err());
    assert_eq!(mine.release().await, Ok(()));
    assert_eq!(bucket.holder().as_deref(), Some("other"));
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_arrives_after_its_run_was_stopped_is_given_back() {
    let bucket = Bucket::default();
    bucket.fates.borrow_mut().push_back(Fate::Late);
    let lease = lease(&bucket, "a");
    let stopped = timeout(Duration::from_millis(100), lease.take()).await;
    assert!(stopped.is_err(), "{stopped:?}");
    lease.release().await.expect("nothing is in the way");
    assert_eq!((bucket.holder(), bucket.coming.borrow().is_some()), (None, false));
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_a_lock_that_nobody_answers_give_up_at_once() {
    let bucket = Bucket::default();
    bucket.fates.borrow_mut().extend([Fate::Hangs; 10]);
    let lease = lease(&bucket, "a");
    let started = Instant::now();
    let answers = futures_util::future::join_all((0..10).map(|_| lease.take())).await;
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    assert_eq!(started.elapsed().as_secs(), ASKED_FOR.as_secs());
    assert_eq!(lease.take().await, Err(fault_told()), "it is asked for anew");
    assert_eq!(bucket.fates.borrow().len(), 8);
}

fn fault_told() -> Fault {
    Fault::new(Class::Lost, "s3:PutObject", "the lock was asked for, and no answer in time")
}
