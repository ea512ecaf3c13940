"""Airflow's database, asked by Airflow's own code: `python - QUESTION ARGUMENTS` in a pod of Airflow.

The answer is the last line, as JSON.
"""

import json
import sys
import time
from typing import Any

import sqlalchemy as sa
from airflow.api.common.trigger_dag import trigger_dag
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType


def dags() -> list[str]:
    with create_session() as session:
        return list(session.scalars(sa.select(DagModel.dag_id)))


def import_errors() -> list[str]:
    with create_session() as session:
        return [error.stacktrace for error in session.scalars(sa.select(ParseImportError))]


def unpause(dag_ids: list[str]) -> None:
    with create_session() as session:
        session.execute(sa.update(DagModel).where(DagModel.dag_id.in_(dag_ids)).values(is_paused=False))


def trigger(dag_id: str, run_ids: list[str], conf: dict[str, str]) -> None:
    for run_id in run_ids:
        trigger_dag(dag_id, run_id=run_id, conf=conf, triggered_by=DagRunTriggeredByType.TEST)


def active(dag_id: str) -> int:
    """How many runs have not ended."""
    with create_session() as session:
        query = sa.select(sa.func.count()).where(
            DagRun.dag_id == dag_id, DagRun.state.in_(["queued", "running"])
        )
        return session.scalar(query) or 0


def in_turn(dag_ids: list[str], rounds: int, conf: dict[str, str]) -> list[dict[str, Any]]:
    """Run the DAGs one after the other, A B A B …"""
    runs = []
    for number in range(rounds):
        for dag_id in dag_ids:
            run_id = f"in-turn-{number:02}"
            trigger(dag_id, [run_id], conf)
            while active(dag_id):
                time.sleep(0.5)
            with create_session() as session:
                query = sa.select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
                run = session.scalars(query).one()
                seconds = (run.end_date - run.start_date).total_seconds()
                runs.append({"dag": dag_id, "run": run_id, "state": run.state, "seconds": seconds})
    return runs


def tries(dag_id: str) -> list[dict[str, Any]]:
    """Every try of every task; the last of each has `final`."""
    found = []
    with create_session() as session:
        for table, final in ((TaskInstanceHistory, False), (TaskInstance, True)):
            for row in session.scalars(sa.select(table).where(table.dag_id == dag_id)):
                moments = {
                    name: moment and moment.timestamp()
                    for name, moment in (
                        *(("scheduled", row.scheduled_dttm), ("queued", row.queued_dttm)),
                        *(("started", row.start_date), ("ended", row.end_date)),
                    )
                }
                named = {"dag": row.dag_id, "run": row.run_id, "task": row.task_id, "number": row.try_number}
                found.append({**named, **moments, "state": row.state, "final": final})
    return found


def mismatches(dag_id: str) -> int:
    """How many tries Airflow failed because it heard of their end in the wrong order."""
    with create_session() as session:
        query = sa.select(sa.func.count()).where(Log.dag_id == dag_id, Log.event == "state mismatch")
        return session.scalar(query) or 0


print()
print(json.dumps(globals()[sys.argv[1]](*json.loads(sys.argv[2]))))
