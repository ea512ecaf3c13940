"""The first run, as docs/operations.md tells it: tables, ten days by the scheduler, a look at the logs."""

from __future__ import annotations

import re

from tests.e2e.cluster import JOBS, NAMESPACE, RELEASE, helm, kubectl, refused
from tests.e2e.conftest import Say
from tests.e2e.pipeline import Pipeline

TABLE_NAMES = {"songplays", "users", "songs", "artists", "time"}

# TIME LEVEL MESSAGE  key=value …
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (INFO|WARNING|ERROR) +\S.*  step=\S+ .*run=\S+.*")


def test_the_tables_dag_makes_the_tables(pipeline: Pipeline, say: Say) -> None:
    pipeline.calm()
    pipeline.reset()
    run = pipeline.create_tables()
    with pipeline.warehouse.connection() as connection:
        cursor = connection.cursor()
        cursor.execute("select table_name from information_schema.tables where table_schema = 'public'")
        found = {name for (name,) in cursor.fetchall()}
    assert found >= TABLE_NAMES, found
    (pod,) = pipeline.pods.pods(run)
    say("tables_create green, the star's five tables", f"{len(found)} tables and views by {pod}")


def test_days_backfilled_through_the_scheduler_equal_what_plain_python_computes(
    pipeline: Pipeline, say: Say
) -> None:
    runs = pipeline.backfill()
    pipeline.agrees()
    star = pipeline.warehouse.star()
    say(
        f"{len(pipeline.days)} runs green, five tables and the ledger equal row for row",
        f"{len(runs)} runs green, {', '.join(f'{len(rows)} {name}' for name, rows in star.items())}",
    )


def test_the_logs_of_a_day_are_readable_by_its_label(loaded: Pipeline, say: Say) -> None:
    day = loaded.days[2]
    lines = kubectl("logs", "-l", f"sparkify/day={day}", "-n", JOBS, "--tail=-1").splitlines()
    assert lines
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    steps = {found[1] for line in lines if (found := re.search(r"  step=(\S+)", line))}
    assert steps == {"stage_events", "load", "check"}
    say(f"kubectl logs -l sparkify/day={day}: a line an event, of three steps", f"{len(lines)} lines")


def test_helm_test_passes(loaded: Pipeline, say: Say) -> None:
    said = helm("test", RELEASE, "-n", NAMESPACE, "--timeout", "3m")
    phases = re.findall(r"Phase: +(\S+)", said)
    assert phases
    assert set(phases) == {"Succeeded"}, said
    say("a worker reaches the warehouse and S3", f"{len(phases)} test pods succeeded")


def test_the_namespace_of_the_pods_refuses_one_that_is_not_restricted(say: Say) -> None:
    said = refused("run", "unrestricted", "--image=nowhere/nothing", "-n", JOBS)
    container = 'container "unrestricted" must set securityContext.'
    assert said == (
        'Error from server (Forbidden): pods "unrestricted" is forbidden: violates PodSecurity'
        ' "restricted:latest":'
        f" allowPrivilegeEscalation != false ({container}allowPrivilegeEscalation=false),"
        f' unrestricted capabilities ({container}capabilities.drop=["ALL"]), runAsNonRoot != true (pod or'
        f" {container}runAsNonRoot=true), seccompProfile (pod or {container}seccompProfile.type to"
        ' "RuntimeDefault" or "Localhost")'
    )
    say("refused, and told all four reasons", "so")
