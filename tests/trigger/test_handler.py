"""The entry point, with clients of its own and a server on loopback that always fails."""

import ast
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import handler
import pytest
import settings
from botocore.exceptions import ClientError
from world import BASE, LAKE


@pytest.fixture
def failing(monkeypatch):
    """The requests that the server got, by operation."""
    asked = []

    class Failing(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.headers.get("X-Amz-Target", "").rpartition(".")[2])
            self.send_response(500)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    yield asked
    server.shutdown()
    server.server_close()


def test_what_cannot_be_repeated_is_sent_once(failing):
    once = handler.clients().emr_once
    for call in (
        lambda: once.add_job_flow_steps(JobFlowId="j-1", Steps=[]),
        lambda: once.run_job_flow(Name="x", Instances={}),
    ):
        with pytest.raises(ClientError):
            call()
    assert failing == ["AddJobFlowSteps", "RunJobFlow"]


def test_the_handler_reads_its_environment(monkeypatch, failing):
    told = {
        "CLUSTER_URI": f"{LAKE}/cluster.json",
        "JOB_URI": f"{LAKE}/job.json",
        "LEASES_URI": f"{LAKE}/leases/",
        "QUEUE_URL": "https://queue",
        "DLQ_URL": "https://letters",
        "BUCKET": "lake",
        "INPUT_PREFIX": "streaming-data/",
        "SETTLE_SECONDS": "5",
        "WATCH_SECONDS": "7",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)

    class Context:
        def get_remaining_time_in_millis(self):
            return 60_000

    body = '{"Service": "Amazon S3", "Event": "s3:TestEvent"}'
    event = {"Records": [{"messageId": "m", "body": body, "attributes": {}}]}
    assert handler.handler(event, Context()) == {"batchItemFailures": []}
    assert failing == []
    read = settings.read(told)
    assert read.leases.below("cluster.json") == ("lake", f"{BASE}/leases/cluster.json")
    assert (read.settle_seconds, read.watch_seconds) == (5, 7)


def test_every_setting_has_to_be_given():
    with pytest.raises(KeyError):
        settings.read({})


def test_boto3_is_all_that_the_function_imports():
    """Lambda's Python has boto3 and nothing else."""
    folder = Path(handler.__file__).parent
    own = {path.stem for path in folder.glob("*.py")}
    imported = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    assert imported - own - sys.stdlib_module_names == {boto3.__name__, "botocore"}
