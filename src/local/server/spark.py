"""Runs a step: fetches its part of S3, runs spark-submit over it, sends the results and logs back."""

import asyncio
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import spark_args
import spark_java
import spark_stage
from aws_client import Place, client
from spark_logs import Logs, YarnTalk, stamp

logger = logging.getLogger("spark")
LOG_SECONDS = 2.0
KILL_AFTER_SECONDS = 3.0
_HERE = Path(__file__).parent
_EXCEPTION = re.compile(r"^(?:Exception in thread .*|[\w.]*(?:Error|Exception|Exit)\b.*)$", re.MULTILINE)


class Run:
    """One step while it runs."""

    def __init__(self, cluster, step):
        self.cluster = cluster
        self.step = step
        self.cancelled = False
        self.process = None
        self.place = Place(cluster.account, cluster.region)
        self.application_id = f"application_{int(cluster.created * 1000)}_{cluster.applications_run:04}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{step.id}-", dir=Place.work_folder))
        self.stage = spark_stage.Stage(self.folder / "s3")
        self.controller = self.folder / "controller"
        self.talk = self.folder / "talk"

    async def finish(self) -> dict | None:
        """Runs the step to its end; says how it failed, if it did."""
        started = time.monotonic()
        self._note(f"INFO Created Runner for step {self.step.id}: {' '.join(self.step.args)}")
        try:
            return await self._finish(started)
        except Exception as error:
            logger.exception("step %s could not be run", self.step.id)
            return {"Reason": "The local server could not run the step.", "Message": repr(error)}
        finally:
            await asyncio.to_thread(shutil.rmtree, self.folder, True)

    async def _finish(self, started: float) -> dict | None:
        submission, refusal = self._read_step()
        cluster_mode = submission is not None and submission.deploy_mode == "cluster"
        self.logs = self._new_logs(cluster_mode)
        if submission is None:
            code = self._refuse(refusal)
        else:
            code = await self._submit(submission, cluster_mode)
        self._note(f"INFO total process run time: {int(time.monotonic() - started)} seconds")
        self._note(f"INFO Step ended with exit code {code}")
        await asyncio.to_thread(self._send_logs)
        return self._failure(code, refusal) if code else None

    def _read_step(self) -> tuple[spark_args.Submission | None, str]:
        """The step as a submission, or why there is none."""
        jar, args = self.step.request["HadoopJarStep"]["Jar"], self.step.args
        if jar != "command-runner.jar" or not args or args[0] != "spark-submit":
            return None, "The local server runs only spark-submit through command-runner.jar."
        try:
            return spark_args.parse(args[1:]), ""
        except ValueError as error:
            return None, f"Error: {error}"

    def _new_logs(self, cluster_mode: bool) -> Logs:
        monitoring = self.step.request.get("StepMonitoringConfiguration") or {}
        own = (monitoring.get("S3MonitoringConfiguration") or {}).get("LogUri")
        uri = own or self.cluster.request.get("LogUri")
        logs = Logs(uri, self.cluster.id, self.step.id, self.application_id, cluster_mode)
        root = str(self.stage.root).encode()
        logs.replaced = [(prefix + root + b"/", b"s3://") for prefix in (b"file://", b"file:", b"")]
        return logs

    def _refuse(self, refusal: str) -> int:
        (self.folder / "stderr").write_text(refusal + "\n")
        return 1

    async def _submit(self, submission, cluster_mode: bool) -> int:
        try:
            command = await asyncio.to_thread(self._prepare, submission)
        except FileNotFoundError as error:
            self.logs.driver = self.logs.step  # nothing was submitted, so there is no container
            return self._refuse(f'Exception in thread "main" java.io.FileNotFoundException: {error}')
        if self.cancelled:
            return -signal.SIGTERM
        talk = YarnTalk(self.talk, self.application_id) if cluster_mode else None
        if talk:
            talk.submitted()
        code = await self._run(command, submission, talk)
        if talk:
            talk.finished(code, self.folder / "stderr")
        for line in await asyncio.to_thread(spark_stage.send, client("s3", self.place), self.stage):
            self._note(f"INFO {line}")
        return code

    def _prepare(self, submission) -> list[str]:
        """Fetches all that the step needs and makes the command that runs it."""
        s3 = client("s3", self.place)
        app, files = self._fetch_files(s3, submission)
        buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        conf = spark_args.local_conf(
            submission, spark_args.spark_defaults(self.cluster.request.get("Configurations"))
        )
        text = "\n".join(
            [*submission.app_args, *conf.values(), *submission.environment.values(), _source(app, files)]
        )
        spark_stage.fetch(s3, self.stage, spark_stage.wanted(text, buckets))
        for note in self.stage.notes + [f"left out here: {item}" for item in submission.dropped]:
            self._note(f"INFO {note}")
        (self.folder / "tmp").mkdir()
        (self.folder / "work").mkdir()
        return self._command(submission, conf, app, files)

    def _fetch_files(self, s3, submission) -> tuple[str, dict[str, list[str]]]:
        """The script and its companions, fetched from S3 where they lie there."""
        app = self._fetch_file(s3, submission.app)
        return app, {
            option: [self._fetch_file(s3, uri) for uri in uris] for option, uris in submission.files.items()
        }

    def _fetch_file(self, s3, uri: str) -> str:
        scheme, _, rest = uri.partition("://")
        if scheme not in ("s3", "s3a", "s3n"):
            return uri
        bucket, _, key = rest.partition("/")
        key, hash_sign, alias = key.partition("#")
        path = self.folder / "files" / os.path.basename(key)
        path.parent.mkdir(exist_ok=True)
        try:
            s3.download_file(bucket, key, str(path))
        except s3.exceptions.ClientError as error:
            raise FileNotFoundError(f"No such file or directory '{uri}' ({error})") from None
        return str(path) + hash_sign + alias

    def _command(self, submission, conf: dict[str, str], app: str, files: dict[str, list[str]]) -> list[str]:
        options = ["--master", "local[2]", "--name", submission.name or Path(app).name]
        if submission.main_class:
            options += ["--class", submission.main_class]
        for option, paths in files.items():
            options += [option, ",".join(paths)]
        for key, value in {"spark.sql.shuffle.partitions": "4", **conf, **self._own_conf()}.items():
            options += ["--conf", f"{key}={value}"]
        return [*spark_java.command(self.folder / "tmp"), *options, app, *submission.app_args]

    def _own_conf(self) -> dict[str, str]:
        """Where Spark works here, and the mount table through which it sees S3."""
        view = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
        return {
            **{f"spark.hadoop.fs.{scheme}.impl": view for scheme in ("s3", "s3a", "s3n")},
            **{
                f"spark.hadoop.fs.viewfs.mounttable.{bucket}.linkFallback": self.stage.bucket_folder(
                    bucket
                ).as_uri()
                for bucket in self.stage.manifests
            },
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(self.folder / "tmp"),
            "spark.sql.warehouse.dir": (self.folder / "work" / "warehouse").as_uri(),
            "spark.ui.enabled": "false",
        }

    async def _run(self, command: list[str], submission, talk: YarnTalk | None) -> int:
        with open(self.folder / "stdout", "wb") as out, open(self.folder / "stderr", "wb") as err:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(_HERE / "spark_guard.py"),
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=self.folder / "work",
                env={**spark_java.environment(), **self.place.environment(), **submission.environment},
                start_new_session=True,
            )
        if self.cancelled:
            self.cancel()
        if talk:
            talk.running()
        code = await self._watch(talk)
        self._signal(signal.SIGKILL)  # whatever the command has left behind in its process group
        return code

    async def _watch(self, talk: YarnTalk | None) -> int:
        """Waits for the process and sends its logs meanwhile."""
        ended = asyncio.ensure_future(self.process.wait())
        while not (await asyncio.wait([ended], timeout=LOG_SECONDS))[0]:
            if talk:
                talk.still_running()
            await asyncio.to_thread(self._send_logs)
        return ended.result()

    def _send_logs(self) -> None:
        step, driver = self.logs.step, self.logs.driver
        files = {f"{step}/controller.gz": self.controller, f"{driver}/stdout.gz": self.folder / "stdout"}
        files[f"{driver}/stderr.gz"] = self.folder / "stderr"
        if driver != step:
            files.update({f"{step}/stdout.gz": self.folder / "none", f"{step}/stderr.gz": self.talk})
        try:
            self.logs.send(client("s3", self.place), files)
        except Exception as error:  # a log bucket that is gone fails no step
            self._note(f"WARN The logs could not be sent: {error}")

    def _failure(self, code: int, refusal: str) -> dict:
        name, message = "stderr", refusal
        if self.logs.driver != self.logs.step:
            message = YarnTalk(self.talk, self.application_id).failure()
        elif not refusal:
            name, message = self._exception()
        failure = {"Reason": "Unknown Error.", "Message": message or f"Exit code {code}"}
        return {**failure, "LogFile": self.logs.address(name)} if self.logs.bucket else failure

    def _exception(self) -> tuple[str, str]:
        """The last exception that the driver wrote, and where: Spark sends what Python writes to standard output."""
        for name in ("stdout", "stderr"):
            path = self.folder / name
            found = _EXCEPTION.findall(path.read_text(errors="replace")[-200_000:]) if path.exists() else []
            if found:
                return name, found[-1][:1000]
        return "stderr", ""

    def cancel(self) -> None:
        """Asks the processes to end, and ends them when they do not."""
        self.cancelled = True
        self._signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(KILL_AFTER_SECONDS, self._kill_if_running)

    def _kill_if_running(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.kill()

    def kill(self) -> None:
        self.cancelled = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    def _note(self, text: str) -> None:
        if self.folder.exists():
            with open(self.controller, "a") as file:
                file.write(f"{stamp()} {text}\n")


def _source(app: str, files: dict[str, list[str]]) -> str:
    """The text of the Python scripts, which name buckets too."""
    scripts = [
        path for path in [app, *files.get("--py-files", [])] if path.endswith(".py") and os.path.isfile(path)
    ]
    return "\n".join(Path(path).read_text(errors="replace") for path in scripts)
