"""CloudWatch Logs."""

from ministack.core.responses import error_response_json, json_response
from ministack.services import cloudwatch_logs as logs

from patching import add_operation, changed, wrap


def _group(data):
    """The log group a request names, by its name or by its ARN."""
    identifier = (
        data.get("logGroupName") or data.get("logGroupIdentifier") or data.get("resourceIdentifier") or ""
    )
    return logs._log_groups.get(_name(identifier))


def _name(identifier: str) -> str:
    return identifier.split(":log-group:")[-1].removesuffix(":*")


def _missing():
    return error_response_json("ResourceNotFoundException", "The specified log group does not exist.", 400)


@add_operation(logs, "AssociateKmsKey")
def associate_key(data):
    """ministack takes a key only when the group is made."""
    group = _group(data)
    if group is None:
        return _missing()
    group["kmsKeyId"] = data["kmsKeyId"]
    return json_response({})


@add_operation(logs, "DisassociateKmsKey")
def disassociate_key(data):
    """As above."""
    group = _group(data)
    if group is None:
        return _missing()
    group["kmsKeyId"] = None
    return json_response({})


@add_operation(logs, "PutLogGroupDeletionProtection")
def protect(data):
    """ministack knows no deletion protection."""
    group = _group(data)
    if group is None:
        return _missing()
    group["deletionProtectionEnabled"] = bool(data.get("deletionProtectionEnabled"))
    return json_response({})


@wrap(logs, "_delete_log_group")
def keep_protected(delete, data):
    """AWS refuses to delete a protected group."""
    if (_group(data) or {}).get("deletionProtectionEnabled"):
        return error_response_json(
            "ValidationException", "The log group has deletion protection enabled.", 400
        )
    return delete(data)


@wrap(logs, "_create_log_group")
def take_protection(create, data):
    """AWS takes deletion protection with CreateLogGroup; ministack drops it."""
    response = create(data)
    if response[0] == 200:
        logs._log_groups[data["logGroupName"]]["deletionProtectionEnabled"] = bool(
            data.get("deletionProtectionEnabled")
        )
    return response


@wrap(logs, "_describe_log_groups")
def describe_named(describe, data):
    """AWS describes just the groups that logGroupIdentifiers name; ministack describes all."""
    wanted = [_name(identifier) for identifier in data.get("logGroupIdentifiers") or []]
    if not wanted:
        return changed(describe(data), _add_protection)
    found = {}
    for name in wanted:
        changed(describe({"logGroupNamePrefix": name}), lambda answer: found.update(_exact(answer, wanted)))
    return changed(json_response({"logGroups": list(found.values())}), _add_protection)


def _exact(answer, names):
    return {group["logGroupName"]: group for group in answer["logGroups"] if group["logGroupName"] in names}


def _add_protection(answer):
    for group in answer["logGroups"]:
        record = logs._log_groups[group["logGroupName"]]
        group["deletionProtectionEnabled"] = record.get("deletionProtectionEnabled", False)
