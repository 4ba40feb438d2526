"""No field of a kind is forgotten: each is written, changed from outside and changed by the blueprint."""

from pathlib import Path

from case import Case
from fields import covers, fields, written

SOURCES = Path(__file__).parent.parent.parent / "src" / "resources"


def complete(kind, schema: dict, checks) -> None:
    """`kind` is a kind's file. Fields that cannot be changed one way or the other say there why."""
    known = fields(schema, kind.KIND)
    unwritten = getattr(kind, "UNWRITTEN", {})
    unreachable = getattr(kind, "UNREACHABLE", {})
    settled = getattr(kind, "SETTLED", {})
    shortcomings = getattr(kind, "SHORTCOMINGS", {})
    forgotten = []
    for field, default in known.items():
        if _is_listed(field, unwritten):
            continue
        if not any(_is_written(field, default, case) for case in kind.CASES):
            forgotten.append(f"{field} is in no blueprint, or only with its default")
        if not _is_listed(field, unreachable) and not any(_is_drifted(field, case) for case in kind.CASES):
            forgotten.append(f"{field} is never changed from outside")
        if not _is_listed(field, settled) and not any(_is_rewritten(field, case) for case in kind.CASES):
            forgotten.append(f"{field} is never changed by the blueprint")
    listed = [*unwritten, *unreachable, *settled, *(f for held in shortcomings.values() for f in held)]
    forgotten += [f"{one} is no field" for one in listed if not any(covers(one, f) for f in known)]
    tests = _tests(kind.KIND)
    for emulator, held in shortcomings.items():
        for field, (_why, test) in held.items():
            if f"fn {test}(" not in tests:
                forgotten.append(f"{field}, which {emulator} does not hold, has no test `{test}`")
    checks(not forgotten, f"{kind.KIND}: all {len(known)} fields", "; ".join(forgotten))


def _is_listed(field: str, listed: dict) -> bool:
    return any(covers(one, field) for one in listed)


def _is_written(field: str, default, case: Case) -> bool:
    values = [*written(case.subject), *written(case.other)]
    return any(covers(field, path) and value != default for path, value in values)


def _is_drifted(field: str, case: Case) -> bool:
    return any(covers(field, path) for change in case.changes for path in change.paths)


def _is_rewritten(field: str, case: Case) -> bool:
    before = dict(written(case.subject))
    after = dict(written({**case.subject, **case.other}))
    paths = [path for path in before.keys() | after.keys() if covers(field, path)]
    return any(before.get(path, ...) != after.get(path, ...) for path in paths)


def _tests(kind: str) -> str:
    name = kind.replace("-", "_")
    files = [SOURCES / f"{name}.rs", *(SOURCES / name).glob("*.rs")]
    return "".join(file.read_text() for file in files if file.exists())
