"""The types of Hive that a Glue table's columns have: as Firehose reads JSON into them and writes them with Arrow."""

import datetime
import decimal
import json

_SPLITS = "<(", ">)"
_INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "integer": 32, "bigint": 64}


class Mismatch(Exception):
    """A value that is not of its column's type."""


def parse(text: str) -> tuple:
    """A type as a tuple: its name, then the types or numbers within it."""
    text = text.strip()
    name, opening, rest = text.lower(), "", ""
    for mark in _SPLITS[0]:
        if mark in text:
            at = text.index(mark)
            if not opening or at < len(name):
                name, opening, rest = text[:at].lower().strip(), mark, text[at + 1 : -1]
    if not opening:
        return (name,)
    parts = _parts(rest)
    if name == "struct":
        fields = [part.split(":", 1) for part in parts]
        return (name, *((field.strip(), parse(kind)) for field, kind in fields))
    if opening == "<":
        return (name, *(parse(part) for part in parts))
    return (name, *(int(part) for part in parts))


def _parts(text: str) -> list[str]:
    """What commas separate outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in _SPLITS[0]) - (letter in _SPLITS[1])
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def cast(kind: tuple, value):
    """A JSON value as its column wants it."""
    if value is None:
        return None
    try:
        return _cast(kind, value)
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise Mismatch(f"{value!r} is not of type {kind[0]}") from error


def _cast(kind: tuple, value):
    name = kind[0]
    if name in _INTEGERS:
        return _integer(name, value)
    if name in ("float", "double"):
        return float(_plain(value))
    if name == "boolean":
        return {"true": True, "false": False}[str(value).lower()] if not isinstance(value, bool) else value
    if name == "decimal":
        precision, scale = (*kind[1:], 10, 0)[:2] if len(kind) > 1 else (10, 0)
        number = decimal.Decimal(str(_plain(value))).quantize(decimal.Decimal(1).scaleb(-scale))
        if len(number.as_tuple().digits) > precision:
            raise ValueError(value)
        return number
    if name == "timestamp":
        return _moment(value)
    if name == "date":
        return datetime.date.fromisoformat(value)
    if name == "binary":
        return value.encode()
    if name == "array":
        return [cast(kind[1], one) for one in _of(list, value)]
    if name == "map":
        return [(cast(kind[1], key), cast(kind[2], one)) for key, one in _of(dict, value).items()]
    if name == "struct":
        lower = {key.lower(): one for key, one in _of(dict, value).items()}
        return {field: cast(inner, lower.get(field.lower())) for field, inner in kind[1:]}
    return value if isinstance(value, str) else json.dumps(value)


def _of(wanted: type, value):
    if not isinstance(value, wanted):
        raise TypeError(value)
    return value


def _plain(value):
    if isinstance(value, bool | list | dict):
        raise TypeError(value)
    return value


def _integer(name: str, value) -> int:
    number = int(_plain(value))
    if isinstance(value, float) and number != value:
        raise ValueError(value)
    if not -(1 << _INTEGERS[name] - 1) <= number < 1 << _INTEGERS[name] - 1:
        raise OverflowError(value)
    return number


def _moment(value) -> datetime.datetime:
    """ISO 8601 or JDBC's form, or milliseconds since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.datetime.fromtimestamp(value / 1000, datetime.timezone.utc).replace(tzinfo=None)
    moment = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return moment.astimezone(datetime.timezone.utc).replace(tzinfo=None) if moment.tzinfo else moment


def arrow(kind: tuple):
    """The type in Arrow."""
    import pyarrow as pa

    name = kind[0]
    simple = {
        "float": pa.float32(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("ms"),
        "date": pa.date32(),
        "binary": pa.binary(),
    }
    if name in _INTEGERS:
        return getattr(pa, f"int{_INTEGERS[name]}")()
    if name == "decimal":
        return pa.decimal128(*((*kind[1:], 0)[:2] if len(kind) > 1 else (10, 0)))
    if name == "array":
        return pa.list_(arrow(kind[1]))
    if name == "map":
        return pa.map_(arrow(kind[1]), arrow(kind[2]))
    if name == "struct":
        return pa.struct([(field, arrow(inner)) for field, inner in kind[1:]])
    return simple.get(name, pa.string())
