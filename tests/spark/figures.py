"""What streaming_processor.py must find in a lake of JSON lines, worked out without Spark and without its code.

    python figures.py --input DIR [--hours 2013-01-15T10..2013-01-16T04]  > figures.json

DIR holds year=YYYY/month=MM/day=DD/hour=HH/ with files of JSON lines, plain or .gz. The answer is one JSON object, hour by
hour: read, accepted, duplicates, rejected and dead_letter (lists of {line, reason}), user_activity (by user), hourly_trends
and anomalies (by event_id). Only the standard library is used; sums are exact. Files are read whole: it is for test data.
"""

import argparse
import datetime
import fractions
import gzip
import json
import math
import pathlib
import re
import sys

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)  # a number of 5000 digits is a number

UTC = datetime.timezone.utc

TEXT = "text"
ORDER = {"event_id": TEXT, "user_id": TEXT, "session_id": TEXT, "event_type": TEXT, "value": "minutes", "timestamp": "utc"}
MINUTES = (-120, 1440)
YEARS = (datetime.datetime(2000, 1, 1, tzinfo=UTC), datetime.datetime(2100, 1, 1, tzinfo=UTC))
FAR = 3 + 1e-9


class Misfit(Exception):
    """The line does not fit the schema: for the dead letters."""


def lines_of(directory):
    """All lines of all files, as bytes. Hidden files and those with a leading underscore are not data."""
    for file in sorted(directory.rglob("*")):
        hidden = any(part[0] in "._" for part in file.relative_to(directory).parts)
        if hidden or not file.is_file():
            continue
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        if content.startswith(b"\xef\xbb\xbf"):
            content = content[3:]
        yield from (line for line in content.splitlines() if line.strip())


def kind_of(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "array", dict: "object"}[type(value)]


def load(text):
    """The line's object; raises Misfit."""
    seen = []

    def pairs(items):
        seen.append([key for key, _ in items])  # the outermost object closes last
        return dict(items)

    try:
        value = json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        raise Misfit("nested too deeply")
    except ValueError as problem:
        if str(problem).startswith("Extra data"):
            raise Misfit("text after the JSON value (no line break between records?)")
        raise Misfit("not JSON")
    if kind_of(value) != "object":
        raise Misfit("not an object: " + kind_of(value))
    keys = seen[-1]
    strange = [json.dumps(key) for key in keys if key not in ORDER]
    if strange:
        raise Misfit("unknown field: " + ", ".join(strange))
    repeated = [json.dumps(key) for key in ORDER if keys.count(key) > 1]
    if repeated:
        raise Misfit("field given twice: " + ", ".join(repeated))
    return value


def moment(text):
    """A UTC time in ISO-8601, or None. Digits finer than microseconds are dropped."""
    for suffix in ("Z", "+00:00"):
        if text.endswith(suffix):
            text = text[: -len(suffix)]
            break
    else:
        return None
    whole, dot, fraction = text.partition(".")
    if re.sub("[0-9]", "9", whole) != "9999-99-99T99:99:99":
        return None
    if dot and (not 1 <= len(fraction) <= 9 or set(fraction) - set("0123456789")):
        return None
    try:
        found = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return None
    return found.replace(microsecond=int((fraction + "000000")[:6]), tzinfo=UTC)


def fault_in(field, record):
    """What is wrong with a field, or None."""
    if field not in record:
        return "missing"
    value = record[field]
    kind = kind_of(value)
    if kind == "null":
        return "null"
    if ORDER[field] == "minutes":
        if kind != "number":
            return kind + ", not a number"
        if isinstance(value, float) and math.isnan(value):
            return "NaN, not a number"
        if value < MINUTES[0] or value > MINUTES[1]:
            return "outside -120 to 1440"
        return None
    if kind != "string":
        return kind + ", not text"
    if ORDER[field] == "utc":
        time = moment(value)
        if time is None:
            return "not of the form 2013-01-15T10:00:00Z"
        if time < YEARS[0] or time > YEARS[1]:
            return "outside 2000-01-01T00:00:00Z to 2100-01-01T00:00:00Z"
        return None
    if value == "":
        return "empty"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "half of a surrogate pair, not text"
    return None


def sort_out(lines):
    """Every line into one of: records (with their line), rejected, dead letters."""
    records, rejected, dead = [], [], []
    for raw in lines:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            shown = raw.decode("utf-8", errors="backslashreplace")
            dead.append({"line": shown, "reason": "not UTF-8 (its bytes are shown as \\xNN)"})
            continue
        try:
            record = load(text)
        except Misfit as misfit:
            dead.append({"line": text, "reason": str(misfit)})
            continue
        faults = [f"{field}: {fault}" for field in ORDER for fault in [fault_in(field, record)] if fault]
        if faults:
            rejected.append({"line": text, "reason": "; ".join(faults)})
        else:
            records.append((raw, record))
    return records, rejected, dead


def exact_sum(values):
    return sum((fractions.Fraction(value) for value in values), fractions.Fraction(0))


def activity_of(mine):
    values = [record["value"] for record in mine]
    return {
        "events": len(mine),
        "sessions": len({record["session_id"] for record in mine}),
        "value_sum": float(exact_sum(values)),
        "value_mean": float(exact_sum(values) / len(mine)),
        "last_activity": max(moment(record["timestamp"]) for record in mine).isoformat(),
    }


def outliers(accepted):
    values = [fractions.Fraction(record["value"]) for record in accepted]
    if len(values) < 2:
        return {}
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    if variance == 0:
        return {}
    found = {}
    for value, record in zip(values, accepted):
        z_score = float(value - mean) / math.sqrt(variance)
        if abs(z_score) > FAR:
            fields = {field: record[field] for field in ORDER if field != "event_id"}
            fields["value"] = float(fields["value"])
            fields["timestamp"] = moment(fields["timestamp"]).isoformat()
            found[record["event_id"]] = {**fields, "z_score": z_score}
    return found


def figures_of(hour, lines):
    lines = list(lines)
    records, rejected, dead = sort_out(lines)
    first = {}
    for raw, record in sorted(records, key=lambda pair: pair[0]):
        first.setdefault(record["event_id"], record)
    accepted = list(first.values())
    users = {}
    for record in accepted:
        users.setdefault(record["user_id"], []).append(record)
    return {
        "read": len(lines),
        "accepted": len(accepted),
        "duplicates": len(records) - len(accepted),
        "rejected": rejected,
        "dead_letter": dead,
        "user_activity": {user: activity_of(mine) for user, mine in sorted(users.items())},
        "hourly_trends": {
            "hour": hour,
            "events": len(accepted),
            "users": len(users),
            "value_sum": float(exact_sum(record["value"] for record in accepted)),
        },
        "anomalies": outliers(accepted),
    }


def wanted(hour, spec):
    """Whether an hour is in `a`, `a,b` or `a..b`; hours in this spelling sort as text."""
    for part in spec.split(","):
        low, _, high = part.partition("..")
        if low <= hour <= (high or low):
            return True
    return False


def figures(root, hours=None):
    """{hour: figures} for each hour directory under `root` that holds a file."""
    found = {}
    for directory in sorted(pathlib.Path(root).glob("year=*/month=*/day=*/hour=*")):
        year, month, day, clock = (part.partition("=")[2] for part in directory.parts[-4:])
        hour = f"{year}-{month}-{day}T{clock}"
        has_file = any(file.is_file() and file.name[0] not in "._" for file in directory.rglob("*"))
        if has_file and (hours is None or wanted(hour, hours)):
            found[hour] = figures_of(hour, lines_of(directory))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Figures of a lake of JSON lines, without Spark.")
    parser.add_argument("--input", required=True, metavar="DIR")
    parser.add_argument("--hours", help="an hour, a comma list, or first..last; all hours if left out")
    arguments = parser.parse_args()
    answer = figures(arguments.input, arguments.hours)
    if not answer:
        sys.exit(f"error: no hour with input under {arguments.input}")
    json.dump(answer, sys.stdout, indent=1)
    print()
