//! Kinds that make no calls, for what the language has to show on kinds of any sort.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use pipeline::kind::rule::{replace, secret, write_only};
use pipeline::kind::values::duration::Duration;
use pipeline::kind::values::policy::Policy;
use pipeline::kind::{Flaw, Kind, Name, Normal, Outputs, Place, Rule};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The pure half of a kind, typed.
trait Toy: Serialize + DeserializeOwned + JsonSchema + 'static {
    const KIND: &'static str;
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[];
    const HOLDS_DATA: bool = false;

    fn identity(&self) -> String;

    fn name_output(&self) -> String {
        self.identity()
    }

    fn check(&self) -> Vec<Flaw> {
        Vec::new()
    }

    fn on_demand(&self) -> bool {
        false
    }
}

struct Erased<T>(PhantomData<fn() -> T>);

/// Every toy. Some have the names of real kinds, which the language knows by name.
pub static TOYS: &[&dyn Kind] = &[
    &Erased::<Bucket>(PhantomData),
    &Erased::<Object>(PhantomData),
    &Erased::<Folder>(PhantomData),
    &Erased::<Cluster>(PhantomData),
    &Erased::<Secure>(PhantomData),
    &Erased::<Vault>(PhantomData),
];

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
        schemars::schema_for!(T).to_value()
    }

    fn holds_data(&self) -> bool {
        T::HOLDS_DATA
    }

    fn retires(&self) -> Option<&'static str> {
        None
    }

    fn rank(&self) -> usize {
        0
    }

    fn normalize(&self, spec: &Value) -> Result<Normal, Flaw> {
        let toy = T::deserialize(spec).map_err(|error| Flaw::error("", error.to_string()))?;
        Ok(Normal {
            spec: serde_json::to_value(&toy).expect("plain data"),
            identity: Name::new(toy.identity()),
            on_demand: toy.on_demand(),
            flaws: toy.check(),
        })
    }

    fn predict(&self, spec: &Value, place: &Place) -> Outputs {
        let Ok(toy) = T::deserialize(spec) else { return Outputs::new() };
        let name = toy.name_output();
        Outputs::from([("arn".into(), place.arn("toy", &name)), ("name".into(), name)])
    }

    fn created(&self, _spec: &Value) -> Option<Value> {
        None
    }

    fn reconcile(&self, _desired: &Value, live: &Value) -> Value {
        live.clone()
    }
}

/// A bucket.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bucket {
    /// The bucket's name, of all AWS.
    name: Name,
    #[serde(default)]
    versioning: bool,
    #[serde(default)]
    lifecycle: BTreeMap<String, Lifecycle>,
    #[serde(default)]
    policy: Option<Policy>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// What becomes of old objects.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lifecycle {
    /// Days until they move.
    days: u32,
    class: Class,
    #[serde(default)]
    prefix: Option<String>,
}

#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Class {
    Ia,
    Glacier,
}

impl Toy for Bucket {
    const KIND: &'static str = "s3-bucket";
    const RULES: &'static [Rule] = &[replace("name"), replace("lifecycle.*.prefix")];
    const HOLDS_DATA: bool = true;

    fn identity(&self) -> String {
        self.name.to_string()
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.name.as_str().chars().any(|c| c.is_uppercase() || c == '$') {
            flaws.push(Flaw::error("name", "a bucket's name has small letters"));
        }
        for (key, rule) in &self.lifecycle {
            if rule.class == Class::Ia && rule.days < 30 {
                let what =
                    format!("objects move to IA after 30 days at the earliest, not {}", rule.days);
                flaws.push(Flaw::error(format!("lifecycle.{key}.days"), what).hint("write 30"));
            }
            if rule.days == 0 {
                flaws.push(Flaw::warning(format!("lifecycle.{key}"), "objects move at once"));
            }
        }
        flaws
    }
}

/// An object made of a file.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Object {
    bucket: Name,
    key: String,
    source: String,
    #[serde(default)]
    sha256: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl Toy for Object {
    const KIND: &'static str = "s3-object";
    const OUTPUTS: &'static [&'static str] = &["uri"];

    fn identity(&self) -> String {
        format!("{}/{}", self.bucket, self.key)
    }
}

/// A prefix made of a folder.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Folder {
    bucket: Name,
    prefix: String,
    source: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

impl Toy for Folder {
    const KIND: &'static str = "s3-folder";
    const OUTPUTS: &'static [&'static str] = &["uri"];

    fn identity(&self) -> String {
        format!("{}/{}", self.bucket, self.prefix)
    }
}

/// A cluster.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cluster {
    name: Name,
    #[serde(default)]
    lifecycle: Life,
    #[serde(default)]
    idle_timeout: Option<Duration>,
    #[serde(default)]
    step_timeout: Option<Duration>,
    #[serde(default)]
    capacity: Option<Capacity>,
    #[serde(default)]
    nodes: Option<u32>,
    #[serde(default)]
    ratio: f64,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    applications: BTreeSet<String>,
    #[serde(default)]
    security: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Life {
    /// Exists while there is work.
    #[default]
    OnDemand,
    /// Is kept.
    Persistent,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Capacity {
    /// As AWS likes.
    Managed {
        least: u32,
        most: u32,
    },
    Fixed {
        nodes: u32,
    },
    Single,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Step {
    jar: String,
    #[serde(default)]
    args: Vec<String>,
}

impl Toy for Cluster {
    const KIND: &'static str = "emr-cluster";
    const OUTPUTS: &'static [&'static str] = &["id", "name"];

    fn identity(&self) -> String {
        self.name.to_string()
    }

    fn on_demand(&self) -> bool {
        self.lifecycle == Life::OnDemand
    }
}

/// Its real name is longer than the one that is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Secure {
    name: Name,
    #[serde(default)]
    key: Option<String>,
}

impl Toy for Secure {
    const KIND: &'static str = "emr-security-configuration";
    const OUTPUTS: &'static [&'static str] = &["name"];

    fn identity(&self) -> String {
        self.name.to_string()
    }

    fn name_output(&self) -> String {
        format!("{}-0a1b2c", self.name)
    }
}

/// Fields of the rarer sorts.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Vault {
    name: Name,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    seed: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    window: Option<(u8, u8)>,
    #[serde(default)]
    tries: u32,
    #[serde(default)]
    #[schemars(range(min = 1, max = 10))]
    level: Option<u8>,
}

impl Toy for Vault {
    const KIND: &'static str = "vault";
    const RULES: &'static [Rule] = &[replace("name"), secret("secret"), write_only("seed")];

    fn identity(&self) -> String {
        self.name.to_string()
    }
}
