"""moto on a free port of this machine, until standard input ends; prints its endpoint.

What is added is what every plan asks for, whatever its kinds are, and moto 5.2.5 lacks: without it moto would serve
no kind at all.
"""

import os
import sys

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

from moto.core.responses import ActionResult
from moto.emr.responses import ElasticMapReduceResponse
from moto.server import ThreadedMotoServer


def _list_security_configurations(self) -> ActionResult:
    held = self.backend.security_configurations.values()
    each = [{"Name": one.name, "CreationDateTime": one.creation_date_time} for one in held]
    return ActionResult({"SecurityConfigurations": each})


ElasticMapReduceResponse.list_security_configurations = _list_security_configurations


def main() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
