"""A day from its files to the star, by the worker, on the warehouse that is given: `make smoke`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from laptop import demo_data
from redshift_sandbox import Endpoint
from tests import command, oracle, redshift
from tests.sandbox.conftest import Put, put  # noqa: F401

DAY = "2018-11-01"


def test_a_day_is_loaded_as_plain_python_computes_it(
    endpoint: Endpoint,
    put: Put,  # noqa: F811
    database: str,
    warehouse: Any,
    tmp_path: Path,
) -> None:
    demo_data.write(tmp_path)
    events, songs = oracle.read(tmp_path, [DAY])
    for name, body in songs.items():
        put(name, body)
    url = put(f"log_data/{DAY[:4]}/{DAY[5:7]}/{DAY}-events.json", events[DAY])
    source = url.partition("/log_data/")[0]
    environment = {
        **endpoint.env,
        **(redshift.environment() if redshift.is_given() else {}),
        "SPARKIFY_WAREHOUSE_DATABASE": database,
        "SPARKIFY_SOURCE": source,
        "SPARKIFY_STAGING": f"{source}/staging",
        "SPARKIFY_COPY_ROLE": "default",
    }
    for step in (
        ("tables", "create"),
        ("connect",),
        ("stage", "songs"),
        ("stage", "events", "--date", DAY),
        ("load", "--date", DAY),
        ("check", "--date", DAY),
    ):
        ended = command.end(command.start(step, environment))
        assert ended.code == 0, ended.log
    assert oracle.loaded(warehouse) == oracle.star(events, songs)
