//! The stories that are disturbed.

use super::scene::Mode;
use super::story::Story;
use crate::e2e::Project;
use crate::e2e::machine::Machine;

const FIRST: &str = "apply blueprint.yaml --env prod --no-run --yes";
const SECOND: &str = "apply changed.yaml --env prod --no-run --yes";
const LAST: &str = "destroy blueprint.yaml --env prod --delete-data --yes";
const RUN: &str = "apply blueprint.yaml --yes";
const AWAY: &str = "destroy blueprint.yaml --delete-data --cancel-jobs --yes";

pub const APPLY: Story = Story {
    name: "apply",
    project: flagship,
    before: &[],
    act: FIRST,
    after: &[FIRST],
    mode: Mode::Mild,
};
pub const UPDATE: Story =
    Story { name: "update", before: &[FIRST], act: SECOND, after: &[SECOND], ..APPLY };
pub const DESTROY: Story =
    Story { name: "destroy", before: &[FIRST], act: LAST, after: &[LAST], ..APPLY };
pub const REVIVAL: Story =
    Story { name: "destroy, then apply", before: &[FIRST], act: LAST, after: &[FIRST], ..APPLY };
pub const JOB: Story =
    Story { name: "apply with a job", project: with_job, act: RUN, after: &[RUN], ..APPLY };
/// Who gives up on a pipeline takes away what a killed run has made of it.
pub const ABANDONED: Story =
    Story { name: "apply with a job, then destroy", after: &[AWAY], ..JOB };
pub const SMALL: Story = Story { name: "small apply", project: small, ..JOB };

/// Something of every kind that can be changed in place, another name, and other tags on all.
const CHANGES: &[(&str, &str)] = &[
    ("team: data", "team: lake"),
    ("retention_hours: 48", "retention_hours: 72"),
    ("expire_days: 730", "expire_days: 365"),
    ("retention_days: 30", "retention_days: 14"),
    ("interval: 5m", "interval: 10m"),
    ("What the Spark jobs write", "What the jobs write"),
    ("{ name: events, type: bigint }", "{ name: events, type: int }"),
    ("visibility_timeout: 6m", "visibility_timeout: 7m"),
    ("memory_mb: 256", "memory_mb: 512"),
    ("threshold: 100000", "threshold: 200000"),
    ("-oncall", "-pager"),
    ("Encrypts the events", "Encrypts events"),
    ("s3:AbortMultipartUpload]", "s3:AbortMultipartUpload, s3:GetObject]"),
    ("ALARM(\"${arrivals_old.name}\")", "ALARM(\"${traffic_surge.name}\")"),
    ("start: -PT6H", "start: -PT12H"),
];

/// One resource each of which something can go wrong between two calls.
const SMALL_BLUEPRINT: &str = r"name: NAME
region: eu-west-1
artifacts: lake
resources:
  key: { kind: kms-key, name: NAME }
  lake: { kind: s3-bucket, name: 'NAME-${account}', versioning: true, encryption: { sse: kms, key: '${key.arn}' } }
  log: { kind: log-group, name: NAME, retention_days: 7 }
  role:
    kind: iam-role
    name: NAME
    trust: firehose.amazonaws.com
    policies: { lake: { Statement: [{ Effect: Allow, Action: s3:PutObject, Resource: '${lake.arn}/*' }] } }
";

/// The flagship, and beside it the same with changes.
pub fn flagship(machine: &Machine) -> Project<'_> {
    let project = Project::flagship_on(machine, "crash");
    project.write("changed.yaml", &project.read("blueprint.yaml"));
    for (before, after) in CHANGES {
        project.edit("changed.yaml", before, after);
    }
    project
}

pub fn with_job(machine: &Machine) -> Project<'_> {
    Project::small_on(machine, "crash")
}

fn small(machine: &Machine) -> Project<'_> {
    Project::on(machine, "crash", SMALL_BLUEPRINT)
}
