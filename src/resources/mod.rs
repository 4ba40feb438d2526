//! Every kind of resource: one file each, one list that names them all. What kinds of one service
//! share is in a file named after the service.

mod account;
mod cloudwatch;
mod cloudwatch_alarm;
mod cloudwatch_composite_alarm;
mod cloudwatch_dashboard;
mod emr_cluster;
mod emr_security_configuration;
mod firehose_stream;
mod glue;
mod glue_database;
mod glue_table;
mod iam_role;
mod kinesis_stream;
mod kms_key;
mod lambda_function;
mod log_group;
mod readings;
mod s3;
mod s3_bucket;
mod s3_folder;
mod s3_notification;
mod s3_object;
mod sns_topic;
mod sqs_queue;

pub use emr_cluster::unlisted as unlisted_cluster;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::Aws;
use crate::blueprint::text::Resolved;
use crate::cloud::{Boxed, Class, Contents, Fault, Owned};
use crate::kind::{Flaw, Kind, Live, Name, Normal, Outputs, Place, Rule};
use crate::plan::diff::Diff;
use crate::status::reading::{Gauge, Sight};

pub type Tags = BTreeMap<String, String>;

/// A kind of resource. The struct is what a blueprint writes; the functions are the calls.
/// None of them waits, tries again or sleeps: `apply` does that.
#[expect(async_fn_in_trait, reason = "the program is one task; no future needs to be Send")]
pub trait Resource: Serialize + DeserializeOwned + JsonSchema + 'static {
    /// The word in the blueprint; the file and the type are named after it.
    const KIND: &'static str;
    /// What `${id.…}` may ask for.
    const OUTPUTS: &'static [&'static str];
    /// Fields that are not "compared, and updated in place".
    const RULES: &'static [Rule] = &[];
    /// Deleting one loses data.
    const HOLDS_DATA: bool = false;
    /// A replacement is made beside the old one, which is retired first and then goes by this
    /// output.
    const RETIRES: Option<&'static str> = None;

    fn identity(&self) -> Name;

    /// What AWS would refuse minutes later. A string may still read `${id.output}`.
    fn check(&self) -> Vec<Flaw> {
        Vec::new()
    }

    /// With the fields that follow from other fields.
    fn completed(self) -> Self
    where
        Self: Sized,
    {
        self
    }

    /// It exists only while there is work.
    fn on_demand(&self) -> bool {
        false
    }

    /// The outputs that follow from names.
    fn predict(&self, _place: &Place) -> Outputs {
        Outputs::new()
    }

    /// What AWS holds once `create` was taken, where that is certain: what is left to change then
    /// goes out without another look.
    fn created(&self) -> Option<Self> {
        None
    }

    /// Spells `live` as `self` does where only the spelling differs.
    fn reconcile(&self, _live: &mut Self) {}

    /// As AWS holds it, in the blueprint's own vocabulary. `Ok(None)` is certain absence.
    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault>;

    /// Several at once, in the order asked: for kinds that have a batch call.
    async fn observe_all(aws: &Aws, identities: &[Name]) -> Vec<Result<Option<Live<Self>>, Fault>> {
        join_all(identities.iter().map(|identity| Self::observe(aws, identity))).await
    }

    /// Makes it, with its tags in the same call.
    async fn create(&self, aws: &Aws) -> Result<(), Fault>;

    /// Makes every call of this diff that AWS takes now; called again, after another look, until
    /// nothing differs.
    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault>;

    async fn delete(aws: &Aws, identity: &Name, live: &Live<Self>) -> Result<(), Fault>;

    /// Deletes some of what it holds; called again until a deletion is taken.
    async fn purge(_aws: &Aws, _identity: &Name) -> Result<(), Fault> {
        Ok(())
    }

    async fn retire(_aws: &Aws, _identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        Err(Fault::new(Class::Invalid, "retire", format!("a {} is replaced in place", Self::KIND)))
    }

    async fn contents(_aws: &Aws, _identity: &Name) -> Result<Option<Contents>, Fault> {
        Ok(None)
    }

    /// What carries the owner's tag and the tagging API does not list.
    async fn owned(_aws: &Aws) -> Result<Vec<Owned>, Fault> {
        Ok(Vec::new())
    }

    /// How each does now, in the order asked, but for what its gauges tell.
    async fn watch(_aws: &Aws, identities: &[Name]) -> Vec<Result<Sight, Fault>> {
        identities.iter().map(|_| Ok(Sight::Still)).collect()
    }

    /// The metrics that tell how one does.
    fn gauges(_identity: &Name) -> Vec<Gauge> {
        Vec::new()
    }

    /// The identity of what the tagging API lists, if it is of this kind.
    fn listed(_arn: &str, _tags: &Tags) -> Option<Name> {
        None
    }
}

/// Every kind, in the order in which they are made where nothing else orders them.
pub static KINDS: &[&dyn Driver] = &[
    driver::<kms_key::KmsKey>(),
    driver::<iam_role::IamRole>(),
    driver::<log_group::LogGroup>(),
    driver::<s3_bucket::S3Bucket>(),
    driver::<sns_topic::SnsTopic>(),
    driver::<sqs_queue::SqsQueue>(),
    driver::<glue_database::GlueDatabase>(),
    driver::<glue_table::GlueTable>(),
    driver::<s3_object::S3Object>(),
    driver::<s3_folder::S3Folder>(),
    driver::<kinesis_stream::KinesisStream>(),
    driver::<emr_security_configuration::EmrSecurityConfiguration>(),
    driver::<lambda_function::LambdaFunction>(),
    driver::<firehose_stream::FirehoseStream>(),
    driver::<s3_notification::S3Notification>(),
    driver::<emr_cluster::EmrCluster>(),
    driver::<cloudwatch_alarm::CloudwatchAlarm>(),
    driver::<cloudwatch_composite_alarm::CloudwatchCompositeAlarm>(),
    driver::<cloudwatch_dashboard::CloudwatchDashboard>(),
];

pub fn driver_of(kind: &str) -> Option<&'static dyn Driver> {
    KINDS.iter().copied().find(|driver| driver.name() == kind)
}

/// The half of a kind that makes calls. Implemented once, for every `Resource`.
pub trait Driver: Kind {
    fn observe<'a>(
        &self,
        aws: &'a Aws,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Option<Live>, Fault>>>;
    fn create<'a>(&self, aws: &'a Aws, spec: &'a Resolved) -> Boxed<'a, Result<(), Fault>>;
    fn update<'a>(
        &self,
        aws: &'a Aws,
        spec: &'a Resolved,
        live: &'a Live,
        diff: &'a Diff,
    ) -> Boxed<'a, Result<(), Fault>>;
    fn delete<'a>(
        &self,
        aws: &'a Aws,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>>;
    fn purge<'a>(&self, aws: &'a Aws, identity: &'a Name) -> Boxed<'a, Result<(), Fault>>;
    fn retire<'a>(
        &self,
        aws: &'a Aws,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>>;
    fn contents<'a>(
        &self,
        aws: &'a Aws,
        identity: &'a Name,
    ) -> Boxed<'a, Result<Option<Contents>, Fault>>;
    fn owned<'a>(&self, aws: &'a Aws) -> Boxed<'a, Result<Vec<Owned>, Fault>>;
    fn watch<'a>(
        &self,
        aws: &'a Aws,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Sight, Fault>>>;
    fn gauges(&self, identity: &Name) -> Vec<Gauge>;
    fn listed(&self, arn: &str, tags: &Tags) -> Option<Name>;
}

struct Erased<R>(PhantomData<fn() -> R>);

const fn driver<R: Resource>() -> &'static dyn Driver {
    &Erased::<R>(PhantomData)
}

fn decode<R: Resource>(spec: &Value) -> Result<R, Flaw> {
    R::deserialize(spec).map(R::completed).map_err(|error| Flaw::error("", error.to_string()))
}

fn typed<R: Resource>(live: &Live) -> Result<Live<R>, Fault> {
    let Live { spec, outputs, phase } = live.clone();
    Ok(Live { spec: sent(&spec)?, outputs, phase })
}

/// A spec that passed `normalize` and still does not decode once its references are known.
fn sent<R: Resource>(spec: &Value) -> Result<R, Fault> {
    decode(spec).map_err(|flaw| Fault::new(Class::Invalid, R::KIND, flaw.what))
}

fn encode<R: Resource>(spec: &R) -> Value {
    serde_json::to_value(spec).expect("a spec is plain data, which is always JSON")
}

impl<R: Resource> Kind for Erased<R> {
    fn name(&self) -> &'static str {
        R::KIND
    }

    fn outputs(&self) -> &'static [&'static str] {
        R::OUTPUTS
    }

    fn rules(&self) -> &'static [Rule] {
        R::RULES
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(R).to_value()
    }

    fn holds_data(&self) -> bool {
        R::HOLDS_DATA
    }

    fn retires(&self) -> Option<&'static str> {
        R::RETIRES
    }

    fn rank(&self) -> usize {
        KINDS.iter().position(|kind| kind.name() == R::KIND).unwrap_or(KINDS.len())
    }

    fn normalize(&self, spec: &Value) -> Result<Normal, Flaw> {
        let typed = decode::<R>(spec)?;
        Ok(Normal {
            spec: encode(&typed),
            identity: typed.identity(),
            on_demand: typed.on_demand(),
            flaws: typed.check(),
        })
    }

    fn predict(&self, spec: &Value, place: &Place) -> Outputs {
        decode::<R>(spec).map_or_else(|_| Outputs::new(), |typed| typed.predict(place))
    }

    fn created(&self, spec: &Value) -> Option<Value> {
        decode::<R>(spec).ok()?.created().map(|created| encode(&created))
    }

    fn reconcile(&self, desired: &Value, live: &Value) -> Value {
        match (decode::<R>(desired), decode::<R>(live)) {
            (Ok(desired), Ok(mut live)) => {
                desired.reconcile(&mut live);
                encode(&live)
            }
            _ => live.clone(),
        }
    }
}

impl<R: Resource> Driver for Erased<R> {
    fn observe<'a>(
        &self,
        aws: &'a Aws,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Option<Live>, Fault>>> {
        Box::pin(async move {
            let erase = |Live { spec, outputs, phase }: Live<R>| Live {
                spec: encode(&spec),
                outputs,
                phase,
            };
            let found = R::observe_all(aws, identities).await;
            found.into_iter().map(|one| one.map(|live| live.map(erase))).collect()
        })
    }

    fn create<'a>(&self, aws: &'a Aws, spec: &'a Resolved) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { sent::<R>(spec.value())?.create(aws).await })
    }

    fn update<'a>(
        &self,
        aws: &'a Aws,
        spec: &'a Resolved,
        live: &'a Live,
        diff: &'a Diff,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { sent::<R>(spec.value())?.update(aws, &typed(live)?, diff).await })
    }

    fn delete<'a>(
        &self,
        aws: &'a Aws,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { R::delete(aws, identity, &typed(live)?).await })
    }

    fn purge<'a>(&self, aws: &'a Aws, identity: &'a Name) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(R::purge(aws, identity))
    }

    fn retire<'a>(
        &self,
        aws: &'a Aws,
        identity: &'a Name,
        live: &'a Live,
    ) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move { R::retire(aws, identity, &typed(live)?).await })
    }

    fn contents<'a>(
        &self,
        aws: &'a Aws,
        identity: &'a Name,
    ) -> Boxed<'a, Result<Option<Contents>, Fault>> {
        Box::pin(R::contents(aws, identity))
    }

    fn owned<'a>(&self, aws: &'a Aws) -> Boxed<'a, Result<Vec<Owned>, Fault>> {
        Box::pin(R::owned(aws))
    }

    fn watch<'a>(
        &self,
        aws: &'a Aws,
        identities: &'a [Name],
    ) -> Boxed<'a, Vec<Result<Sight, Fault>>> {
        Box::pin(R::watch(aws, identities))
    }

    fn gauges(&self, identity: &Name) -> Vec<Gauge> {
        R::gauges(identity)
    }

    fn listed(&self, arn: &str, tags: &Tags) -> Option<Name> {
        R::listed(arn, tags)
    }
}
