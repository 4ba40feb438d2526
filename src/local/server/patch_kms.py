"""KMS."""

import json
import time

from ministack.core.responses import error_response_json
from ministack.services import kms

from patching import changed, wrap

_DAY = 86400


def _refuse_state(data, allow_disabled: bool):
    """The refusal that a key's state calls for, if any."""
    record = kms._resolve_key(data.get("KeyId", ""))
    state = (record or {}).get("KeyState", "")
    if state.startswith("Pending"):
        return error_response_json("KMSInvalidStateException", f"{record['Arn']} is pending deletion.", 400)
    if state == "Disabled" and not allow_disabled:
        return error_response_json("DisabledException", f"{record['Arn']} is disabled.", 400)
    return None


def _refuse_policy(document):
    """The refusal of a key policy that is no policy."""
    try:
        parsed = json.loads(document)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and parsed.get("Statement"):
        return None
    return error_response_json(
        "MalformedPolicyDocumentException", "The policy is not a valid policy document.", 400
    )


def _guard(name: str, allow_disabled: bool) -> None:
    """AWS refuses to change a key that is pending deletion (and some changes of a disabled one); ministack does not."""

    @wrap(kms, name)
    def guarded(change, data):
        return _refuse_state(data, allow_disabled) or change(data)


for _name in (
    "_enable_key",
    "_disable_key",
    "_update_key_description",
    "_schedule_key_deletion",
    "_tag_resource",
    "_untag_resource",
):
    _guard(_name, allow_disabled=True)
for _name in ("_enable_key_rotation", "_disable_key_rotation"):
    _guard(_name, allow_disabled=False)


@wrap(kms, "_create_key")
def check_policy_of_new_key(create, data):
    """AWS refuses a policy that is not one; ministack stores any text."""
    refusal = _refuse_policy(data["Policy"]) if data.get("Policy") else None
    return refusal or create(data)


@wrap(kms, "_put_key_policy")
def check_policy(put, data):
    """As above; and a key that is pending deletion keeps its policy."""
    return _refuse_state(data, allow_disabled=True) or _refuse_policy(data.get("Policy", "")) or put(data)


@wrap(kms, "_schedule_key_deletion")
def report_window(schedule, data):
    """AWS repeats the window in its answer; ministack leaves it out."""
    return changed(
        schedule(data), lambda answer: answer.update(PendingWindowInDays=data.get("PendingWindowInDays", 30))
    )


@wrap(kms, "_get_key_rotation_status")
def report_rotation(status, data):
    """AWS reports the period and the next date while rotation is on; ministack reports no date, and a period always."""
    record = kms._resolve_key(data.get("KeyId", "")) or {}

    def fill(answer):
        answer["KeyId"] = record["Arn"]
        if answer["KeyRotationEnabled"]:
            answer["NextRotationDate"] = int(time.time()) + answer["RotationPeriodInDays"] * _DAY
        else:
            answer.pop("RotationPeriodInDays", None)

    return changed(status(data), fill)


@wrap(kms, "_enable_key_rotation")
def check_rotation_period(enable, data):
    """AWS takes periods of 90 to 2560 days; ministack takes any."""
    if not 90 <= data.get("RotationPeriodInDays", 365) <= 2560:
        return error_response_json(
            "ValidationException", "RotationPeriodInDays must be between 90 and 2560.", 400
        )
    return enable(data)
