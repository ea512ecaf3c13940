"""What the chart needs to know of what was made."""

from typing import Any

from sparkify_aws.errors import AwsError
from sparkify_aws.stack import LOGS, STAGING, Stack


def values(stack: Stack) -> dict[str, Any]:
    """The values of helm/sparkify that are this account's, to be given beside values-eks.yaml.

    Raises:
        AwsError: not all of it is there.
    """
    lacking = [str(each) for each, state in stack.look() if not state.is_as_wanted]
    endpoint = stack.warehouse.endpoint()
    if lacking or endpoint is None:
        raise AwsError(f"not there, or not as wanted: {', '.join(lacking)}; sparkify-aws up makes it so")
    account = stack.account
    settings: dict[str, Any] = {
        "SPARKIFY_SOURCE": f"s3://{stack.source_bucket}/{stack.source_prefix}".rstrip("/"),
        "SPARKIFY_STAGING": f"s3://{stack.staging_bucket}/{STAGING}".rstrip("/"),
        "SPARKIFY_COPY_ROLE": account.role_arn("copy"),
        "SPARKIFY_WAREHOUSE_HOST": endpoint.host,
        "SPARKIFY_WAREHOUSE_PORT": endpoint.port,
        "SPARKIFY_WAREHOUSE_DATABASE": account.settings.database,
        "AWS_REGION": account.settings.region,
        **stack.warehouse.settings,
    }
    is_irsa = account.settings.identity == "irsa"
    airflow: dict[str, Any] = {
        "config": {"logging": {"remote_base_log_folder": f"s3://{stack.logs_bucket}/{LOGS}".rstrip("/")}}
    }
    worker: dict[str, Any] = {"settings": settings}
    if is_irsa:
        worker["serviceAccount"] = _annotated(account.role_arn("worker"))
        for part in ("scheduler", "apiServer"):
            airflow[part] = {"serviceAccount": _annotated(account.role_arn("logs"))}
    return {
        "global": {"worker": {"namespace": account.settings.worker_namespace}},
        "worker": worker,
        "networkPolicies": {"podIdentityAgent": not is_irsa},
        "airflow": airflow,
    }


def _annotated(role: str) -> dict[str, Any]:
    return {"annotations": {"eks.amazonaws.com/role-arn": role}}
