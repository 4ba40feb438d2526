"""Compares what streaming_processor.py wrote with what figures.py expects, value by value.

    python compare.py --expected figures.json --output DIR --errors DIR --dead-letter DIR

Prints every difference as `hour output key: what`, then what was compared. Exit code 1 on any difference, and also if there
was nothing to compare. Floats may differ by 1e-9. Needs pyarrow.
"""

import argparse
import collections
import datetime
import json
import pathlib
import sys

import pyarrow
import pyarrow.parquet

TOLERANCE = 1e-9
TIME = pyarrow.timestamp("us", tz="UTC")
TEXT, COUNT, FLOAT = pyarrow.string(), pyarrow.int64(), pyarrow.float64()

# directory: (key column, all columns with their types)
SCHEMAS = {
    "user-activity": (
        "user_id",
        {
            "user_id": TEXT,
            "events": COUNT,
            "sessions": COUNT,
            "value_sum": FLOAT,
            "value_mean": FLOAT,
            "last_activity": TIME,
        },
    ),
    "hourly-trends": ("hour", {"hour": TEXT, "events": COUNT, "users": COUNT, "value_sum": FLOAT}),
    "anomalies": (
        "event_id",
        {
            "event_id": TEXT,
            "user_id": TEXT,
            "session_id": TEXT,
            "event_type": TEXT,
            "value": FLOAT,
            "timestamp": TIME,
            "z_score": FLOAT,
        },
    ),
}


class Comparison:
    def __init__(self):
        self.differences = []
        self.compared = collections.Counter()

    def differ(self, hour, output, key, what):
        self.differences.append(f"{hour} {output} {key}: {what}")

    # -- files

    def data_files(self, hour, output, directory):
        files = [] if not directory.is_dir() else [f for f in sorted(directory.iterdir()) if f.is_file() and f.name[0] not in "._"]
        self.compared["files"] += len(files)
        if len(files) != 1:
            self.differ(hour, output, "-", f"expected one file, found {len(files)} in {directory}")
        return files

    def rows(self, hour, output, directory):
        """The rows of a Parquet output as {key: row}, or None where it cannot be read as what it should be."""
        key, columns = SCHEMAS[output]
        rows, readable = {}, False
        for file in self.data_files(hour, output, directory):
            if file.suffix != ".parquet":
                self.differ(hour, output, "-", f"{file.name} is not a Parquet file")
                continue
            with pyarrow.parquet.ParquetFile(file) as parquet:
                table, metadata = parquet.read(), parquet.metadata
            found = {field.name: field.type for field in table.schema}
            if list(found.items()) != list(columns.items()):
                expected = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                self.differ(hour, output, "-", "columns: expected {}, found {}".format(
                    expected, ", ".join(f"{name} {kind}" for name, kind in found.items())))
                continue
            readable = True
            for group in range(metadata.num_row_groups):
                for column in range(metadata.num_columns):
                    compression = metadata.row_group(group).column(column).compression
                    if compression != "SNAPPY":
                        self.differ(hour, output, "-", f"{file.name}: {compression}, not SNAPPY")
            for row in table.to_pylist():
                if row[key] in rows:
                    self.differ(hour, output, row[key], "more than one row")
                rows[row[key]] = row
        return rows if readable else None

    def failures(self, hour, output, directory):
        found = collections.Counter()
        for file in self.data_files(hour, output, directory):
            for line in file.read_bytes().split(b"\n"):
                if not line:
                    continue
                try:
                    row = json.loads(line)
                    if sorted(row) != ["line", "reason"]:
                        raise ValueError
                    found[row["line"], row["reason"]] += 1
                except (ValueError, TypeError):
                    self.differ(hour, output, "-", f"{file.name}: not {{line, reason}}: {line!r}")
        return found

    # -- values

    def value(self, hour, output, key, column, expected, found):
        self.compared["values"] += 1
        if isinstance(found, datetime.datetime):
            found = found.astimezone(datetime.timezone.utc).isoformat()
        if isinstance(expected, float) and isinstance(found, float):
            same = abs(expected - found) <= TOLERANCE
        else:
            same = type(expected) is type(found) and expected == found
        if not same:
            self.differ(hour, output, key, f"{column}: expected {expected!r}, found {found!r}")

    def table(self, hour, output, expected, directory):
        found = self.rows(hour, output, directory)
        if found is None:
            return
        key_column, columns = SCHEMAS[output]
        for key in sorted(set(expected) | set(found), key=str):
            self.compared["rows"] += 1
            if key not in found:
                self.differ(hour, output, key, "row is missing")
            elif key not in expected:
                self.differ(hour, output, key, "row is not expected")
            else:
                for column in columns:
                    if column != key_column:
                        self.value(hour, output, key, column, expected[key][column], found[key][column])

    def lines(self, hour, output, expected, directory):
        wanted = collections.Counter((row["line"], row["reason"]) for row in expected)
        found = self.failures(hour, output, directory)
        self.compared["lines"] += sum((wanted | found).values())
        for line, reason in sorted((wanted - found).elements()):
            self.differ(hour, output, line, f"missing, with reason {reason!r}")
        for line, reason in sorted((found - wanted).elements()):
            self.differ(hour, output, line, f"not expected, with reason {reason!r}")

    # -- all

    def hour(self, hour, figures, output, errors, dead_letter):
        self.compared["hours"] += 1
        sums = figures["accepted"] + figures["duplicates"] + len(figures["rejected"]) + len(figures["dead_letter"])
        if figures["read"] != sums:
            self.differ(hour, "figures", "read", f"{figures['read']} lines read but {sums} accounted for")
        self.table(hour, "user-activity", figures["user_activity"], output / place(hour) / "user-activity")
        self.table(hour, "hourly-trends", {hour: figures["hourly_trends"]}, output / place(hour) / "hourly-trends")
        self.table(hour, "anomalies", figures["anomalies"], output / place(hour) / "anomalies")
        self.lines(hour, "error-data", figures["rejected"], errors / place(hour))
        self.lines(hour, "dead-letter", figures["dead_letter"] + figures["broken_objects"], dead_letter / place(hour))

    def nothing_else(self, expected, base, name, inside=()):
        """No hour that is not expected, and no directory in an hour but those that belong there."""
        for directory in sorted(base.glob("year=*/month=*/day=*/hour=*")):
            year, month, day, clock = (part.partition("=")[2] for part in directory.parts[-4:])
            hour = f"{year}-{month}-{day}T{clock}"
            if hour not in expected:
                self.differ(hour, name, "-", f"the hour is not expected: {directory}")
            for entry in sorted(directory.iterdir()):
                if inside and entry.name not in inside or not inside and entry.is_dir():
                    self.differ(hour, name, "-", f"does not belong here: {entry}")


def place(hour):
    return "year={}/month={}/day={}/hour={}".format(hour[:4], hour[5:7], hour[8:10], hour[11:13])


def compare(expected, output, errors, dead_letter):
    """A Comparison of {hour: figures} with three directories."""
    output, errors, dead_letter = pathlib.Path(output), pathlib.Path(errors), pathlib.Path(dead_letter)
    comparison = Comparison()
    for hour, figures in sorted(expected.items()):
        comparison.hour(hour, figures, output, errors, dead_letter)
    comparison.nothing_else(expected, output, "processed-data", inside=tuple(SCHEMAS))
    comparison.nothing_else(expected, errors, "error-data")
    comparison.nothing_else(expected, dead_letter, "dead-letter")
    return comparison


def main(argv):
    parser = argparse.ArgumentParser(description="Compares the job's output with figures.py.")
    parser.add_argument("--expected", required=True, metavar="FILE", help="what figures.py printed")
    for name in ("--output", "--errors", "--dead-letter"):
        parser.add_argument(name, required=True, metavar="DIR")
    arguments = parser.parse_args(argv)
    with open(arguments.expected, encoding="utf-8") as file:
        expected = json.load(file)
    comparison = compare(expected, arguments.output, arguments.errors, arguments.dead_letter)
    for difference in comparison.differences:
        print(difference)
    counts = ", ".join(f"{comparison.compared[what]} {what}" for what in ("hours", "files", "rows", "values", "lines"))
    print(f"compared {counts}: {len(comparison.differences)} differences")
    if not comparison.compared["values"]:
        print("error: nothing was compared")
        return 1
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
