"""IAM."""

import json
from urllib.parse import parse_qs

from ministack.services import iam

from patching import wrap


@wrap(iam, "_list_role_policies")
def sort_inline_policies(list_policies, params):
    """AWS lists inline policies by name; ministack lists them as they were put."""
    role = iam._roles.get(iam._p(params, "RoleName"))
    if role:
        role["InlinePolicies"] = dict(sorted(role["InlinePolicies"].items()))
    return list_policies(params)


@wrap(iam, "_attach_role_policy")
def attach_what_exists(attach, params):
    """AWS refuses to attach a policy that does not exist; ministack attaches it."""
    arn = iam._p(params, "PolicyArn")
    if not iam._is_aws_managed_arn(arn) and arn not in iam._policies:
        return iam._error(404, "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    return attach(params)


@wrap(iam, "_trust_policy_not_principal_error")
def check_trust_policy(check, document):
    """AWS refuses a trust policy that is not JSON; ministack stores any text."""
    if isinstance(document, str):
        try:
            json.loads(document)
        except ValueError:
            return "This policy contains invalid Json"
    return check(document)


@wrap(iam, "_create_role")
def compare_names_without_case(create, params):
    """AWS holds role names unique whatever their case; ministack only as spelt."""
    name = iam._p(params, "RoleName")
    if name.lower() in (role.lower() for role in iam._roles):
        return iam._error(409, "EntityAlreadyExists", f"Role with name {name} already exists.")
    return create(params)


@wrap(iam, "_delete_policy")
def keep_policy_with_versions(delete, params):
    """AWS refuses to delete a policy that has versions beside its default one; ministack deletes them along."""
    policy = iam._policies.get(iam._p(params, "PolicyArn"))
    if policy and len(policy.get("Versions", [])) > 1:
        message = "This policy has more than one version. Before you delete a policy, you must delete the policy's versions."
        return iam._error(409, "DeleteConflict", message)
    return delete(params)


@wrap(iam, "handle_request")
async def empty_description(handle, method, path, headers, body, query_params, **options):
    """AWS clears a role's description when UpdateRole sends an empty one; ministack keeps the old one."""
    response = await handle(method, path, headers, body, query_params, **options)
    if response[0] == 200 and b"Action=UpdateRole&" in (body or b""):
        sent = parse_qs(body.decode(), keep_blank_values=True)
        if sent.get("Description") == [""]:
            iam._roles[sent["RoleName"][0]]["Description"] = ""
    return response
