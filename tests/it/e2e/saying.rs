//! What the program prints, for people and for other programs, and how it exits.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Ended, Project};

const ESCAPE: char = '\u{1b}';

/// Runs a line with something of the environment set.
fn run_with(project: &Project<'_>, line: &str, environment: &[(&str, &str)]) -> Ended {
    let mut command = project.command(line);
    command.envs(environment.iter().copied());
    Ended::new(line, command.output().expect("the program runs"))
}

#[test]
fn a_target_is_all_that_is_touched_and_no_job_runs() {
    let project = Project::small("aimed");
    project
        .run("plan blueprint.yaml --local --target lake")
        .code(0)
        .answers(&["Plan: 1 to create; 0 unchanged"]);
    project.run("apply blueprint.yaml --local --yes --target lake").code(0).never_says("job");
    project
        .run("apply blueprint.yaml --local --yes --target lak")
        .code(1)
        .says(&["the blueprint has no resource `lak`"]);
    project.plan().code(2).answers(&["Plan: 1 job to run; 2 unchanged"]);
}

#[test]
fn apply_without_running_leaves_the_job_due() {
    let project = Project::small("held");
    let apply = "apply blueprint.yaml --local --yes --no-run";
    project.run(apply).code(0).answers(&["bucket = held-000000000000"]).never_says("submitting");
    project.plan().code(2).answers(&["say  run: it has not succeeded yet"]);
    assert_eq!(project.outside("answer(len(clusters('NAME-spark')))"), 0);
}

#[test]
fn a_plan_is_a_versioned_document_and_a_comment() {
    let project = Project::small("shown");
    let json = project.run("plan blueprint.yaml --local --format json").code(0).out;
    let plan: Value = serde_json::from_str(&json).expect("it is JSON and nothing else");
    assert_eq!(plan["version"], 1);
    assert_eq!(plan["counts"]["create"], 1);
    assert_eq!(plan["jobs"][0]["id"], "say");

    let markdown = project.run("plan blueprint.yaml --local --format markdown").code(0);
    let markdown =
        markdown.answers(&["### shown (default) in account 000000000000", "1 to create"]);
    assert!(markdown.out.chars().count() < 65_000);
}

#[test]
fn colours_are_for_those_who_ask_and_nothing_moves_in_a_pipe() {
    let project = Project::small("coloured");
    let plain = project.plan().code(2);
    assert!(!plain.out.contains(ESCAPE) && !plain.err.contains(ESCAPE), "{plain}");
    let line = "plan blueprint.yaml --local --color always";
    assert!(project.run(line).code(0).out.contains("\u{1b}[32m+"));
    let unwanted = run_with(&project, "plan blueprint.yaml --local", &[("NO_COLOR", "1")]).code(0);
    assert!(!unwanted.out.contains(ESCAPE), "{unwanted}");

    let applied = project.run("apply blueprint.yaml --local --yes --color always").code(0);
    let codes = applied.err.split(ESCAPE).skip(1);
    for code in codes {
        let end = code.find(|c: char| !"[0123456789;".contains(c)).expect("a code ends");
        assert_eq!(&code[end..=end], "m", "something moves: {applied}");
    }
    let destroyed = project.run("destroy blueprint.yaml --local --yes --delete-data").code(0);
    assert!(!destroyed.err.contains([ESCAPE, '\r']), "{destroyed}");
}

#[test]
fn what_is_wrong_with_a_blueprint_is_exit_code_3_and_what_is_wrong_with_a_file_is_1() {
    let project = Project::small("wrong");
    for (line, code, says) in [
        ("validate blueprint.yaml", 0, &[][..]),
        ("validate nothing.yaml", 1, &["error: cannot read nothing.yaml: No such file"][..]),
        ("plan nothing.yaml --local", 1, &["error: cannot read nothing.yaml: No such file"]),
        ("apply nothing.yaml --local --yes", 1, &["error: cannot read nothing.yaml: No such file"]),
        ("plan blueprint.yaml --local --env prod", 3, &["`prod`", "1 problem in the blueprint"]),
        ("plan blueprint.yaml --local --var stage=dev", 3, &["`stage`", "1 problem"]),
        ("plan staged.yaml --local --var stage=test", 3, &["test", "dev", "1 problem"]),
        ("plan staged.yaml --local --var stage=dev", 0, &[]),
        (
            "validate warned.yaml",
            3,
            &["an s3-bucket", "warning: ", "error: 1 problem in the blueprint"],
        ),
        ("validate broken.yaml", 3, &["--> broken.yaml:2", "1 problem in the blueprint"]),
        ("validate .", 1, &["error: "]),
        ("nonsense", 1, &["unrecognized subcommand", "Usage"]),
        ("plan blueprint.yaml --local --profile x", 1, &["cannot be used with"]),
        ("logs blueprint.yaml shout --local", 1, &["there is no job `shout`; there is `say`"]),
        ("logs blueprint.yaml say --local", 1, &["job `say` has not run yet"]),
        ("run blueprint.yaml shout --local", 1, &["there is no job `shout`; there is `say`"]),
        ("run blueprint.yaml say --local --param x=1", 1, &["job `say` has no parameter `x`"]),
        (
            "run blueprint.yaml say --local",
            1,
            &["`lake` is not as the blueprint says: apply first"],
        ),
    ] {
        let variables = "variables:\n  stage: { default: dev, allowed: [dev] }\nresources:";
        let staged = project.read("blueprint.yaml").replace("resources:", variables);
        project.write("staged.yaml", &staged);
        let spot =
            "primary: { type: m5.xlarge }\n    core: { type: m5.large, count: 2, market: spot }";
        let warned = project.read("blueprint.yaml").replace("primary: { type: m5.xlarge }", spot);
        project.write(
            "warned.yaml",
            &warned.replace("kind: s3-bucket,", "kind: s3-bucket, versionin: true,"),
        );
        project.write("broken.yaml", "name: x\nregion: [\n");
        project.run(line).code(code).says(says);
    }
}

#[test]
fn an_aws_that_cannot_be_reached_is_said_within_seconds() {
    let project = Project::small("dead");
    let keys = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y")];
    let started = Instant::now();
    run_with(&project, "plan blueprint.yaml --endpoint-url http://127.0.0.1:1", &keys)
        .code(1)
        .says(&[
            "error: sts:GetCallerIdentity: ",
            "Connection refused",
            "hint: AWS could not be reached",
        ])
        .never_says("DispatchFailure");
    // A bound, and not a measurement: eight attempts would take a minute.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn missing_and_unknown_credentials_are_said_with_what_to_do() {
    let project = Project::small("nobody");
    let home = project.path("").display().to_string();
    let nobody = [("HOME", &*home), ("AWS_EC2_METADATA_DISABLED", "true")];
    run_with(&project, "plan blueprint.yaml", &nobody)
        .code(1)
        .says(&["error: credentials: ", "hint: set credentials as for the AWS CLI", "--profile"])
        .never_says("{");
    // A profile that is asked for counts for more than keys that happen to be set.
    let elsewhere = [("HOME", &*home), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y")];
    run_with(&project, "plan blueprint.yaml --profile nobody", &elsewhere)
        .code(1)
        .says(&["error: credentials: ", "nobody", "hint: set credentials as for the AWS CLI"])
        .never_says("{");
}

#[test]
fn a_profile_that_is_named_counts_for_more_than_keys_in_the_environment() {
    let project = Project::small("profiled");
    let keys =
        "[work]\naws_access_key_id = w\naws_secret_access_key = w\naws_account_id = 123456789012\n";
    project.write("credentials", keys);
    let file = project.path("credentials").display().to_string();
    let environment = [
        ("AWS_SHARED_CREDENTIALS_FILE", &*file),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "y"),
        ("AWS_ACCOUNT_ID", "999999999999"),
    ];
    let endpoint = project.machine.endpoint();
    let line = format!("plan blueprint.yaml --profile work --endpoint-url {endpoint}");
    run_with(&project, &line, &environment).code(0).answers(&["in account 123456789012,"]);
}

#[test]
fn what_could_not_be_told_is_an_error() {
    let project = Project::small("untold");
    let mut command = project.command("plan blueprint.yaml --local --format markdown");
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let ended = command.stdout(full).spawn().and_then(Child::wait_with_output);
    let ended = Ended::new("plan > /dev/full", ended.expect("the program runs")).code(1);
    ended.says(&["error: cannot write the answer: No space left on device"]);
}

#[test]
fn a_name_that_is_no_text_is_a_name_all_the_same() {
    let project = Project::small("nameless");
    let run = |line: &str| {
        let mut words: Vec<_> = line.split(' ').map(OsString::from).collect();
        words[1] = OsString::from_vec(b"shop\xff.yaml".to_vec());
        let output = project.command("").args(words).output();
        Ended::new(line, output.expect("the program runs"))
    };
    fs::rename(
        project.path("blueprint.yaml"),
        project.path("").join(OsStr::from_bytes(b"shop\xff.yaml")),
    )
    .expect("a name may be so");
    run("plan FILE --local").code(0);
    run("plan FILE --local --out plan.json").code(1).says(&["a saved plan names the blueprint"]);
    run("apply FILE --local --yes --no-run").code(0);
    run("destroy FILE --local --yes --delete-data").code(0).says(&["Destroyed: "]);
}
