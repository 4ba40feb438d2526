"""What EMR knows by heart: instance types, their default volumes, applications and release labels."""

import re

from emr_store import validation_error

_EBS_FAMILIES = (
    "m4 m5 m5a m5n m5zn m6a m6g m6i m6in m7a m7g m7i m8g "
    "c4 c5 c5a c5n c6a c6g c6gn c6i c6in c7a c7g c7gn c7i c8g "
    "r4 r5 r5a r5b r5n r6a r6g r6i r6in r7a r7g r7i r7iz r8g "
    "p2 p3 g3 g3s"
).split()
_DISK_FAMILIES = (
    "m1 m2 m3 m5d m5ad m5dn m6gd m6id m6idn m7gd c1 c3 c5d c5ad c6gd c6id c7gd cc2 cr1 "
    "r3 r5d r5ad r5dn r6gd r6id r6idn r7gd i2 i3 i3en i4g i4i i7i im4gn is4gen d2 d3 d3en h1 hs1 "
    "g2 g4dn g5 p3dn p4d x1 x1e x2gd x2idn x2iedn z1d"
).split()
_SIZE = re.compile(r"^(medium|large|(\d{1,2})?xlarge)$")
_RELEASE = re.compile(r"^emr-(\d+)\.(\d+)\.(\d+)(-latest)?$")

# Versions by major release; the local server does not follow every minor one.
_APPLICATIONS = {
    "AmazonCloudWatchAgent": ("1.300032.2-amzn-0", "1.300032.2-amzn-0"),
    "Delta": ("2.4.0", "3.3.0-amzn-0"),
    "Flink": ("1.17.1-amzn-1", "1.20.0-amzn-3"),
    "Ganglia": ("3.7.2", "3.7.2"),
    "HBase": ("2.4.17-amzn-3", "2.6.1-amzn-3"),
    "HCatalog": ("3.1.3-amzn-8", "3.1.3-amzn-16"),
    "Hadoop": ("3.3.6-amzn-1", "3.4.1-amzn-1"),
    "Hive": ("3.1.3-amzn-8", "3.1.3-amzn-16"),
    "Hudi": ("0.14.0-amzn-0", "0.15.0-amzn-6"),
    "Hue": ("4.11.0", "4.11.0"),
    "Iceberg": ("1.4.0-amzn-0", "1.7.1-amzn-2"),
    "JupyterEnterpriseGateway": ("2.6.0", "2.6.0"),
    "JupyterHub": ("1.5.0", "1.5.0"),
    "Livy": ("0.7.1", "0.8.0"),
    "MXNet": ("1.9.1", "1.9.1"),
    "Oozie": ("5.2.1", "5.2.1"),
    "Phoenix": ("5.1.3", "5.2.1"),
    "Pig": ("0.17.0", "0.17.0"),
    "Presto": ("0.283-amzn-0", "0.287-amzn-2"),
    "Spark": ("3.4.1-amzn-2", "3.5.5-amzn-0"),
    "Sqoop": ("1.4.7", "1.4.7"),
    "TensorFlow": ("2.11.0", "2.16.1"),
    "Tez": ("0.10.2-amzn-6", "0.10.2-amzn-14"),
    "Trino": ("426-amzn-0", "470-amzn-0"),
    "Zeppelin": ("0.10.1", "0.11.1"),
    "ZooKeeper": ("3.5.10", "3.9.3"),
}
_BY_LOWER_NAME = {name.lower(): name for name in _APPLICATIONS}


def check_instance_type(name: str | None) -> str:
    """The instance type, refused when there is none of that name."""
    family, _, size = (name or "").partition(".")
    if family in _EBS_FAMILIES + _DISK_FAMILIES and _SIZE.match(size):
        return name
    raise validation_error(f"Instance type '{name}' is not supported.")


def default_volumes(instance_type: str) -> list[dict]:
    """The volumes EMR (from 5.22 on) gives an instance type that has no disk of its own."""
    family, _, size = instance_type.partition(".")
    if family in _DISK_FAMILIES:
        return []
    times = _SIZE.match(size).group(2)
    if size in ("medium", "large"):
        count, gigabytes = 1, 32
    elif times is None:
        count, gigabytes = 2, 32
    else:
        count, gigabytes = 4, max(32, 16 * int(times))
    return [{"VolumeType": "gp2", "SizeInGB": gigabytes} for _ in range(count)]


def check_release(label: str | None) -> tuple[int, int]:
    """Major and minor number of a release label, refused when it is not one."""
    match = _RELEASE.match(label or "")
    if match is None:
        raise validation_error(f"The supplied release label is invalid: {label}.")
    return int(match.group(1)), int(match.group(2))


def read_applications(requested: list[dict], major: int) -> list[dict]:
    """The applications with their canonical names and versions."""
    return [_read_application(application, major) for application in requested]


def _read_application(application: dict, major: int) -> dict:
    name = _BY_LOWER_NAME.get((application.get("Name") or "").lower())
    if name is None:
        raise validation_error(
            f"The application '{application.get('Name')}' is not supported by this release."
        )
    old, current = _APPLICATIONS[name]
    read = {"Name": name, "Version": current if major >= 7 else old}
    read.update({key: application[key] for key in ("Args", "AdditionalInfo") if application.get(key)})
    return read


def supports_auto_termination(label: str) -> bool:
    major, minor = check_release(label)
    return major >= 7 or (major == 6 and minor >= 1) or (major == 5 and minor >= 30)
