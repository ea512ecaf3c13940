"""The DAG files, imported by Airflow itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dags.airflow_side import DAGS, read_by_airflow


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Airflow's own reading of the DAG folder."""
    with read_by_airflow(DAGS, tmp_path_factory.mktemp("airflow")) as found:
        yield found


@pytest.fixture(scope="session")
def daily(bag: Any) -> Any:
    return bag.dags["sparkify_daily"]


@pytest.fixture(scope="session")
def tables(bag: Any) -> Any:
    return bag.dags["sparkify_tables"]
