//! Destroying: what goes, what stays.

use serde_json::Value;

use super::Project;
use super::machine::Machine;

/// Things that are not ours and look as if they were.
const LOOKALIKES: &str = r#"
import io, zipfile
R = "ap-northeast-2"
s3, iam, kinesis, kms = client("s3", R), client("iam", R), client("kinesis", R), client("kms", R)
emr, sns, logs, glue = client("emr", R), client("sns", R), client("logs", R), client("glue", R)
firehose, cloudwatch = client("firehose", R), client("cloudwatch", R)
other = {"pipeline:owner": "NAME/prod/ap-northeast-2", "pipeline:id": "lake"}
region = {"pipeline:owner": "NAME/local/eu-west-1", "pipeline:id": "events"}
empty = {"pipeline:owner": "", "pipeline:id": "spark"}
tags = lambda tags: [{"Key": key, "Value": value} for key, value in tags.items()]

place = {"LocationConstraint": R}
for name, owner in [("NAME-local-archive", None), ("NAME-prod-000000000000-ap-northeast-2", other)]:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
    if owner:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags(owner)})
    for key in ["processed-data/a", "streaming-data/b", "pipeline/NAME/local/last/process.json"]:
        put(name, key, key.encode() * 100, R)
for name, owner in [("NAME-local-spark", {}), ("NAME-prod-events", other), ("NAME-local-events2", region)]:
    kinesis.create_stream(StreamName=name, ShardCount=1, Tags=owner)
trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "ec2.amazonaws.com"}}]})
policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
for name, owner in [("NAME-local-spark-node", {}), ("NAME-prod-delivery-ap-northeast-2", other)]:
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=tags(owner))
    iam.put_role_policy(RoleName=name, PolicyName="lake", PolicyDocument=policy)

    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
machines = {"InstanceCount": 1, "MasterInstanceType": "m5.xlarge", "KeepJobFlowAliveWhenNoSteps": True}
for owner in [{}, other, region, empty]:
    emr.run_job_flow(Name="NAME-local-spark", ReleaseLabel="emr-7.9.0", Instances=machines, Tags=tags(owner),
        JobFlowRole="NAME-local-spark-node", ServiceRole="EMR_DefaultRole")
emr.create_security_configuration(Name="NAME-local-2", SecurityConfiguration="{}")
key = kms.create_key(Tags=[{"TagKey": "pipeline:owner", "TagValue": "NAME/prod/ap-northeast-2"}])["KeyMetadata"]["KeyId"]
kms.create_alias(AliasName="alias/NAME-prod", TargetKeyId=key)
kms.create_key(Description="NAME-local")
for name in ["NAME-local-spark", "NAME-prod-oncall"]:
    sns.create_topic(Name=name, Tags=tags(other))
logs.create_log_group(logGroupName="/NAME/local/delivery/2")
logs.create_log_group(logGroupName="/NAME/prod/delivery", tags=other)
glue.create_database(DatabaseInput={"Name": "NAME_prod", "Description": "What the Spark jobs write"})
glue.create_table(DatabaseName="NAME_prod", TableInput={"Name": "user_activity"})
cloudwatch.put_metric_alarm(AlarmName="NAME-prod-step-failed", MetricName="m", Namespace="n", Period=60,
    EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold", Statistic="Sum", Tags=tags(other))
sqs, functions = client("sqs", R), client("lambda", R)
arns = {}
for name, owner in [("NAME-local-arrivals2", {}), ("NAME-prod-arrivals", other)]:
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
    url = sqs.create_queue(QueueName=name, tags=owner, Attributes={"Policy": json.dumps({"Statement": [allow]})})["QueueUrl"]
    arns[name] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
s3.put_bucket_notification_configuration(Bucket="NAME-local-archive", NotificationConfiguration={"QueueConfigurations": [
    {"Id": "pipeline announce arrivals", "QueueArn": arns["NAME-local-arrivals2"], "Events": ["s3:ObjectCreated:*"]}]})
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w") as zip:
    zip.writestr("handler.py", "def handler(event, context): pass")
for name, owner in [("NAME-local-trigger2", {}), ("NAME-prod-trigger", other)]:
    functions.create_function(FunctionName=name, Runtime="python3.13", Handler="handler.handler", Tags=owner,
        Role="arn:aws:iam::000000000000:role/NAME-prod-delivery-ap-northeast-2", Code={"ZipFile": packed.getvalue()})
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
functions.create_event_source_mapping(FunctionName="NAME-prod-trigger", EventSourceArn=arns["NAME-prod-arrivals"])
cloudwatch.put_dashboard(DashboardName="NAME-prod", DashboardBody='{"widgets": []}', Tags=tags(other))
cloudwatch.put_dashboard(DashboardName="NAME-local", DashboardBody='{"widgets": []}')
cloudwatch.put_composite_alarm(AlarmName="NAME-prod-unwell", AlarmRule="ALARM(NAME-prod-step-failed)", Tags=tags(other))
wait(lambda: len(clusters("NAME-local-spark", ["WAITING"], R)) == 4)
wait(lambda: {source["State"] for source in functions.list_event_source_mappings()["EventSourceMappings"]} == {"Enabled"})
answer(snapshot([R, "eu-west-1"]))
"#;

fn snapshot(project: &Project<'_>) -> Value {
    project.outside("answer(snapshot(['ap-northeast-2', 'eu-west-1']))")
}

fn key(project: &Project<'_>) -> Value {
    project.outside(
        "kms = client('kms', 'ap-northeast-2')
answer([k for k in (kms.describe_key(KeyId=k['KeyId'])['KeyMetadata'] for k in kms.list_keys()['Keys'])
  if k['Description'] == 'Encrypts the events on their way and in the lake'])",
    )
}

#[test]
fn destroy_leaves_nothing_of_ours_and_everything_else_as_it_was() {
    let machine = Machine::start();
    let project = Project::flagship_on(&machine, "leaver");
    project.write("jobs/streaming_processor.py", "print('no figures today')\n");
    // Roles that have to be half a minute old are the flagship's own test.
    project.edit("blueprint.yaml", "${spark_service_role.arn}", "EMR_DefaultRole");
    project.edit(
        "blueprint.yaml",
        "${spark_node_role.instance_profile_arn}",
        "EMR_EC2_DefaultRole",
    );
    project.run("apply blueprint.yaml --local --yes --no-run").code(0);
    project.run("destroy blueprint.yaml --local --yes --delete-data").code(0);
    let others = project.outside(LOOKALIKES);

    project.run("apply blueprint.yaml --local --yes").code(0).says(&["process | no figures today"]);
    let first = key(&project);
    assert_eq!(first[0]["KeyState"], "Enabled", "{first:#}");
    assert_eq!(
        first.as_array().map(Vec::len),
        Some(1),
        "the pending key was taken back: {first:#}"
    );

    let destroy = "destroy blueprint.yaml --local --yes --delete-data";
    project.run(destroy).code(0).says(&["lost: leaver-local-000000000000-ap-northeast-2: ", " GB"]);
    assert_eq!(snapshot(&project), others);
    assert_eq!(key(&project)[0]["KeyState"], "PendingDeletion");
    project.run(destroy).code(0).says(&["Nothing to do"]);
    assert_eq!(snapshot(&project), others);

    project.run("apply blueprint.yaml --local --yes --no-run").code(0);
    let again = key(&project);
    assert_eq!(again[0]["KeyId"], first[0]["KeyId"], "{again:#}");
    project
        .run("plan blueprint.yaml --local")
        .code(0)
        .answers(&["Plan: 1 job to run; 32 unchanged"]);
    project.run(destroy).code(0);
    assert_eq!(snapshot(&project), others);
}
