"""The tagging API: it lists what its collectors find, and ministack has none for many services."""

import re

from ministack.core.responses import get_account_id, get_region
from ministack.services import (
    athena,
    cloudwatch,
    cloudwatch_logs,
    ec2,
    firehose,
    kinesis,
    stepfunctions,
    tagging,
)

from emr_store import clusters_here
from patching import wrap

_EC2_TYPES = {
    "_customer_gateways": "customer-gateway",
    "_dhcp_options": "dhcp-options",
    "_instances": "instance",
    "_internet_gateways": "internet-gateway",
    "_key_pairs": "key-pair",
    "_launch_templates": "launch-template",
    "_nat_gateways": "natgateway",
    "_network_acls": "network-acl",
    "_network_interfaces": "network-interface",
    "_route_tables": "route-table",
    "_security_groups": "security-group",
    "_subnets": "subnet",
    "_volumes": "volume",
    "_vpc_endpoints": "vpc-endpoint",
    "_vpcs": "vpc",
}


def _pairs(tags: dict) -> list[dict]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _here(store) -> list:
    """The tags by ARN of a store whose ARNs carry the region."""
    return [(arn, tags) for arn, tags in store.items() if arn.split(":")[3] == get_region()]


def kinesis_streams():
    for stream in kinesis._streams.values():
        yield stream["StreamARN"], _pairs(stream["tags"])


def delivery_streams():
    for stream in firehose._streams.values():
        yield stream["arn"], _pairs(stream["tags"])


def log_groups():
    for group in cloudwatch_logs._log_groups.values():
        yield group["arn"].removesuffix(":*"), _pairs(group["tags"])


def watching():
    """Alarms, and in one region of all the dashboards, which have none."""
    if get_region() == "us-east-1":
        for dashboard in cloudwatch._dashboards.values():
            arn = dashboard["DashboardArn"]
            yield arn, _pairs(cloudwatch._resource_tags.get(arn, {}))
    for store in (cloudwatch._alarms, cloudwatch._composite_alarms):
        for alarm in store.values():
            yield alarm["AlarmArn"], _pairs(cloudwatch._resource_tags.get(alarm["AlarmArn"], {}))


def emr_clusters():
    """AWS lists clusters for a while after they have ended."""
    for cluster in clusters_here():
        yield cluster.arn, _pairs(cluster.tags)


def ec2_resources():
    for store, kind in _EC2_TYPES.items():
        for identifier in getattr(ec2, store).keys():
            yield (
                f"arn:aws:ec2:{get_region()}:{get_account_id()}:{kind}/{identifier}",
                ec2._tags.get(identifier, []),
            )


def state_machines():
    for arn, tags in stepfunctions._tags.items():
        yield arn, [{"Key": tag["key"], "Value": tag["value"]} for tag in tags]


def athena_workgroups():
    for arn, tags in _here(athena._tags):
        yield arn, _pairs(tags)


tagging._COLLECTORS.update(
    {
        "athena": athena_workgroups,
        "cloudwatch": watching,
        "ec2": ec2_resources,
        "elasticmapreduce": emr_clusters,
        "firehose": delivery_streams,
        "kinesis": kinesis_streams,
        "logs": log_groups,
        "states": state_machines,
    }
)


def _only_tagged(collect):
    """AWS lists only what has, or had, tags; ministack lists the untagged too."""

    def collected():
        return ((arn, tags) for arn, tags in collect() if tags)

    return collected


for _service, _collect in tagging._COLLECTORS.items():
    tagging._COLLECTORS[_service] = _only_tagged(_collect)


@wrap(tagging, "_matches_type_filters")
def match_types(match, arn, filters):
    """AWS takes `logs:log-group` for any log group; ministack misreads an ARN whose name has a slash."""
    service, _, resource = arn.split(":", 2)[2].partition(":")
    kind = re.split("[:/]", resource.split(":", 2)[2])[0]
    return not filters or any(wanted in (service, f"{service}:{kind}") for wanted in filters)
