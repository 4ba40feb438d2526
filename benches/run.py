"""Measures the program on the local AWS: time, memory, calls and round trips.

    cargo build --release && python3 benches/run.py [--runs 5] [--pipeline target/release/pipeline]

Each figure is the median of several runs of the whole process, as the operating system accounts for it.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from proxy import Proxy

ROOT = Path(__file__).resolve().parent.parent
FLAGSHIP = ROOT / "blueprints" / "clickstream.yaml"


def measured(command, environment):
    """Wall and CPU seconds and peak memory in MB of one process."""
    start = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{command} failed:\n{output.decode()}{errors.decode()}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def median(command, environment, runs):
    figures = [measured(command, environment) for _ in range(runs + 1)][1:]
    return [statistics.median(column) for column in zip(*figures)]


def row(name, figures, calls="", depth=""):
    wall, cpu, memory = figures
    print(f"| {name} | {wall * 1000:.0f} ms | {cpu * 1000:.0f} ms | {memory:.0f} MB | {calls} | {depth} |", flush=True)


def copies(folder, number):
    """The flagship several times in one file, under other names, without its job."""
    head, resources = FLAGSHIP.read_text().split("\nresources:\n")
    resources = resources.split("\njobs:\n")[0]
    resources = resources.replace("${process.request}", "the job")
    resources = resources.replace("code: lambda/", f"code: {FLAGSHIP.parent}/lambda/")
    ids = re.findall(r"^  (\w+):", resources, re.M)
    head = head.replace("name: clickstream", "name: copies", 1)
    out = re.sub(r"^environments:.*?^tags:", "tags:", head, flags=re.M | re.S)
    out = re.sub(r"^artifacts:.*$", "", out, flags=re.M) + "\nresources:\n"
    for copy in range(number):
        text = resources.replace("clickstream-${var.stage}", f"clickstream-{copy}-${{var.stage}}")
        text = text.replace("clickstream_${var.stage}", f"clickstream_{copy}_${{var.stage}}")
        text = text.replace("/clickstream/", f"/clickstream-{copy}/")
        for id in ids:
            text = re.sub(rf"^  {id}:", f"  {id}_{copy}:", text, flags=re.M)
            text = text.replace(f"${{{id}.", f"${{{id}_{copy}.")
        out += text
    file = folder / "copies.yaml"
    file.write_text(out)
    return file


def plans(pipeline, port, file, name, runs, environment):
    """A plan with nothing to change: as it is, and with 50 ms added to every call."""
    def command(endpoint, verb, *more):
        return [pipeline, verb, str(file), "--endpoint-url", endpoint, *more]

    direct = f"http://127.0.0.1:{port}"
    counting = Proxy(port)
    measured(command(counting.endpoint, "apply", "--yes", "--no-run"), environment)
    writes = Counter(call for call, _, _ in counting.calls)
    print(f"\n{name}: apply from nothing, {len(counting.calls)} calls: {dict(writes.most_common())}\n")
    print("| command | wall | CPU | memory | calls | round trips |\n|---|---|---|---|---|---|")
    row(f"`validate`, {name}", median([pipeline, "validate", str(file)], environment, runs))
    plan = ["plan", "--detailed-exitcode"]
    row(f"`plan`, {name}", median(command(direct, *plan), environment, runs))
    slow = Proxy(port, delay=0.05)
    figures = measured(command(slow.endpoint, *plan), environment)
    # Only where a call takes much longer than the server's own work does a chain mean a dependency.
    slower = Proxy(port, delay=0.5)
    measured(command(slower.endpoint, *plan), environment)
    row(f"`plan`, {name}, 50 ms a call", figures, len(slow.calls), slower.depth())
    print(f"\n{name}: calls of a plan: {dict(Counter(call for call, _, _ in slow.calls).most_common())}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipeline", default=str(ROOT / "target" / "release" / "pipeline"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--copies", type=int, default=10)
    arguments = parser.parse_args()
    pipeline = arguments.pipeline
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ, "XDG_STATE_HOME": folder, "NO_COLOR": "1",
            "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench",
        }
        subprocess.run([pipeline, "local", "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            server = json.loads((Path(folder) / "pipeline/local/server.json").read_text())
            print(f"binary: {Path(pipeline).stat().st_size / 1e6:.1f} MB")
            plans(pipeline, server["port"], FLAGSHIP, "flagship", arguments.runs, environment)
            many = copies(Path(folder), arguments.copies)
            plans(pipeline, server["port"], many, f"{arguments.copies} flagships", arguments.runs, environment)
        finally:
            subprocess.run([pipeline, "local", "stop"], env=environment, check=False, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
