//! Two of ours where one is meant, as a race or a kill leaves them: the older is kept, and the
//! other one goes, in words.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use super::{Ended, Project};

/// The small project, which also tells the request that starts its cluster.
fn telling(name: &'static str) -> Project<'static> {
    let project = Project::small(name);
    let outputs = "outputs:\n  request: ${spark.request}\n";
    project.edit("blueprint.yaml", "outputs:\n", outputs);
    project
}

fn request(applied: &Ended) -> Value {
    let line = applied.out.lines().find_map(|line| line.strip_prefix("request = "));
    serde_json::from_str(line.expect("it is an output")).expect("it is JSON")
}

/// Starts a cluster as the program does, and tells its id.
fn start(project: &Project<'_>, request: &Value) -> String {
    let script = format!(
        "answer(client('emr').run_job_flow(**json.loads({:?}))['JobFlowId'])",
        request.to_string()
    );
    project.outside(&script).as_str().expect("an id").to_owned()
}

const ALIVE: &str = "answer(sorted(clusters('NAME-spark', ALIVE)))";

#[test]
fn of_two_clusters_the_older_is_kept_and_the_other_ends_once_it_has_nothing_to_do() {
    let project = telling("twins");
    let applied = project.apply().code(0);
    let kept = project.outside(ALIVE)[0].as_str().expect("one").to_owned();
    project.plan().code(0);

    let younger = start(&project, &request(&applied));
    project.outside(&format!(
        "client('emr').add_job_flow_steps(JobFlowId='{younger}', Steps=[{{'Name': 'theirs',
            'ActionOnFailure': 'CONTINUE', 'HadoopJarStep': {{'Jar': 'command-runner.jar',
            'Args': ['bash', '-c', 'sleep 2']}}}}])"
    ));
    let why = format!("a second cluster of this name; {kept}, made at 20");
    let step = format!("delete emr-cluster {younger}");
    project.plan().code(2).answers(&["and there twice:", &step, &why, "Plan: 1 to delete"]);
    let json = project.run("plan blueprint.yaml --local --format json").code(0);
    let plan: Value = serde_json::from_str(&json.out).expect("it is JSON");
    let steps = plan["steps"].as_array().expect("steps");
    let twin = steps.iter().find(|step| step["identity"] == *younger).expect("it is planned");
    assert!(twin["why"].as_str().expect("words").starts_with(&why), "{twin}");
    let markdown = project.run("plan blueprint.yaml --local --format markdown").code(0);
    markdown.answers(&[&younger, &why]);
    project.run("status blueprint.yaml --local").answers(&["second", &younger]);

    project.apply().code(0);
    assert_eq!(project.outside(ALIVE), json!([kept]));
    project.plan().code(0);
}

#[test]
fn a_step_that_runs_on_the_younger_of_two_clusters_is_not_submitted_again() {
    let project = telling("twinsteps");
    project.write("say.py", "import time\ntime.sleep(30)\nprint('once')\n");
    let dry = project.run("apply blueprint.yaml --local --yes --no-run").code(0);
    let mut retired = request(&dry);
    let tags = retired["Tags"].as_array_mut().expect("tags");
    tags.push(json!({"Key": "pipeline:retired", "Value": "true"}));
    let older = start(&project, &retired);

    let line = "run blueprint.yaml say --local";
    let mut child = project.start(line);
    let submitted = "answer(wait(lambda: [c for c in clusters('NAME-spark') if steps(c)])[0])";
    let younger = project.outside(submitted);
    child.kill().expect("it can be killed");
    child.wait_with_output().expect("it ended");
    project.outside(&format!(
        "client('emr').remove_tags(ResourceId='{older}', TagKeys=['pipeline:retired'])"
    ));

    project.run(line).code(0).says(&["succeeded: job `say`"]).never_says("submitting");
    project.apply().code(0);
    assert_eq!(project.outside(ALIVE), json!([older]));
    let names = "answer([len(steps(c)) for c in sorted(clusters('NAME-spark'))])";
    let counts = project.outside(names);
    assert_eq!(counts.as_array().map(|c| c.iter().filter_map(Value::as_u64).sum()), Some(1u64));
    assert_ne!(younger, json!(older));
    project.plan().code(0);
}

const KEYED: &str = "name: NAME
region: eu-west-1
artifacts: lake
resources:
  key: { kind: kms-key, name: NAME, deletion_window_days: 7 }
  lake: { kind: s3-bucket, name: \"NAME-${account}\", encryption: { sse: kms, key: \"${key.arn}\" } }
";

#[test]
fn of_two_keys_the_one_with_the_alias_is_kept_and_the_deletion_of_the_other_is_scheduled() {
    let project = Project::with("twinkeys", KEYED);
    project.apply().code(0);
    let made = project.outside(
        "kms = client('kms')
kept = kms.describe_key(KeyId='alias/NAME')['KeyMetadata']['KeyId']
tags = kms.list_resource_tags(KeyId=kept)['Tags']
answer([kept, kms.create_key(Tags=tags)['KeyMetadata']['KeyId']])",
    );
    let (kept, other) = (made[0].as_str().expect("an id"), made[1].as_str().expect("an id"));
    let why = format!("a second key for `alias/twinkeys`; {kept}, made at 20");
    let taken_back = "for 7 days the deletion of this one can be taken back";
    let step = format!("delete kms-key {other}");
    project.plan().code(2).answers(&["and there twice:", &step, &why, taken_back]);
    project.apply().code(0);
    let state = "kms = client('kms')
answer({k['KeyId']: kms.describe_key(KeyId=k['KeyId'])['KeyMetadata']['KeyState']
    for k in kms.list_keys()['Keys']})";
    let states = project.outside(state);
    assert_eq!((&states[kept], &states[other]), (&json!("Enabled"), &json!("PendingDeletion")));
    project.plan().code(0);
    project.apply().code(0);
}

#[test]
fn two_runs_in_the_same_moment_start_one_cluster_and_submit_one_step() {
    let project = telling("onestart");
    project.run("apply blueprint.yaml --local --yes --no-run").code(0);
    let line = "run blueprint.yaml say --local";
    let runs = [project.start(line), project.start(line)];
    for run in runs {
        Ended::new(line, run.wait_with_output().expect("it ended")).code(0);
    }
    let found = project.outside("answer([len(steps(c)) for c in clusters('NAME-spark')])");
    assert_eq!(found, json!([1]), "one cluster with one step");
}

#[test]
fn a_cluster_that_somebody_else_is_starting_is_waited_for() {
    let project = telling("leased");
    let dry = project.run("apply blueprint.yaml --local --yes --no-run").code(0);
    project.outside(
        "put('NAME-000000000000', 'pipeline/NAME/default/starts/spark.json',
    json.dumps({'version': 1, 'cluster': None}))",
    );
    let mut child = project.start("run blueprint.yaml say --local");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let mut says = |words: &str| lines.any(|line| line.expect("it is text").contains(words));
    assert!(says("somebody else is starting this cluster"));
    let theirs = start(&project, &request(&dry));
    assert!(says("succeeded: job `say`"));
    assert!(child.wait().expect("it ended").success());
    assert_eq!(project.outside("answer(clusters('NAME-spark'))"), json!([theirs]));
}

/// A run that was killed just after it had submitted, and a listing that lags.
#[test]
fn a_step_that_may_be_there_and_is_not_listed_is_waited_for() {
    let project = Project::small("claimed");
    project.apply().code(0);
    let before = project.outside("answer(steps(clusters('NAME-spark')[0])[0]['Id'])");
    project.outside(&format!(
        "key = [k for k in objects('NAME-000000000000', 'pipeline/') if '/claims/say/' in k][0]
put('NAME-000000000000', key, json.dumps({{'version': 1, 'cluster': clusters('NAME-spark')[0],
    'before': {before}, 'free': False, 'nonce': 'theirs'}}))"
    ));
    let mut child = project.start("run blueprint.yaml say --local");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let mut says = |words: &str| lines.any(|line| line.expect("it is text").contains(words));
    assert!(says("or was about to: looking for its step"));
    let theirs = project.outside(
        "emr, cluster = client('emr'), clusters('NAME-spark')[0]
step = steps(cluster)[0]
jar = {'Jar': step['Config']['Jar'], 'Args': step['Config']['Args']}
answer(emr.add_job_flow_steps(JobFlowId=cluster, Steps=[{'Name': step['Name'],
    'ActionOnFailure': 'CONTINUE', 'HadoopJarStep': jar}])['StepIds'][0])",
    );
    assert!(says(theirs.as_str().expect("an id")));
    assert!(says("succeeded: job `say`"));
    assert!(child.wait().expect("it ended").success());
    let count = project.outside("answer(len(steps(clusters('NAME-spark')[0])))");
    assert_eq!(count, 2, "the first run's, and the one that was found");
}
