"""The DAG files, imported by Airflow itself."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dags.airflow_side import DAGS, IMAGE


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Airflow's own reading of the DAG folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv("SPARKIFY_WORKER_IMAGE", IMAGE)
        patch.syspath_prepend(str(DAGS))
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Airflow's own, while it is imported; ours would be import errors
            from airflow.dag_processing.dagbag import DagBag

            yield DagBag(DAGS, bundle_path=DAGS, bundle_name="dags")
        for name in ("notices", "pods", "worker_pod", "sparkify_daily", "sparkify_tables"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def daily(bag: Any) -> Any:
    return bag.dags["sparkify_daily"]


@pytest.fixture(scope="session")
def tables(bag: Any) -> Any:
    return bag.dags["sparkify_tables"]
