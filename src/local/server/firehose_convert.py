"""Firehose's format conversion: JSON records into Parquet or ORC, by the columns of a Glue table."""

from ministack.core.responses import get_account_id, get_region
from ministack.services import glue

from firehose_hive import Mismatch, cast, parse
from firehose_prefix import converts_to
from firehose_record import Record, Refused, documents

_FOLDER = "format-conversion-failed"
_CODES = {"SNAPPY": "snappy", "GZIP": "gzip", "ZLIB": "zlib", "NONE": "uncompressed", "UNCOMPRESSED": "uncompressed"}


def convert(stream: dict, config: dict, records: list[Record], refuse) -> list[Record]:
    """Gives each record the row that it makes; those that make none are refused."""
    conversion = config["DataFormatConversionConfiguration"]
    columns = _columns(conversion)
    made = []
    for record in records:
        try:
            if not columns:
                raise _refused(conversion, "EntityNotFound", "The specified table/database could not be found.")
            made += [
                Record(record.arrived, record.data, record.keys, _row(conversion, columns, document))
                for document in _documents(conversion, record.data)
            ]
        except Refused as refused:
            refuse(record, refused)
    return made


def write(config: dict, records: list[Record]) -> bytes:
    """One object of the records' rows."""
    import pyarrow  # only here: it takes a while and much memory
    from firehose_hive import arrow

    conversion = config["DataFormatConversionConfiguration"]
    serializer = converts_to(config)
    options = conversion["OutputFormatConfiguration"]["Serializer"][serializer] or {}
    compression = _CODES.get(options.get("Compression") or "SNAPPY", "snappy")
    columns = _columns(conversion)
    schema = pyarrow.schema([(name, arrow(kind)) for name, kind in columns])
    table = pyarrow.Table.from_pylist([record.row for record in records], schema=schema)
    sink = pyarrow.BufferOutputStream()
    if serializer == "OrcSerDe":
        from pyarrow import orc

        orc.write_table(table, sink, compression=compression)
    else:
        from pyarrow import parquet

        parquet.write_table(table, sink, compression="none" if compression == "uncompressed" else compression)
    return sink.getvalue().to_pybytes()


def _columns(conversion: dict) -> list[tuple[str, tuple]]:
    schema = conversion.get("SchemaConfiguration") or {}
    table = glue._tables.get(f"{schema.get('DatabaseName', '')}/{schema.get('TableName', '')}") or {}
    columns = (table.get("StorageDescriptor") or {}).get("Columns") or []
    return [(column["Name"], parse(column.get("Type", "string"))) for column in columns]


def _documents(conversion: dict, data: bytes) -> list[dict]:
    """The objects of a record: one, or several in a row."""
    try:
        found = [document for document, _ in documents(data.decode())]
    except ValueError:
        raise _refused(conversion, "ParseError", "Encountered malformed JSON.") from None
    if not found or not all(isinstance(document, dict) for document in found):
        message = "The top level of the input JSON must be an object."
        raise _refused(conversion, "MalformedData", message if found else "The record was empty.")
    return found


def _row(conversion: dict, columns: list, document: dict) -> dict:
    reader = ((conversion.get("InputFormatConfiguration") or {}).get("Deserializer") or {})
    options = reader.get("OpenXJsonSerDe") or {}
    lower = options.get("CaseInsensitive", True)
    if options.get("ConvertDotsInJsonKeysToUnderscores"):
        document = {key.replace(".", "_"): value for key, value in document.items()}
    if lower:
        document = {key.lower(): value for key, value in document.items()}
    mapped = options.get("ColumnToJsonKeyMappings") or {}
    try:
        return {name: cast(kind, document.get(_key(mapped.get(name, name), lower))) for name, kind in columns}
    except Mismatch as error:
        raise _refused(conversion, "MalformedData", f"Data does not match the schema. {error}") from None


def _key(name: str, lower: bool) -> str:
    return name.lower() if lower else name


def _refused(conversion: dict, code: str, message: str) -> Refused:
    schema = conversion.get("SchemaConfiguration") or {}
    table = {
        "catalogId": schema.get("CatalogId") or get_account_id(),
        "databaseName": schema.get("DatabaseName"),
        "tableName": schema.get("TableName"),
        "region": schema.get("Region") or get_region(),
        "versionId": schema.get("VersionId", "LATEST"),
    }
    return Refused(_FOLDER, f"DataFormatConversion.{code}", message, dataCatalogTable=table)
