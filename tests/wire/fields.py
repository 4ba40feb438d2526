"""The fields of a kind, as `pipeline schema` publishes them."""

import re

#: Fields that every kind has and that the engine looks after.
ENGINE = {"kind", "depends_on", "protect", "ignore"}
#: Documents that are compared as a whole.
DOCUMENTS = {"Policy", "Trust"}


def fields(schema: dict, kind: str) -> dict[str, object]:
    """Each field's path, `*` standing for any key or index, and its default."""
    found: dict[str, object] = {}
    for name, node in schema["$defs"][kind]["properties"].items():
        if name not in ENGINE:
            _walk(schema, node, name, (), found)
    return found


def _walk(schema: dict, node: dict, path: str, above: tuple, found: dict) -> None:
    default = node.get("default", ...)
    reference = node.get("$ref", "").removeprefix("#/$defs/")
    if reference in ("variable", "reference"):
        return
    if reference:
        if reference in above or reference.split(".")[-1] in DOCUMENTS:
            found[path] = default
            return
        above = (*above, reference)
        node = schema["$defs"][reference]
    choices = node.get("anyOf", []) + node.get("oneOf", [])
    if choices:
        for choice in choices:
            _walk(schema, choice, path, above, found)
    elif "properties" in node or isinstance(node.get("additionalProperties"), dict):
        below = dict(node.get("properties", {}))
        if isinstance(node.get("additionalProperties"), dict):
            below["*"] = node["additionalProperties"]
        for name, each in below.items():
            _walk(schema, each, f"{path}.{name}", above, found)
    elif _is_structure(schema, node.get("items")):
        _walk(schema, node["items"], f"{path}.*", above, found)
    elif node.get("type") != "null":
        found.setdefault(path, default)


def _is_structure(schema: dict, items: dict | None) -> bool:
    if items and "$ref" in items:
        items = schema["$defs"][items["$ref"].removeprefix("#/$defs/")]
    return bool(items and "properties" in items)


def covers(field: str, path: str) -> bool:
    """Whether a path of a plan is this field's, or lies below it."""
    pattern = re.escape(field).replace(r"\*", ".+")
    return re.fullmatch(pattern + r"(\..*)?", path) is not None


def written(value, path: str = ""):
    """The paths of a blueprint's values, and the values."""
    yield path, value
    if isinstance(value, dict):
        for key, each in value.items():
            yield from written(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from written(each, f"{path}.{index}")


def drop(value: dict, field: str) -> None:
    """Takes a field out of a blueprint's resource."""
    first, _, rest = field.partition(".")
    for key in list(value) if first == "*" else [first]:
        if not isinstance(value, dict) or key not in value:
            continue
        if rest and isinstance(value[key], dict):
            drop(value[key], rest)
        elif not rest:
            del value[key]
