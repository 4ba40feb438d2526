//! The seam between the engine and the world.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::blueprint::text::Resolved;
use crate::kind::{Kind, Live, Name};
use crate::plan::diff::Diff;

pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The resources of one account and region.
///
/// Guarantees: `observe` and `owned` change nothing; no function waits for AWS to finish or tries
/// a refused call again.
pub trait Cloud {
    fn kind(&self, name: &str) -> Option<&dyn Kind>;

    /// Looks up several of one kind, in the order asked; `Ok(None)` is certain absence.
    fn observe<'a>(
        &'a self,
        kind: &'a str,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Option<Live>, Fault>>>;

    /// Everything that carries the tag of the place's owner, whatever the blueprint says.
    fn owned<'a>(&'a self) -> Boxed<'a, Result<Vec<Owned>, Fault>>;

    fn create<'a>(&'a self, kind: &'a str, spec: &'a Resolved) -> Boxed<'a, Result<(), Fault>>;

    /// Makes every call of `diff` that AWS takes now.
    fn update<'a>(
        &'a self,
        kind: &'a str,
        spec: &'a Resolved,
        live: &'a Live,
        diff: &'a Diff,
    ) -> Boxed<'a, Result<(), Fault>>;

    fn delete<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>>;

    /// Deletes what the resource holds, some of it a call: only ever with the user's word.
    fn purge<'a>(&'a self, kind: &'a str, identity: &'a Name) -> Boxed<'a, Result<(), Fault>>;

    /// Marks the resource as replaced, so that its identity is free for its successor.
    fn retire<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>>;

    /// What the resource holds, for those who decide whether to lose it.
    fn contents<'a>(
        &'a self,
        kind: &'a str,
        identity: &'a Name,
    ) -> Boxed<'a, Result<Option<Contents>, Fault>>;
}

/// Something found by its owner's tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owned {
    pub kind: String,
    /// The id it had in the blueprint.
    pub id: String,
    pub identity: Name,
    pub arn: Option<String>,
}

/// What a resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    Objects(Objects),
    Messages(u64),
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Objects {
    pub objects: u64,
    pub versions: u64,
    pub bytes: u64,
}

/// AWS said no, or could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub class: Class,
    /// As AWS names it: `kinesis:CreateStream`.
    pub operation: &'static str,
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
}

/// Where credentials are looked for, as an operation; no call is made without them.
pub const CREDENTIALS: &str = "credentials";

/// A call that somebody has been waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    pub name: String,
    pub waited: Duration,
    /// Which try this is, and of how many.
    pub now: u32,
    pub most: u32,
    /// What came of the try before.
    pub trouble: Option<String>,
}

/// What is said of a call that was not answered in time.
pub const NO_ANSWER: &str = "no answer";

/// What may be done about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Refused because something else is not ready yet: the same call will be taken later.
    NotYet,
    Throttled,
    /// Another change got there first: look again.
    Conflict,
    /// It holds something and cannot be deleted.
    NotEmpty,
    Denied,
    Invalid,
    /// No answer came: what was sent may have been done.
    Lost,
    /// No answer came to what makes another one each time that it is sent.
    Unheard,
    /// AWS failed.
    Broken,
}

impl Fault {
    pub fn new(class: Class, operation: &'static str, message: impl Into<String>) -> Self {
        Self { class, operation, code: None, message: message.into(), request_id: None }
    }

    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether AWS answered with this code and these words.
    pub fn says(&self, code: &str, fragment: &str) -> bool {
        self.is(code) && self.message.contains(fragment)
    }

    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Of a call that makes another one each time that it is sent.
    pub fn once(self) -> Self {
        let lost = matches!(self.class, Class::Lost | Class::Broken);
        if lost { self.class(Class::Unheard) } else { self }
    }

    /// Of a call before the one that makes something: nothing was made, whatever became of it.
    pub fn before(self) -> Self {
        let lost = matches!(self.class, Class::Lost | Class::Broken);
        if lost { self.class(Class::NotYet) } else { self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.operation)?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        write!(f, "{}", self.message)?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// What runs jobs: clusters that take steps, and a bucket that keeps what jobs need and left.
///
/// Guarantees: `submit` is sent at most once a call; every other function changes nothing twice.
pub trait Runner {
    fn read<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Vec<u8>>, Fault>>;
    /// The same, and when it was written.
    fn recall<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Dated>, Fault>>;
    fn exists<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<bool, Fault>>;
    fn write<'a>(&'a self, object: &'a Object, content: Vec<u8>) -> Boxed<'a, Result<(), Fault>>;
    /// The keys below a prefix; a bucket that is not there holds none.
    fn list<'a>(&'a self, prefix: &'a Object) -> Boxed<'a, Result<Vec<String>, Fault>>;

    fn submit<'a>(&'a self, cluster: &'a str, work: &'a Work) -> Boxed<'a, Result<(), Fault>>;
    /// The newest step of that name on the cluster.
    fn find<'a>(
        &'a self,
        cluster: &'a str,
        name: &'a str,
    ) -> Boxed<'a, Result<Option<Progress>, Fault>>;
    fn cancel<'a>(&'a self, cluster: &'a str, step: &'a str) -> Boxed<'a, Result<(), Fault>>;
    /// Names of the steps that wait or run there.
    fn active<'a>(&'a self, cluster: &'a str) -> Boxed<'a, Result<Vec<String>, Fault>>;
}

/// An object in S3, or what its key starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub bucket: String,
    pub key: String,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Objects that only one of several writers gets to write.
///
/// Guarantees: a put or a removal is done only if the object is as the writer last saw it. One
/// whose answer was lost may be told as raced: reading the object tells.
pub trait Locks {
    fn look<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Seen>, Fault>>;
    /// Takes the place of the version with this ETag, or of nothing.
    fn put<'a>(
        &'a self,
        object: &'a Object,
        content: Vec<u8>,
        over: Option<&'a str>,
    ) -> Boxed<'a, Result<Put, Fault>>;
    /// Removes the version with this ETag.
    fn remove<'a>(&'a self, object: &'a Object, etag: &'a str)
    -> Boxed<'a, Result<Removal, Fault>>;
    /// Removes every version of it, and, of a key that ends with `/`, of all below it: before its
    /// bucket is deleted, which has to be empty.
    fn erase<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<(), Fault>>;
}

/// Makes what one writer writes another text than all that others do: the keys of hashers are
/// random.
pub fn nonce() -> String {
    let half = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub content: Vec<u8>,
    pub etag: String,
    /// How long ago it was written, by the clock of who keeps it.
    pub age: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// The ETag of what was written.
    Written(String),
    /// The object is another one by now.
    Raced,
    NoBucket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    Gone,
    /// The object is another one by now.
    Raced,
}

/// A record for a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub data: Vec<u8>,
    /// Records of one key go to one shard.
    pub key: String,
}

impl Record {
    /// What AWS counts of it.
    pub fn size(&self) -> usize {
        self.data.len() + self.key.len()
    }
}

/// What takes records: streams.
///
/// Guarantees: what is not known to be taken is told as refused; a record may be taken twice.
pub trait Intake {
    /// Why each record was not taken, in their order; nothing for those that were.
    fn put<'a>(
        &'a self,
        stream: &'a str,
        records: &'a [Record],
    ) -> Boxed<'a, Result<Vec<Option<Fault>>, Fault>>;
}

/// Queues and what waits in them.
///
/// Guarantees: `start_move` is sent at most once a call; every other function leaves messages
/// where they are.
pub trait Queues {
    /// How many messages there are, by the queue's URL; AWS counts roughly.
    fn depth<'a>(&'a self, url: &'a str) -> Boxed<'a, Result<Depth, Fault>>;
    /// Some of the messages, 1 to 10 of them.
    fn peek<'a>(&'a self, url: &'a str, number: u8) -> Boxed<'a, Result<Vec<Message>, Fault>>;
    /// Has AWS move what is in one queue to another, by their ARNs; to where each message came
    /// from where there is no other.
    fn start_move<'a>(&'a self, from: &'a str, to: Option<&'a str>)
    -> Boxed<'a, Result<(), Fault>>;
    /// The newest move out of a queue, by its ARN.
    fn last_move<'a>(&'a self, from: &'a str) -> Boxed<'a, Result<Option<Move>, Fault>>;
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    pub waiting: u64,
    /// Received by somebody and not deleted yet, or not to be seen yet.
    pub hidden: u64,
}

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub body: String,
    /// Why it was given up, where its sender says so.
    pub reason: Option<String>,
}

/// Messages on their way from one queue to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Milliseconds since 1970: there is one move at a time, so this tells them apart.
    pub started: i64,
    pub state: MoveState,
    pub moved: u64,
    /// How many there were to move, once AWS has counted them.
    pub of: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveState {
    Running,
    Completed,
    Cancelled,
    Failed(String),
}

/// What an object holds, and when it was written, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    pub content: Vec<u8>,
    pub written: i64,
}

/// Work for a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// It carries the job and its input, so that the same work is found again.
    pub name: String,
    pub jar: String,
    pub args: Vec<String>,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub step: String,
    pub state: State,
    /// What the service says about a failure.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Running,
    Completed,
    Failed,
    Cancelled,
}
