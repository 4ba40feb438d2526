//! Clusters that end themselves.

use super::Project;
use super::machine::Machine;

#[test]
fn a_cluster_that_ended_itself_is_no_change_and_the_next_due_job_starts_one() {
    let machine = Machine::start();
    let project = Project::small_on(&machine, "idle");
    project.apply().code(0).says(&["say | a word"]);
    project.outside("advance(14_401)");
    project.outside("wait(lambda: clusters('NAME-spark', ['TERMINATED']))");

    project.plan().code(0).answers(&["spark  dormant; starts when a job runs", "Nothing to do"]);
    project.apply().code(0).never_says("submitting");
    assert_eq!(project.outside("answer(clusters('NAME-spark', ALIVE))").as_array(), Some(&vec![]));

    project.write("say.py", "print('another word')\n");
    project.plan().code(2).answers(&["say  run: its input changed since it last succeeded"]);
    project.apply().code(0).says(&["say | another word"]);
    let found = project
        .outside("answer([len(clusters('NAME-spark')), len(clusters('NAME-spark', ALIVE))])");
    assert_eq!(found, serde_json::json!([2, 1]));
}
