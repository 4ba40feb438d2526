//! What the engine knows of a kind of resource, with no AWS in it.

pub mod place;
pub mod rule;
pub mod twin;
pub mod values;

pub use place::{Owner, Place};
pub use rule::{Mark, Rule};
pub use twin::Twin;
pub use values::name::Name;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `${id.output}` may ask for, by name. Entries that a kind does not declare are its own
/// notes.
pub type Outputs = BTreeMap<String, String>;

/// A resource as AWS holds it, in the blueprint's own vocabulary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live<S = Value> {
    pub spec: S,
    pub outputs: Outputs,
    pub phase: Phase,
}

/// Where a live resource stands in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Ready,
    /// Accepted, still happening; the text is AWS's own word for it.
    Settling(String),
    /// On its way out; it blocks its name until it is absent.
    Leaving(String),
    /// AWS remembers it, but it is no longer there: absent for planning.
    Gone(String),
    /// AWS gave up on it.
    Failed(String),
}

/// Something that the blueprint says of a resource and that AWS would refuse, or that deserves a
/// warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The field, as `lifecycle.old.days`; empty for the resource as a whole.
    pub path: String,
    pub what: String,
    pub hint: Option<String>,
    pub severity: Severity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

impl<S> Live<S> {
    /// Whether it is there: what is gone and only remembered is not.
    pub fn exists(&self) -> bool {
        !matches!(self.phase, Phase::Gone(_))
    }
}

impl Live {
    /// The value of a tag, as `pipeline:owner`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.spec.get("tags")?.get(key)?.as_str()
    }

    pub fn belongs_to(&self, owner: &Owner) -> bool {
        self.tag(place::OWNER_TAG) == Some(owner.0.as_str())
    }
}

impl Flaw {
    pub fn error(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), what: what.into(), hint: None, severity: Severity::Error }
    }

    pub fn warning(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, what) }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A spec after its kind has read it: every field present, every value in its canonical form.
#[derive(Debug, Clone)]
pub struct Normal {
    pub spec: Value,
    pub identity: Name,
    /// It exists only while there is work: absent is as it should be.
    pub on_demand: bool,
    pub flaws: Vec<Flaw>,
}

/// The pure half of a kind: all that `blueprint`, `plan` and `apply` ever see.
///
/// Guarantees: `normalize` is idempotent, and a spec always shows all its fields, `null` where
/// AWS decides.
pub trait Kind: Sync {
    /// The word in the blueprint, `kinesis-stream`.
    fn name(&self) -> &'static str;
    fn outputs(&self) -> &'static [&'static str];
    fn rules(&self) -> &'static [Rule];
    /// JSON Schema of the spec.
    fn schema(&self) -> Value;
    /// Whether deleting one loses data, which makes `protect` its default.
    fn holds_data(&self) -> bool;
    /// Where a replacement is made beside the old one: the output that names the old one from then
    /// on.
    fn retires(&self) -> Option<&'static str>;
    /// Its turn where nothing else orders kinds: made in this order, deleted in reverse.
    fn rank(&self) -> usize;
    /// Decodes into the kind's type, checks it, and encodes it back in full.
    fn normalize(&self, spec: &Value) -> Result<Normal, Flaw>;
    /// The outputs that follow from the spec and the place alone, without a call.
    fn predict(&self, spec: &Value, place: &Place) -> Outputs;
    /// What is there once a create was taken, where that is certain.
    fn created(&self, spec: &Value) -> Option<Value>;
    /// `live` with what differs from `desired` in spelling only spelled as `desired` spells it.
    fn reconcile(&self, desired: &Value, live: &Value) -> Value;
}
