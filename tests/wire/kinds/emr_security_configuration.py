"""`emr-security-configuration`"""

import json
from collections.abc import Callable

from case import Aws, Case, Change, change, without

KIND = "emr-security-configuration"
UNWRITTEN = {"tags.*": "EMR has none for it: the name in AWS says whose it is"}
UNREACHABLE = {"name": "it is the identity"}
SETTLED = UNREACHABLE
NAME = "wire-security"


def _name(aws: Aws) -> str:
    """As it is in AWS: with a mark of whose it is."""
    listed = aws.emr.list_security_configurations()["SecurityConfigurations"]
    return next(each["Name"] for each in listed if each["Name"].startswith(NAME))


def _held(aws: Aws) -> dict:
    told = aws.emr.describe_security_configuration(Name=_name(aws))
    return json.loads(told["SecurityConfiguration"])


def _look(aws: Aws):
    return without(_held(aws))


def _rewrite(path: str):
    """EMR changes none: another client deletes it and makes another of its name."""

    def decorate(edit: Callable[[dict], object]) -> Change:
        @change(f"configuration.{path}", replaces=True)
        def make(aws: Aws) -> None:
            name, held = _name(aws), _held(aws)
            edit(held)
            aws.emr.delete_security_configuration(Name=name)
            aws.emr.create_security_configuration(
                Name=name, SecurityConfiguration=json.dumps(held)
            )

        return make

    return decorate


def _configuration(mode: str, hours: int, hops: int, role: str) -> dict:
    s3 = {"EncryptionMode": mode}
    kdc = {"Provider": "ClusterDedicatedKdc"}
    kdc["ClusterDedicatedKdcConfiguration"] = {"TicketLifetimeInHours": hours}
    mapping = {"Role": role, "IdentifierType": "User", "Identifiers": ["wire"]}
    return {
        "EncryptionConfiguration": {
            "EnableInTransitEncryption": False,
            "EnableAtRestEncryption": True,
            "AtRestEncryptionConfiguration": {"S3EncryptionConfiguration": s3},
        },
        "AuthenticationConfiguration": {"KerberosConfiguration": kdc},
        "AuthorizationConfiguration": {"EmrFsConfiguration": {"RoleMappings": [mapping]}},
        "InstanceMetadataServiceConfiguration": {
            "MinimumInstanceMetadataServiceVersion": 2,
            "HttpPutResponseHopLimit": hops,
        },
    }


S3 = "AtRestEncryptionConfiguration.S3EncryptionConfiguration"
CASES = [
    Case(
        "all",
        resources={
            "subject": {
                "kind": KIND,
                "name": NAME,
                "configuration": _configuration("SSE-S3", 24, 1, "arn:aws:iam::1:role/one"),
            },
        },
        other={"configuration": _configuration("CSE-Custom", 12, 2, "arn:aws:iam::1:role/two")},
        other_replaces=True,
        changes=[
            _rewrite(f"EncryptionConfiguration.{S3}.EncryptionMode")(
                lambda held: held["EncryptionConfiguration"]["AtRestEncryptionConfiguration"][
                    "S3EncryptionConfiguration"
                ].update(EncryptionMode="CSE-KMS")
            ),
            _rewrite("AuthenticationConfiguration")(
                lambda held: held.pop("AuthenticationConfiguration")
            ),
            _rewrite("AuthorizationConfiguration")(
                lambda held: held.pop("AuthorizationConfiguration")
            ),
            _rewrite("InstanceMetadataServiceConfiguration.HttpPutResponseHopLimit")(
                lambda held: held["InstanceMetadataServiceConfiguration"].update(
                    HttpPutResponseHopLimit=9
                )
            ),
        ],
        look=_look,
        delete=lambda aws: aws.emr.delete_security_configuration(Name=_name(aws)),
    )
]
