//! `lambda-function`: a Lambda function, who may call it, and the queues and streams that feed it.

mod check;
mod permission;
mod read;
mod readings;
mod settings;
mod source;
mod write;

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::rule::{replace, write_only};
use crate::kind::values::duration::Duration;
use crate::kind::values::key::same_key;
use crate::kind::values::or_none::OrNone;
use crate::kind::{Flaw, Live, Name, Outputs, Place, Rule};
use crate::plan::diff::Diff;
use crate::status::reading::{Gauge, Sight};

use super::{Resource, Tags};
use permission::Permission;
use settings::{Architecture, DEFAULT_GROUP, Logging, Tracing, Vpc};
use source::EventSource;

/// A Lambda function: code in a folder beside the blueprint, who may call it, and the queues and
/// streams that feed it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LambdaFunction {
    /// 1 to 64 letters, digits, `-` and `_`.
    pub name: Name,
    /// The folder with the code and its libraries, beside the blueprint: at most 50 MB as a zip.
    /// Names that begin with a dot stay behind, and so does `__pycache__`.
    pub code: String,
    /// SHA-256 of the zip in base64, as Lambda tells it; whoever reads the blueprint fills it in.
    #[serde(default)]
    #[schemars(skip)]
    pub code_sha256: String,
    /// What is called, as `main.handle`: the function `handle` of `main.py`.
    pub handler: String,
    /// As `python3.13`.
    pub runtime: String,
    #[serde(default)]
    pub architecture: Architecture,
    /// ARN of the role that the code has.
    pub role: String,
    /// What it does, in words; up to 256 characters.
    #[serde(default)]
    pub description: String,
    /// Memory in MB, 128 to 10240; processors grow with it.
    #[serde(default = "memory")]
    pub memory_mb: u32,
    /// A call that takes longer is ended; up to `15m`.
    #[serde(default = "three_seconds")]
    pub timeout: Duration,
    /// The size of `/tmp` in MB, 512 to 10240.
    #[serde(default = "temporary")]
    pub ephemeral_mb: u32,
    /// What the code finds in its environment. It is shown in plans: a secret belongs elsewhere.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// ARN of the KMS key that encrypts the environment; `none` for AWS's own.
    #[serde(default = "none")]
    pub key: String,
    /// How many calls run at once, kept for this function and at most that many; 0 stops it,
    /// `none` shares what the account has.
    #[serde(default)]
    pub reserved_concurrency: OrNone<u32>,
    /// ARN of the queue or topic that gets the events of asynchronous calls that failed; `none`
    /// for none.
    #[serde(default = "none")]
    pub dead_letter: String,
    /// The subnets in which it runs; `none` runs it outside any network of yours.
    #[serde(default)]
    pub vpc: OrNone<Vpc>,
    #[serde(default)]
    pub logging: Logging,
    /// `active` traces calls by X-Ray; `pass-through` only those that are traced already.
    #[serde(default)]
    pub tracing: Tracing,
    /// ARNs of versions of layers, up to 5; later ones lie over earlier ones.
    #[serde(default)]
    pub layers: Vec<String>,
    /// Who may call it, by the id of the statement.
    #[serde(default)]
    pub permissions: BTreeMap<String, Permission>,
    /// The queues and streams that feed it, by names of your own.
    #[serde(default)]
    pub sources: BTreeMap<String, EventSource>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn memory() -> u32 {
    128
}

fn temporary() -> u32 {
    512
}

fn three_seconds() -> Duration {
    Duration::seconds(3)
}

fn none() -> String {
    NONE.to_owned()
}

const NONE: &str = "none";
const ABSENT: &[&str] = &["ResourceNotFoundException"];

impl Resource for LambdaFunction {
    const KIND: &'static str = "lambda-function";
    const OUTPUTS: &'static [&'static str] = &["arn", "log_group", "name"];
    const RULES: &'static [Rule] = &[replace("name"), write_only("code")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        check::flaws(self)
    }

    fn predict(&self, place: &Place) -> Outputs {
        self.outputs(place)
    }

    fn reconcile(&self, live: &mut Self) {
        if same_key(&self.key, &live.key) {
            live.key.clone_from(&self.key);
        }
        if self.logging.group == self.default_group() && live.logging.group == DEFAULT_GROUP {
            live.logging.group.clone_from(&self.logging.group);
        }
        for (id, permission) in &mut live.permissions {
            if let Some(written) = self.permissions.get(id) {
                permission.spell_as(written);
            }
        }
        live.sources = source::named(&self.sources, std::mem::take(&mut live.sources));
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        read::observe(aws, identity).await
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        self.make(aws).await
    }

    /// Lambda makes one change of the function itself at a time, so that sources come last, when
    /// there is what they are to call.
    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        if diff.touches("tags") {
            self.tag(aws, &live.spec.tags).await?;
        }
        if diff.touches("reserved_concurrency") {
            self.reserve(&api).await?;
        }
        if diff.touches("permissions") {
            permission::change(&api, self, &live.spec).await?;
        }
        if self.configures(diff) {
            return self.configure(&api, diff).await;
        }
        if diff.touches("code_sha256") || diff.touches("architecture") {
            return self.upload(&api).await;
        }
        if diff.touches("sources") {
            source::change(&api, self, live).await?;
        }
        Ok(())
    }

    /// Sources first: those of a deleted function stay, and would feed the next of its name.
    async fn delete(aws: &Aws, identity: &Name, live: &Live<Self>) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        for from in live.spec.sources.values().map(|source| &source.from) {
            source::end(&api, live, from).await?;
        }
        let call = api.delete_function().function_name(identity.as_str());
        absent(call.send().await.during("lambda:DeleteFunction"), ABSENT)?;
        Ok(())
    }

    async fn watch(aws: &Aws, identities: &[Name]) -> Vec<Result<Sight, Fault>> {
        join_all(identities.iter().map(|name| readings::sight(aws, name))).await
    }

    fn gauges(identity: &Name) -> Vec<Gauge> {
        readings::gauges(identity)
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":lambda:")?.1.split_once(":function:")?;
        (!name.contains(':')).then(|| Name::new(name))
    }
}

fn arn(name: &Name, place: &Place) -> String {
    place.arn("lambda", &format!("function:{name}"))
}

/// What Lambda says of a role, key or network that was made a moment ago.
const YOUNG: [&str; 6] = [
    // "The role defined for the function cannot be assumed by Lambda."
    "cannot be assumed by Lambda",
    // "The provided execution role does not have permissions to call ReceiveMessage on SQS"
    "execution role does not have permissions",
    // "Cannot access stream …. Please ensure the role can perform the GetRecords, … actions"
    "ensure the role can perform",
    "Cannot access stream",
    // "The KMS key is invalid for CreateGrant."
    "KMS key is invalid for CreateGrant",
    // "Your request has been throttled by EC2, please make sure you have enough API rate limit."
    "throttled by EC2",
];

fn young(fault: Fault) -> Fault {
    let passes = YOUNG.iter().any(|words| fault.says("InvalidParameterValueException", words));
    if passes { fault.class(Class::NotYet) } else { fault }
}

impl LambdaFunction {
    fn default_group(&self) -> String {
        format!("/aws/lambda/{}", self.name)
    }

    fn log_group(&self) -> String {
        let group = &self.logging.group;
        if group == DEFAULT_GROUP { self.default_group() } else { group.clone() }
    }

    fn outputs(&self, place: &Place) -> Outputs {
        Outputs::from([
            ("arn".into(), arn(&self.name, place)),
            ("log_group".into(), self.log_group()),
            ("name".into(), self.name.to_string()),
        ])
    }
}

#[cfg(test)]
mod tests;
