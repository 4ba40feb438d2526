//! EMR: a cluster whose roles are too young is taken, and ends by itself.
//!
//! That dead clusters stay listed, logs go to `s3n:`, volumes are filled in and `AutoTerminate` is
//! the other way round, the local AWS does by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::http::{Answer, Request, exchange};
use super::super::proxy::{Reply, Rule};
use super::answer::{edit, text, well};
use super::iam::OLDER;
use super::world::World;

/// 30 s, by the clock of roles.
const ROLE_AGE: Duration = Duration::from_secs(30 / OLDER as u64);

pub const INVALID: &str = "a cluster of young roles ends by itself";
pub const BEHAVIOURS: &[&str] = &[INVALID];

#[derive(Clone)]
pub struct Clusters {
    world: World,
    port: u16,
    doomed: BTreeSet<String>,
}

impl Clusters {
    /// In front of the AWS at a port, which is told to end what EMR ends.
    pub fn new(world: &World, port: u16) -> Self {
        Self { world: world.clone(), port, doomed: BTreeSet::new() }
    }

    fn end(&mut self, call: &Call, id: &str) {
        self.world.strike(INVALID);
        self.doomed.insert(id.to_owned());
        let mut headers = call.request.headers.clone();
        for (name, value) in &mut headers {
            if name == "x-amz-target" {
                *value = value.replace("RunJobFlow", "TerminateJobFlows");
            }
        }
        let body = json!({"JobFlowIds": [id]}).to_string().into_bytes();
        let end = Request { headers, body, ..call.request.clone() };
        exchange(self.port, &end).expect("the local AWS answers");
    }

    fn explain(&self, cluster: &mut Value) {
        let id = cluster["Id"].as_str().unwrap_or_default();
        if !self.doomed.contains(id) {
            return;
        }
        let status = &mut cluster["Status"];
        let reason = json!({"Code": "VALIDATION_ERROR", "Message": "EMR service role is invalid"});
        status["StateChangeReason"] = reason;
        if status["State"] == "TERMINATED" {
            status["State"] = "TERMINATED_WITH_ERRORS".into();
        }
    }
}

impl Rule for Clusters {
    fn after(&mut self, call: &Call, answer: &mut Answer) -> Reply {
        if call.service != "elasticmapreduce" || !well(answer) {
            return Reply::Send;
        }
        match call.operation.as_str() {
            "RunJobFlow" => {
                let roles = [text(call, "ServiceRole"), text(call, "JobFlowRole")];
                if roles.iter().any(|role| self.world.young(role, ROLE_AGE)) {
                    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                    self.end(call, told["JobFlowId"].as_str().unwrap_or_default());
                }
            }
            "DescribeCluster" => edit(answer, |told| self.explain(&mut told["Cluster"])),
            "ListClusters" => edit(answer, |told| {
                let clusters = told["Clusters"].as_array_mut();
                clusters.into_iter().flatten().for_each(|cluster| self.explain(cluster));
            }),
            _ => {}
        }
        Reply::Send
    }
}
