"""A day as tutorials load it, a pod a table, and as we do; with pods that do no work, and with the day's."""

import os
from datetime import UTC, datetime

import pods
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG

DAY = "{{ dag_run.conf['day'] }}"
NOTHING = ["python", "-I", "-S", "-c", "pass"]
# All that a table's pod does in the tutorial's shape beside the load: connect, and ask.
ASK = """
import os, sys
from sparkify import warehouse
from sparkify.log import Log
from sparkify.settings import Settings
table = sys.argv[1]
log = Log(table, "bench")
warehouse.read(Settings.from_env(os.environ), log, lambda each: each.run(f"select count(*) from {table}"))
"""

OURS = pods.worker("load")


def plain(step: str, *arguments: str, cmds: list[str] | None = None) -> KubernetesPodOperator:
    """The operator as it comes; of our settings only what the namespace and the worker cannot do without."""
    return KubernetesPodOperator(
        task_id=step,
        name=step,
        namespace=OURS.namespace,
        image=os.environ["SPARKIFY_WORKER_IMAGE"],
        cmds=cmds,
        arguments=list(arguments),
        in_cluster=True,
        **{
            name: getattr(OURS, name)
            for name in (
                *("env_from", "volumes", "volume_mounts", "service_account_name", "container_resources"),
                *("security_context", "container_security_context"),
            )
        },
    )


def tutorial() -> None:
    stages = [
        plain("stage_events", "stage", "events", "--date", DAY),
        plain("stage_songs", "stage", "songs"),
    ]
    dimensions = [
        plain(table, table, cmds=["python", "-c", ASK]) for table in ("users", "songs", "artists", "time")
    ]
    songplays = plain("songplays", "load", "--date", DAY)
    for dimension in dimensions:
        stages >> dimension >> songplays
    songplays >> plain("check", "check", "--date", DAY)


def ours() -> None:
    stages = [pods.worker("stage", "events", day=DAY), pods.worker("stage", "songs")]
    stages >> pods.worker("load", day=DAY) >> pods.worker("check", day=DAY)


for shape in (tutorial, ours):
    for work in ("idle", "day"):
        with DAG(
            f"{shape.__name__}_{work}", schedule=None, start_date=datetime(2018, 11, 1, tzinfo=UTC)
        ) as dag:
            shape()
        if work == "idle":
            for task in dag.tasks:
                task.cmds, task.arguments = NOTHING, []
