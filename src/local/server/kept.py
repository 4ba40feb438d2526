"""A state that the server comes back to: all that it holds is kept once, and put back as often as is wanted."""

import copy
import sys

import ministack.app
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

from emr_store import CLUSTERS, SECURITY_CONFIGURATIONS

_kept: dict = {}


def keep() -> None:
    """What runs is not kept: no step may."""
    _kept.clear()
    _kept.update(copy.deepcopy(_held()))


def restore() -> None:
    """Everything is as it was when it was kept; the clock is the wall's again."""
    ministack.app._reset_all_state()
    held = _held()
    for place, things in copy.deepcopy(_kept).items():
        held[place].update(things)


def _held() -> dict[tuple[str, str], dict]:
    """Every store, by module and name."""
    stores = {("emr", "clusters"): CLUSTERS, ("emr", "security_configurations"): SECURITY_CONFIGURATIONS}
    for name, module in list(sys.modules.items()):
        if name.startswith("ministack.services."):
            for member, value in list(vars(module).items()):
                if isinstance(value, (AccountScopedDict, AccountRegionScopedDict)):
                    stores[name, member] = value._data
    return stores
