"""Clusters as AWS reads them back, which is not quite as they were written."""

import hashlib

from emr_catalog import check_release, read_applications
from emr_instances import read_configurations
from emr_store import Cluster, without_empty

_ECHOED = (
    "Name LogEncryptionKmsKeyId ReleaseLabel ServiceRole SecurityConfiguration AutoScalingRole CustomAmiId "
    "EbsRootVolumeSize EbsRootVolumeIops EbsRootVolumeThroughput RepoUpgradeOnBoot MonitoringConfiguration"
).split()


def summary(cluster: Cluster) -> dict:
    """What ListClusters says of a cluster."""
    return {
        "Id": cluster.id,
        "Name": cluster.request["Name"],
        "Status": _status(cluster),
        "NormalizedInstanceHours": 0,
        "ClusterArn": cluster.arn,
    }


def describe(cluster: Cluster) -> dict:
    """What DescribeCluster says of a cluster."""
    request = cluster.request
    major, _ = check_release(request["ReleaseLabel"])
    return {
        **summary(cluster),
        **{key: request[key] for key in _ECHOED if request.get(key) is not None},
        **_kerberos(request),
        **_log_uri(request.get("LogUri")),
        "Ec2InstanceAttributes": _instance_attributes(cluster),
        "InstanceCollectionType": "INSTANCE_FLEET" if cluster.uses_fleets else "INSTANCE_GROUP",
        "AutoTerminate": not cluster.keep_alive,
        "TerminationProtected": cluster.protected,
        "UnhealthyNodeReplacement": cluster.replace_unhealthy,
        "VisibleToAllUsers": cluster.visible,
        "Applications": read_applications(request.get("Applications") or [], major),
        "Tags": [{"Key": key, "Value": value} for key, value in cluster.tags.items()],
        "Configurations": read_configurations(request.get("Configurations")),
        "ScaleDownBehavior": request.get("ScaleDownBehavior") or "TERMINATE_AT_TASK_COMPLETION",
        "StepConcurrencyLevel": cluster.step_concurrency,
        "PlacementGroups": request.get("PlacementGroupConfigs") or [],
        "OSReleaseLabel": request.get("OSReleaseLabel")
        or ("2023.7.20250512.0" if major >= 7 else "2.0.20250505.0"),
        "EbsRootVolumeSize": request.get("EbsRootVolumeSize") or 15,
        **({"MasterPublicDnsName": "ip-10-0-0-10.ec2.internal"} if cluster.ready else {}),
    }


def _status(cluster: Cluster) -> dict:
    return {
        "State": cluster.state,
        "StateChangeReason": cluster.reason,
        "Timeline": without_empty(
            {
                "CreationDateTime": cluster.created,
                "ReadyDateTime": cluster.ready,
                "EndDateTime": cluster.ended,
            }
        ),
    }


def _log_uri(uri: str | None) -> dict:
    """AWS reads a log location back with its own scheme and a slash at the end."""
    if not uri:
        return {}
    return {"LogUri": "s3n://" + uri.split("://", 1)[1].rstrip("/") + "/"}


def _kerberos(request: dict) -> dict:
    """Kerberos attributes without their passwords, which cannot be read."""
    attributes = request.get("KerberosAttributes")
    if not attributes:
        return {}
    return {
        "KerberosAttributes": {
            key: value for key, value in attributes.items() if not key.endswith("Password")
        }
    }


def _instance_attributes(cluster: Cluster) -> dict:
    instances = cluster.request["Instances"]
    subnets = instances.get("Ec2SubnetIds") or [instances["Ec2SubnetId"]] if _has_subnet(instances) else []
    placement = instances.get("Placement") or {}
    zones = placement.get("AvailabilityZones") or [
        zone for zone in [placement.get("AvailabilityZone")] if zone
    ]
    return without_empty(
        {
            "Ec2KeyName": instances.get("Ec2KeyName"),
            "Ec2SubnetId": subnets[0] if subnets else None,
            "RequestedEc2SubnetIds": subnets,
            "Ec2AvailabilityZone": zones[0] if zones else f"{cluster.region}a",
            "RequestedEc2AvailabilityZones": zones,
            "IamInstanceProfile": cluster.request["JobFlowRole"],
            "EmrManagedMasterSecurityGroup": instances.get("EmrManagedMasterSecurityGroup")
            or _default_group(cluster, "master"),
            "EmrManagedSlaveSecurityGroup": instances.get("EmrManagedSlaveSecurityGroup")
            or _default_group(cluster, "slave"),
            "ServiceAccessSecurityGroup": instances.get("ServiceAccessSecurityGroup"),
            "AdditionalMasterSecurityGroups": instances.get("AdditionalMasterSecurityGroups") or [],
            "AdditionalSlaveSecurityGroups": instances.get("AdditionalSlaveSecurityGroups") or [],
        }
    )


def _has_subnet(instances: dict) -> bool:
    return bool(instances.get("Ec2SubnetIds") or instances.get("Ec2SubnetId"))


def _default_group(cluster: Cluster, role: str) -> str:
    """The id of the account's ElasticMapReduce-master or -slave group: the same for every cluster of a region."""
    name = f"{cluster.account}/{cluster.region}/ElasticMapReduce-{role}"
    return "sg-" + hashlib.sha256(name.encode()).hexdigest()[:17]
