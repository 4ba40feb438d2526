"""`glue-table`"""

from collections.abc import Callable

from case import OTHER_TAGS, TAGS, Aws, Case, Change, change, without

KIND = "glue-table"
UNREACHABLE = {
    "name": "it is part of the identity",
    "database": "it is part of the identity",
}
SETTLED = {**UNREACHABLE, "open_table_format": "another one is another table"}
SENT = (
    "Name Description Owner Retention StorageDescriptor PartitionKeys ViewOriginalText"
    " ViewExpandedText TableType Parameters TargetTable"
).split()
TEXT = "org.apache.hadoop.mapred.TextInputFormat"
TEXT_OUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
SEQUENCE = "org.apache.hadoop.mapred.SequenceFileInputFormat"
SEQUENCE_OUT = "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat"
LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
REGEX = "org.apache.hadoop.hive.serde2.RegexSerDe"
ORC = "org.apache.hadoop.hive.ql.io.orc.Orc"
ORC_CLASSES = (f"{ORC}InputFormat", f"{ORC}OutputFormat", f"{ORC}Serde")


def _database(name: str) -> str:
    """Each table has its own."""
    return f"wire_{name}_tables"


def _held(aws: Aws, name: str) -> dict:
    return aws.glue.get_table(DatabaseName=_database(name), Name=name)["Table"]


def _look(name: str):
    return lambda aws: _without_moving(_held(aws, name))


def _without_moving(table: dict):
    # Not `without`, which sorts the columns.
    moving = {"CreateTime", "UpdateTime", "VersionId"}
    return {key: value for key, value in table.items() if key not in moving}


def _delete(name: str):
    return lambda aws: aws.glue.delete_table(DatabaseName=_database(name), Name=name)


def _rewrite(name: str, *paths: str, replaces: bool = False):
    """An update overwrites everything, so the rest is sent as it is."""

    def decorate(edit: Callable[[dict], object]) -> Change:
        @change(*paths, replaces=replaces)
        def make(aws: Aws) -> None:
            held = _held(aws, name)
            table = {key: held[key] for key in SENT if key in held}
            edit(table)
            aws.glue.update_table(DatabaseName=_database(name), TableInput=table)

        return make

    return decorate


def _storage(edit: Callable[[dict], object]) -> Callable[[dict], object]:
    return lambda table: edit(table["StorageDescriptor"])


def _column(index: int, **fields) -> Callable[[dict], object]:
    return lambda table: table["StorageDescriptor"]["Columns"][index].update(fields)


def _as_orc(storage: dict) -> None:
    reader, writer, library = ORC_CLASSES
    storage.update(InputFormat=reader, OutputFormat=writer)
    storage["SerdeInfo"]["SerializationLibrary"] = library


def _parameter(key: str, value: str | None) -> Callable[[dict], object]:
    def edit(table: dict) -> None:
        table["Parameters"].pop(key, None)
        if value is not None:
            table["Parameters"][key] = value

    return edit


def _table(name: str, **fields) -> dict:
    table = {"kind": KIND, "database": "${lake.name}", "name": name, **fields}
    return {"lake": {"kind": "glue-database", "name": _database(name)}, "subject": table}


CASES = [
    Case(
        "by format",
        resources=_table(
            "plain",
            description="Events",
            location="s3://wire-lake/events/",
            format="csv",
            serde={"parameters": {"separatorChar": ";"}},
            columns=[
                {"name": "id", "type": "string", "comment": "Whose"},
                {"name": "value", "type": "array<struct<a:int,b:string>>"},
            ],
            partition_keys=[
                {"name": "year", "type": "int", "comment": "Of the event"},
                {"name": "month", "type": "int"},
            ],
            table_type="VIRTUAL_VIEW",
            parameters={"projection.enabled": "true", "mine": "1"},
            tags=TAGS,
        ),
        other={
            "description": "",
            "location": "s3://wire-lake/other/",
            "format": "parquet",
            "serde": {"parameters": {"other": "yes"}},
            "columns": [
                {"name": "key", "type": "bigint", "comment": "Which"},
                {"name": "value", "type": "double"},
                {"name": "new", "type": "string"},
            ],
            "partition_keys": [
                {"name": "day", "type": "string"},
                {"name": "hour", "type": "int", "comment": "Of the day"},
            ],
            "table_type": "EXTERNAL_TABLE",
            "parameters": {"projection.enabled": "false"},
            "tags": OTHER_TAGS,
        },
        changes=[
            _rewrite("plain", "description")(lambda table: table.update(Description="Mine")),
            _rewrite("plain", "description")(lambda table: table.pop("Description")),
            _rewrite("plain", "columns.0.name")(_column(0, Name="key")),
            _rewrite("plain", "columns.1.type")(_column(1, Type="double")),
            _rewrite("plain", "columns.0.comment")(_column(0, Comment="Mine")),
            _rewrite("plain", "columns")(
                _storage(lambda held: held["Columns"].append({"Name": "new", "Type": "int"}))
            ),
            _rewrite("plain", "partition_keys.1.name")(
                lambda table: table["PartitionKeys"][1].update(Name="day")
            ),
            _rewrite("plain", "partition_keys.0.type")(
                lambda table: table["PartitionKeys"][0].update(Type="string")
            ),
            _rewrite("plain", "partition_keys.0.comment")(
                lambda table: table["PartitionKeys"][0].update(Comment="Mine")
            ),
            _rewrite("plain", "partition_keys")(lambda table: table["PartitionKeys"].pop()),
            _rewrite("plain", "location")(
                _storage(lambda held: held.update(Location="s3://wire-lake/moved/"))
            ),
            _rewrite("plain", "format")(_storage(_as_orc)),
            _rewrite("plain", "serde.parameters.separatorChar")(
                _storage(lambda held: held["SerdeInfo"]["Parameters"].update(separatorChar="|"))
            ),
            _rewrite("plain", "serde.parameters.intruder")(
                _storage(lambda held: held["SerdeInfo"]["Parameters"].update(intruder="yes"))
            ),
            _rewrite("plain", "table_type")(
                lambda table: table.update(TableType="EXTERNAL_TABLE")
            ),
            _rewrite("plain", "parameters.projection.enabled")(
                _parameter("projection.enabled", "false")
            ),
            _rewrite("plain", "parameters.mine")(_parameter("mine", None)),
            _rewrite("plain", "parameters.intruder")(_parameter("intruder", "yes")),
            _rewrite("plain", "tags.team")(_parameter("pipeline:tag:team", "other")),
            _rewrite("plain", "tags.stage")(_parameter("pipeline:tag:stage", None)),
            _rewrite("plain", "tags.intruder")(_parameter("pipeline:tag:intruder", "yes")),
            _rewrite("plain", "open_table_format", replaces=True)(
                _parameter("table_type", "ICEBERG")
            ),
        ],
        look=_look("plain"),
        disown=_rewrite("plain")(_parameter("pipeline:owner", None)).make,
        delete=_delete("plain"),
    ),
    Case(
        "by classes",
        resources=_table(
            "classes",
            location="s3://wire-lake/classes/",
            input_format=SEQUENCE,
            output_format=SEQUENCE_OUT,
            serde={"library": LAZY, "parameters": {"field.delim": ","}},
            columns=[{"name": "id", "type": "string"}],
        ),
        other={
            "input_format": TEXT,
            "output_format": TEXT_OUT,
            "serde": {"library": REGEX, "parameters": {"input.regex": "(.*)"}},
        },
        changes=[
            _rewrite("classes", "input_format")(
                _storage(lambda held: held.update(InputFormat=TEXT))
            ),
            _rewrite("classes", "output_format")(
                _storage(lambda held: held.update(OutputFormat=TEXT_OUT))
            ),
            _rewrite("classes", "serde.library")(
                _storage(lambda held: held["SerdeInfo"].update(SerializationLibrary=REGEX))
            ),
            _rewrite("classes", "serde.parameters.field.delim")(
                _storage(lambda held: held["SerdeInfo"].update(Parameters={"field.delim": ";"}))
            ),
        ],
        look=_look("classes"),
        delete=_delete("classes"),
    ),
    Case(
        "iceberg",
        resources=_table(
            "frozen",
            description="Frozen",
            location="s3://wire-lake/frozen/",
            open_table_format="iceberg",
            columns=[{"name": "id", "type": "bigint"}],
            tags=TAGS,
        ),
        other={"description": "Thawed", "tags": OTHER_TAGS},
        changes=[
            _rewrite("frozen", "description")(lambda table: table.update(Description="Mine")),
            _rewrite("frozen", "tags.team")(_parameter("pipeline:tag:team", "other")),
            _rewrite("frozen", "open_table_format", replaces=True)(_parameter("table_type", None)),
        ],
        look=_look("frozen"),
        delete=_delete("frozen"),
    ),
]
