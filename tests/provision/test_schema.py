"""What `up` runs by the Data API, run in a warehouse: the sandbox takes the API's place."""

from collections.abc import Iterator
from typing import Any

import pytest
import redshift_connector

from sparkify_aws.schema import TAG
from tests.conftest import Connect
from tests.provision.aws import ID, Answer, Aws, RedshiftData
from tests.provision.conftest import Command

WORKER, ANALYSTS = '"IAMR:sparkify-worker"', '"IAMR:Analysts"'
COPY = f"arn:aws:iam::{ID}:role/sparkify-copy"
# Who may use which role in COPY is AWS's, of which the sandbox has none.
OF_AWS = [
    "revoke assumerole on all from public for all",
    f"grant assumerole on '{COPY}' to role sparkify_loader for copy",
]


class Warehouse(RedshiftData):
    """The Data API before a real database: each call is a transaction."""

    def __init__(self, connection: Any) -> None:
        super().__init__()
        self.of_aws: list[str] = []
        self._connection = connection

    def _run(self, texts: list[str], given: Answer) -> Answer:
        identity = str(len(self._answers) + 1)
        self._answers[identity] = []
        cursor = self._connection.cursor()
        for text in texts:
            if text in OF_AWS:
                self.of_aws.append(text)
                continue
            try:
                cursor.execute(text)
            except redshift_connector.Error as error:
                self._errors[identity] = str(error)
                self._connection.rollback()
                return self._answer(identity)
            if cursor.description:
                self._answers[identity] = [tuple(map(str, row)) for row in cursor.fetchall()]
            self.ran.append(text)
        self._connection.commit()
        return self._answer(identity)


@pytest.fixture
def data(aws: Aws, warehouse: Any, administrator: Any) -> Iterator[Warehouse]:
    aws.data = aws.serverless._data = Warehouse(warehouse)
    yield aws.data
    for user in (WORKER, ANALYSTS):
        administrator.cursor().execute(f"drop user if exists {user}")


def test_what_up_runs_makes_tables_and_users_with_the_rights_of_their_roles_and_can_be_run_again(
    aws: Aws, command: Command, data: Warehouse, connect: Connect
) -> None:
    command.set(readers=["Analysts"])
    command("up")
    first = [*data.ran]
    for tags in aws.serverless.tags.values():
        tags.pop(TAG, None)  # as after an interruption before the last call
    command("up")
    assert data.of_aws == OF_AWS * 2
    assert len(data.ran) > len(first)
    made_once = [text for text in data.ran if text.startswith(("create user", "create role"))]
    assert len(made_once) == len(set(made_once))

    cursor = connect().cursor()
    rights = {}
    for user in (WORKER, ANALYSTS):
        for right in ("select", "delete"):
            name = user.strip('"').lower()
            cursor.execute(f"select has_table_privilege('{name}', 'songplays', '{right}')")
            rights[user, right] = cursor.fetchone()[0]
    assert rights == {
        (WORKER, "select"): True,
        (WORKER, "delete"): True,
        (ANALYSTS, "select"): True,
        (ANALYSTS, "delete"): False,
    }


def test_sql_that_the_warehouse_refuses_leaves_nothing_of_its_batch(
    aws: Aws, command: Command, data: Warehouse, warehouse: Any
) -> None:
    cursor = warehouse.cursor()
    cursor.execute("create table days_in_step (day date)")
    warehouse.commit()
    said = command.error("up", code=1)
    assert "days_in_step" in said
    cursor.execute("select count(*) from information_schema.tables where table_name = 'songplays'")
    assert cursor.fetchone() == [0]
