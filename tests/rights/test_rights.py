"""What the users of loader and reader may do: everything they need, and nothing else."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redshift_connector

from tests import oracle
from tests.lines import EVENT, SONG
from tests.rights.conftest import PASSWORD
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, rows

AsUser = Callable[[str], Any]

STAR = {"songplays", "users", "songs", "artists", "time"}
ACTIONS = {
    "select": "select 1 from {0} where false",
    "insert": "insert into {0} ({1}) values (null)",
    "update": "update {0} set {1} = null where false",
    "delete": "delete from {0} where false",
    "truncate": "truncate {0}",
    "drop": "drop table {0}",
    "rename": "alter table {0} rename to other",
    "add a column": "alter table {0} add column other integer",
    "take over": "alter table {0} owner to {2}",
    "give away": "grant select on table {0} to public",
}


def loaders(table: str) -> set[str]:
    if table.startswith("lock_"):
        return {"update", "delete"}
    return {"select", "insert"} if table == "loads" else {"select", "insert", "delete"}


def readers(table: str) -> set[str]:
    return {"select"} if table in STAR else set()


def refused(connection: Any, statement: str) -> bool:
    """Whether a statement fails, or has no effect, for want of a right; nothing of it stays."""
    connection.notices.clear()
    try:
        connection.cursor().execute(statement)
        return any(notice.get(b"C") == b"01007" for notice in connection.notices)
    except redshift_connector.ProgrammingError as error:
        return bool(error.args[0]["C"] == "42501")
    finally:
        connection.rollback()


def tables(warehouse: Any) -> dict[str, str]:
    """Each table with one of its columns."""
    found = rows(
        warehouse,
        "select columns.table_name, min(columns.column_name) from information_schema.columns as columns "
        "inner join information_schema.tables as tables on columns.table_name = tables.table_name "
        "where columns.table_schema = 'public' and tables.table_type = 'BASE TABLE' "
        "group by columns.table_name",
    )
    return {str(table): str(column) for table, column in found}


@pytest.mark.parametrize(
    ("role", "allowed"), [("loader", loaders), ("reader", readers), ("stranger", lambda table: set())]
)
def test_a_user_may_do_with_each_table_what_the_role_needs_and_nothing_else(
    role: str,
    allowed: Callable[[str], set[str]],
    users: dict[str, str],
    as_user: AsUser,
    warehouse: Any,
) -> None:
    connection = as_user(role)
    there = tables(warehouse)
    warehouse.rollback()
    assert there.keys() > STAR
    may = {
        table: {
            action
            for action, statement in ACTIONS.items()
            if not refused(connection, statement.format(f'"{table}"', f'"{column}"', users[role]))
        }
        for table, column in there.items()
    }
    assert may == {table: allowed(table) for table in there}
    assert tables(warehouse) == there


@pytest.mark.parametrize("role", ["loader", "reader", "stranger"])
def test_no_user_makes_anything_that_lasts_or_sees_what_belongs_to_others(
    role: str, pipeline: Pipeline, users: dict[str, str], as_user: AsUser, warehouse: Any
) -> None:
    warehouse.cursor().execute("create schema others")
    warehouse.cursor().execute("create table others.secrets (secret varchar(10))")
    warehouse.commit()
    connection = as_user(role)
    me = users[role]
    statements = [
        "select * from others.secrets",
        "insert into others.secrets values ('x')",
        "create table others.mine (number integer)",
        "create table mine (number integer)",
        "create table public.mine (number integer)",
        "create view mine as select 1 as number",
        "create schema mine",
        "create role mine",
        f"create user mine password '{PASSWORD}'",
        f"grant role sparkify_loader to {users['stranger']}",
        f"grant usage on schema others to {me}",
        "grant create on schema public to public",
        "drop schema others cascade",
        "drop role sparkify_loader",
        f"drop user {users['stranger']}",
        "drop view days_in_step",
        "create or replace view days_in_step as select 1 as day",
        "truncate songplays",
    ]
    if role != "loader":
        pipeline.put("user.json", "{}")
        copy = f"copy users from 's3://{pipeline.bucket}/user.json' iam_role default format as json 'auto'"
        statements += ["select * from days_in_step", "lock lock_star", copy]
    assert [each for each in statements if not refused(connection, each)] == []
    # The one thing they can make is their own and ends with their session.
    connection.cursor().execute("create temp table mine (number integer)")


def test_the_loader_runs_the_whole_pipeline_and_not_the_schemas_commands(
    pipeline: Pipeline, users: dict[str, str], warehouse: Any
) -> None:
    song = json.dumps(SONG)
    plays = [
        {
            **EVENT,
            "itemInSession": item,
            "song": SONG["title"],
            "artist": SONG["artist_name"],
            "length": SONG["duration"],
        }
        for item in range(3)
    ]
    body = "".join(json.dumps(play) + "\n" for play in plays)
    pipeline.put("song_data/A/B/C/song.json", song)
    pipeline.put_day(DAY, body + "bad\n")
    as_loader = {
        "SPARKIFY_WAREHOUSE_USER": users["loader"],
        "SPARKIFY_WAREHOUSE_PASSWORD": PASSWORD,
        "SPARKIFY_MAX_BAD_RATIO": "1",
    }
    pipeline.done("connect", **as_loader)
    for _ in range(2):  # the second replaces what the first wrote
        pipeline.day(DAY, **as_loader)
        pipeline.put("song_data/A/B/C/song.json", song + "\n")
    assert oracle.loaded(warehouse) == oracle.star({DAY: body.encode()}, {"song.json": song.encode()})
    pipeline.done("plan", "--date", DAY, **as_loader)
    pipeline.done("freshness", "--as-of", f"{DAY}T00:00", **as_loader)
    pipeline.done("trace", f"{EVENT['sessionId']}-1", **as_loader)
    pipeline.done("trace", "--file", f"{DAY}-events.json", **as_loader)
    assert "bad" in pipeline.done("quarantine", "show", f"{DAY}-events.json:4", **as_loader).out
    pipeline.done("quarantine", "list", "--date", DAY, **as_loader)
    assert pipeline.run("quarantine", "retry", "--date", DAY, **as_loader).code in (0, 99)

    for command in (("tables", "create"), ("tables", "grant"), ("tables", "drop", "--yes")):
        ended = pipeline.run(*command, **as_loader)
        assert ended.code == 64, ended.log
        assert "permission denied" in ended.log or "must be owner" in ended.log or "may not" in ended.log
