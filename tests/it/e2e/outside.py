"""AWS as somebody else sees it: boto3 on the local AWS, for the tests beside this file."""

import hashlib
import json
import os
import time
import urllib.request

import boto3
from botocore.config import Config

ENDPOINT = os.environ["ENDPOINT"]
REGION = "eu-west-1"
ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]


def client(service, region=REGION):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"max_attempts": 1}),
    )


def answer(value):
    print(json.dumps(value, default=str, sort_keys=True))


def advance(seconds):
    """Lets time pass for clusters."""
    _control("clock", {"advance_seconds": seconds})


def pace(start_seconds, end_seconds=0.5):
    """How long clusters take to start and to end from now on."""
    _control("pace", {"cluster_start_seconds": start_seconds, "cluster_end_seconds": end_seconds})


def _control(path, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{ENDPOINT}/_local/{path}", json.dumps(body).encode(), headers)
    return json.loads(urllib.request.urlopen(request).read())


def wait(what, seconds=30, pause=0.05):
    """The first true answer of a function that is asked again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(pause)
    raise TimeoutError(f"not within {seconds} s")


def clusters(name, states=None, region=REGION):
    """Ids of the clusters of a name, the newest first."""
    found = client("emr", region).list_clusters(ClusterStates=states or [])["Clusters"]
    return [cluster["Id"] for cluster in found if cluster["Name"] == name]


def steps(cluster, region=REGION):
    """A cluster's steps, the newest first."""
    return client("emr", region).list_steps(ClusterId=cluster)["Steps"]


def objects(bucket, prefix="", region=REGION):
    """Keys with their ETag and time."""
    pages = client("s3", region).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {
        found["Key"]: [found["ETag"], found["LastModified"]] for page in pages for found in page.get("Contents", [])
    }


def put(bucket, key, body, region=REGION):
    client("s3", region).put_object(Bucket=bucket, Key=key, Body=body)


def download(bucket, prefixes, folder, region=REGION):
    s3 = client("s3", region)
    for prefix in prefixes:
        for key in objects(bucket, prefix, region):
            path = os.path.join(folder, key)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            s3.download_file(bucket, key, path)


# ---- everything ------------------------------------------------------------------------------------------------------


def snapshot(regions):
    """All that an account holds, as far as pipelines touch it; keys that are about to be deleted left out."""
    found = {"iam": _iam(), "s3": _s3()}
    for region in regions:
        found[region] = {
            "emr": _emr(region),
            "firehose": _firehose(region),
            "glue": _glue(region),
            "kinesis": _kinesis(region),
            "kms": _kms(region),
            "lambda": _lambda(region),
            "logs": _logs(region),
            "messages": _messages(region),
            "sqs": _sqs(region),
        }
    return found


def _bare(response):
    return {key: value for key, value in response.items() if key != "ResponseMetadata"}


def _iam():
    iam, found = client("iam"), {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        names = iam.list_role_policies(RoleName=name)["PolicyNames"]
        found[name] = {
            "role": _bare(iam.get_role(RoleName=name)),
            "policies": [_bare(iam.get_role_policy(RoleName=name, PolicyName=policy)) for policy in names],
            "attached": iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
        }
    return {"roles": found, "profiles": iam.list_instance_profiles()["InstanceProfiles"]}


def _s3():
    s3, found = client("s3"), {}
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        content = {key: _digest(s3.get_object(Bucket=name, Key=key)["Body"].read()) for key in objects(name)}
        found[name] = {"bucket": bucket, "objects": objects(name), "content": content, "settings": _settings(s3, name)}
    return found


def _digest(body):
    return hashlib.sha256(body).hexdigest()


def _settings(s3, bucket):
    found = {}
    kinds = ("tagging", "versioning", "encryption", "policy", "lifecycle_configuration", "notification_configuration")
    for what in (*kinds, "public_access_block"):
        method = f"get_bucket_{what}" if what != "public_access_block" else "get_public_access_block"
        try:
            found[what] = _bare(getattr(s3, method)(Bucket=bucket))
        except s3.exceptions.ClientError as error:
            found[what] = error.response["Error"]["Code"]
    return found


def _emr(region):
    emr = client("emr", region)
    ids = [cluster["Id"] for cluster in emr.list_clusters(ClusterStates=ALIVE)["Clusters"]]
    names = [found["Name"] for found in emr.list_security_configurations()["SecurityConfigurations"]]
    return {
        "clusters": [emr.describe_cluster(ClusterId=id)["Cluster"] for id in sorted(ids)],
        "security": [_bare(emr.describe_security_configuration(Name=name)) for name in names],
    }


def _firehose(region):
    firehose = client("firehose", region)
    names = firehose.list_delivery_streams()["DeliveryStreamNames"]
    return {
        name: [
            firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"],
            firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"],
        ]
        for name in names
    }


def _glue(region):
    glue = client("glue", region)
    databases = glue.get_databases()["DatabaseList"]
    return {base["Name"]: [base, glue.get_tables(DatabaseName=base["Name"])["TableList"]] for base in databases}


def _kinesis(region):
    kinesis = client("kinesis", region)
    return {
        name: [
            kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"],
            kinesis.list_tags_for_stream(StreamName=name)["Tags"],
        ]
        for name in kinesis.list_streams()["StreamNames"]
    }


def _kms(region):
    kms, found = client("kms", region), {}
    for key in kms.list_keys()["Keys"]:
        about = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if about["KeyState"] != "PendingDeletion":
            found[key["KeyId"]] = [about, kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]]
    aliases = [alias for alias in kms.list_aliases()["Aliases"] if alias.get("TargetKeyId") in found]
    return {"keys": found, "aliases": aliases}


def _lambda(region):
    functions, found = client("lambda", region), {}
    for function in functions.list_functions()["Functions"]:
        name = function["FunctionName"]
        try:
            policy = functions.get_policy(FunctionName=name)["Policy"]
        except functions.exceptions.ResourceNotFoundException:
            policy = None
        found[name] = [function, functions.list_tags(Resource=function["FunctionArn"])["Tags"], policy]
    # What a mapping did last is no part of what it is.
    sources = functions.list_event_source_mappings()["EventSourceMappings"]
    sources = [{key: value for key, value in one.items() if key != "LastProcessingResult"} for one in sources]
    return {"functions": found, "sources": sources}


def _logs(region):
    logs = client("logs", region)
    groups = logs.describe_log_groups()["logGroups"]
    return {
        group["logGroupName"]: [group, logs.list_tags_log_group(logGroupName=group["logGroupName"])["tags"]]
        for group in groups
    }


def _messages(region):
    sns, cloudwatch = client("sns", region), client("cloudwatch", region)
    topics = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    alarms = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    boards = [board["DashboardName"] for board in cloudwatch.list_dashboards()["DashboardEntries"]]
    return {
        "alarms": alarms["MetricAlarms"] + alarms["CompositeAlarms"],
        "dashboards": {name: _bare(cloudwatch.get_dashboard(DashboardName=name)) for name in boards},
        "topics": {
            arn: [
                sns.get_topic_attributes(TopicArn=arn)["Attributes"],
                sns.list_tags_for_resource(ResourceArn=arn)["Tags"],
                sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"],
            ]
            for arn in topics
        },
    }


def _sqs(region):
    sqs = client("sqs", region)
    return {
        queue: [
            sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"],
            sqs.list_queue_tags(QueueUrl=queue).get("Tags", {}),
        ]
        for queue in sqs.list_queues().get("QueueUrls", [])
    }
