"""A step's logs in S3, under the names and with the words EMR gives them."""

import gzip
from datetime import datetime, timezone
from pathlib import Path


def stamp() -> str:
    return datetime.now(timezone.utc).strftime("%y/%m/%d %H:%M:%S")


class Logs:
    """Sends a step's log files to its cluster's log location whenever they have grown."""

    def __init__(
        self, uri: str | None, cluster_id: str, step_id: str, application_id: str, cluster_mode: bool
    ):
        bucket, _, prefix = (uri or "").partition("://")[2].partition("/")
        self.bucket = bucket
        self.base = "/".join(part for part in (prefix.strip("/"), cluster_id) if part)
        self.step = f"{self.base}/steps/{step_id}"
        container = application_id.replace("application", "container") + "_01_000001"
        self.driver = f"{self.base}/containers/{application_id}/{container}" if cluster_mode else self.step
        self.replaced: list[tuple[bytes, bytes]] = []
        self._sent: dict[str, int] = {}

    def address(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.step}/{name}.gz"

    def send(self, client, files: dict[str, Path]) -> None:
        """Uploads the files that have grown; keys are the objects they become."""
        if not self.bucket:
            return
        for key, path in files.items():
            size = path.stat().st_size if path.exists() else 0
            if self._sent.get(key) == size:
                continue
            data = path.read_bytes() if size else b""
            for local, remote in self.replaced:
                data = data.replace(local, remote)
            client.put_object(Bucket=self.bucket, Key=key, Body=gzip.compress(data, 6, mtime=0))
            self._sent[key] = size


class YarnTalk:
    """What the YARN client writes while it watches a driver that runs elsewhere in the cluster."""

    def __init__(self, path: Path, application_id: str):
        self.path = path
        self.id = application_id

    def _say(self, text: str, level: str = "INFO") -> None:
        with open(self.path, "a") as file:
            file.write(f"{stamp()} {level} {text}\n")

    def submitted(self) -> None:
        self._say(f"Client: Submitting application {self.id} to ResourceManager")
        self._say(f"YarnClientImpl: Submitted application {self.id}")
        self._report("ACCEPTED", "UNDEFINED")

    def running(self) -> None:
        self._report("RUNNING", "UNDEFINED")

    def still_running(self) -> None:
        self._say(f"Client: Application report for {self.id} (state: RUNNING)")

    def finished(self, exit_code: int, driver_log: Path) -> None:
        """Says how it ended here, and in the driver's log as the application master would."""
        if exit_code == 0:
            self._report("FINISHED", "SUCCEEDED")
            return
        reason = f"User application exited with status {exit_code}"
        with open(driver_log, "a") as file:
            file.write(f"{stamp()} ERROR ApplicationMaster: {reason}\n")
            file.write(
                f"{stamp()} INFO ApplicationMaster: Final app status: FAILED, exitCode: 13, (reason: {reason})\n"
            )
        self._report("FINISHED", "FAILED", reason)
        self._say(f"Client: Application diagnostics message: {reason}", "ERROR")
        with open(self.path, "a") as file:
            file.write(f"{self.failure()}\n\tat org.apache.spark.deploy.yarn.Client.run(Client.scala:1327)\n")

    def failure(self) -> str:
        return f'Exception in thread "main" org.apache.spark.SparkException: Application {self.id} finished with failed status'

    def _report(self, state: str, final: str, diagnostics: str = "N/A") -> None:
        self._say(f"Client: Application report for {self.id} (state: {state})")
        self._say(
            "Client:\n"
            "\t client token: N/A\n"
            f"\t diagnostics: {diagnostics}\n"
            "\t ApplicationMaster host: 127.0.0.1\n"
            "\t queue: default\n"
            f"\t final status: {final}\n"
            f"\t tracking URL: http://127.0.0.1:20888/proxy/{self.id}/\n"
            "\t user: hadoop"
        )
