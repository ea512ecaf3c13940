"""Users and roles: what is granted can be done, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import redshift_connector

from tests.conftest import Connect
from tests.sandbox.conftest import Ask

PASSWORD = "Abcd1234"


def refusal(connection: Any, sql: str) -> tuple[str, str]:
    with pytest.raises(redshift_connector.ProgrammingError) as caught:
        connection.cursor().execute(sql)
    connection.rollback()
    error: dict[str, str] = caught.value.args[0]
    return error["C"], error["M"]


def test_a_user_may_do_what_is_granted_to_the_role_until_it_is_revoked(ask: Ask, connect: Connect) -> None:
    ask("create table plays (number integer)")
    ask("create role listeners")
    ask(f"create user listener password '{PASSWORD}'")
    try:
        ask("grant role listeners to listener")
        ask("grant select on table plays to role listeners")
        assert ask("select role_name from svv_roles where role_name like 'listener%'") == [["listeners"]]
        listener = connect(user="listener", password=PASSWORD)
        cursor = listener.cursor()
        cursor.execute("select count(*) from plays")
        assert cursor.fetchone() == [0]
        assert refusal(listener, "delete from plays") == ("42501", "permission denied for relation plays")
        assert refusal(listener, "drop table plays") == ("42501", "must be owner of relation plays")
        ask("revoke select on plays from role listeners")
        assert refusal(listener, "select count(*) from plays") == (
            "42501",
            "permission denied for relation plays",
        )
    finally:
        ask("drop user listener")
        ask("drop role listeners")


@pytest.mark.sandbox_only
def test_a_password_is_hidden_in_the_log_of_statements(ask: Ask) -> None:
    ask(f"create user whisperer password '{PASSWORD}'")
    ask("drop user whisperer")
    ((logged,),) = ask("select sql from sandbox.statements where sql like 'create user whisperer%'")
    assert logged == "create user whisperer password '***'"


@pytest.mark.sandbox_only
@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("create group listeners", "CREATE GROUP"),
        ("grant select on plays to group listeners", "a group of users"),
        ("grant alter on table plays to role listeners", "the right ALTER on a table"),
        ("grant create table to role listeners", "the right CREATE"),
        ("create user listener password 'Abcd1234' createuser", "CREATE USER … CREATEUSER"),
    ],
)
def test_rights_that_the_sandbox_does_not_know_are_refused_by_name(ask: Ask, sql: str, what: str) -> None:
    with pytest.raises(redshift_connector.ProgrammingError) as caught:
        ask(sql)
    error: dict[str, str] = caught.value.args[0]
    assert error["C"] == "0A000"
    assert what in error["M"]
