"""Glue's catalog."""

import uuid

from ministack.core.responses import error_response_json
from ministack.services import glue

from patching import wrap

_EVERYONE = [{"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}]
_TABLE_FIELDS = (
    "Description",
    "Owner",
    "StorageDescriptor",
    "PartitionKeys",
    "TableType",
    "Parameters",
    "ViewOriginalText",
    "ViewExpandedText",
)


def _lower(data):
    """AWS lower-cases the names of databases and tables; ministack keeps them as written."""
    data = dict(data)
    for key in ("DatabaseName", "Name"):
        if isinstance(data.get(key), str):
            data[key] = data[key].lower()
    for key in ("DatabaseInput", "TableInput"):
        if isinstance(data.get(key), dict):
            data[key] = _lower(data[key])
    return data


def _lower_names(name: str) -> None:
    @wrap(glue, name)
    def lowered(operate, data):
        return operate(_lower(data))


@wrap(glue, "_create_database")
def fill_new_database(create, data):
    """AWS opens new databases to IAM_ALLOWED_PRINCIPALS and stores the description only when there is one."""
    response = create(data)
    if response[0] == 200:
        _write_database(glue._databases[data["DatabaseInput"]["Name"]], data["DatabaseInput"])
    return response


@wrap(glue, "_update_database")
def replace_database(update, data):
    """AWS replaces the whole input; ministack keeps what the update leaves out."""
    response = update(data)
    if response[0] == 200:
        _write_database(glue._databases[data["Name"]], data["DatabaseInput"])
    return response


def _write_database(database, sent):
    for key in ("Description", "LocationUri", "Parameters"):
        database.pop(key, None)
        if sent.get(key):
            database[key] = sent[key]
    database["CreateTableDefaultPermissions"] = sent.get("CreateTableDefaultPermissions", _EVERYONE)
    if sent.get("TargetDatabase"):
        database["TargetDatabase"] = sent["TargetDatabase"]


@wrap(glue, "_create_table")
def fill_new_table(create, data):
    """AWS reports a retention of 0 and no empty description, and makes an Iceberg table's first metadata file."""
    response = create(data)
    if response[0] == 200:
        _write_table(data)
        if (data.get("OpenTableFormatInput") or {}).get("IcebergInput"):
            _begin_iceberg(glue._tables[f"{data['DatabaseName']}/{data['TableInput']['Name']}"])
    return response


def _begin_iceberg(table):
    """The catalog's half of it: there is no file behind `metadata_location` here."""
    folder = table["StorageDescriptor"].get("Location", "").rstrip("/")
    table["Parameters"] = {
        **table["Parameters"],
        "table_type": "ICEBERG",
        "metadata_location": f"{folder}/metadata/00000-{uuid.uuid4()}.metadata.json",
    }


@wrap(glue, "_update_table")
def replace_table(update, data):
    """AWS replaces the whole input; ministack keeps what the update leaves out."""
    response = update(data)
    if response[0] == 200:
        _write_table(data)
    return response


def _write_table(data):
    sent = data["TableInput"]
    table = glue._tables[f"{data['DatabaseName']}/{sent['Name']}"]
    for key in _TABLE_FIELDS:
        table.pop(key, None)
        if key in sent:
            table[key] = sent[key]
    table.setdefault("StorageDescriptor", {})
    table.setdefault("PartitionKeys", [])
    table.setdefault("Parameters", {})
    table["Retention"] = sent.get("Retention") or 0
    if sent.get("TargetTable"):
        table["TargetTable"] = sent["TargetTable"]


@wrap(glue, "_get_tables")
def tables_of_no_database(get, data):
    """AWS refuses a database that does not exist; ministack lists no tables."""
    if data.get("DatabaseName") not in glue._databases:
        return error_response_json(
            "EntityNotFoundException", f"Database {data.get('DatabaseName')} not found.", 400
        )
    return get(data)


for _operation in ("_create_database", "_update_database", "_get_database", "_delete_database"):
    _lower_names(_operation)
for _operation in ("_create_table", "_update_table", "_get_table", "_get_tables", "_delete_table"):
    _lower_names(_operation)
