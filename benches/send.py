"""Measures `pipeline send` on the local AWS: records a second, peak memory, and whether each record is there once.

    cargo build --release && python3 benches/send.py [--records 100000] [--pipeline target/release/pipeline]

The records are the real departures, again and again, each with an `event_id` of its own; what is in the stream
afterwards is read back and compared with what is in the file. The local AWS has no limits of shards: AWS takes 1000
records and 1 MB a second for each.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from pathlib import Path

from run import ROOT, measured

DEPARTURES = ROOT / "blueprints" / "data" / "departures-2013-01-15.jsonl"
REGION = "eu-west-1"
BLUEPRINT = f"name: send-bench\nregion: {REGION}\nresources:\n"


def stream(name):
    return f"  {name}: {{ kind: kinesis-stream, name: {name}, shards: 2 }}\n"


def departures(path, number):
    """A file of so many departures; their ids."""
    lines = [json.loads(line) for line in DEPARTURES.read_text().splitlines()]
    with path.open("w") as file:
        for index in range(number):
            line = lines[index % len(lines)]
            file.write(json.dumps({**line, "event_id": f"{line['event_id']}-{index}"}) + "\n")


def large(path, number):
    """A file of the largest records."""
    with path.open("w") as file:
        for index in range(number):
            event = json.dumps({"event_id": f"large-{index}", "pad": ""})
            file.write(event[:-2] + "x" * (1024 * 1024 - 32 - len(event)) + event[-2:] + "\n")


def call(endpoint, operation, **body):
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"Kinesis_20131202.{operation}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=bench/20130115/{REGION}/kinesis/aws4_request",
    }
    request = urllib.request.Request(endpoint, json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request))


def held(endpoint, name):
    """How often each record is in a stream."""
    found = Counter()
    for shard in call(endpoint, "ListShards", StreamName=name)["Shards"]:
        place = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = call(endpoint, "GetShardIterator", **place)["ShardIterator"]
        while True:
            answer = call(endpoint, "GetRecords", ShardIterator=iterator, Limit=10000)
            found.update(base64.b64decode(record["Data"]) for record in answer["Records"])
            iterator = answer["NextShardIterator"]
            if not answer["Records"]:
                break
    return found


def sent(pipeline, endpoint, folder, name, file, environment):
    """One row: what the program says of itself, what the system says of it, and what is in the stream."""
    command = [pipeline, "send", str(folder / "bench.yaml"), name, str(file), "--endpoint-url", endpoint]
    wall, cpu, memory = measured(command, environment)
    with file.open("rb") as lines:
        expected = Counter(line.rstrip(b"\n") for line in lines)
    number, size = expected.total(), file.stat().st_size / 1e6
    if held(endpoint, name) != expected:
        sys.exit(f"{file.name}: what is in the stream is not what is in the file")
    rates = f"{number / wall:.0f} | {size / wall:.1f}"
    print(f"| {number} | {size:.1f} MB | {wall:.1f} s | {rates} | {cpu:.1f} s | {memory:.0f} MB |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipeline", default=str(ROOT / "target" / "release" / "pipeline"))
    parser.add_argument("--records", type=int, default=100_000)
    arguments = parser.parse_args()
    pipeline = arguments.pipeline
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environment = {
            **os.environ, "XDG_STATE_HOME": temporary, "NO_COLOR": "1",
            "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench",
        }
        sizes = {"tenth": arguments.records // 10, "whole": arguments.records}
        names = [*sizes, "large"]
        (folder / "bench.yaml").write_text(BLUEPRINT + "".join(map(stream, names)))
        subprocess.run([pipeline, "local", "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            server = json.loads((folder / "pipeline/local/server.json").read_text())
            endpoint = f"http://127.0.0.1:{server['port']}"
            measured([pipeline, "apply", str(folder / "bench.yaml"), "--yes", "--endpoint-url", endpoint], environment)
            print("| records | size | wall | records/s | MB/s | CPU | memory |\n|---|---|---|---|---|---|---|")
            for name, number in sizes.items():
                departures(folder / f"{name}.jsonl", number)
                sent(pipeline, endpoint, folder, name, folder / f"{name}.jsonl", environment)
            large(folder / "large.jsonl", 100)
            sent(pipeline, endpoint, folder, "large", folder / "large.jsonl", environment)
        finally:
            subprocess.run([pipeline, "local", "stop"], env=environment, check=False, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
