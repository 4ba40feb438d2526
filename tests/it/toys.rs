//! Kinds with no AWS behind them: between them they have every trait that a kind can have.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use pipeline::kind::rule::{replace, secret, write_only};
use pipeline::kind::values::key::same_key;
use pipeline::kind::{Flaw, Kind, Name, Normal, Outputs, Place, Rule};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Tags = BTreeMap<String, String>;

/// Made first, used by most; nothing about it is special.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    name: String,
    #[serde(default)]
    trust: String,
    #[serde(default)]
    policies: BTreeSet<String>,
    #[serde(default)]
    tags: Tags,
}

/// AWS names it, remembers it after its deletion, and takes it back when it is made again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    alias: String,
    #[serde(default)]
    rotate: bool,
    #[serde(default)]
    tags: Tags,
}

/// Holds data, and cannot be deleted while it does.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    name: String,
    #[serde(default)]
    versioned: bool,
    #[serde(default)]
    rules: BTreeMap<String, Expiry>,
    key: Option<String>,
    #[serde(default)]
    readers: BTreeSet<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expiry {
    #[serde(default)]
    prefix: String,
    days: u32,
}

/// Replaced in place: deleted first, since its name is its identity.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    name: String,
    shards: Option<u32>,
    #[serde(default = "day")]
    retention_hours: u32,
    key: Option<String>,
    #[serde(default)]
    mode: String,
    password: Option<String>,
    seed: Option<String>,
    #[serde(default)]
    tags: Tags,
}

fn day() -> u32 {
    24
}

/// Its name is not unique, it may exist only while there is work, and a new one stands beside the old.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    name: String,
    #[serde(default)]
    release: String,
    #[serde(default)]
    size: u32,
    #[serde(default)]
    role: String,
    #[serde(default)]
    on_demand: bool,
    #[serde(default)]
    tags: Tags,
}

/// AWS gives it an id and takes its name for a label, so that a create sent twice makes two. It is
/// replaced in place.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disk {
    name: String,
    #[serde(default)]
    size: u32,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    tags: Tags,
}

/// Holds no data and refers to anything, some of it create-only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Alarm {
    name: String,
    #[serde(default)]
    threshold: f64,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    watches: Vec<String>,
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
    #[serde(default)]
    tags: Tags,
}

trait Toy: Serialize + DeserializeOwned + 'static {
    const KIND: &'static str;
    const OUTPUTS: &'static [&'static str];
    const RULES: &'static [Rule] = &[];
    const HOLDS_DATA: bool = false;
    const RETIRES: Option<&'static str> = None;

    fn name(&self) -> &str;

    fn on_demand(&self) -> bool {
        false
    }

    fn predict(&self, place: &Place) -> Outputs {
        let arn = place.arn(Self::KIND, self.name());
        Outputs::from([("arn".into(), arn), ("name".into(), self.name().into())])
    }

    fn reconcile(&self, _live: &mut Self) {}
}

impl Toy for Role {
    const KIND: &'static str = "role";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name")];

    fn name(&self) -> &str {
        &self.name
    }
}

impl Toy for Key {
    const KIND: &'static str = "key";
    const OUTPUTS: &'static [&'static str] = &["arn", "name", "key_id"];
    const RULES: &'static [Rule] = &[replace("alias")];
    const HOLDS_DATA: bool = true;

    fn name(&self) -> &str {
        &self.alias
    }
}

impl Toy for Bucket {
    const KIND: &'static str = "bucket";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name")];
    const HOLDS_DATA: bool = true;

    fn name(&self) -> &str {
        &self.name
    }

    fn reconcile(&self, live: &mut Self) {
        if let (Some(ours), Some(theirs)) = (&self.key, &live.key)
            && same_key(ours, theirs)
        {
            live.key.clone_from(&self.key);
        }
    }
}

impl Toy for Stream {
    const KIND: &'static str = "stream";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] =
        &[replace("name"), replace("mode"), secret("password"), write_only("seed")];
    const HOLDS_DATA: bool = true;

    fn name(&self) -> &str {
        &self.name
    }
}

impl Toy for Cluster {
    const KIND: &'static str = "cluster";
    const OUTPUTS: &'static [&'static str] = &["arn", "name", "id"];
    const RULES: &'static [Rule] = &[replace("name"), replace("release")];
    const RETIRES: Option<&'static str> = Some("id");

    fn name(&self) -> &str {
        &self.name
    }

    fn on_demand(&self) -> bool {
        self.on_demand
    }

    fn predict(&self, _place: &Place) -> Outputs {
        Outputs::from([("name".into(), self.name.clone())])
    }
}

impl Toy for Disk {
    const KIND: &'static str = "disk";
    const OUTPUTS: &'static [&'static str] = &["arn", "name", "id"];
    const RULES: &'static [Rule] = &[replace("name"), replace("zone")];
    const HOLDS_DATA: bool = true;

    fn name(&self) -> &str {
        &self.name
    }

    fn predict(&self, _place: &Place) -> Outputs {
        Outputs::from([("name".into(), self.name.clone())])
    }
}

impl Toy for Alarm {
    const KIND: &'static str = "alarm";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name"), replace("subject")];

    fn name(&self) -> &str {
        &self.name
    }
}

struct Erased<T>(PhantomData<fn() -> T>);

/// In the order in which they are made where nothing else orders them.
pub static KINDS: [&dyn Kind; 7] = [
    &Erased::<Role>(PhantomData),
    &Erased::<Key>(PhantomData),
    &Erased::<Bucket>(PhantomData),
    &Erased::<Stream>(PhantomData),
    &Erased::<Cluster>(PhantomData),
    &Erased::<Disk>(PhantomData),
    &Erased::<Alarm>(PhantomData),
];

/// Whether AWS tells things of this kind apart by an id of its own, and their names are labels.
pub fn labelled(kind: &dyn Kind) -> bool {
    kind.outputs().contains(&"id")
}

pub fn kind(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}

fn decode<T: Toy>(spec: &Value) -> Result<T, Flaw> {
    T::deserialize(spec).map_err(|error| Flaw::error("", error.to_string()))
}

fn encode<T: Toy>(toy: &T) -> Value {
    serde_json::to_value(toy).unwrap()
}

impl<T: Toy> Kind for Erased<T> {
    fn name(&self) -> &'static str {
        T::KIND
    }

    fn outputs(&self) -> &'static [&'static str] {
        T::OUTPUTS
    }

    fn rules(&self) -> &'static [Rule] {
        T::RULES
    }

    fn schema(&self) -> Value {
        json!({})
    }

    fn holds_data(&self) -> bool {
        T::HOLDS_DATA
    }

    fn retires(&self) -> Option<&'static str> {
        T::RETIRES
    }

    fn rank(&self) -> usize {
        KINDS.iter().position(|kind| kind.name() == T::KIND).unwrap()
    }

    fn normalize(&self, spec: &Value) -> Result<Normal, Flaw> {
        let toy = decode::<T>(spec)?;
        Ok(Normal {
            spec: encode(&toy),
            identity: Name::new(toy.name()),
            on_demand: toy.on_demand(),
            flaws: Vec::new(),
        })
    }

    fn predict(&self, spec: &Value, place: &Place) -> Outputs {
        decode::<T>(spec).map_or_else(|_| Outputs::new(), |toy| toy.predict(place))
    }

    fn created(&self, _spec: &Value) -> Option<Value> {
        None
    }

    fn reconcile(&self, desired: &Value, live: &Value) -> Value {
        match (decode::<T>(desired), decode::<T>(live)) {
            (Ok(desired), Ok(mut live)) => {
                desired.reconcile(&mut live);
                encode(&live)
            }
            _ => live.clone(),
        }
    }
}
