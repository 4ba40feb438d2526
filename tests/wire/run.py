"""Every field of every kind, changed from outside: the plan shows it, apply restores it, no plan is left.

    python run.py --pipeline BINARY --endpoint URL --emulator local|moto [--kind KIND]...

A line a check, `N passed, N failed` at the end, exit 1 if one failed.
"""

import argparse
import copy
import importlib
import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from case import REGION, SUBJECT, Aws, Case, Change
from complete import complete
from fields import covers, drop
from program import Program

HERE = Path(__file__).parent
#: More than there are processors: the program keeps to AWS's rates, and so mostly waits.
AT_ONCE = 6
#: Kinds that moto cannot serve to this program's SDK, and why.
NOT_ON_MOTO = {
    "cloudwatch-alarm": "the SDK speaks rpc-v2-cbor, which moto 5.2.5 does not answer",
    "cloudwatch-composite-alarm": "the SDK speaks rpc-v2-cbor, which moto 5.2.5 does not answer",
    "cloudwatch-dashboard": "the SDK speaks rpc-v2-cbor, which moto 5.2.5 does not answer",
    "emr-cluster": "moto has neither managed scaling nor auto-termination, and puts every cluster into us-east-1",
    "s3-bucket": "moto answers GetBucketVersioning under another name than S3, which the SDK refuses",
}


class Checks:
    """Counts and prints; several threads tell it."""

    def __init__(self) -> None:
        self.passed = self.failed = 0
        self._lock = threading.Lock()

    def __call__(self, holds: bool, what: str, told: object = "") -> bool:
        with self._lock:
            self.passed += holds
            self.failed += not holds
            print(f"ok   {what}" if holds else f"FAIL {what}: {told}", flush=True)
        return holds

    def note(self, what: str) -> None:
        with self._lock:
            print(f"     {what}", flush=True)


class Trial:
    """One blueprint of a kind, taken through all that may happen to it."""

    def __init__(self, case: Case, kind: str, program: Program, aws: Aws, checks: Checks):
        self.case, self.program, self.aws = case, program, aws
        self.what = f"{kind}, {case.name}"
        self.checks = checks

    def check(self, holds: bool, what: str, told: object = "") -> bool:
        return self.checks(holds, f"{self.what}: {what}", told)

    def run(self) -> None:
        case = self.case
        if case.before:
            case.before(self.aws)
        self.program.write(case.resources, REGION, case.files)
        if not self._settles("made, every field as it is written"):
            return
        looked = case.look(self.aws) if case.look else None
        for change in case.changes:
            looked = self._drift(change, looked)
        if case.other:
            self._rewrite(looked)
        if case.disown:
            self._disown(case.disown, looked)
        if case.delete:
            case.delete(self.aws)
            self._is_missed()
        gone = self.program.destroy()
        self.check(gone.code == 0, "destroyed", gone)

    def _settles(self, what: str, *flags: str) -> bool:
        """Applies; the plan straight after it is to be empty."""
        applied = self.program.apply(*flags)
        if applied.code != 0:
            return self.check(False, what, applied)
        left = self.program.plan()
        return self.check(left.code == 0 and not left.steps, what, left)

    def _drift(self, change: Change, looked: object) -> object:
        """What AWS says of the subject in the end."""
        paths = sorted(self.aws.fill(path) for path in change.paths)
        what = ", ".join(paths)
        change.make(self.aws)
        wanted = {SUBJECT: ("replace" if change.replaces else "update", paths)}
        seen = self.program.plan()
        shown = seen.code == 2 and seen.steps == wanted
        self.check(shown, f"{what} shows", seen)
        settled = self._settles(f"{what} restored")
        if change.after:
            change.after(self.aws)
        if not settled or looked is None:
            return looked
        now = self.case.look(self.aws)
        if not change.replaces:
            self.check(now == looked, f"{what} as before in AWS", difference(looked, now))
        return now

    def _rewrite(self, looked: object) -> None:
        case = self.case
        subject = {**case.subject, **case.other}
        self.program.write({**case.resources, SUBJECT: subject}, REGION, case.files)
        seen = self.program.plan()
        action, paths = seen.steps.get(SUBJECT, ("keep", []))
        wanted = "replace" if case.other_replaces else "update"
        for field in case.other:
            shown = any(covers(case.shows.get(field, field), path) for path in paths)
            self.check(action == wanted and shown, f"{field} of the blueprint shows", seen)
        self._settles("other values of the blueprint")
        self.program.write(case.resources, REGION, case.files)
        if self._settles("the first values again") and looked is not None:
            now = case.look(self.aws)
            self.check(now == looked, "as before in AWS", difference(looked, now))

    def _disown(self, disown, looked: object) -> None:
        disown(self.aws)
        seen = self.program.plan()
        refused = seen.code == 1 and f"--adopt {SUBJECT}" in seen.said
        self.check(refused, "not ours any more, it is refused", seen)
        if self._settles("adopted", "--adopt", SUBJECT) and looked is not None:
            now = self.case.look(self.aws)
            self.check(now == looked, "adopted, as before in AWS", difference(looked, now))

    def _is_missed(self) -> None:
        seen = self.program.plan()
        action, _ = seen.steps.get(SUBJECT, ("keep", []))
        self.check(seen.code == 2 and action == "create", "deleted outside, it shows", seen)
        self._settles("made again")


def difference(before: object, after: object, path: str = "") -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        each = (difference(before.get(k), after.get(k), f"{path}.{k}") for k in keys)
        return "; ".join(told for told in each if told)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        each = (difference(*both, f"{path}.{i}") for i, both in enumerate(zip(before, after)))
        return "; ".join(told for told in each if told)
    return "" if before == after else f"{path.strip('.')} was {before!r} and is {after!r}"


def reduced(case: Case, shortcomings: dict) -> Case:
    """A case without the fields that the emulator does not hold."""
    resources, other = copy.deepcopy(case.resources), copy.deepcopy(case.other)
    for field in shortcomings:
        drop(resources[SUBJECT], field)
        drop(other, field)

    def held(change: Change) -> bool:
        return not any(covers(field, path) for field in shortcomings for path in change.paths)

    changes = [change for change in case.changes if held(change)]
    return replace(case, resources=resources, other=other, changes=changes)


def trials(module, emulator: str) -> list[Case]:
    """The cases of a kind's file that an emulator serves."""
    skipped = getattr(module, "NOT_SERVED", {}).get(emulator, {})
    shortcomings = getattr(module, "SHORTCOMINGS", {}).get(emulator, {})
    return [reduced(case, shortcomings) for case in module.CASES if case.name not in skipped]


def attempt(trial: Trial) -> None:
    started = time.monotonic()
    try:
        trial.run()
    except Exception as error:  # One broken case is not to hide the others.
        place = traceback.extract_tb(error.__traceback__)[-1]
        trial.check(False, "ran to its end", f"{error!r} at {place.filename}:{place.lineno}")
    trial.checks.note(f"{trial.what} took {time.monotonic() - started:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipeline", required=True, help="the program")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--emulator", required=True, choices=["local", "moto"])
    parser.add_argument("--kind", action="append", help="only this one")
    arguments = parser.parse_args()
    checks = Checks()
    printed = subprocess.run([arguments.pipeline, "schema"], capture_output=True, check=True)
    schema = json.loads(printed.stdout)
    modules = {module.KIND: module for module in map(load, sorted(HERE.glob("kinds/*.py")))}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = []
        for kind in arguments.kind or kinds_of(schema):
            if arguments.emulator == "moto" and kind in NOT_ON_MOTO:
                checks.note(f"{kind} is not on moto: {NOT_ON_MOTO[kind]}")
                continue
            if not checks(kind in modules, f"{kind}: has a file", "there is none"):
                continue
            complete(modules[kind], schema, checks)
            for case in trials(modules[kind], arguments.emulator):
                name = f"wire-{kind}-{case.name}".replace(" ", "-")
                program = Program(arguments.pipeline, arguments.endpoint, Path(folder), name)
                aws = Aws(arguments.endpoint, arguments.emulator)
                waiting.append(Trial(case, kind, program, aws, checks))
        waiting.sort(key=lambda trial: not trial.case.slow)
        for _ in pool.map(attempt, waiting):
            pass
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed or not checks.passed else 0


def load(file: Path):
    return importlib.import_module(f"kinds.{file.stem}")


def kinds_of(schema: dict) -> list[str]:
    each = schema["properties"]["resources"]["additionalProperties"]["properties"]["kind"]
    return sorted(each["enum"])


if __name__ == "__main__":
    sys.exit(main())
