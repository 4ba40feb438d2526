"""What streaming_processor.py must find in a lake of JSON lines, worked out without Spark and without its code.

    python figures.py --input DIR --blueprint FILE [--uri s3://lake/streaming-data] [--hours 2013-01-15T10..2013-01-16T04]

The rules are those of the job `process` in the blueprint. DIR holds year=YYYY/month=MM/day=DD/hour=HH/ with files of JSON lines, plain or .gz. The answer is one JSON object, hour by
hour: read, accepted, duplicates, rejected, dead_letter and broken_objects (lists of {line, reason}; an object's line is its
URI, under --uri or else DIR), user_activity (by user), hourly_trends and anomalies (by event_id). Beside the standard library
only PyYAML is used; sums are exact. Files are read whole, and broken ones byte by byte: it is for test data.
"""

import argparse
import datetime
import fractions
import json
import math
import pathlib
import re
import sys
import zlib

import yaml

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)  # a number of 5000 digits is a number

UTC = datetime.timezone.utc

COMPUTED = ("event_id", "user_id", "session_id", "event_type", "value", "timestamp")
FAR = 3 + 1e-9


class Misfit(Exception):
    """The line does not fit the schema: for the dead letters."""


def rules_of(blueprint, job="process"):
    """{field: rule} of a job, by name."""
    blueprint = pathlib.Path(blueprint)
    # Times stay text: their spelling is part of what is told.
    loader = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {
        first: [(tag, shape) for tag, shape in all_of if not tag.endswith(":timestamp")]
        for first, all_of in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }})  # fmt: skip
    rules = yaml.load(blueprint.read_text(encoding="utf-8"), loader)["jobs"][job]["rules"]
    if isinstance(rules, str):
        rules = yaml.load((blueprint.parent / rules).read_text(encoding="utf-8"), loader)
    return {field: rules[field] for field in sorted(rules)}


def inflate(packed):
    """(content, what is wrong with the gzip file or None), as far as it goes."""
    if not packed:
        return b"", "object is truncated after {} lines: it has no bytes"
    if packed[:2] not in (b"\x1f\x8b", b"\x1f"):
        return b"", "object is not gzip, as its name says"
    content, rest = bytearray(), packed
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            for at in range(len(rest)):
                content += member.decompress(rest[at : at + 1])
                if member.eof:
                    break
        except zlib.error:
            return bytes(content), "object is corrupt after {} lines"
        if not member.eof:
            return bytes(content), "object is truncated after {} lines: its end is missing"
        rest = rest[at + 1 :]
    return bytes(content), None


def read_files(directory, base):
    """(all lines of all files, as bytes; broken objects). Hidden files and those with a leading underscore are not data."""
    lines, broken = [], []
    for file in sorted(directory.rglob("*")):
        name = file.relative_to(directory)
        if any(part[0] in "._" for part in name.parts) or not file.is_file():
            continue
        content, fault = file.read_bytes(), None
        if file.suffix == ".gz":
            content, fault = inflate(content)
        if content.startswith(b"\xef\xbb\xbf"):
            content = content[3:]
        found = content.splitlines(keepends=True)
        if fault:
            whole = sum(line.endswith((b"\n", b"\r")) for line in found)
            broken.append({"line": f"{base}/{name.as_posix()}", "reason": fault.format(whole)})
        lines.extend(line.rstrip(b"\r\n") for line in found if line.strip())
    return lines, broken


def kind_of(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "array", dict: "object"}[type(value)]


def load(text, rules):
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
    strange = [json.dumps(key) for key in keys if key not in rules]
    if strange:
        raise Misfit("unknown field: " + ", ".join(strange))
    repeated = [json.dumps(key) for key in rules if keys.count(key) > 1]
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


def outside(value, rule, read=lambda limit: limit):
    low, high = rule.get("min"), rule.get("max")
    under, over = low is not None and value < read(low), high is not None and value > read(high)
    if not under and not over:
        return None
    if None not in (low, high):
        return f"outside {low} to {high}"
    return f"below {low}" if under else f"above {high}"


def numeric_fault(value, kind, rule):
    article = {"number": "a number", "integer": "a whole number"}[rule["type"]]
    if kind != "number":
        return f"{kind}, not {article}"
    if isinstance(value, float) and math.isnan(value):
        return f"NaN, not {article}"
    if rule["type"] == "integer" and isinstance(value, float) and not (math.isinf(value) or value.is_integer()):
        return "not a whole number"
    fault = outside(value, rule)
    if fault is None and "allowed" in rule and value not in rule["allowed"]:
        fault = "not one of those allowed"
    if fault is None and abs(value) >= 2**1024 - 2**970:  # from here on it rounds to infinity
        fault = "too large"
    return fault


def textual_fault(value, rule):
    least, most = rule.get("min_length"), rule.get("max_length")
    if least and len(value) < least:
        return f"shorter than {least} characters" if value else "empty"
    if most is not None and len(value) > most:
        return f"longer than {most} characters"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "half of a surrogate pair, not text"
    if "allowed" in rule and value not in rule["allowed"]:
        return "not one of those allowed"
    return None


def fault_in(field, rule, record):
    """What is wrong with a field, or None."""
    if record.get(field) is None:
        if rule.get("required") is False:
            return None
        return "null" if field in record else "missing"
    value = record[field]
    kind = kind_of(value)
    if rule["type"] in ("number", "integer"):
        return numeric_fault(value, kind, rule)
    if rule["type"] == "boolean":
        return None if kind == "boolean" else kind + ", not true or false"
    if kind != "string":
        return kind + ", not text"
    if rule["type"] == "text":
        return textual_fault(value, rule)
    time = moment(value)
    if time is None:
        return "not of the form 2013-01-15T10:00:00Z"
    return outside(time, rule, moment)


def sort_out(lines, rules):
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
            record = load(text, rules)
        except Misfit as misfit:
            dead.append({"line": text, "reason": str(misfit)})
            continue
        faults = [f"{field}: {fault}" for field, rule in rules.items() for fault in [fault_in(field, rule, record)] if fault]
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
            fields = {field: record[field] for field in COMPUTED if field != "event_id"}
            fields["value"] = float(fields["value"])
            fields["timestamp"] = moment(fields["timestamp"]).isoformat()
            found[record["event_id"]] = {**fields, "z_score": z_score}
    return found


def figures_of(hour, lines, broken, rules):
    records, rejected, dead = sort_out(lines, rules)
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
        "broken_objects": broken,
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


def figures(root, rules, hours=None, uri=None):
    """{hour: figures} for each hour directory under `root` that holds a file."""
    found = {}
    uri = (uri or pathlib.Path(root).resolve().as_uri()).rstrip("/")
    for directory in sorted(pathlib.Path(root).glob("year=*/month=*/day=*/hour=*")):
        year, month, day, clock = (part.partition("=")[2] for part in directory.parts[-4:])
        hour = f"{year}-{month}-{day}T{clock}"
        has_file = any(file.is_file() and file.name[0] not in "._" for file in directory.rglob("*"))
        if has_file and (hours is None or wanted(hour, hours)):
            base = f"{uri}/{directory.relative_to(root).as_posix()}"
            found[hour] = figures_of(hour, *read_files(directory, base), rules)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Figures of a lake of JSON lines, without Spark.")
    parser.add_argument("--input", required=True, metavar="DIR")
    parser.add_argument("--blueprint", required=True, metavar="FILE", help="whose job `process` has the rules")
    parser.add_argument("--uri", help="where DIR is in the lake, for the names of broken objects; DIR itself if left out")
    parser.add_argument("--hours", help="an hour, a comma list, or first..last; all hours if left out")
    arguments = parser.parse_args()
    answer = figures(arguments.input, rules_of(arguments.blueprint), arguments.hours, arguments.uri)
    if not answer:
        sys.exit(f"error: no hour with input under {arguments.input}")
    json.dump(answer, sys.stdout, indent=1)
    print()
