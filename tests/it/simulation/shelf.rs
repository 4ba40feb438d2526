//! Where locks lie: an object in a bucket of the account, gone with its bucket.

use std::cell::{Cell, RefCell};

use pipeline::cloud::{Boxed, Fault, Locks, Object, Put, Removal, Seen};
use pipeline::lock::{HELD_FOR, Lock};
use tokio::time::Instant;

use crate::fake::Fake;

pub struct Shelf<'a> {
    fake: &'a Fake,
    lock: RefCell<Option<Lying>>,
    version: Cell<u32>,
    /// When somebody removed it.
    cleared: Cell<Option<Instant>>,
}

struct Lying {
    /// The bucket, which is another one once it was deleted and made again.
    bucket: u32,
    content: Vec<u8>,
    etag: String,
    written: Instant,
}

impl<'a> Shelf<'a> {
    pub fn new(fake: &'a Fake) -> Self {
        Self { fake, lock: RefCell::default(), version: Cell::default(), cleared: Cell::default() }
    }

    /// Somebody removes the lock; whether there was one.
    pub fn clear(&self) -> bool {
        self.cleared.set(Some(Instant::now()));
        self.lock.take().is_some()
    }

    /// Who holds the lock, unless it was removed so lately that who held it before may not know.
    pub fn holder(&self) -> Option<String> {
        if self.cleared.get().is_some_and(|at| at.elapsed() < HELD_FOR) {
            return None;
        }
        let lock = self.lock.borrow();
        Some(Lock::read(&lock.as_ref()?.content).holder)
    }

    fn bucket(&self, object: &Object) -> Option<u32> {
        self.fake.standing("bucket", &object.bucket)
    }

    fn seen(&self, object: &Object) -> Option<Seen> {
        let bucket = self.bucket(object)?;
        let lock = self.lock.borrow();
        let lying = lock.as_ref().filter(|lying| lying.bucket == bucket)?;
        let (content, etag) = (lying.content.clone(), lying.etag.clone());
        Some(Seen { content, etag, age: Some(lying.written.elapsed()) })
    }
}

/// Each is done at the moment in which it is first polled, not before: it may never arrive.
impl Locks for Shelf<'_> {
    fn look<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Seen>, Fault>> {
        Box::pin(async move { Ok(self.seen(object)) })
    }

    fn put<'a>(
        &'a self,
        object: &'a Object,
        content: Vec<u8>,
        over: Option<&'a str>,
    ) -> Boxed<'a, Result<Put, Fault>> {
        Box::pin(async move {
            let Some(bucket) = self.bucket(object) else { return Ok(Put::NoBucket) };
            if self.seen(object).map(|seen| seen.etag).as_deref() != over {
                return Ok(Put::Raced);
            }
            self.version.set(self.version.get() + 1);
            let (etag, written) = (self.version.get().to_string(), Instant::now());
            let lying = Lying { bucket, content, etag: etag.clone(), written };
            *self.lock.borrow_mut() = Some(lying);
            Ok(Put::Written(etag))
        })
    }

    fn remove<'a>(
        &'a self,
        object: &'a Object,
        etag: &'a str,
    ) -> Boxed<'a, Result<Removal, Fault>> {
        Box::pin(async move {
            match self.seen(object) {
                Some(seen) if seen.etag != etag => Ok(Removal::Raced),
                _ => {
                    self.lock.take();
                    Ok(Removal::Gone)
                }
            }
        })
    }

    fn erase<'a>(&'a self, _: &'a Object) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.lock.take();
            Ok(())
        })
    }
}
