"""Turns one hour (or several) of raw events in the lake into figures: a PySpark job for Spark 3.5 (EMR 7.x).

    spark-submit streaming_processor.py \
        --input s3://lake/streaming-data --output s3://lake/processed-data \
        --errors s3://lake/error-data --dead-letter s3://lake/dead-letter --hours 2013-01-15T10

--hours takes an hour, a comma list, or an inclusive range `2013-01-15T10..2013-01-16T04`; the hours are UTC and name
directories, `<input>/year=2013/month=01/day=15/hour=10/`. Input is JSON lines, plain or compressed (.gz, .snappy). Every
line ends in exactly one place, and each hour is checked for read = accepted + rejected + dead_letter + duplicates:

    dead letter  not a JSON object, or one whose fields are not the schema's     <dead-letter>/year=.../hour=HH/  JSON
    rejected     a field breaks a rule in RULES                                  <errors>/year=.../hour=HH/       JSON
    duplicate    a valid record whose event_id was seen: the first line in byte order is the one that is kept
    accepted     counted in user-activity, hourly-trends and anomalies           <output>/year=.../hour=HH/       Parquet

Lines of white space are no records. A run replaces what an earlier run wrote for the same hour, and nothing else.
"""

import argparse
import json
import re
import sys
from datetime import datetime, timedelta, timezone

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType
from pyspark.sql.utils import AnalysisException

# The schema, in the order in which reasons are given: field, type, lowest and highest allowed (None: no limit).
# All fields are required. For text the limits are lengths; a number is any finite JSON number.
RULES = [
    ("event_id", "text", 1, None),
    ("user_id", "text", 1, None),
    ("session_id", "text", 1, None),
    ("event_type", "text", 1, None),
    ("value", "number", -120, 1440),  # minutes
    ("timestamp", "time", "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
]
FIELDS = [rule[0] for rule in RULES]

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


def examine(raw):
    """One line, as bytes, against the schema and the rules: a row of EXAMINED."""
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
    unknown = [name for name in names if name not in FIELDS]
    if unknown:
        return dead_letter("unknown field: " + quoted(unknown))
    twice = [name for name in FIELDS if names.count(name) > 1]
    if twice:
        return dead_letter("field given twice: " + quoted(twice))

    record = dict(record)
    faults, values = [], []
    for name, kind, low, high in RULES:
        fault, value = check(record, name, kind, low, high)
        values.append(value)
        if fault:
            faults.append(name + ": " + fault)
    if faults:
        return ("rejected", "; ".join(faults), None) + (None,) * len(values)
    return ("valid", None, None, *values)


def dead_letter(reason, shown=None):
    return ("dead_letter", reason, shown) + (None,) * len(FIELDS)


def check(record, name, kind, low, high):
    """A field against its rule: (fault, None) or (None, value)."""
    if name not in record:
        return "missing", None
    value = record[name]
    if value is None:
        return "null", None
    if kind == "number":
        if not isinstance(value, float):
            return type_name(value) + ", not a number", None
        if value != value:
            return "NaN, not a number", None
        if not low <= value <= high:
            return "outside {} to {}".format(low, high), None
        return None, value
    if not isinstance(value, str):
        return type_name(value) + ", not text", None
    if kind == "time":
        micros = parse_time(value)
        if micros is None:
            return "not of the form 2013-01-15T10:00:00Z", None
        if not parse_time(low) <= micros <= parse_time(high):
            return "outside {} to {}".format(low, high), None
        return None, micros
    if len(value) < low:
        return "empty", None
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "half of a surrogate pair, not text", None
    return None, value


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
    """The lines under `path` that are not blank, or None where there is no file."""
    try:
        lines = spark.read.option("recursiveFileLookup", "true").text(path)
    except AnalysisException as error:
        if error.getErrorClass() == "PATH_NOT_FOUND":
            return None
        raise
    files = lines.inputFiles()
    if not files:
        return None
    for file in files:
        if file.endswith((".parquet", ".orc")):
            raise JobError("{} is not JSON lines: turn format conversion off for this prefix".format(file))
    return lines.where(F.col("value").rlike(r"\S"))


def examine_lines(lines):
    examined = F.udf(examine, EXAMINED)(F.col("value").cast("binary"))
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


def one_file(frame, order):
    """As one partition, in order: the same input gives the same file. (coalesce(1) would filter in one task as well.)"""
    return frame.repartition(1).sortWithinPartitions(*order).write.mode("overwrite")


def process_hour(spark, args, hour):
    """Reads an hour, writes its five directories, returns its counts; None if there is no input."""
    lines = read_lines(spark, place(args.input, hour))
    if lines is None:
        return None
    checked = examine_lines(lines).persist()
    # As many partitions as the input: Spark does not coalesce what is cached, and its 200 would be 200 tasks for 50 lines.
    partitions = max(1, lines.rdd.getNumPartitions())
    accepted = keep_one_of_each(checked.where("status = 'valid'"), partitions).persist()
    try:
        found = {row["status"]: row["count"] for row in checked.groupBy("status").count().collect()}
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

        for status, base in [("dead_letter", args.dead_letter), ("rejected", args.errors)]:
            failed = checked.where(F.col("status") == status).select("line", "reason")
            one_file(failed, ["line"]).json(place(base, hour))
        far = anomalies(accepted, figures).persist()
        for name, frame, order in [
            ("user-activity", user_activity(accepted), ["user_id"]),
            ("hourly-trends", hourly_trends(spark, hour, figures), ["hour"]),
            ("anomalies", far, ["event_id"]),
        ]:
            one_file(frame, order).parquet(place(args.output, hour) + name, compression="snappy")
        counts["anomalies"] = far.count()
        far.unpersist()
        return counts
    finally:
        accepted.unpersist()
        checked.unpersist()


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


def parse_args(argv):
    parser = argparse.ArgumentParser(description="Validates and aggregates hours of raw events.")
    parser.add_argument("--input", required=True, metavar="URI", help="raw events, partitioned by hour")
    parser.add_argument("--output", required=True, metavar="URI", help="results, Parquet")
    parser.add_argument("--errors", required=True, metavar="URI", help="records that break a rule, with the reason")
    parser.add_argument("--dead-letter", required=True, metavar="URI", help="lines that do not fit the schema")
    parser.add_argument("--hours", required=True, type=parse_hours, help="2013-01-15T10, a comma list, or first..last")
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
