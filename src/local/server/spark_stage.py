"""The staged copy of S3 that a step works on: fetched before it, sent back after it.

No package registry has Hadoop's S3 connector, so Spark sees `s3://` paths through a mount table over this copy.
"""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

WHOLE_BUCKET_OBJECTS = 2000
_THREADS = 4
_URI = re.compile(r"s3[an]?://([a-z0-9][a-z0-9.\-]*[a-z0-9])(/[^\s\"'`,;|<>]*)?")
_PATTERN = re.compile(r"[*?\[{$\\].*")
_UNFINISHED = re.compile(r"(^|/)(_temporary|\.spark-staging[^/]*|\.hive-staging[^/]*)(/|$)")


@dataclass
class Stage:
    """A folder with one folder for each bucket, and what each held at first."""

    root: Path
    manifests: dict[str, dict[str, tuple]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def bucket_folder(self, bucket: str) -> Path:
        return self.root / bucket


def wanted(text: str, buckets: list[str]) -> dict[str, list[str]]:
    """The buckets a text speaks of, each with the prefixes it names; none when it names the bucket alone."""
    found: dict[str, list[str]] = {}
    for bucket, path in _URI.findall(text):
        if bucket in buckets:
            found.setdefault(bucket, []).append(_PATTERN.sub("", path.lstrip("/")))
    rest = _URI.sub(" ", text)
    for bucket in buckets:
        if re.search(rf"(?<![\w.\-]){re.escape(bucket)}(?![\w.\-])", rest):
            found.setdefault(bucket, []).append("")
    return {bucket: [] if "" in prefixes else sorted(set(prefixes)) for bucket, prefixes in found.items()}


def fetch(client, stage: Stage, places: dict[str, list[str]]) -> None:
    """Copies the buckets' objects into the stage."""
    for bucket, prefixes in places.items():
        folder = stage.bucket_folder(bucket)
        folder.mkdir(parents=True, exist_ok=True)
        keys = _keys(client, stage, bucket, prefixes)
        with ThreadPoolExecutor(_THREADS) as pool:
            copied = list(pool.map(lambda key: _fetch_object(client, stage, bucket, key), keys))
        stage.manifests[bucket] = {key: mark for key, mark in zip(keys, copied) if mark}


def _keys(client, stage: Stage, bucket: str, prefixes: list[str]) -> list[str]:
    """Every key of the bucket; of a big one only those under the prefixes, when there are any."""
    keys = _list(client, bucket, "")
    if len(keys) > WHOLE_BUCKET_OBJECTS and prefixes:
        stage.notes.append(
            f"s3://{bucket} holds {len(keys)} objects: only those under {', '.join(prefixes)} are here"
        )
        keys = [key for key in keys if key.startswith(tuple(prefixes))]
    return keys


def _list(client, bucket: str, prefix: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def _fetch_object(client, stage: Stage, bucket: str, key: str) -> tuple | None:
    path = _path(stage, bucket, key)
    if path is None:
        stage.notes.append(f"s3://{bucket}/{key} has no place in a file system and is left out")
        return None
    try:
        if key.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for chunk in client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
                file.write(chunk)
    except Exception as error:  # an archived object, or a key that is also a folder
        stage.notes.append(f"s3://{bucket}/{key} could not be read: {error}")
        if path.is_file():
            path.unlink()
        return None
    return _mark(path)


def _path(stage: Stage, bucket: str, key: str) -> Path | None:
    parts = key.rstrip("/").split("/")
    if any(part in ("", ".", "..") or len(part.encode()) > 250 for part in parts) or "\0" in key:
        return None
    return stage.bucket_folder(bucket).joinpath(*parts)


def _mark(path: Path) -> tuple:
    """What tells a file that was written again from one that was not."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def send(client, stage: Stage) -> list[str]:
    """Puts what is new or changed into S3 and deletes what is gone; says what it did."""
    done = []
    for bucket, manifest in stage.manifests.items():
        files = _files(stage.bucket_folder(bucket))
        changed = [key for key, path in files.items() if manifest.get(key) != _mark(path)]
        for key in sorted(changed, key=lambda key: (key.endswith("/_SUCCESS"), key)):
            with open(files[key], "rb") as body:
                client.put_object(Bucket=bucket, Key=key, Body=body)
            done.append(f"wrote s3://{bucket}/{key}")
        gone = [key for key in manifest if not _path(stage, bucket, key).is_file()]
        for key in sorted(gone):
            client.delete_object(Bucket=bucket, Key=key)
            done.append(f"deleted s3://{bucket}/{key}")
    return done


def _files(folder: Path) -> dict[str, Path]:
    """The files of a bucket's folder by key, less Hadoop's checksums and what jobs left unfinished."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            key = path.relative_to(folder).as_posix()
            if not (name.startswith(".") and name.endswith(".crc")) and not _UNFINISHED.search(key):
                found[key] = path
    return found
