"""All that the server holds, as one value: what the same calls leave behind gives the same image."""

import dataclasses
import datetime
import hashlib
import sys

import ministack.app
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.services import s3

from emr_store import CLUSTERS, SECURITY_CONFIGURATIONS


def image() -> dict:
    """By service and store. What one account and region hold is keyed by both."""
    services = {}
    for key, name in ministack.app._state_map.items():
        module = sys.modules.get(f"ministack.services.{name}")
        if module is not None and hasattr(module, "get_state"):
            services[key] = module.get_state()
    services["s3"] = {**services["s3"], "objects": _objects()}
    services["emr"] = {"clusters": CLUSTERS, "security_configurations": {"/".join(key): held for key, held in SECURITY_CONFIGURATIONS.items()}}
    return _plain(services)


def _objects() -> dict:
    """What the buckets hold, which the state that ministack keeps leaves out."""
    return {"/".join(key): bucket.get("objects") for key, bucket in s3._buckets._data.items()}


def _plain(value):
    if isinstance(value, (AccountScopedDict, AccountRegionScopedDict)):
        return {"/".join(str(part) for part in key): _plain(held) for key, held in value._data.items()}
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return _plain({name: held for name, held in fields.items() if name != "run"})
    if isinstance(value, dict):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held) for held in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(held) for held in value), key=str)
    if isinstance(value, (bytes, bytearray)):
        return {"sha256": hashlib.sha256(bytes(value)).hexdigest()}
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(type(value))
