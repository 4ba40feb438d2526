"""Kills an apply just after AWS carried out one of its writes, and looks what the next apply makes of it.

    cargo build --release && python3 benches/terraform/kill.py [--tool terraform|pipeline]
        [--every 2] [--only RunJobFlow] [--pipeline PROGRAM]

Terraform is the one on the PATH; `terraform init` gets it its provider. Everything happens on a local AWS that the
script starts for itself. A try: apply, killed with SIGKILL as a whole group of processes once AWS has carried out the
chosen write and before the reply; apply again; plan. It converged if that apply succeeds, that plan is empty, and AWS
holds as many of each thing as after an undisturbed apply. State and lock files stay as the killed run left them.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from proxy import Proxy  # noqa: E402

READS = ("Describe", "List", "Get", "Head", "S3 GET", "S3 HEAD")
# No undisturbed run comes near it.
RUN_MAX = 600
# By service and store of the image, what names a thing of it, where its key there does not.
THINGS = {
    ("cloudwatch_logs", "log_groups"): None,
    ("emr", "clusters"): lambda cluster: cluster["request"]["Name"],
    ("iam", "roles"): None,
    ("iam", "instance_profiles"): None,
    ("kinesis", "streams"): None,
    ("kms", "aliases"): None,
    ("kms", "keys"): lambda key: key["Description"],
    ("s3", "buckets_meta"): None,
    ("sns", "topics"): None,
    ("sqs", "queues"): None,
}


def has_ended(thing):
    """A key that waits for its end, or a cluster that came to it; both stay on AWS's lists."""
    state = (thing.get("KeyState"), thing.get("state")) if isinstance(thing, dict) else ()
    return any(str(word).startswith(("PendingDeletion", "TERMINAT")) for word in state)


class Terraform:
    apply = ["apply", "-auto-approve", "-no-color"]
    plan = ["plan", "-detailed-exitcode", "-no-color"]

    def __init__(self, folder, endpoint):
        shutil.copy(HERE / "main.tf", folder)
        self.folder, self.environment = folder, {"AWS_ENDPOINT_URL": endpoint}
        self.program = ["terraform"]
        subprocess.run(["terraform", "init"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        told = subprocess.run(["terraform", "version", "-json"], cwd=folder, check=True, capture_output=True)
        versions = json.loads(told.stdout)
        provider = versions["provider_selections"]["registry.terraform.io/hashicorp/aws"]
        self.name = f"Terraform {versions['terraform_version']}, AWS provider {provider}"

    def forget(self):
        for file in self.folder.glob("*terraform.tfstate*"):
            file.unlink()


class Pipeline:
    name = "The same blueprint"
    environment = {}

    def __init__(self, folder, endpoint, program):
        shutil.copy(HERE / "blueprint.yaml", folder)
        self.folder, self.program = folder, [program]
        blueprint = ["blueprint.yaml", "--endpoint-url", endpoint]
        self.apply = ["apply", *blueprint, "--yes"]
        self.plan = ["plan", *blueprint, "--detailed-exitcode"]

    def forget(self):
        """What it keeps is in AWS."""


class Ended:
    """How a run ended: its exit code, what it said, and whether it had to be ended."""

    def __init__(self, code, said, hung):
        self.code, self.said, self.hung = code, said, hung

    def trouble(self):
        """The first line that tells what went wrong."""
        lines = [line.strip("│╷╵ ") for line in self.said.splitlines()]
        told = [line for line in lines if line.lower().startswith("error")]
        return (told or [line for line in lines if line][-1:] or ["nothing said"])[0]


class Scene:
    """A tool on an AWS of its own, with the proxy between them."""

    def __init__(self, tool, proxy, aws):
        self.tool, self.proxy, self.aws = tool, proxy, aws

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.aws}/_local/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def reset(self):
        self.ask("POST", "reset", {})
        self.tool.forget()

    def run(self, line, after=None):
        """One run; `after` may end it with what it is given."""
        process = subprocess.Popen(
            self.tool.program + line, cwd=self.tool.folder, env={**os.environ, **self.tool.environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        kill = lambda: os.killpg(process.pid, signal.SIGKILL)
        self.proxy.after = after and (lambda name: after(name, kill))
        hung = False
        try:
            said, _ = process.communicate(timeout=RUN_MAX)
        except subprocess.TimeoutExpired:
            hung = True
            kill()
            said, _ = process.communicate()
        finally:
            self.proxy.after = None
            if process.poll() is None:
                kill()
        return Ended(process.returncode, said.decode(errors="replace"), hung)

    def held(self):
        """How many of each thing AWS holds."""
        image, held = self.ask("GET", "image"), Counter()
        for (service, store), name in THINGS.items():
            for key, thing in image[service][store].items():
                if not has_ended(thing):
                    held[f"{service} {store} {name(thing) if name else key}"] += 1
        return held


class Tally:
    def __init__(self):
        self.tried = self.converged = self.twice = self.orphans = self.hangs = 0

    def row(self, family):
        counts = (self.tried, self.converged, self.twice, self.orphans, "not measured", "not measured", self.hangs)
        return f"| {family} | " + " | ".join(map(str, counts)) + " |"


def points(scene):
    """The writes of an undisturbed apply, each by its name and which of that name it is, and what AWS holds then."""
    made, count = [], Counter()

    def note(name, _):
        if not name.startswith(READS):
            count[name] += 1
            made.append((name, count[name]))

    scene.reset()
    for line, after in ((scene.tool.apply, note), (scene.tool.plan, None)):
        ended = scene.run(line, after)
        if ended.code != 0:
            sys.exit(f"undisturbed, {line[0]} ends with {ended.code}:\n{ended.said}")
    return made, scene.held()


def killed_at(scene, point):
    """An apply that is killed at a point; says whether it got there."""
    lock, count, there = threading.Lock(), Counter(), []

    def after(name, kill):
        with lock:
            count[name] += 1
            if (name, count[name]) == point and not there:
                there.append(point)
                kill()

    scene.run(scene.tool.apply, after)
    # What was under way at that moment is carried out.
    time.sleep(1)
    return bool(there)


def one(scene, point, wanted, tally):
    """One try; what it came to in words."""
    scene.reset()
    if not killed_at(scene, point):
        return "not reached, not counted"
    apply = scene.run(scene.tool.apply)
    plan = scene.run(scene.tool.plan)
    held = scene.held()
    extra, missing = held - wanted, wanted - held
    notes = [f"apply failed: {apply.trouble()}"] if apply.code else []
    if plan.code:
        notes.append("the plan is not empty" if plan.code == 2 else f"plan failed: {plan.trouble()}")
    twice = [thing for thing in extra if thing in wanted]
    orphans = [thing for thing in extra if thing not in wanted]
    notes += [f"doubled: {thing}" for thing in twice] + [f"orphaned: {thing}" for thing in orphans]
    notes += [f"missing: {thing}" for thing in missing]
    tally.tried += 1
    tally.converged += not notes
    tally.twice += sum(extra[thing] for thing in twice)
    tally.orphans += sum(extra[thing] for thing in orphans)
    tally.hangs += apply.hung + plan.hung
    return "; ".join(notes) or "converged"


def family(scene, arguments):
    made, wanted = points(scene)
    chosen = [point for point in made[:: arguments.every] if arguments.only in (None, point[0])]
    print(f"{scene.tool.name}: {len(chosen)} of {len(made)} writes are tried; {sum(wanted.values())} things")
    print("  " + ", ".join(f"{name} {which}" for name, which in made), flush=True)
    tally = Tally()
    try:
        for name, which in chosen:
            start = time.monotonic()
            told = one(scene, (name, which), wanted, tally)
            print(f"  {name} {which}: {told} ({time.monotonic() - start:.0f} s)", flush=True)
    finally:
        print(tally.row(f"{scene.tool.name}: apply killed after a write"), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", choices=["terraform", "pipeline"], default="terraform")
    parser.add_argument("--pipeline", default=str(HERE.parent.parent / "target" / "release" / "pipeline"))
    parser.add_argument("--every", type=int, default=1, help="2: every second write")
    parser.add_argument("--only", help="writes of this name alone, as RunJobFlow")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    program = str(Path(arguments.pipeline).resolve())
    os.environ.update(NO_COLOR="1", CHECKPOINT_DISABLE="1", AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        subprocess.run([program, "local", "start"], check=True, stdout=subprocess.DEVNULL)
        try:
            port = json.loads((Path(folder) / "pipeline/local/server.json").read_text())["port"]
            proxy, work = Proxy(port), Path(folder) / "work"
            work.mkdir()
            terraform = arguments.tool == "terraform"
            tool = Terraform(work, proxy.endpoint) if terraform else Pipeline(work, proxy.endpoint, program)
            scene = Scene(tool, proxy, f"http://127.0.0.1:{port}")
            scene.ask("POST", "pace", {"step_seconds": 0.5, "cluster_start_seconds": 0.5, "triggers": False})
            family(scene, arguments)
        finally:
            subprocess.run([program, "local", "stop"], check=False, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
