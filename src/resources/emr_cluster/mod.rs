//! `emr-cluster`: an EMR cluster on EC2, that may end itself.

mod spec;

mod change;
mod check;
mod find;
mod machines;
mod read;
mod readings;
mod reconcile;
mod start;
mod words;
mod write;

#[cfg(test)]
mod tests;

pub use spec::EmrCluster;
pub use start::unlisted;

use crate::aws::Aws;
use crate::cloud::Fault;
use crate::kind::rule::{replace, secret, write_only};
use crate::kind::{Flaw, Live, Name, Outputs, Place, Rule};
use crate::plan::diff::Diff;
use crate::status::reading::Sight;

use super::{Resource, Tags};

impl Resource for EmrCluster {
    const KIND: &'static str = "emr-cluster";
    const OUTPUTS: &'static [&'static str] = &["arn", "cluster_id", "log_uri", "name", "request"];
    const RULES: &'static [Rule] = &[
        replace("name"),
        replace("release"),
        replace("applications"),
        replace("service_role"),
        replace("instance_profile"),
        replace("autoscaling_role"),
        replace("primary"),
        replace("core.type"),
        replace("core.market"),
        replace("core.bid_price"),
        replace("core.ebs"),
        replace("fleets.primary"),
        replace("fleets.core.spot"),
        replace("fleets.core.on_demand"),
        replace("fleets.task.spot"),
        replace("fleets.task.on_demand"),
        replace("configurations"),
        replace("bootstrap_actions"),
        replace("security_configuration"),
        replace("log_uri"),
        replace("log_key"),
        replace("subnets"),
        replace("key_pair"),
        replace("security_groups"),
        replace("scale_down"),
        replace("root_volume"),
        replace("custom_ami"),
        replace("os_release"),
        replace("kerberos"),
        write_only("kerberos.kdc_admin_password"),
        secret("kerberos.kdc_admin_password"),
        write_only("kerberos.cross_realm_trust_password"),
        secret("kerberos.cross_realm_trust_password"),
        write_only("kerberos.ad_domain_join_password"),
        secret("kerberos.ad_domain_join_password"),
    ];
    const RETIRES: Option<&'static str> = Some("cluster_id");

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        check::check(self)
    }

    fn on_demand(&self) -> bool {
        match self.lifecycle {
            Some(lifecycle) => lifecycle == spec::Lifecycle::OnDemand,
            None => self.idle_timeout.0.is_some() || self.terminate_after_steps,
        }
    }

    fn predict(&self, _place: &Place) -> Outputs {
        let mut outputs = Outputs::from([("name".into(), self.name.to_string())]);
        outputs.extend(write::request(self).map(|request| ("request".into(), request)));
        if self.log_uri != words::NONE && !self.log_uri.contains("${") {
            outputs.insert("log_uri".into(), words::folder(&self.log_uri));
        }
        outputs
    }

    fn reconcile(&self, live: &mut Self) {
        reconcile::reconcile(self, live);
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let found = Self::observe_all(aws, std::slice::from_ref(identity)).await;
        found.into_iter().next().unwrap_or(Ok(None))
    }

    async fn observe_all(aws: &Aws, identities: &[Name]) -> Vec<Result<Option<Live<Self>>, Fault>> {
        find::find(aws, identities).await
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        write::create(self, aws).await
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        change::update(self, aws, live, diff).await
    }

    async fn delete(aws: &Aws, _identity: &Name, live: &Live<Self>) -> Result<(), Fault> {
        change::delete(aws, live).await
    }

    async fn retire(aws: &Aws, _identity: &Name, live: &Live<Self>) -> Result<(), Fault> {
        change::retire(aws, live).await
    }

    async fn watch(aws: &Aws, identities: &[Name]) -> Vec<Result<Sight, Fault>> {
        readings::watch(aws, identities).await
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, id) = arn.split_once(":elasticmapreduce:")?.1.split_once(":cluster/")?;
        find::is_id(id).then(|| Name::new(id))
    }
}
