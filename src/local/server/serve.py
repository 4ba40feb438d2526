"""The local AWS: one process that serves ministack's services and an EMR that runs real Spark.

    python serve.py --port 4566 --dir STATE_DIR

Listens on 127.0.0.1 only. Once it answers, STATE_DIR/server.json says where.
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

import uvicorn
import uvloop

STOP_SECONDS = 1.7
TAKEN = 75  # the exit code of a second server in the same folder


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=4566, help="0 takes any free port")
    parser.add_argument("--dir", type=Path, required=True, help="where the server keeps its files")
    parser.add_argument("--version", default="0", help="a word that /_local/health repeats")
    parser.add_argument("--cluster-start-seconds", type=float, default=1.0)
    parser.add_argument("--cluster-end-seconds", type=float, default=0.5)
    return parser.parse_args()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _hold(folder: Path):
    """Holds the folder for this process alone; None when another server has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    return lock


def _prepare_environment(folder: Path, port: int) -> None:
    """Sets what ministack reads when it is imported; takes away what could reach a real AWS or a Docker daemon."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    temporary = folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    os.environ.update(
        {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": "127.0.0.1",
            "STATE_DIR": str(folder / "state"),
            "S3_DATA_DIR": str(folder / "s3"),
            "TMPDIR": str(temporary),
            "DOCKER_HOST": f"unix://{folder}/no-docker",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_AUTOCREATE_AWS_MANAGED": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    )


class _Server(uvicorn.Server):
    """Signals are ours: what runs ends before the server does."""

    def capture_signals(self):
        return contextlib.nullcontext()


async def _serve(listener: socket.socket, arguments: argparse.Namespace) -> None:
    import front

    config = uvicorn.Config(
        front.app,
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop, arguments.dir, front, server)
    front.start(arguments, listener.getsockname()[1])
    await server.serve(sockets=[listener])


def _stop(folder: Path, front, server: uvicorn.Server) -> None:
    """Ends what runs and then the server, in time even when something hangs."""
    (folder / "server.json").unlink(missing_ok=True)
    timer = threading.Timer(STOP_SECONDS, os._exit, [0])
    timer.daemon = True
    timer.start()
    front.stop()
    server.should_exit = True


def main() -> None:
    arguments = _arguments()
    arguments.dir = arguments.dir.resolve()
    lock = _hold(arguments.dir)
    if lock is None:
        print(f"another local AWS runs in {arguments.dir}", file=sys.stderr)
        sys.exit(TAKEN)
    (arguments.dir / "server.json").unlink(missing_ok=True)  # what a killed one left
    try:
        listener = _listen(arguments.port)
    except OSError as error:
        sys.exit(f"port {arguments.port} cannot be had: {error.strerror}")
    _prepare_environment(arguments.dir, listener.getsockname()[1])
    uvloop.run(_serve(listener, arguments))
    lock.close()
    os._exit(0)  # threads of ministack may still wait for something


if __name__ == "__main__":
    main()
