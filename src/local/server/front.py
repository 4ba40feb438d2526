"""What stands before ministack: our EMR in its registry, and the `/_local/` control paths."""

import json
import os
import time
from importlib.metadata import version

import ministack.app

import emr
import emr_life
import firehose_delivery
import firehose_streams
import image
import kept
import metrics_services
import patch_notifications
import patches  # noqa: F401
from aws_client import Place
from emr_pace import Pace, spawn
from emr_store import CLOCK, CLUSTERS

_about: dict = {}


def start(arguments, port: int) -> None:
    """Puts EMR in place and starts what runs beside the requests."""
    Pace.start_seconds = arguments.cluster_start_seconds
    Pace.end_seconds = arguments.cluster_end_seconds
    Place.endpoint = f"http://127.0.0.1:{port}"
    Place.work_folder = arguments.dir / "tmp"
    ministack.app.SERVICE_HANDLERS["elasticmapreduce"] = emr.handle_request
    ministack.app._loaded_modules["emr"] = emr
    _about.update(
        {
            "status": "ready",
            "version": arguments.version,
            "ministack": version("ministack"),
            "pid": os.getpid(),
            "port": port,
            "endpoint": Place.endpoint,
            "dir": str(arguments.dir),
            "started": time.time(),
        }
    )
    (arguments.dir / "server.json").write_text(json.dumps(_about))
    firehose_delivery.start()
    spawn(emr_life.watch_idle_clusters())
    spawn(metrics_services.watch())


def stop() -> None:
    emr_life.stop_everything()


async def app(scope, receive, send) -> None:
    """Answers the control paths; everything else is ministack's."""
    if scope["type"] == "http" and scope["path"].startswith("/_local/"):
        await _control(scope, receive, send)
    else:
        await ministack.app.app(scope, receive, send)


async def _control(scope, receive, send) -> None:
    body = await _body(receive)
    answer = _answer(scope["method"], scope["path"], body)
    if answer is None:
        await _send(send, 404, {"message": f"no {scope['method']} {scope['path']} here"})
    else:
        await _send(send, 200, answer)


def _answer(method: str, path: str, body: dict) -> dict | None:
    """What the control paths say: GET of health, clock, pace, image, firehose, notifications; POST sets or orders them,
    reset forgets everything, keep and restore come back to a state."""
    if (method, path) == ("GET", "/_local/health"):
        return {**_about, "clusters": sum(cluster.live for cluster in CLUSTERS.values())}
    if path == "/_local/clock" and method in ("GET", "POST"):
        CLOCK.advance(float(body.get("advance_seconds") or 0))
        emr_life.end_idle_clusters()
        return {"now": CLOCK.now(), "ahead_seconds": CLOCK.ahead}
    if path == "/_local/pace" and method in ("GET", "POST"):
        Pace.start_seconds = float(body.get("cluster_start_seconds", Pace.start_seconds))
        Pace.end_seconds = float(body.get("cluster_end_seconds", Pace.end_seconds))
        Pace.triggers = body.get("triggers", Pace.triggers)
        Pace.step_seconds = body.get("step_seconds", Pace.step_seconds)
        return {
            "cluster_start_seconds": Pace.start_seconds,
            "cluster_end_seconds": Pace.end_seconds,
            "step_seconds": Pace.step_seconds,
            "triggers": Pace.triggers,
        }
    if (method, path) == ("GET", "/_local/image"):
        return image.image()
    if path == "/_local/firehose" and method in ("GET", "POST"):
        return firehose_streams.control(body)
    if path == "/_local/notifications" and method in ("GET", "POST"):
        return patch_notifications.control(body)
    if (method, path) == ("POST", "/_local/reset"):
        ministack.app._reset_all_state()
        return {"status": "empty"}
    if (method, path) == ("POST", "/_local/keep"):
        kept.keep()
        return {"status": "kept"}
    if (method, path) == ("POST", "/_local/restore"):
        kept.restore()
        return {"status": "restored"}
    return None


async def _body(receive) -> dict:
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            break
    try:
        parsed = json.loads(data or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


async def _send(send, status: int, body: dict) -> None:
    said = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": said})
