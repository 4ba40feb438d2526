//! The flagship, and more beside it, where AWS is hard; and that each behaviour shows.

use std::collections::BTreeSet;

use super::super::http::{Request, exchange};
use super::super::lent::Lent;
use super::super::scene::{Mode, Run, Scene};
use super::super::stories;
use super::{CAUSED, World};
use crate::e2e::Project;
use crate::e2e::machine::Machine;

const APPLY: &str = "apply blueprint.yaml --env prod --no-run --yes";
const PLAN: &str = "plan blueprint.yaml --env prod --detailed-exitcode";
const CHANGE: &str = "apply changed.yaml --env prod --no-run --yes";
const DESTROY: &str = "destroy blueprint.yaml --env prod --yes --delete-data";

/// What the flagship has none of: policies that name a role, a function that S3 calls, and a
/// cluster that is there without work.
const MORE: &str = r#"
resources:
  asking:
    kind: iam-role
    name: NAME-asking
    trust: ec2.amazonaws.com
  asked_key:
    kind: kms-key
    name: NAME-asked
    policy:
      Statement:
        - { Effect: Allow, Principal: { AWS: "${account}" }, Action: "kms:*", Resource: "*" }
        - { Effect: Allow, Principal: { AWS: "${asking.arn}" }, Action: kms:Decrypt, Resource: "*" }
  asked:
    kind: s3-bucket
    name: NAME-asked-${account}
    policy:
      Statement:
        Effect: Allow
        Principal: { AWS: "${asking.arn}" }
        Action: s3:GetObject
        Resource: arn:aws:s3:::NAME-asked-${account}/*
  asked_queue:
    kind: sqs-queue
    name: NAME-asked
    policy:
      Statement:
        Effect: Allow
        Principal: { AWS: "${asking.arn}" }
        Action: sqs:SendMessage
        Resource: arn:aws:sqs:${region}:${account}:NAME-asked
  asked_topic:
    kind: sns-topic
    name: NAME-asked
    policy:
      Statement:
        Effect: Allow
        Principal: { AWS: "${asking.arn}" }
        Action: sns:Publish
        Resource: arn:aws:sns:${region}:${account}:NAME-asked
  called:
    kind: lambda-function
    name: NAME-called
    code: lambda/trigger
    handler: handler.handler
    runtime: python3.13
    role: ${trigger_role.arn}
    permissions: { lake: { principal: s3.amazonaws.com, source_arn: "${asked.arn}", source_account: "${account}" } }
  calling:
    kind: s3-notification
    bucket: ${asked.name}
    depends_on: [called]
    to: { called: { function: "${called.arn}", events: ["s3:ObjectCreated:*"] } }
  standing:
    kind: emr-cluster
    name: NAME-standing
    release: emr-7.9.0
    applications: [Spark]
    lifecycle: persistent
    service_role: ${spark_service_role.arn}
    instance_profile: ${spark_node_role.instance_profile_arn}
    primary: { type: m5.xlarge }
"#;

const MORE_CHANGES: &[(&str, &str)] = &[
    ("Action: kms:Decrypt, Resource: \"*\"", "Action: kms:Encrypt, Resource: \"*\""),
    ("Action: s3:GetObject\n        Resource: arn", "Action: s3:PutObject\n        Resource: arn"),
    ("Action: sns:Publish", "Action: sns:Subscribe"),
    ("source_account: \"${account}\" } }", "source_account: none } }"),
    ("name: NAME-called\n", "name: NAME-called\n    memory_mb: 256\n"),
];

fn pipeline(machine: &Machine) -> Project<'_> {
    let project = stories::flagship(machine);
    for file in ["blueprint.yaml", "changed.yaml"] {
        project.edit(file, "\nresources:\n", MORE);
    }
    for (before, after) in MORE_CHANGES {
        project.edit("changed.yaml", before, after);
    }
    project
}

#[track_caller]
fn well(run: &Run) {
    assert!(!run.hung && run.ended.code == Some(0), "{}", run.ended);
}

/// Applies, after which nothing is left to do.
#[track_caller]
fn settles(scene: &Scene<'_>, apply: &str, plan: &str) {
    well(&scene.undisturbed(apply));
    well(&scene.undisturbed(plan));
    let again = scene.undisturbed(apply);
    well(&again);
    let writes: Vec<_> = again.writes().map(|made| made.call.name()).collect();
    assert!(writes.is_empty(), "a further run wrote {writes:?}: {}", again.ended);
}

/// Deletes a role beside the program, which AWS hears of.
fn delete_role(scene: &Scene<'_>, name: &str) {
    let body = format!("Action=DeleteRole&Version=2010-05-08&RoleName={name}").into_bytes();
    let signed = "AWS4-HMAC-SHA256 Credential=crash/20300101/us-east-1/iam/aws4_request";
    let headers = vec![
        ("host".to_owned(), "iam.amazonaws.com".to_owned()),
        ("authorization".to_owned(), signed.to_owned()),
        ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
    ];
    let request = Request { method: "POST".into(), path: "/".into(), headers, body };
    let port = scene.hard.as_ref().expect("it is hard").proxy.port;
    assert_eq!(exchange(port, &request).expect("it answers").status, 200);
}

fn missing(world: &World) -> BTreeSet<&'static str> {
    let struck = world.struck();
    super::behaviours()
        .filter(|name| !CAUSED.contains(name) && !struck.contains_key(name))
        .collect()
}

#[test]
fn a_whole_life_goes_well_where_aws_is_hard_and_every_behaviour_shows() {
    let machine = Lent::take();
    let scene = Scene::in_mode(Mode::Hard, &machine, pipeline(&machine));
    let world = scene.hard.as_ref().expect("it is hard").world();
    let empty = scene.image();
    settles(&scene, APPLY, PLAN);
    delete_role(&scene, "crash-asking");
    settles(&scene, APPLY, PLAN);
    settles(&scene, CHANGE, "plan changed.yaml --env prod --detailed-exitcode");
    well(&scene.undisturbed(DESTROY));
    well(&scene.undisturbed(APPLY));
    well(&scene.undisturbed(DESTROY));
    let mut left = empty.differences(&scene.image());
    // A key that awaits its end keeps its alias.
    left.retain(|what| !what.starts_with("kms/alias"));
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(missing(&world), BTreeSet::new(), "of {:#?}", world.struck());
}
