"""A step's spark-submit command, and what of it makes sense on this machine."""

from dataclasses import dataclass, field

_WITH_VALUE = set(
    "--master --deploy-mode --class --name --jars --packages --exclude-packages --repositories --py-files --files "
    "--archives --conf --properties-file --driver-memory --driver-java-options --driver-library-path "
    "--driver-class-path --executor-memory --proxy-user --driver-cores --executor-cores --total-executor-cores "
    "--num-executors --queue --principal --keytab".split()
)
_FLAGS = {"--verbose", "--supervise"}

# Settings that speak of a cluster, of its memory or of EMR's own S3 connector.
_CLUSTER_ONLY = (
    "spark.authenticate spark.blacklist. spark.decommission. spark.driver.bindAddress spark.driver.cores "
    "spark.driver.default spark.driver.extra spark.driver.host spark.driver.memory spark.dynamicAllocation. "
    "spark.emr. spark.eventLog. spark.excludeOnFailure. spark.executor. spark.hadoop.fs.s3 "
    "spark.hadoop.mapreduce.outputcommitter. spark.hadoop.yarn. spark.history. spark.io.encryption. spark.local.dir "
    "spark.master spark.network. spark.shuffle.service. spark.sql.parquet.output.committer.class "
    "spark.sql.sources.commitProtocolClass spark.sql.warehouse.dir spark.ssl. spark.storage.decommission "
    "spark.submit.deployMode spark.ui. spark.yarn. "
    "spark.hadoop.hive.metastore.client.factory.class"
).split()
_ENVIRONMENT = ("spark.yarn.appMasterEnv.", "spark.executorEnv.")


@dataclass
class Submission:
    """One spark-submit command, taken apart."""

    app: str = ""
    app_args: list[str] = field(default_factory=list)
    deploy_mode: str = "client"
    main_class: str = ""
    name: str = ""
    conf: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


def parse(args: list[str]) -> Submission:
    """Reads the arguments that follow `spark-submit`; raises ValueError on what spark-submit would refuse."""
    submission = Submission()
    rest = list(args)
    while rest:
        option = rest.pop(0)
        if not option.startswith("-"):
            submission.app, submission.app_args = option, rest
            return submission
        option, equals, value = option.partition("=")
        option = {"-c": "--conf", "-v": "--verbose"}.get(option, option)
        if option in _FLAGS:
            continue
        if option not in _WITH_VALUE:
            raise ValueError(f"Unrecognized option: {option}")
        if not equals:
            if not rest:
                raise ValueError(f"Missing argument for option '{option}'.")
            value = rest.pop(0)
        _take(submission, option, value)
    raise ValueError("Missing application resource.")


def _take(submission: Submission, option: str, value: str) -> None:
    if option == "--conf":
        key, equals, setting = value.partition("=")
        if not equals:
            raise ValueError(f"Spark config without '=': {value}")
        _take_conf(submission, key.strip(), setting)
    elif option == "--deploy-mode":
        submission.deploy_mode = value
    elif option == "--class":
        submission.main_class = value
    elif option == "--name":
        submission.name = value
    elif option in ("--jars", "--py-files", "--files", "--archives"):
        submission.files[option] = [item for item in value.split(",") if item]
    else:
        submission.dropped.append(f"{option} {value}")


def _take_conf(submission: Submission, key: str, value: str) -> None:
    if key == "spark.submit.deployMode":
        submission.deploy_mode = value
    submission.conf[key] = value


def local_conf(submission: Submission, defaults: dict[str, str]) -> dict[str, str]:
    """The settings to run with here: the cluster's spark-defaults, then the step's, less what only a cluster has."""
    conf = {}
    for key, value in {**defaults, **submission.conf}.items():
        variable = next((key[len(prefix) :] for prefix in _ENVIRONMENT if key.startswith(prefix)), None)
        if variable:
            submission.environment[variable] = value
        elif key.startswith(tuple(_CLUSTER_ONLY)):
            submission.dropped.append(f"{key}={value}")
        else:
            conf[key] = value
    return conf


def spark_defaults(configurations: list[dict] | None) -> dict[str, str]:
    """The properties of a cluster's spark-defaults classification."""
    for configuration in configurations or []:
        if configuration.get("Classification") == "spark-defaults":
            return configuration.get("Properties") or {}
    return {}
