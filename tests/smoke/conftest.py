"""The warehouse that is given, under a name that does not say that it is the sandbox."""

from __future__ import annotations

import pytest

from redshift_sandbox import Endpoint
from tests.sandbox.conftest import bucket as bucket
from tests.sandbox.conftest import s3 as s3


@pytest.fixture
def endpoint(sandbox: Endpoint) -> Endpoint:
    return sandbox
