"""S3."""

import json
import uuid

from ministack.services import lambda_svc, s3

from patching import wrap

_MINIMUM_SIZE = "x-amz-transition-default-minimum-object-size"
_EVERY_CLASS = "all_storage_classes_128K"
_IA_DAYS = 30


def _block_everything() -> dict:
    """AWS blocks public access to every new bucket; ministack only when it enforces IAM."""
    return {"_public_access_block": s3._NEW_BUCKET_PUBLIC_ACCESS_BLOCK}


s3._new_bucket_public_access_block = _block_everything


@wrap(s3, "_put_bucket_policy")
def check_policy(put, name, body):
    """AWS refuses a policy that is not one; ministack stores any text."""
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or not parsed.get("Statement"):
        return s3._error("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'", 400)
    return put(name, body)


@wrap(s3, "_lifecycle_rules_error")
def check_lifecycle(check, rules):
    """AWS names rules that have no name, and refuses to move objects to an IA class before 30 days; ministack does
    neither."""
    refusal = check(rules)
    if refusal:
        return refusal
    for rule in rules:
        rule.setdefault("ID", str(uuid.uuid4()))
        for transition in rule.get("Transitions", []):
            refusal = _early(transition)
            if refusal:
                return refusal
    return None


def _early(transition):
    storage_class, days = transition.get("StorageClass"), transition.get("Days")
    if storage_class not in ("STANDARD_IA", "ONEZONE_IA") or days is None or days >= _IA_DAYS:
        return None
    message = (
        f"'Days' in Transition action must be greater than or equal to 30 for storageClass '{storage_class}'"
    )
    return s3._error("InvalidArgument", message, 400)


@wrap(s3, "_validate_notification_configs")
def check_functions(validate, configs, *rest):
    """AWS refuses to notify a function that does not exist or does not let S3 call it; ministack takes it."""
    refusal = validate(configs, *rest)
    skipped = len(rest) > 2 and rest[2]
    if refusal or skipped:
        return refusal
    unreachable = [
        config["arn"] for config in configs if config["type"] == "lambda" and not _s3_may_call(config["arn"])
    ]
    if unreachable:
        message = "Unable to validate the following destination configurations: " + ", ".join(unreachable)
        return s3._invalid_notification_config(message)
    return None


def _s3_may_call(arn: str) -> bool:
    function = lambda_svc._functions.get(arn.split(":function:")[-1].split(":")[0])
    statements = ((function or {}).get("policy") or {}).get("Statement", [])
    return any("s3.amazonaws.com" in json.dumps(statement.get("Principal")) for statement in statements)


@wrap(s3, "handle_request")
async def keep_minimum_size(handle, method, path, headers, body, query_params, **options):
    """AWS keeps the minimum size of lifecycle transitions; ministack always reports its default."""
    response = await handle(method, path, headers, body, query_params, **options)
    bucket = s3._buckets.get(path.strip("/").split("/")[0]) if "lifecycle" in query_params else None
    if bucket is None or response[0] != 200:
        return response
    if method == "PUT":
        bucket["_minimum_size"] = headers.get(_MINIMUM_SIZE, _EVERY_CLASS)
    response[1][_MINIMUM_SIZE] = bucket.get("_minimum_size", _EVERY_CLASS)
    return response
