"""`glue-database`"""

from case import OTHER_TAGS, OWNER_TAG, TAGS, Aws, Case, Change, change, tag_changes, without

KIND = "glue-database"
UNREACHABLE = {"name": "it is the identity"}
SETTLED = UNREACHABLE
NAME = "wire_database"
SENT = ("Name", "Description", "LocationUri", "Parameters", "CreateTableDefaultPermissions")


def _rewrite(path: str, **sent) -> Change:
    """An update overwrites everything, so the rest is sent as it is."""

    @change(path)
    def make(aws: Aws) -> None:
        found = aws.glue.get_database(Name=NAME)["Database"]
        held = {key: found[key] for key in SENT if key in found}
        for key, value in sent.items():
            held[key] = value(held.get(key)) if callable(value) else value
        written = {key: value for key, value in held.items() if value is not None}
        aws.glue.update_database(Name=NAME, DatabaseInput=written)

    return make


def _arn(aws: Aws) -> str:
    return aws.arn("glue", f"database/{NAME}")


def _tag(aws: Aws, tags: dict) -> None:
    aws.glue.tag_resource(ResourceArn=_arn(aws), TagsToAdd=tags)


def _untag(aws: Aws, keys: list) -> None:
    aws.glue.untag_resource(ResourceArn=_arn(aws), TagsToRemove=keys)


def _look(aws: Aws):
    told = aws.glue.get_database(Name=NAME)["Database"]
    tags = aws.glue.get_tags(ResourceArn=_arn(aws))["Tags"]
    return without({"database": told, "tags": tags}, "CreateTime")


def _lost(key: str):
    return lambda parameters: {name: text for name, text in parameters.items() if name != key}


CASES = [
    Case(
        "all",
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "description": "The lake",
                "location": "s3://wire-lake/tables/",
                "parameters": {"stage": "wire", "owner": "data"},
                "tags": TAGS,
            },
        },
        other={
            "description": "",
            "location": "s3://wire-other/",
            "parameters": {"stage": "other"},
            "tags": OTHER_TAGS,
        },
        changes=[
            _rewrite("description", Description="Another"),
            _rewrite("description", Description=None),
            _rewrite("location", LocationUri="s3://wire-elsewhere/"),
            _rewrite("location", LocationUri=None),
            _rewrite("parameters.stage", Parameters=lambda held: {**held, "stage": "other"}),
            _rewrite("parameters.intruder", Parameters=lambda held: {**held, "intruder": "yes"}),
            _rewrite("parameters.owner", Parameters=_lost("owner")),
            *tag_changes(_tag, _untag),
        ],
        look=_look,
        disown=lambda aws: _untag(aws, [OWNER_TAG]),
        delete=lambda aws: aws.glue.delete_database(Name=NAME),
    )
]
