"""Tables with their rights given, and a user of each role."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.conftest import Connect
from tests.star.conftest import Pipeline
from tests.star.conftest import pipeline as pipeline

PASSWORD = "Abcd1234"

_numbers = count(1)


@pytest.fixture
def users(pipeline: Pipeline, administrator: Any) -> Iterator[dict[str, str]]:
    """A user of each role, and one of none. Given twice, the rights are the same."""
    pipeline.done("tables", "grant")
    pipeline.done("tables", "grant")
    number = next(_numbers)
    names = {role: f"some_{role}_{number}" for role in ("loader", "reader", "stranger")}
    run = administrator.cursor().execute
    for role, name in names.items():
        run(f"create user {name} password '{PASSWORD}'")
        if role != "stranger":
            run(f"grant role sparkify_{role} to {name}")
    yield names
    for name in names.values():
        run(f"drop user {name}")


@pytest.fixture
def as_user(connect: Connect, users: dict[str, str]) -> Any:
    """Connects as the user of a role."""
    return lambda role: connect(user=users[role], password=PASSWORD)
