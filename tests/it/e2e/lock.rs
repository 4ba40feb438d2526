//! One apply or destroy of a blueprint at a time.

use std::io::{BufRead, BufReader};
use std::process::Child;

use serde_json::{Value, json};

use super::{Ended, Project};

const APPLY: &str = "apply blueprint.yaml --local --yes";

/// The lock of a project, or nothing.
const LOCK: &str = "
s3, key = client('s3'), 'pipeline/NAME/default/lock.json'
found = [k for k in objects('NAME-000000000000', 'pipeline/') if k.endswith('lock.json')]
answer(json.loads(s3.get_object(Bucket='NAME-000000000000', Key=found[0])['Body'].read()) if found else None)";

/// Somebody else's lock, on another machine.
const BOBS: &str = "
put('NAME-000000000000', 'pipeline/NAME/default/lock.json', json.dumps({
    'version': 1, 'holder': 'bob', 'who': 'bob@elsewhere', 'job': None, 'command': 'apply x.yaml', 'renewed': 1,
    'since': '2026-01-01T00:00:00Z', 'until': '2026-01-01T00:01:00Z', 'process': None}).encode())";

/// A small project that stands, and whose next apply takes its time.
fn slow<'m>(name: &'static str) -> Project<'m> {
    let project = Project::small(name);
    project.apply().code(0);
    assert_eq!(project.outside(LOCK), Value::Null, "it is given back");
    project.write("say.py", "import time\ntime.sleep(15)\nprint('slowly')\n");
    project
}

/// An apply that has its lock and waits for its job.
fn at_work(project: &Project<'_>) -> Child {
    let mut command = project.command(APPLY);
    command.env("USER", "ann").env("CI_JOB_URL", "https://ci.example/jobs/7");
    let child = command.spawn().expect("the program runs");
    project.outside("wait(lambda: [k for k in objects('NAME-000000000000', 'pipeline/') if k.endswith('lock.json')])");
    child
}

fn end(child: Child) -> Ended {
    Ended::new(APPLY, child.wait_with_output().expect("it ends"))
}

#[test]
fn of_two_applies_at_once_one_works_and_the_other_is_told_who_does() {
    let project = slow("locked");
    let child = at_work(&project);
    project.run(APPLY).code(5).says(&[
        "error: ann@",
        "holds the lock: `pipeline apply blueprint.yaml`, since 20",
        "CI job: https://ci.example/jobs/7",
        "hint: `pipeline apply blueprint.yaml --local --yes --lock-timeout 10m` waits for it",
        "`pipeline unlock blueprint.yaml --local` removes it",
    ]);
    project.run("destroy blueprint.yaml --local --yes --delete-data --cancel-jobs").code(5);
    project.plan().code(2);
    project
        .run(&format!("{APPLY} --lock-timeout 5m"))
        .code(0)
        .says(&["waiting: ann@", "holds the lock", "others were at work", "Nothing to do"])
        .answers(&["bucket = "]);
    end(child).code(0).says(&["say | slowly"]);
    assert_eq!(project.outside(LOCK), Value::Null);
    assert_eq!(project.outside("answer(len(clusters('NAME-spark')))"), 1);
}

#[test]
fn an_apply_that_changes_nothing_takes_no_lock() {
    let project = slow("lockless");
    let child = at_work(&project);
    project.run(&format!("{APPLY} --no-run")).code(0);
    end(child).code(0);
}

#[test]
fn a_killed_run_of_this_machine_holds_no_lock_and_another_lapses() {
    let project = slow("lapsing");
    let mut child = at_work(&project);
    child.kill().expect("it can be killed");
    end(child);
    let left = project.outside(LOCK);
    assert_eq!(left["who"].as_str().map(|who| who.starts_with("ann@")), Some(true), "{left}");
    project.apply().code(0).says(&["say | slowly"]);
    assert_eq!(project.outside(LOCK), Value::Null);

    // As if another machine had been killed.
    let mut left = left;
    left["process"] = Value::Null;
    project.write("say.py", "print('later')\n");
    project.outside(&format!(
        "put('NAME-000000000000', 'pipeline/NAME/default/lock.json', json.dumps(json.loads({:?})).encode())",
        left.to_string()
    ));
    project.apply().code(5).says(&["ann@"]);
    project
        .run(&format!("{APPLY} --lock-timeout 5m"))
        .code(0)
        .says(&["waiting: ann@", "say | later"]);
    assert_eq!(project.outside(LOCK), Value::Null);
}

/// Three: as many as one listing is asked for.
const ROLES: &str = r#"name: NAME
region: eu-west-1
artifacts: lake
resources:
  lake: { kind: s3-bucket, name: "NAME-${account}", tags: { turn: first } }
  one: &role
    kind: iam-role
    name: NAME-one
    trust: lambda.amazonaws.com
    policies:
      read: { Statement: { Effect: Allow, Action: "s3:GetObject", Resource: "*" } }
  two: { <<: *role, name: NAME-two }
  three: { <<: *role, name: NAME-three }
"#;

#[test]
fn an_apply_that_waited_sees_what_others_did_meanwhile() {
    let project = Project::with("waited", ROLES);
    project.apply().code(0);
    project.edit("blueprint.yaml", "turn: first", "turn: second");
    project.outside(BOBS);
    let mut child = project.start(&format!("{APPLY} --lock-timeout 5m"));
    let told = BufReader::new(child.stderr.as_mut().expect("it is piped")).lines();
    let mut told = told.map_while(Result::ok);
    assert!(told.any(|line| line.starts_with("waiting: bob@elsewhere")), "it does not wait");
    project.outside(
        "
client('iam').delete_role_policy(RoleName='NAME-one', PolicyName='read')
client('s3').delete_object(Bucket='NAME-000000000000', Key='pipeline/NAME/default/lock.json')",
    );
    end(child).code(0);
    project.plan().code(0);
}

#[test]
fn a_version_that_keeps_its_lock_in_another_bucket_is_seen_at_work() {
    let attic = "  attic: { kind: s3-bucket, name: \"NAME-attic-${account}\" }\n";
    for (name, stands) in [("moved", false), ("moving", true)] {
        let with_attic = format!("{ROLES}{attic}");
        let project = Project::with(name, if stands { &with_attic } else { ROLES });
        project.apply().code(0);
        let other = with_attic.replace("artifacts: lake", "artifacts: attic");
        let other = other.replace("turn: first", "turn: second");
        project.write("other.yaml", &other);
        project.outside(BOBS);
        let apply = "apply other.yaml --local --yes";
        for line in [apply, "destroy other.yaml --local --yes --delete-data"] {
            project.run(line).code(5).says(&[
                "error: bob@elsewhere holds the lock",
                "another version of this blueprint keeps its lock in s3://",
                "--lock-timeout 10m` waits for it",
            ]);
        }
        assert_eq!(project.outside(LOCK)["holder"], json!("bob"));
        project.run(&format!("{apply} --lock-timeout 5m")).code(0).says(&["waiting: bob@"]);
        project.run("plan other.yaml --local").code(0);
    }
}

#[test]
fn a_person_removes_a_lock() {
    let project = slow("unlocked");
    project.run("unlock blueprint.yaml --local").code(0).answers(&["There is no lock"]);
    let child = at_work(&project);
    project.run("unlock blueprint.yaml --local").code(1).says(&["holds the lock", "say --yes"]);
    project.run("unlock blueprint.yaml --local --yes").code(0).answers(&["Unlocked"]);
    assert_eq!(project.outside(LOCK), Value::Null);
    // It either ends before it looks at its lock again, or stops there.
    let ended = end(child);
    assert!(matches!(ended.code, Some(0 | 5)), "{ended}");
}

#[test]
fn a_run_that_was_robbed_stops_and_says_by_whom() {
    let project = slow("robbed");
    project.write("say.py", "import time\ntime.sleep(40)\n");
    let child = at_work(&project);
    project.outside(BOBS);
    end(child).code(5).says(&[
        "a job that was submitted goes on where it runs",
        "error: this run no longer holds the lock",
        "bob@elsewhere holds the lock",
    ]);
    assert_eq!(project.outside(LOCK)["holder"], json!("bob"));
}

#[test]
fn a_signal_gives_the_lock_back_and_destroy_takes_it_along() {
    let project = slow("returned");
    let child = at_work(&project);
    let pid = child.id().to_string();
    let kill = std::process::Command::new("kill").args(["-TERM", &pid]).status();
    assert!(kill.expect("kill runs").success());
    end(child).code(143);
    assert_eq!(project.outside(LOCK), Value::Null);
    let destroy = "destroy blueprint.yaml --local --yes --delete-data --cancel-jobs";
    project.run(destroy).code(0).says(&["Destroyed: 2 resources gone"]);
    project.run(destroy).code(0).says(&["Nothing to do"]);
}

#[test]
fn an_empty_bucket_is_destroyed_although_it_kept_the_lock() {
    for (name, more) in [("emptied", ""), ("versions", ", versioning: true")] {
        let project = Project::with(
            name,
            &format!(
                "name: NAME\nregion: eu-west-1\nartifacts: lake\nresources:\n  \
                 lake: {{ kind: s3-bucket, name: \"NAME-${{account}}\", protect: false{more} }}\n"
            ),
        );
        project.apply().code(0);
        project
            .run("destroy blueprint.yaml --local --yes")
            .code(0)
            .says(&["Destroyed: 1 resource"]);
    }
}
