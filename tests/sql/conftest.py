"""The worker's command line against the test's own database."""

import os
from collections.abc import Callable

import pytest

from redshift_sandbox import Endpoint
from tests.command import Ended, run


@pytest.fixture
def sparkify(sandbox: Endpoint, database: str) -> Callable[..., Ended]:
    environment = {
        **os.environ,
        **sandbox.env,
        "SPARKIFY_WAREHOUSE_DATABASE": database,
        "SPARKIFY_SOURCE": "s3://source",
        "SPARKIFY_STAGING": "s3://staging",
        "SPARKIFY_COPY_ROLE": "default",
    }
    return lambda *arguments: run(arguments, environment)
