"""Security configurations."""

import json

from ministack.core.responses import get_account_id, get_region

from emr_store import CLOCK, SECURITY_CONFIGURATIONS, invalid_request, page


def _key(name: str | None) -> tuple[str, str, str]:
    return get_account_id(), get_region(), name or ""


def create(request: dict) -> dict:
    key = _key(request.get("Name"))
    if key in SECURITY_CONFIGURATIONS:
        raise invalid_request(f"Security configuration with name '{key[2]}' already exists.")
    _check_document(request.get("SecurityConfiguration"))
    SECURITY_CONFIGURATIONS[key] = {
        "Name": key[2],
        "SecurityConfiguration": request["SecurityConfiguration"],
        "CreationDateTime": CLOCK.now(),
    }
    return {"Name": key[2], "CreationDateTime": SECURITY_CONFIGURATIONS[key]["CreationDateTime"]}


def _check_document(document: str | None) -> None:
    try:
        parsed = json.loads(document or "")
    except ValueError:
        raise invalid_request("The security configuration is not valid JSON.") from None
    if not isinstance(parsed, dict):
        raise invalid_request("The security configuration is not a JSON object.")


def _find(name: str | None) -> dict:
    found = SECURITY_CONFIGURATIONS.get(_key(name))
    if found is None:
        raise invalid_request(f"Security configuration with name '{name}' does not exist.")
    return found


def describe(request: dict) -> dict:
    return dict(_find(request.get("Name")))


def list_all(request: dict) -> dict:
    here = [found for key, found in SECURITY_CONFIGURATIONS.items() if key[:2] == _key(None)[:2]]
    summaries = [{key: found[key] for key in ("Name", "CreationDateTime")} for found in here]
    return page(summaries, request.get("Marker"), "SecurityConfigurations")


def delete(request: dict) -> dict:
    _find(request.get("Name"))
    del SECURITY_CONFIGURATIONS[_key(request.get("Name"))]
    return {}
