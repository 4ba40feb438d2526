//! Jobs that fail.

use super::Project;

const FAILING: &str = "def main():
    raise ValueError('a bad day')


print('so far so good')
main()
";

#[test]
fn a_script_that_fails_shows_its_exception_and_the_rest_stands() {
    let project = Project::small("failing");
    project.write("say.py", FAILING);
    let log = "log: s3://failing-000000000000/logs/j-";
    project.apply().code(6).says(&[
        "Applied: 1 changed",
        "say | so far so good",
        "failed: job `say`: ValueError: a bad day (say.py:2)",
        log,
    ]);
    project
        .plan()
        .code(2)
        .answers(&["say  run: it has not succeeded yet", "Plan: 1 job to run; 2 unchanged"]);
    project.run("logs blueprint.yaml say --local").code(0).says(&["failed"]);

    project.write("say.py", "print('mended')\n");
    project.apply().code(0).says(&["say | mended", "succeeded: job `say`"]);
    project.plan().code(0);
}

#[test]
fn what_a_driver_says_of_its_error_is_the_cause_where_there_is_no_exception() {
    let project = Project::small("saying");
    let script = "import sys\nprint('error: no input in any hour', file=sys.stderr)\nsys.exit(1)\n";
    project.write("say.py", script);
    project.apply().code(6).says(&["failed: job `say`: error: no input in any hour"]);
}
