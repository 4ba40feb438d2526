//! SIGINT and SIGTERM.

use std::io::{PipeWriter, Write, pipe};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::machine::Machine;
use super::{Ended, Project};

/// A persistent cluster: an apply waits until it is ready.
const BLUEPRINT: &str = r#"name: NAME
region: eu-west-1
resources:
  spark:
    kind: emr-cluster
    name: NAME-spark
    release: emr-7.9.0
    applications: [Spark]
    lifecycle: persistent
    service_role: EMR_DefaultRole
    instance_profile: EMR_EC2_DefaultRole
    primary: { type: m5.xlarge }
"#;

#[test]
fn a_signal_stops_an_apply_that_waits_and_the_next_one_goes_on_from_there() {
    let machine = Machine::start();
    machine.outside("pace(8)");
    for (name, signal, code) in [("interrupted", "-INT", 130), ("terminated", "-TERM", 143)] {
        let project = Project::on(&machine, name, BLUEPRINT);
        let line = "apply blueprint.yaml --local --yes";
        let child = project.start(line);
        project.outside("wait(lambda: clusters('NAME-spark', ['STARTING', 'BOOTSTRAPPING']))");
        let signalled = Instant::now();
        let kill = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
        assert!(kill.expect("kill runs").success());
        let ended = Ended::new(line, child.wait_with_output().expect("it ends")).code(code);
        assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
        ended.says(&[
            "stopping: nothing new is started",
            "Stopped: 0 changed, 1 not reached; the same command goes on from here",
        ]);

        project.apply().code(0);
        project.plan().code(0);
        assert_eq!(project.outside("answer(len(clusters('NAME-spark')))"), 1, "{name}");
    }
}

#[test]
fn a_signal_during_a_job_leaves_the_job_running_and_the_next_apply_follows_it() {
    let project = Project::small("abandoned");
    project.write("say.py", "import time\ntime.sleep(6)\nprint('still here')\n");
    let line = "apply blueprint.yaml --local --yes";
    let child = project.start(line);
    project.outside("wait(lambda: [s for c in clusters('NAME-spark') for s in steps(c)])");
    let kill = Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
    assert!(kill.expect("kill runs").success());
    Ended::new(line, child.wait_with_output().expect("it ends")).code(130).says(&[
        "Stopped: a job that was submitted goes on where it runs; the same command finds it again",
        "  next: pipeline apply blueprint.yaml --local --yes",
    ]);
    project.apply().code(0).says(&["say | still here", "succeeded: job `say`"]);
    assert_eq!(
        project.outside("answer([len(steps(c)) for c in clusters('NAME-spark')])"),
        serde_json::json!([1])
    );
}

/// Who reads what a run says may stand still, as a pager does.
#[test]
fn a_signal_ends_a_run_that_nobody_listens_to() {
    let machine = Machine::start();
    machine.outside("pace(8)");
    let project = Project::on(&machine, "unheard", BLUEPRINT);
    let other = Project::small_on(&machine, "unheard-too");
    let start = |project: &Project<'_>, told: &PipeWriter| {
        let mut command = project.command("apply blueprint.yaml --local --yes");
        command.stdout(Stdio::null()).stderr(told.try_clone().expect("there is room"));
        command.spawn().expect("the program runs")
    };
    let (_unread, told) = pipe().expect("there is room");
    let at_work = start(&project, &told);
    project.outside("wait(lambda: clusters('NAME-spark', ['STARTING', 'BOOTSTRAPPING']))");
    fill(told.try_clone().expect("there is room"));
    ends(at_work);
    ends(start(&other, &told));
}

/// Until nothing more goes in.
fn fill(mut pipe: PipeWriter) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || while pipe.write_all(b" ").is_ok() && tell.send(()).is_ok() {});
    while told.recv_timeout(Duration::from_secs(1)).is_ok() {}
}

fn ends(mut child: Child) {
    let (tell, ended) = mpsc::channel();
    let _ = ended.recv_timeout(Duration::from_secs(2));
    let kill = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
    assert!(kill.expect("kill runs").success());
    thread::spawn(move || tell.send(child.wait().expect("it can be waited for").code()));
    assert_eq!(ended.recv_timeout(Duration::from_secs(5)), Ok(Some(143)));
}
