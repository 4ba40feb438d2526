"""`s3-folder`"""

from case import OTHER_TAGS, TAGS, Aws, Case, Change, change, make_bucket, without

KIND = "s3-folder"
UNREACHABLE = {
    "bucket": "it is part of the identity",
    "prefix": "it is part of the identity",
    "source": "it is a folder beside the blueprint; its files show as `files`",
}
SETTLED = {"bucket": "it is part of the identity", "prefix": "it is part of the identity"}
BUCKET = "wire-folders"
PREFIX = "jobs/"


def _keys(aws: Aws) -> list[str]:
    listed = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX).get("Contents", [])
    return [each["Key"] for each in listed]


def _look(aws: Aws):
    heads = {key: aws.s3.head_object(Bucket=BUCKET, Key=key) for key in _keys(aws)}
    return without(heads, "LastModified", "ResponseMetadata")


def _rewrite(*paths: str, files=("clean.py", "lib/words.py"), body=b"x", **entries) -> Change:
    """Another client puts files again, with some of their metadata otherwise."""

    @change(*paths)
    def make(aws: Aws) -> None:
        for file in files:
            key = {"Bucket": BUCKET, "Key": PREFIX + file}
            metadata = aws.s3.head_object(**key)["Metadata"]
            for entry, edit in entries.items():
                name = entry.replace("_", "-")
                metadata[name] = edit(metadata[name])
            aws.s3.put_object(**key, Body=body, Metadata=metadata)

    return make


def _delete(aws: Aws) -> None:
    for key in _keys(aws):
        aws.s3.delete_object(Bucket=BUCKET, Key=key)


CASES = [
    Case(
        "all",
        files={
            "one/clean.py": "# clean\n",
            "one/lib/words.py": "# words\n",
            "two/clean.py": "# other\n",
            "two/new.py": "# new\n",
        },
        resources={
            "subject": {
                "kind": KIND,
                "bucket": BUCKET,
                "prefix": PREFIX,
                "source": "one",
                "tags": TAGS,
            },
        },
        other={"source": "two", "tags": OTHER_TAGS},
        shows={"source": "files"},
        changes=[
            _rewrite("files.clean.py", files=["clean.py"], pipeline_sha256=lambda _hash: "ab" * 32),
            change("files.lib/words.py")(
                lambda aws: aws.s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}lib/words.py")
            ),
            _rewrite(
                "tags.team",
                files=["clean.py"],
                pipeline_tags=lambda tags: tags.replace("team=data", "team=other"),
            ),
            _rewrite("tags.stage", pipeline_tags=lambda tags: tags.replace("stage=wire&", "")),
            _rewrite("tags.intruder", pipeline_tags=lambda tags: tags + "&intruder=yes"),
        ],
        look=_look,
        before=make_bucket(BUCKET),
        delete=_delete,
    )
]
