//! Jobs: at most one submission, one cluster for all, and their order.

use serde_json::json;

use super::machine::Machine;
use super::{Ended, Project};

/// Replaces the small project's jobs.
fn jobs<'m>(name: &'static str, jobs: &str) -> Project<'m> {
    let project = Project::small(name);
    project.edit(
        "blueprint.yaml",
        "  say: { kind: spark, cluster: spark, script: say.py }\n",
        jobs,
    );
    project.write("fail.py", "raise ValueError('never mind')\n");
    project.write("sleep.py", "import time\ntime.sleep(60)\n");
    project
}

/// Name and state of every step on the clusters of a project, the oldest first.
const STEPS: &str = "
found = [(c, s) for c in reversed(clusters('NAME-spark')) for s in reversed(steps(c))]
answer([s['Name'].split('#')[0] + ' ' + s['Status']['State'] for c, s in found])";

#[test]
fn a_run_that_is_killed_after_its_submission_finds_its_step_again() {
    let project = Project::small("killed");
    project.write("say.py", "import time\ntime.sleep(3)\nprint('once')\n");
    let line = "apply blueprint.yaml --local --yes";
    let mut child = project.start(line);
    project.outside("wait(lambda: [s for c in clusters('NAME-spark') for s in steps(c)])");
    child.kill().expect("it can be killed");
    assert_eq!(Ended::new(line, child.wait_with_output().expect("it ended")).code, None);

    project.apply().code(0).says(&["say | once", "succeeded: job `say`"]);
    assert_eq!(project.outside(STEPS), json!(["say COMPLETED"]));
    assert_eq!(project.outside("answer(len(clusters('NAME-spark')))"), 1);
    project.plan().code(0);
}

#[test]
fn a_run_that_is_killed_before_its_success_is_on_record_finds_that_too() {
    let project = Project::small("unrecorded");
    project.apply().code(0);
    project.outside(
        "s3 = client('s3')
for key in objects('NAME-000000000000', 'pipeline/'):
    if '/runs/' in key:
        s3.delete_object(Bucket='NAME-000000000000', Key=key)",
    );
    project.plan().code(2);
    project.apply().code(0).says(&["succeeded: job `say`"]);
    assert_eq!(project.outside(STEPS), json!(["say COMPLETED"]));
    project.plan().code(0);
}

/// Nor does it start another cluster for that.
#[test]
fn a_success_that_is_not_on_record_is_found_on_a_cluster_that_has_ended() {
    let project = Project::small("outlived");
    project.apply().code(0);
    project.outside(
        "s3 = client('s3')
for key in objects('NAME-000000000000', 'pipeline/'):
    if '/runs/' in key:
        s3.delete_object(Bucket='NAME-000000000000', Key=key)
client('emr').terminate_job_flows(JobFlowIds=clusters('NAME-spark'))
wait(lambda: clusters('NAME-spark', ['TERMINATED']))",
    );
    project.plan().code(2);
    project.apply().code(0).says(&["succeeded: job `say`"]).never_says("submitting");
    assert_eq!(project.outside(STEPS), json!(["say COMPLETED"]));
    assert_eq!(project.outside("answer(len(clusters('NAME-spark')))"), 1);
    project.plan().code(0);
    project.run("logs blueprint.yaml say --local").code(0).answers(&["a word"]);
}

#[test]
fn a_cluster_that_is_ending_is_waited_for_and_another_one_started() {
    let machine = Machine::start();
    machine.outside("pace(0.5, 4)");
    let project = Project::small_on(&machine, "ending");
    project.apply().code(0);
    project.write("say.py", "print('later')\n");
    project.outside("client('emr').terminate_job_flows(JobFlowIds=clusters('NAME-spark'))");
    project.apply().code(0).says(&["waiting: TERMINATING", "say | later"]);
    assert_eq!(project.outside("answer(len(clusters('NAME-spark')))"), 2);
    project.plan().code(0);
}

#[test]
fn jobs_that_need_one_cluster_share_it_and_run_in_the_order_of_after() {
    let project = jobs(
        "sharing",
        "  first: { kind: spark, cluster: spark, script: say.py, args: [one] }
  second: { kind: spark, cluster: spark, script: say.py, args: [two] }
  last: { kind: spark, cluster: spark, script: say.py, args: [three], after: [first, second] }
",
    );
    project.apply().code(0).says(&["job last: succeeded"]);
    assert_eq!(project.outside("answer(len(clusters('NAME-spark')))"), 1);
    let steps = project.outside(STEPS);
    assert_eq!(steps[2], "last COMPLETED", "{steps}");
    assert_eq!(steps.as_array().map(Vec::len), Some(3), "{steps}");
}

#[test]
fn a_job_after_one_that_failed_is_skipped_and_others_run() {
    let project = jobs(
        "skipping",
        "  bad: { kind: spark, cluster: spark, script: fail.py, retries: 1 }
  good: { kind: spark, cluster: spark, script: say.py }
  next: { kind: spark, cluster: spark, script: say.py, args: [next], after: [bad] }
",
    );
    project.apply().code(6).says(&[
        "failed: job `bad`: ValueError: never mind (fail.py:1)",
        "trying again (1)",
        "failed: job `bad`: ValueError: never mind",
        "succeeded: job `good`",
        "skipped: job `next`, because `bad` failed",
    ]);
    let steps = project.outside(STEPS).to_string();
    assert_eq!(steps.matches("bad FAILED").count(), 2, "{steps}");
    assert_eq!(steps.matches("good COMPLETED").count(), 1, "{steps}");
    assert!(!steps.contains("next"), "{steps}");
    project.plan().code(2).answers(&["bad  run", "next  run"]).never_says("good  run");
}

#[test]
fn a_job_runs_when_it_says() {
    let project = jobs(
        "timely",
        "  always: { kind: spark, cluster: spark, script: say.py, when: always }
  manual: { kind: spark, cluster: spark, script: say.py, args: [x], when: manual }
",
    );
    project.apply().code(0).says(&["succeeded: job `always`"]).never_says("manual");
    project.plan().code(2).answers(&["always  run: it runs with every apply"]);
    project.apply().code(0).says(&["job always: submitting", "succeeded: job `always`"]);
    assert_eq!(project.outside(STEPS), json!(["always COMPLETED", "always COMPLETED"]));

    project.run("run blueprint.yaml manual --local").code(0).says(&["succeeded: job `manual`"]);
    project.run("run blueprint.yaml manual --local").code(0).says(&["succeeded: job `manual`"]);
    let steps = project.outside(STEPS).to_string();
    assert_eq!(steps.matches("manual COMPLETED").count(), 2, "{steps}");
    project.run("run blueprint.yaml --local").code(0).never_says("manual");
}

#[test]
fn a_job_that_takes_too_long_is_cancelled() {
    let project =
        jobs("slow", "  slow: { kind: spark, cluster: spark, script: sleep.py, timeout: 3s }\n");
    project.apply().code(6).says(&[
        "failed: job `slow`: it ran longer than its timeout of 3s and was cancelled",
        "log: s3://slow-000000000000/logs/",
    ]);
    project.outside("wait(lambda: [s for c in clusters('NAME-spark') for s in steps(c) if s['Status']['State'] == 'CANCELLED'])");
}

#[test]
fn destroy_does_not_end_a_cluster_at_work_without_the_users_word() {
    let project = jobs("busy", "  busy: { kind: spark, cluster: spark, script: sleep.py }\n");
    let mut child = project.start("apply blueprint.yaml --local --yes");
    project.outside("wait(lambda: [s for c in clusters('NAME-spark') for s in steps(c) if s['Status']['State'] == 'RUNNING'])");
    child.kill().expect("it can be killed");
    child.wait_with_output().expect("it ended");
    let destroy = "destroy blueprint.yaml --local --yes --delete-data";
    project.run(destroy).code(1).says(&["--cancel-jobs", "busy#", " on j-"]);
    assert_eq!(project.outside("answer(len(clusters('NAME-spark', ALIVE)))"), 1);
    project.run(&format!("{destroy} --cancel-jobs")).code(0).says(&["Destroyed: 2 resources gone"]);
}
