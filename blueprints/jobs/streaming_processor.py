"""Turns one hour (or several) of raw events in the lake into figures: a PySpark job for Spark 3.5 (EMR 7.x).

    spark-submit streaming_processor.py \
        --input s3://lake/streaming-data --output s3://lake/processed-data \
        --errors s3://lake/error-data --dead-letter s3://lake/dead-letter --hours 2013-01-15T10 \
        --rules '{"event_id": {"type": "text", "min_length": 1}, "value": {"type": "number", "max": 9}, ...}'

--rules are those of the job in the blueprint. The six fields that are computed with must be among them; others are checked
and left behind. --hours takes an hour, a comma list, or an inclusive range `2013-01-15T10..2013-01-16T04`; the hours are UTC and name
directories, `<input>/year=2013/month=01/day=15/hour=10/`. Input is JSON lines, plain or compressed (.gz, .snappy). Every
line ends in exactly one place, and each hour is checked for read = accepted + rejected + dead_letter + duplicates:

    dead letter  not a JSON object, or one whose fields are not the schema's     <dead-letter>/year=.../hour=HH/  JSON
    rejected     a field breaks its rule                                         <errors>/year=.../hour=HH/       JSON
    duplicate    a valid record whose event_id was seen: the first line in byte order is the one that is kept
    accepted     counted in user-activity, hourly-trends and anomalies           <output>/year=.../hour=HH/       Parquet

Lines of white space are no records. Of an object that is truncated or otherwise broken, the lines before the break are taken
like any others, and the object itself becomes a dead letter, with its URI for the line. A run replaces what an earlier run wrote for the same hour, and nothing else.
"""

import argparse
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType
from pyspark.sql.utils import AnalysisException

# The fields that are computed with, and the types that each may have in the rules.
NEEDED = {
    "event_id": ["text"],
    "user_id": ["text"],
    "session_id": ["text"],
    "event_type": ["text"],
    "value": ["number", "integer"],
    "timestamp": ["time"],
}
FIELDS = list(NEEDED)
# What a rule may hold beside `type` and `required`.
LIMITS = {
    "text": ["min_length", "max_length", "allowed"],
    "number": ["min", "max", "allowed"],
    "integer": ["min", "max", "allowed"],
    "boolean": [],
    "time": ["min", "max"],
}

Z_LIMIT = 3.0
Z_ROUNDING = 1e-9  # so close to the limit is at the limit: rounding must not make an anomaly

TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|\+00:00)")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# What examine() returns. `shown` stands in for the line where the line is not text.
EXAMINED = StructType(
    [
        StructField("status", StringType()),  # valid, rejected or dead_letter
        StructField("reason", StringType()),
        StructField("shown", StringType()),
        StructField("event_id", StringType()),
        StructField("user_id", StringType()),
        StructField("session_id", StringType()),
        StructField("event_type", StringType()),
        StructField("value", DoubleType()),
        StructField("micros", LongType()),  # timestamp, microseconds since 1970
    ]
)


class JobError(Exception):
    """What the user can put right: said in one line, without a traceback."""


# ---- one line -------------------------------------------------------------------------------------------------------


def examine(raw, rules):
    """One line, as bytes, against the rules: a row of EXAMINED."""
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError:
        return dead_letter("not UTF-8 (its bytes are shown as \\xNN)", raw.decode("utf-8", "backslashreplace"))
    try:
        # Objects become tuples of pairs, so that a field given twice is seen. Integers become floats: all are numbers.
        record = json.loads(line, object_pairs_hook=tuple, parse_int=float)
    except RecursionError:
        return dead_letter("nested too deeply")
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return dead_letter("text after the JSON value (no line break between records?)")
        return dead_letter("not JSON")
    if not isinstance(record, tuple):
        return dead_letter("not an object: " + type_name(record))

    names = [name for name, _ in record]
    unknown = [name for name in names if name not in rules]
    if unknown:
        return dead_letter("unknown field: " + quoted(unknown))
    twice = [name for name in rules if names.count(name) > 1]
    if twice:
        return dead_letter("field given twice: " + quoted(twice))

    record = dict(record)
    faults, values = [], {}
    for name, rule in rules.items():
        fault, values[name] = check(record, name, rule)
        if fault:
            faults.append(name + ": " + fault)
    if faults:
        return ("rejected", "; ".join(faults), None) + (None,) * len(FIELDS)
    return ("valid", None, None, *[values[name] for name in FIELDS])


def dead_letter(reason, shown=None):
    return ("dead_letter", reason, shown) + (None,) * len(FIELDS)


def check(record, name, rule):
    """A field against its rule: the fault, or None, and the value to compute with."""
    value, kind = record.get(name), rule["type"]
    if value is None:
        lacking = "null" if name in record else "missing"
        return lacking if rule.get("required", True) else None, None
    if kind in ("number", "integer"):
        return check_number(value, kind, rule)
    if kind == "boolean":
        return (None, value) if isinstance(value, bool) else (type_name(value) + ", not true or false", None)
    if not isinstance(value, str):
        return type_name(value) + ", not text", None
    if kind == "time":
        micros = parse_time(value)
        if micros is None:
            return "not of the form 2013-01-15T10:00:00Z", None
        return beyond(micros, rule, parse_time), micros
    if len(value) < rule.get("min_length", 0):
        return "empty" if not value else "shorter than {} characters".format(rule["min_length"]), None
    if len(value) > rule.get("max_length", len(value)):
        return "longer than {} characters".format(rule["max_length"]), None
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "half of a surrogate pair, not text", None
    return forbidden(value, rule), value


def check_number(value, kind, rule):
    wanted = "a number" if kind == "number" else "a whole number"
    if not isinstance(value, float):
        return type_name(value) + ", not " + wanted, None
    if value != value:
        return "NaN, not " + wanted, None
    if kind == "integer" and value % 1 and abs(value) != float("inf"):
        return "not a whole number", None
    fault = beyond(value, rule, float) or forbidden(value, rule)
    if not fault and abs(value) == float("inf"):
        fault = "too large"
    return fault, value


def beyond(value, rule, read):
    """What is said of a value that is not between its limits."""
    low, high = rule.get("min"), rule.get("max")
    if (low is None or read(low) <= value) and (high is None or value <= read(high)):
        return None
    if low is not None and high is not None:
        return "outside {} to {}".format(low, high)
    return "below {}".format(low) if high is None else "above {}".format(high)


def forbidden(value, rule):
    return None if value in rule.get("allowed", [value]) else "not one of those allowed"


def parse_time(text):
    """ISO-8601 in UTC to microseconds since 1970 (finer digits are cut off); None if it is not that."""
    match = TIME.fullmatch(text)
    if not match:
        return None
    try:
        moment = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=timezone.utc)
    except ValueError:  # the 30th of February
        return None
    fraction = (match.group(7) or "").ljust(6, "0")[:6]
    return (moment - EPOCH) // timedelta(microseconds=1) + int(fraction)


def type_name(value):
    if value is None:
        return "null"
    return {bool: "boolean", float: "number", str: "string", list: "array", tuple: "object"}[type(value)]


def quoted(names):
    return ", ".join(json.dumps(name) for name in names)


# ---- one hour -------------------------------------------------------------------------------------------------------


def read_lines(spark, path):
    """The lines under `path`, and the URIs of the files; no lines where there is no file."""
    try:
        lines = spark.read.option("recursiveFileLookup", "true").text(path)
    except AnalysisException as error:
        if error.getErrorClass() == "PATH_NOT_FOUND":
            return None, []
        raise
    files = lines.inputFiles()
    for file in files:
        if file.endswith((".parquet", ".orc")):
            raise JobError("{} is not JSON lines: turn format conversion off for this prefix".format(file))
    return lines if files else None, [unquote(file) for file in files]


def examine_lines(lines, rules):
    examined = F.udf(lambda raw: examine(raw, rules), EXAMINED)(F.col("value").cast("binary"))
    lines = lines.where(F.col("value").rlike(r"\S"))
    return lines.select("value", examined.alias("seen")).select(
        F.coalesce("seen.shown", "value").alias("line"),
        *["seen." + name for name in ["status", "reason", *FIELDS[:-1]]],
        F.timestamp_micros("seen.micros").alias("timestamp"),
    )


def keep_one_of_each(valid, partitions):
    """One record per event_id, that with the least line; `copies` says how many there were."""
    return (
        valid.repartition(partitions, "event_id")
        .groupBy("event_id")
        .agg(F.min(F.struct("line", *FIELDS[1:])).alias("kept"), F.count("*").alias("copies"))
        .select("event_id", *["kept." + name for name in FIELDS[1:]], "copies")
    )


def user_activity(accepted):
    return accepted.groupBy("user_id").agg(
        F.count("*").alias("events"),
        F.countDistinct("session_id").alias("sessions"),
        F.sum("value").alias("value_sum"),
        F.avg("value").alias("value_mean"),
        F.max("timestamp").alias("last_activity"),
    )


def describe(accepted):
    """The hour's figures, as one Row."""
    return accepted.agg(
        F.count("*").alias("events"),
        F.countDistinct("user_id").alias("users"),
        F.coalesce(F.sum("value"), F.lit(0.0)).alias("value_sum"),
        F.avg("value").alias("mean"),
        F.stddev_pop("value").alias("deviation"),
        F.min("value").alias("least"),
        F.max("value").alias("most"),
        F.coalesce(F.sum(F.col("copies") - 1), F.lit(0)).alias("duplicates"),
    ).first()


def hourly_trends(spark, hour, figures):
    return spark.range(1).select(
        F.lit(hour).alias("hour"),
        F.lit(figures.events).cast("long").alias("events"),
        F.lit(figures.users).cast("long").alias("users"),
        F.lit(figures.value_sum).alias("value_sum"),
    )


def anomalies(accepted, figures):
    """The records far from the hour's mean, with their z-score. Where all values are equal there are none."""
    if figures.events < 2 or figures.least == figures.most:
        z_score = F.lit(None).cast("double")
    else:
        z_score = (F.col("value") - figures.mean) / figures.deviation
    return accepted.select(*FIELDS, z_score.alias("z_score")).where(F.abs("z_score") > Z_LIMIT + Z_ROUNDING)


def failed_lines(checked, status, broken=()):
    """The lines of a status with their reasons, and the broken objects among them."""
    failed = checked.where(F.col("status") == status).select("line", "reason")
    if not broken:
        return failed
    return failed.union(checked.sparkSession.createDataFrame(sorted(broken.items()), failed.schema))


def write_one_file(hour, frame, order, base, name):
    """As one partition, in order: the same input gives the same file. (coalesce(1) would filter in one task as well.)"""
    writer = frame.repartition(1).sortWithinPartitions(*order).write.mode("overwrite")
    if name:
        writer.parquet(place(base, hour) + name, compression="snappy")
    else:
        writer.json(place(base, hour))


def check_hour(spark, args, hour):
    """An hour's lines, checked and kept; how many of each status; its broken objects. None if there is no input."""
    lines, files = read_lines(spark, place(args.input, hour))
    if lines is None:
        return None
    broken = find_empty(spark, place(args.input, hour), files)
    checked = examine_lines(lines, args.rules).persist()
    try:
        return checked, count_statuses(checked), broken
    except Exception:  # Java's, Spark's or Python's, by where the object broke
        checked.unpersist()
        lines, unreadable = mend(spark, files, broken)
        if not unreadable:
            raise
    checked = examine_lines(lines, args.rules).persist()
    return checked, count_statuses(checked), {**broken, **unreadable}


def count_statuses(checked):
    return {row["status"]: row["count"] for row in checked.groupBy("status").count().collect()}


def process_hour(spark, args, hour):
    """Reads an hour, writes its five directories, returns its counts; None if there is no input."""
    hour_checked = check_hour(spark, args, hour)
    if hour_checked is None:
        return None
    checked, found, broken = hour_checked
    # As many partitions as the input: Spark does not coalesce what is cached, and its 200 would be 200 tasks for 50 lines.
    partitions = max(1, checked.rdd.getNumPartitions())
    accepted = keep_one_of_each(checked.where("status = 'valid'"), partitions).persist()
    try:
        figures = describe(accepted)
        counts = {
            "read": sum(found.values()),
            "accepted": figures.events,
            "rejected": found.get("rejected", 0),
            "dead_letter": found.get("dead_letter", 0),
            "duplicates": figures.duplicates,
            "users": figures.users,
        }
        ends = counts["accepted"] + counts["rejected"] + counts["dead_letter"] + counts["duplicates"]
        if counts["read"] != ends:
            raise JobError("hour={}: {} lines read but {} accounted for; nothing written".format(hour, counts["read"], ends))

        far = anomalies(accepted, figures)
        writes = [
            (user_activity(accepted), ["user_id"], args.output, "user-activity"),
            (hourly_trends(spark, hour, figures), ["hour"], args.output, "hourly-trends"),
            (far, ["event_id"], args.output, "anomalies"),
            (failed_lines(checked, "rejected"), ["line"], args.errors, ""),
            (failed_lines(checked, "dead_letter", broken), ["line"], args.dead_letter, ""),
        ]
        with ThreadPoolExecutor(len(writes)) as pool:  # most of a write is waiting: for S3, or for one task
            list(pool.map(lambda write: write_one_file(hour, *write), writes))
        counts["anomalies"] = far.count()
        counts["broken_objects"] = len(broken)
        return counts
    finally:
        accepted.unpersist()
        checked.unpersist()


# ---- objects that break ---------------------------------------------------------------------------------------------
#
# Spark fails on a truncated .gz, or passes over what it cannot read (ignoreCorruptFiles) and then drops the cut last line
# without a word. So it is told to pass over the objects that are known to break, and what it drops is read here, through
# the same decoders and in bounded memory.

CHUNK = 64 * 1024  # what decoders keep back at most when they fail
TAIL = 1024 * 1024
SKIP = 1 << 30  # Hadoop's decoders count what they skip with 32 bits
TAIL_MAX = 64 * TAIL  # no record is that long


def find_empty(spark, path, files):
    """{URI: reason} of the compressed files without a byte, which Spark passes over in silence."""
    where = spark._jvm.org.apache.hadoop.fs.Path(path)
    listed = where.getFileSystem(spark._jsc.hadoopConfiguration()).listFiles(where, True)
    empty = set()
    while listed.hasNext():
        status = listed.next()
        if status.getLen() == 0:
            empty.add(re.sub("^file:/+", "file:///", status.getPath().toString()))
    return {file: truncated(0, "it has no bytes") for file in files if file in empty and codec_of(spark, file)}


def codec_of(spark, file):
    """Hadoop's codec for the file, by its name; None if it is not compressed."""
    codecs = spark._jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(spark._jsc.hadoopConfiguration())
    return codecs.getCodec(spark._jvm.org.apache.hadoop.fs.Path(file))


def open_file(spark, file):
    where = spark._jvm.org.apache.hadoop.fs.Path(file)
    return where.getFileSystem(spark._jsc.hadoopConfiguration()).open(where)


def truncated(lines, why):
    return "object is truncated after {} lines: {}".format(lines, why)


def mend(spark, files, known):
    """What can be read of all files, and {URI: reason} of those that break; (None, {}) if none does."""
    compressed = [file for file in files if file not in known and codec_of(spark, file)]
    with ThreadPoolExecutor(4) as pool:
        breaks = dict(zip(compressed, pool.map(lambda file: find_break(spark, file), compressed)))
    breaks = {file: found for file, found in breaks.items() if found}
    if not breaks:
        return None, {}
    sound = [file for file in files if file not in breaks]
    whole = read_files(spark.read.option("ignoreCorruptFiles", "true"), list(breaks))
    counts = {unquote(row["file"]): row["count"] for row in whole.groupBy(F.input_file_name().alias("file")).count().collect()}
    reasons, rests = {}, []
    for file, (until, reason) in breaks.items():
        rest = b"" if until is None else read_rest(spark, file, until)
        reasons[file] = reason.format(counts.get(file, 0) + len(re.findall(rb"\r\n|\n|\r", rest)))
        rests.extend((bytearray(line),) for line in rest.splitlines())
    rest = spark.createDataFrame(rests, "value binary").select(F.col("value").cast("string"))
    lines = whole.union(rest)
    return read_files(spark.read, sound).union(lines) if sound else lines, reasons


def read_files(reader, files):
    """Spark takes paths for patterns, so what means something in those is escaped."""
    return reader.text([re.sub(r"([\[\]{}*?\\])", r"\\\1", file) for file in files])


def find_break(spark, file):
    """Where a compressed file breaks, in bytes of its content (None if it has none), and what is said of it, but for the
    number of its lines; None if it is sound."""
    if file.endswith(".gz"):
        with closing(open_file(spark, file)) as stream:
            if not b"\x1f\x8b".startswith(stream.readNBytes(2)):
                return None, "object is not gzip, as its name says"
    io = spark._jvm.org.apache.commons.io.output
    counter = io.CountingOutputStream(io.NullOutputStream.NULL_OUTPUT_STREAM)
    # By chunks of the size in which Spark reads lines: so both get as far before a break.
    size = spark._jsc.hadoopConfiguration().getInt("io.file.buffer.size", CHUNK)
    with closing(codec_of(spark, file).createInputStream(open_file(spark, file))) as stream:
        try:
            spark._jvm.org.apache.hadoop.io.IOUtils.copyBytes(stream, counter, size, False)
        except Py4JJavaError as error:
            cut = error.java_exception.getClass().getSimpleName() == "EOFException"
            why = truncated("{}", "its end is missing") if cut else "object is corrupt after {} lines"
            return counter.getByteCount(), why
    return None


def read_rest(spark, file, until):
    """What Spark drops of a file that breaks: all after its last whole line. What the decoder withholds of its last chunk is
    had from it byte by byte."""
    back = min(until, TAIL)
    while True:
        with closing(codec_of(spark, file).createInputStream(open_file(spark, file))) as stream:
            for at in range(0, until - back, SKIP):
                spark._jvm.org.apache.hadoop.io.IOUtils.skipFully(stream, min(SKIP, until - back - at))
            read = bytes(stream.readNBytes(back))
            # A last \r may be half of a line break: Spark waits for what follows.
            start = max(read.rfind(b"\n"), read.rfind(b"\r", 0, len(read) - 1)) + 1
            if start or back == until:
                rest = bytearray(read[start:] if start else read.removeprefix(b"\xef\xbb\xbf"))
                try:
                    byte = stream.read()
                    while byte >= 0 and len(rest) <= back + CHUNK:
                        rest.append(byte)
                        byte = stream.read()
                except Py4JJavaError:
                    return bytes(rest)
                raise JobError("{} cannot be read to the place where it broke before".format(file))
        if back >= TAIL_MAX:
            raise JobError("{} breaks in a line of more than {} bytes".format(file, back))
        back = min(until, 2 * back)


# ---- the run --------------------------------------------------------------------------------------------------------


def place(base, hour):
    """The directory of an hour: base/year=2013/month=01/day=15/hour=10/"""
    return "{}/year={}/month={}/day={}/hour={}/".format(base.rstrip("/"), hour[:4], hour[5:7], hour[8:10], hour[11:13])


def parse_hours(text):
    """`2013-01-15T10`, `2013-01-15T10,2013-01-15T12` or `2013-01-15T10..2013-01-16T04` to a list of hours, each once."""
    hours = []
    for part in text.split(","):
        ends = [parse_hour(end) for end in part.strip().split("..")]
        if len(ends) > 2 or ends[0] > ends[-1]:
            raise argparse.ArgumentTypeError("'{}' is not a range from an hour to a later one".format(part))
        hour = ends[0]
        while hour <= ends[-1]:
            hours.append(hour.strftime("%Y-%m-%dT%H"))
            hour += timedelta(hours=1)
    return list(dict.fromkeys(hours))


def parse_hour(text):
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}", text):
            return datetime.strptime(text, "%Y-%m-%dT%H")
    except ValueError:
        pass
    raise argparse.ArgumentTypeError("'{}' is not an hour like 2013-01-15T10".format(text))


def parse_rules(text):
    """{field: rule}, in the order of the fields' names, which is that of the reasons."""

    def wrong(what, *values):
        return argparse.ArgumentTypeError(what.format(*values))

    try:
        rules = json.loads(text)
    except ValueError as error:
        raise wrong("not JSON: {}", error)
    if not isinstance(rules, dict) or not all(isinstance(rule, dict) for rule in rules.values()):
        raise wrong("not an object of objects: {{field: {{type: text}}}}")
    for name, rule in rules.items():
        if rule.get("type") not in LIMITS:
            raise wrong("{}: type is one of {}", name, ", ".join(LIMITS))
        for key, limit in rule.items():
            if key not in ["type", "required", *LIMITS[rule["type"]]]:
                raise wrong("{}: {} has no limit '{}'", name, rule["type"], key)
            if rule["type"] == "time" and key in ("min", "max") and (type(limit) is not str or parse_time(limit) is None):
                raise wrong("{}: '{}' is not a time like 2013-01-15T10:00:00Z", name, limit)
    for name, types in NEEDED.items():
        if name not in rules:
            raise wrong("no rule for {}, with which this job computes", name)
        if rules[name]["type"] not in types or not rules[name].get("required", True):
            raise wrong("{} is required and of type {}: this job computes with it", name, " or ".join(types))
    return dict(sorted(rules.items()))


def parse_args(argv):
    parser = argparse.ArgumentParser(description="Validates and aggregates hours of raw events.")
    parser.add_argument("--input", required=True, metavar="URI", help="raw events, partitioned by hour")
    parser.add_argument("--output", required=True, metavar="URI", help="results, Parquet")
    parser.add_argument("--errors", required=True, metavar="URI", help="records that break a rule, with the reason")
    parser.add_argument("--dead-letter", required=True, metavar="URI", help="lines that do not fit the schema")
    parser.add_argument("--hours", required=True, type=parse_hours, help="2013-01-15T10, a comma list, or first..last")
    parser.add_argument("--rules", required=True, type=parse_rules, metavar="JSON", help="field: {type, min, ...}")
    args = parser.parse_args(argv)
    bases = [args.input, args.output, args.errors, args.dead_letter]
    if len({re.sub(r"^s3[an]://", "s3://", base).rstrip("/") for base in bases}) < len(bases):
        parser.error("--input, --output, --errors and --dead-letter must be four different places")
    return args


def run(spark, args):
    totals = {}
    with_input = 0
    for hour in args.hours:
        try:
            counts = process_hour(spark, args, hour)
        except JobError:
            raise
        except Exception:
            print("error: hour={} failed; the hours before it are done".format(hour), file=sys.stderr, flush=True)
            raise
        if counts is None:
            if len(args.hours) == 1:
                raise JobError("hour={} no input: {} holds no file".format(hour, place(args.input, hour)))
            print("hour={} no input".format(hour), flush=True)
            continue
        with_input += 1
        print("hour={} {}".format(hour, as_text(counts)), flush=True)
        for name, count in counts.items():
            if name != "users":  # users of several hours do not add up
                totals[name] = totals.get(name, 0) + count
    if not with_input:
        ends = "{} to {}".format(args.hours[0], args.hours[-1])
        raise JobError("no input in any of {} hours, {}, under {}".format(len(args.hours), ends, args.input))
    print("total hours={} {}".format(with_input, as_text(totals)), flush=True)


def as_text(counts):
    return " ".join("{}={}".format(name, count) for name, count in counts.items())


def main(argv):
    args = parse_args(argv)
    spark = (
        SparkSession.builder.appName("streaming_processor")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .getOrCreate()
    )
    try:
        run(spark, args)
    except JobError as error:
        print("error: {}".format(error), file=sys.stderr, flush=True)
        return 1
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
