"""`s3-object`"""

from case import OTHER_TAGS, TAGS, Aws, Case, Change, change, make_bucket, without

KIND = "s3-object"
UNREACHABLE = {
    "bucket": "it is part of the identity",
    "key": "it is part of the identity",
    "source": "it is a file beside the blueprint; its content shows as `sha256`",
    "content": "it shows as `sha256`",
}
SETTLED = {"bucket": "it is part of the identity", "key": "it is part of the identity"}
BUCKET = "wire-objects"
KEY = "jobs/clean.py"


def _head(aws: Aws) -> dict:
    return aws.s3.head_object(Bucket=BUCKET, Key=KEY)


def _look(aws: Aws):
    body = aws.s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read().decode()
    return without({"head": _head(aws), "body": body}, "LastModified", "ResponseMetadata")


def _rewrite(path: str, body: str = "# clean\n", kind: str = "text/x-python", **entries) -> Change:
    """Another client puts the object again, with some of the metadata otherwise."""

    @change(path)
    def make(aws: Aws) -> None:
        metadata = _head(aws)["Metadata"]
        for entry, edit in entries.items():
            name = entry.replace("_", "-")
            metadata[name] = edit(metadata[name])
        aws.s3.put_object(
            Bucket=BUCKET, Key=KEY, Body=body.encode(), Metadata=metadata, ContentType=kind
        )

    return make


CASES = [
    Case(
        "all",
        files={"clean.py": "# clean\n", "other.py": "# other\n"},
        resources={
            "subject": {
                "kind": KIND,
                "bucket": BUCKET,
                "key": KEY,
                "source": "clean.py",
                "content_type": "text/x-python",
                "tags": TAGS,
            },
        },
        other={"source": "other.py", "content_type": "text/plain", "tags": OTHER_TAGS},
        shows={"source": "sha256"},
        changes=[
            _rewrite("sha256", body="# mine\n", pipeline_sha256=lambda _hash: "ab" * 32),
            _rewrite("content_type", kind="application/octet-stream"),
            _rewrite("tags.team", pipeline_tags=lambda tags: tags.replace("=data", "=other")),
            _rewrite("tags.stage", pipeline_tags=lambda tags: tags.replace("stage=wire&", "")),
            _rewrite("tags.intruder", pipeline_tags=lambda tags: tags + "&intruder=yes"),
        ],
        look=_look,
        before=make_bucket(BUCKET),
        # Whoever puts the object over ours does not say that it is ours.
        disown=lambda aws: aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"# theirs\n"),
        delete=lambda aws: aws.s3.delete_object(Bucket=BUCKET, Key=KEY),
    ),
    Case(
        "text",
        resources={
            "subject": {
                "kind": KIND,
                "bucket": BUCKET,
                "key": "text.json",
                "content": '{"group": "${log.arn}"}',
            },
            "log": {"kind": "log-group", "name": "wire-objects-text"},
        },
        other={"content": '{"group": "${log.name}"}'},
        shows={"content": "sha256"},
        before=make_bucket(BUCKET),
        delete=lambda aws: aws.s3.delete_object(Bucket=BUCKET, Key="text.json"),
    ),
]
