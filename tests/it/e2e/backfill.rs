//! One job for many hours.

use serde_json::json;

use super::{Ended, Project};

/// Fails for some hours.
const JOB: &str = "import sys
hour = sys.argv[1]
print('ran', hour)
if hour in BAD:
    raise ValueError('no good hour: ' + hour)
";

fn project(name: &'static str, bad: &str) -> Project<'static> {
    let project = Project::small(name);
    let job = "say: { kind: spark, cluster: spark, script: say.py, when: manual, \
               params: { hour: \"\", more: a }, args: [\"${param.hour}\", \"${param.more}\"] }";
    project.edit("blueprint.yaml", "say: { kind: spark, cluster: spark, script: say.py }", job);
    project.write("say.py", &JOB.replace("BAD", bad));
    project.apply().code(0);
    project
}

/// Arguments and state of every step, the oldest first.
const STEPS: &str = "
found = [s for c in reversed(clusters('NAME-spark')) for s in reversed(steps(c))]
answer([' '.join(s['Config']['Args'][-2:]) + ' ' + s['Status']['State'] for s in found])";

#[test]
fn each_hour_runs_once_and_a_failure_stops_no_other() {
    let project = project("backfill", "['2013-01-15T23']");
    let line = "run blueprint.yaml say --local --from 2013-01-15T22 --to 2013-01-16T00";
    project
        .run(line)
        .code(6)
        .says(&["`say`: 3 hours to run", "spark: created"])
        .says(&["failed: 2013-01-15T23: ValueError: no good hour: 2013-01-15T23 (say.py:5)"])
        .says(&["log: s3://backfill-000000000000/logs/"])
        .says(&["again: pipeline run blueprint.yaml say --local --param hour=2013-01-15T23"])
        .says(&["Backfill of `say`: 2 hours succeeded, 1 failed; the same command runs what"])
        .never_says("spark: ready")
        .never_says("| ran");
    let mut steps = project.outside(STEPS);
    let sort = |steps: &mut serde_json::Value| {
        steps.as_array_mut().expect("steps").sort_by_key(ToString::to_string);
    };
    sort(&mut steps);
    let expected =
        ["2013-01-15T22 a COMPLETED", "2013-01-15T23 a FAILED", "2013-01-16T00 a COMPLETED"];
    assert_eq!(steps, json!(expected));

    // What failed is mended, which is another script: for that one, nothing has succeeded.
    project
        .run(line)
        .code(6)
        .says(&["`say`: 1 hour to run, 2 succeeded before"])
        .says(&["Backfill of `say`: 0 hours succeeded, 1 failed, 2 had succeeded before"]);
    // What is mended is another script: with that one nothing has succeeded yet.
    project.write("say.py", "print('mended')\n");
    project.run(line).code(0).says(&["`say`: 3 hours to run", "3 hours succeeded\n"]);
    project.run(line).code(0).says(&["0 hours to run, 3 succeeded before", "0 hours succeeded, 3"]);
    assert_eq!(project.outside(STEPS).as_array().map(Vec::len), Some(7));
    project
        .run(&format!("{line} --again --parallelism 3"))
        .code(0)
        .says(&["`say`: 3 hours to run", "3 hours succeeded\n"]);
    project.run(&format!("{line} --param more=b")).code(0).says(&["`say`: 3 hours to run"]);
    let steps = project.outside(STEPS);
    assert_eq!(steps.as_array().map(Vec::len), Some(13), "{steps}");
    assert_eq!(steps.to_string().matches(" b COMPLETED").count(), 3, "{steps}");
}

#[test]
fn a_backfill_that_was_killed_runs_only_what_it_had_not() {
    let project = project("unended", "[]");
    let line = "run blueprint.yaml say --local --from 2013-01-15 --to 2013-01-15T03";
    let mut child = project.start(&format!("{line} --parallelism 1"));
    project.outside(
        "wait(lambda: [s for c in clusters('NAME-spark') for s in steps(c)
                      if s['Status']['State'] == 'COMPLETED'][1:])",
    );
    child.kill().expect("it can be killed");
    Ended::new(line, child.wait_with_output().expect("it ended"));
    // Whatever was not recorded is found on the cluster.
    project.outside(
        "s3 = client('s3')
for key in objects('NAME-000000000000', 'pipeline/'):
    if '/runs/' in key:
        s3.delete_object(Bucket='NAME-000000000000', Key=key)",
    );
    project.run(line).code(0).says(&["`say`: 4 hours to run", "4 hours succeeded\n"]);
    let mut steps = project.outside(STEPS);
    steps.as_array_mut().expect("steps").sort_by_key(ToString::to_string);
    let expected: Vec<_> = (0..4).map(|hour| format!("2013-01-15T0{hour} a COMPLETED")).collect();
    assert_eq!(steps, json!(expected));
}

#[test]
fn hours_that_are_none_are_refused_before_anything_is_called() {
    let project = Project::small("unreal");
    let hourly = "params: { hour: \"\" }, args: [\"${param.hour}\"] }";
    project.edit("blueprint.yaml", "script: say.py }", &format!("script: say.py, {hourly}"));
    project.write("plain.yaml", &project.read("blueprint.yaml").replace(hourly, "}"));
    let nowhere = "--endpoint-url http://127.0.0.1:1";
    for (line, says) in [
        ("say --from 2013-01-15T1 --to 2013-01-16", &["`2013-01-15T1` is not an hour: write"][..]),
        ("say --from 2013-01-16 --to 2013-01-15", &["2013-01-16 comes after 2013-01-15"]),
        ("say --from 2013-01-16", &["--to"]),
        ("--from 2013-01-15 --to 2013-01-15", &["<JOB>"]),
        ("say --again", &["--from"]),
        ("shout --from 2013-01-15 --to 2013-01-15", &["there is no job `shout`; there is `say`"]),
        (
            "say --from 2013-01-15 --to 2013-01-15 --param hour=2013-01-15T10",
            &["--from and --to say which hours, not --param hour"],
        ),
        ("say --from 2013-01-15 --to 2013-01-15 --param x=1", &["has no parameter `x`"]),
    ] {
        project.run(&format!("run blueprint.yaml {line} {nowhere}")).code(1).says(says);
    }
    project
        .run(&format!("run plain.yaml say --from 2013-01-15 --to 2013-01-15 {nowhere}"))
        .code(1)
        .says(&["job `say` has no parameter `hour`", "hint: give it `params: { hour: \"\" }`"]);
}
