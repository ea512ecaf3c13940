"""Tables, roles and who has them: the SQL of `sparkify tables create` and `tables grant`.

By the Data API, which needs no way into the network: `up` works from where the warehouse's port is closed.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparkify.errors import SparkifyError
from sparkify.schema import ROLES, additions, lasting, rights
from sparkify.statements import statement
from sparkify_aws.account import Account
from sparkify_aws.errors import AwsError
from sparkify_aws.resource import ABSENT, Found, Resource
from sparkify_aws.warehouse import Endpoint, Warehouse

# On the warehouse: which statements were run in it. To ask it would wake it, which costs a minute.
TAG = "sparkify:schema"

_PER_TRANSACTION = 40  # BatchExecuteStatement takes no more
_LOADER, _READER = ROLES


class Schema(Resource):
    kind = "schema"

    def __init__(self, account: Account, warehouse: Warehouse, sql: Path) -> None:
        super().__init__(account, account.settings.database)
        self._warehouse = warehouse
        self._sql = sql

    def look(self) -> Found:
        tags = self._warehouse.tags()
        if TAG not in tags:
            return ABSENT
        return self.found(tags, [] if tags[TAG] == self._digest() else ["statements"])

    def _make(self, found: Found) -> None:
        endpoint = self._warehouse.endpoint()
        if endpoint is None:
            raise AwsError(f"{self}: the warehouse is not there")
        for text in self._before():
            self._run(endpoint, [text])
        self._run(endpoint, self._tables(endpoint))
        self._run(endpoint, self._rights(endpoint))
        self._warehouse.tag(TAG, self._digest())

    def remove(self) -> None:
        """It goes with the warehouse."""

    def _before(self) -> list[str]:
        # Redshift lets every user use every role in COPY until this (r_GRANT, usage notes of ASSUMEROLE).
        return ["revoke assumerole on all from public for all"]

    def _tables(self, endpoint: Endpoint) -> list[str]:
        there: dict[str, set[str]] = {}
        for table, column in self._rows(endpoint, statement(self._sql, "ledger/columns/select").text):
            there.setdefault(table, set()).add(column)
        made: list[str] = []
        for each in lasting(self._sql):
            try:
                made += additions(each, there).values()
            except SparkifyError as error:
                raise AwsError(str(error)) from error
            made.append(each.text)
        return made

    def _rights(self, endpoint: Endpoint) -> list[str]:
        roles = {name for (name,) in self._rows(endpoint, statement(self._sql, "roles/select").text)}
        # A name may be kept in lower case, quoted or not (Redshift Database Developer Guide, r_names).
        users = {name.lower() for (name,) in self._rows(endpoint, "select usename from pg_user")}
        made = [statement(self._sql, f"roles/{role}/create").text for role in ROLES if role not in roles]
        made += [
            f"create user {user} password disable"
            for user in self._users()
            if user[1:-1].lower() not in users
        ]
        made += [each.text for each in rights(self._sql)]
        made += [f"grant role {role} to {user}" for user, role in self._users().items()]
        made.append(f"grant assumerole on '{self.account.role_arn('copy')}' to role {_LOADER} for copy")
        return made

    def _users(self) -> dict[str, str]:
        """Database user → its role. By IAM a role is the user IAMR:name (GetClusterCredentialsWithIAM)."""
        users = {f'"IAMR:{self.account.name("worker")}"': _LOADER}
        return users | {f'"IAMR:{name}"': _READER for name in self.account.settings.readers}

    def _digest(self) -> str:
        """Of all that is run where nothing is there yet."""
        texts = [each.text for each in (*lasting(self._sql), *rights(self._sql))]
        texts += [self.account.role_arn("copy"), *sorted(self._users())]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]

    @property
    def _data(self) -> Any:
        return self.account.client("redshift-data")

    def _to(self, endpoint: Endpoint) -> dict[str, str]:
        return {
            **self._warehouse.target,
            "Database": self.account.settings.database,
            "SecretArn": endpoint.secret,
        }

    def _run(self, endpoint: Endpoint, texts: Sequence[str]) -> None:
        """Each batch is one transaction; all of them can be run again."""
        for first in range(0, len(texts), _PER_TRANSACTION):
            batch = list(texts[first : first + _PER_TRANSACTION])
            answer = self._data.batch_execute_statement(Sqls=batch, **self._to(endpoint))
            self._ended(answer["Id"])

    def _rows(self, endpoint: Endpoint, text: str) -> list[tuple[str, ...]]:
        identity = self._data.execute_statement(Sql=text, **self._to(endpoint))["Id"]
        self._ended(identity)
        rows: list[tuple[str, ...]] = []
        for page in self._data.get_paginator("get_statement_result").paginate(Id=identity):
            rows += [tuple(str(next(iter(field.values()))) for field in row) for row in page["Records"]]
        return rows

    def _ended(self, identity: str) -> None:
        ended: dict[str, Any] = {}

        def is_done() -> bool:
            ended.update(self._data.describe_statement(Id=identity))
            return ended["Status"] in ("FINISHED", "FAILED", "ABORTED")

        self.account.wait("the warehouse makes the schema", is_done)
        if ended["Status"] != "FINISHED":
            reason = " ".join(str(ended.get("Error", "no reason given")).split())
            raise AwsError(f"{self}: {ended['Status'].lower()}: {reason}")


def sql_folder() -> Path:
    """The repository's sql/, beside the worker's package."""
    found = importlib.util.find_spec("sparkify")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parents[2] / "sql"
