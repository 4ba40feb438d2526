"""Instance fleets: what was asked for, and what there is."""

from emr_catalog import check_instance_type
from emr_instances import (
    change_state,
    follow_cluster,
    new_status,
    read_configurations,
    read_volumes,
    require_fleets,
)
from emr_store import Cluster, cluster_by_id, invalid_request, new_id, page, validation_error, without_empty


def new_fleets(requests: list[dict]) -> list[dict]:
    """The fleets of a new cluster."""
    fleets = [_new_fleet(request) for request in requests]
    _check_primary_fleet(fleets)
    return fleets


def _check_primary_fleet(fleets: list[dict]) -> None:
    roles = [fleet["InstanceFleetType"] for fleet in fleets]
    if roles.count("MASTER") != 1 or len(set(roles)) != len(roles):
        raise validation_error(
            "A cluster must have exactly one master instance fleet, and at most one of each other type."
        )
    primary = fleets[roles.index("MASTER")]
    if primary["TargetOnDemandCapacity"] + primary["TargetSpotCapacity"] != 1:
        raise validation_error("The master instance fleet must have exactly one unit of target capacity.")


def _new_fleet(request: dict) -> dict:
    if request.get("InstanceFleetType") not in ("MASTER", "CORE", "TASK"):
        raise validation_error(f"Instance fleet type '{request.get('InstanceFleetType')}' is not valid.")
    return without_empty(
        {
            "Id": new_id("if"),
            "Name": request.get("Name"),
            "Status": new_status(),
            "InstanceFleetType": request["InstanceFleetType"],
            "TargetOnDemandCapacity": request.get("TargetOnDemandCapacity") or 0,
            "TargetSpotCapacity": request.get("TargetSpotCapacity") or 0,
            "ProvisionedOnDemandCapacity": 0,
            "ProvisionedSpotCapacity": 0,
            "InstanceTypeSpecifications": [
                _new_type(config) for config in request.get("InstanceTypeConfigs") or []
            ],
            "LaunchSpecifications": request.get("LaunchSpecifications"),
            "ResizeSpecifications": request.get("ResizeSpecifications"),
            "Context": request.get("Context"),
        }
    )


def _new_type(config: dict) -> dict:
    """An instance type of a fleet, with the defaults AWS writes into it."""
    volumes, optimized = read_volumes(config)
    percentage = config.get("BidPriceAsPercentageOfOnDemandPrice")
    if percentage is None and not config.get("BidPrice"):
        percentage = 100.0
    return without_empty(
        {
            "InstanceType": check_instance_type(config.get("InstanceType")),
            "WeightedCapacity": config.get("WeightedCapacity") or 1,
            "BidPrice": config.get("BidPrice"),
            "BidPriceAsPercentageOfOnDemandPrice": percentage,
            "Configurations": read_configurations(config.get("Configurations")),
            "EbsBlockDevices": volumes,
            "EbsOptimized": optimized,
            "CustomAmiId": config.get("CustomAmiId"),
            "Priority": config.get("Priority"),
        }
    )


def list_fleets(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    require_fleets(cluster)
    return page(cluster.fleets, request.get("Marker"), "InstanceFleets")


def add_fleet(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    cluster.require_live()
    if not cluster.uses_fleets:
        raise invalid_request("Instance fleets cannot be added to a cluster that uses instance groups.")
    fleet = _new_fleet(request.get("InstanceFleet") or {})
    if any(have["InstanceFleetType"] == fleet["InstanceFleetType"] for have in cluster.fleets):
        raise invalid_request(f"The cluster already has a {fleet['InstanceFleetType']} instance fleet.")
    cluster.fleets.append(fleet)
    follow_cluster(cluster, fleet)
    return {"ClusterId": cluster.id, "InstanceFleetId": fleet["Id"], "ClusterArn": cluster.arn}


def modify_fleet(request: dict) -> dict:
    cluster = cluster_by_id(request.get("ClusterId"))
    change = request.get("InstanceFleet") or {}
    fleet = next((fleet for fleet in cluster.fleets if fleet["Id"] == change.get("InstanceFleetId")), None)
    if fleet is None:
        raise invalid_request(f"Instance fleet id '{change.get('InstanceFleetId')}' is not valid.")
    cluster.require_live()
    if cluster.state not in ("RUNNING", "WAITING"):
        raise invalid_request(
            "An instance fleet may only be modified when the cluster is running or waiting."
        )
    if fleet["InstanceFleetType"] == "MASTER":
        raise invalid_request("The master instance fleet cannot be modified.")
    _modify_fleet(cluster, fleet, change)
    return {}


def _modify_fleet(cluster: Cluster, fleet: dict, change: dict) -> None:
    targets = {key: change.get(key) for key in ("TargetOnDemandCapacity", "TargetSpotCapacity")}
    if None in targets.values() and set(targets.values()) != {None}:
        raise invalid_request("Both target capacities of an instance fleet must be given together.")
    if change.get("InstanceTypeConfigs"):
        fleet["InstanceTypeSpecifications"] = [_new_type(config) for config in change["InstanceTypeConfigs"]]
    if change.get("ResizeSpecifications") is not None:
        fleet["ResizeSpecifications"] = change["ResizeSpecifications"]
    if None not in targets.values():
        fleet.update(targets)
        change_state(cluster, fleet, "RESIZING")
