//! What a run may still write without its lock.

use std::cell::{Cell, RefCell};
use std::future::pending;

use pipeline::apply::{Event, Outcome, Reporter, Run, apply};
use pipeline::cloud::{Boxed, Class, Fault, Locks, Object, Put, Removal, Seen};
use pipeline::kind::{Name, Phase};
use pipeline::lock::guard::Guarded;
use pipeline::lock::lease::{Answer, Home, Lease};
use pipeline::lock::{HELD_FOR, Lock, Loss};
use pipeline::plan::Choice;
use serde_json::json;

use crate::fake::{Fake, Verb};
use crate::world::{Command, Resources, desired, place, planned};

/// A place for one lock, which is there or not as the test says.
#[derive(Default)]
struct Shelf {
    lock: RefCell<Option<Vec<u8>>>,
    version: Cell<u32>,
    erased: Cell<u32>,
    /// How many puts get no answer, and do nothing.
    deaf: Cell<u32>,
}

impl Locks for Shelf {
    fn look<'a>(&'a self, _: &'a Object) -> Boxed<'a, Result<Option<Seen>, Fault>> {
        let content = self.lock.borrow().clone();
        let etag = self.version.get().to_string();
        Box::pin(async move { Ok(content.map(|content| Seen { content, etag, age: None })) })
    }

    fn put<'a>(
        &'a self,
        _: &'a Object,
        content: Vec<u8>,
        over: Option<&'a str>,
    ) -> Boxed<'a, Result<Put, Fault>> {
        Box::pin(async move {
            if let Some(left) = self.deaf.get().checked_sub(1) {
                self.deaf.set(left);
                return Err(Fault::new(Class::Lost, "s3:PutObject", "no answer"));
            }
            if self.lock.borrow().is_some() != over.is_some() {
                return Ok(Put::Raced);
            }
            *self.lock.borrow_mut() = Some(content);
            self.version.set(self.version.get() + 1);
            Ok(Put::Written(self.version.get().to_string()))
        })
    }

    fn remove<'a>(&'a self, _: &'a Object, _: &'a str) -> Boxed<'a, Result<Removal, Fault>> {
        Box::pin(async move {
            *self.lock.borrow_mut() = None;
            Ok(Removal::Gone)
        })
    }

    fn erase<'a>(&'a self, _: &'a Object) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            *self.lock.borrow_mut() = None;
            self.erased.set(self.erased.get() + 1);
            Ok(())
        })
    }
}

struct Silent;

impl Reporter for Silent {
    fn tell(&self, _: &Event<'_>) {}
}

fn lock(holder: &str) -> Lock {
    let lock = Lock::new(holder.into(), format!("{holder}@host"), None, "apply a.yaml".into());
    Lock { process: None, ..lock }
}

/// The lease of a blueprint whose lock is kept by the role `r0`.
fn lease(shelf: &Shelf) -> Lease<'_> {
    let object = Object { bucket: "r0".into(), key: "lock.json".into() };
    let starts = Object { key: "starts/".into(), ..object.clone() };
    let home = Home { object, starts, kind: "role".into(), identity: Name::new("r0") };
    Lease::new(shelf, home, lock("me"))
}

/// Roles, each but the first after the first.
fn roles(count: usize) -> Resources {
    let role = |i| match i {
        0 => json!({"kind": "role", "name": "r0"}),
        _ => json!({"kind": "role", "name": format!("r{i}"), "depends_on": ["r0"]}),
    };
    (0..count).map(|i| (format!("r{i}"), role(i).as_object().unwrap().clone())).collect()
}

fn made(fake: &Fake) -> Vec<String> {
    let calls = fake.calls.borrow();
    let writes = calls.iter().filter(|call| call.verb != Verb::Look);
    writes.map(|call| format!("{:?} {}", call.verb, call.identity)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_stops_at_the_bucket_if_somebody_else_has_the_lock() {
    for (theirs, expected) in [(false, 3), (true, 1)] {
        let (fake, shelf) = (Fake::new(place()), Shelf::default());
        if theirs {
            *shelf.lock.borrow_mut() = Some(lock("other").content());
        }
        let (plan, found) =
            planned(&fake, &desired(&roles(3)), Command::Apply, &Choice::default()).await;
        let lease = lease(&shelf);
        let cloud = Guarded { cloud: &fake, lease: Some(&lease) };
        let (place, reporter) = (&fake.place, &Silent);
        let run = Run { cloud: &cloud, place, reporter, parallel: 2, delete_data: false };
        let report = apply(&run, &plan, &found, pending()).await;
        assert_eq!(made(&fake).len(), expected, "{:?}", made(&fake));
        assert_eq!(report.succeeded(), !theirs);
        assert_eq!(matches!(lease.lost(), Some(Loss::Taken(_))), theirs);
        let holder = Lock::read(shelf.lock.borrow().as_ref().unwrap()).holder;
        assert_eq!(holder, if theirs { "other" } else { "me" });
    }
}

/// What is not sent because the lock does not answer was not sent: it need not be looked for.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_not_answered_for_a_moment_fails_nothing() {
    let (fake, shelf) = (Fake::new(place()), Shelf::default());
    shelf.deaf.set(3);
    let (plan, found) =
        planned(&fake, &desired(&roles(3)), Command::Apply, &Choice::default()).await;
    let lease = lease(&shelf);
    let cloud = Guarded { cloud: &fake, lease: Some(&lease) };
    let (place, reporter) = (&fake.place, &Silent);
    let run = Run { cloud: &cloud, place, reporter, parallel: 2, delete_data: false };
    let report = apply(&run, &plan, &found, pending()).await;
    assert!(report.succeeded(), "{report:?}");
    assert_eq!(made(&fake).len(), 3, "{:?}", made(&fake));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_asleep_for_too_long_makes_no_write() {
    let (fake, shelf) = (Fake::new(place()), Shelf::default());
    let (plan, found) =
        planned(&fake, &desired(&roles(3)), Command::Apply, &Choice::default()).await;
    let lease = lease(&shelf);
    assert_eq!(lease.take().await, Ok(Answer::Ours));
    tokio::time::advance(HELD_FOR).await;
    let cloud = Guarded { cloud: &fake, lease: Some(&lease) };
    let (place, reporter) = (&fake.place, &Silent);
    let run = Run { cloud: &cloud, place, reporter, parallel: 2, delete_data: false };
    let report = apply(&run, &plan, &found, pending()).await;
    assert_eq!(made(&fake), Vec::<String>::new());
    assert!(report.outcomes.values().all(|outcome| !matches!(outcome, Outcome::Done(_))));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_deleted_with_the_lock_that_it_keeps() {
    let (fake, shelf) = (Fake::new(place()), Shelf::default());
    let role = crate::toys::kind("role").unwrap();
    let tags = json!({"pipeline:owner": fake.place.owner.0, "pipeline:id": "r0"});
    fake.put(role, &json!({"name": "r0", "tags": tags}), &Phase::Ready, 0);
    let choice = Choice { delete_data: true, ..Choice::default() };
    let (plan, found) = planned(&fake, &desired(&roles(1)), Command::Destroy, &choice).await;
    let lease = lease(&shelf);
    assert_eq!(lease.take().await, Ok(Answer::Ours));
    let cloud = Guarded { cloud: &fake, lease: Some(&lease) };
    let (place, reporter) = (&fake.place, &Silent);
    let run = Run { cloud: &cloud, place, reporter, parallel: 2, delete_data: true };
    let report = apply(&run, &plan, &found, pending()).await;
    assert!(report.succeeded(), "{report:?}");
    assert_eq!((shelf.erased.get(), lease.lost()), (2, None));
    assert_eq!(lease.release().await, Ok(()));
    assert!(shelf.lock.borrow().is_none());
}
