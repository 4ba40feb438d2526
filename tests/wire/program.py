"""The program under test."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_SECONDS = 300


@dataclass
class Outcome:
    code: int
    said: str
    #: The steps that change something, by id: what is done, and the paths that differ.
    steps: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [line for line in self.said.splitlines() if line.strip()]
        told = "" if self.said.startswith("{") else " | ".join(lines[-6:])
        return f"exit {self.code}, {self.steps} {told}"


class Program:
    """Runs one blueprint with the program."""

    def __init__(self, binary: str, endpoint: str, folder: Path, name: str):
        self._binary, self._endpoint = binary, endpoint
        self._folder = folder / name
        self._folder.mkdir()
        self._blueprint = self._folder / "blueprint.yaml"
        self._name = name
        home = {"HOME": str(folder), "PATH": os.environ["PATH"]}
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        self._environment = {**home, **credentials, "AWS_EC2_METADATA_DISABLED": "true"}

    def write(self, resources: dict, region: str, files: dict[str, str]) -> None:
        """JSON is YAML."""
        for name, text in files.items():
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_text(text)
        document = {"name": self._name, "region": region, "resources": resources}
        self._blueprint.write_text(json.dumps(document, indent=1))

    def plan(self) -> Outcome:
        outcome = self._run("plan", "--format", "json", "--detailed-exitcode")
        if outcome.code in (0, 2):
            plan = json.loads(outcome.said)
            changed = [step for step in plan["steps"] if step["action"] != "keep"]
            for step in changed:
                paths = sorted(change["path"] for change in step["changes"])
                outcome.steps[step["id"]] = (step["action"], paths)
        return outcome

    def apply(self, *flags: str) -> Outcome:
        return self._run("apply", "--yes", "--no-run", *flags)

    def destroy(self) -> Outcome:
        return self._run("destroy", "--yes", "--delete-data")

    def _run(self, verb: str, *flags: str) -> Outcome:
        command = [self._binary, verb, str(self._blueprint), *flags]
        done = subprocess.run(
            [*command, "--endpoint-url", self._endpoint],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        ok = done.returncode in (0, 2)
        return Outcome(done.returncode, done.stdout if ok else done.stdout + done.stderr)
