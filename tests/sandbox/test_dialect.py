"""Redshift's SQL through the sandbox: what is accepted, what it answers, what is refused by name."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
import redshift_connector

from tests.sandbox.conftest import Ask

TOO_LONG = ("22001", "value too long for type character varying(8)")
NO_FRAME = ("42601", "Aggregate window functions with an ORDER BY clause require a frame clause")


def failing(ask: Ask, sql: str) -> tuple[str, str]:
    """The SQLSTATE and the message of the error that a statement ends with."""
    with pytest.raises(redshift_connector.ProgrammingError) as caught:
        ask(sql)
    error: dict[str, str] = caught.value.args[0]
    return error["C"], error["M"]


# Tables


def test_every_table_attribute_is_accepted(ask: Ask) -> None:
    ask("""
        create table if not exists public.songplays (
            songplay_id varchar(32) not null encode zstd primary key,
            start_time timestamp not null encode az64,
            user_id integer default 1 + 1 references users (user_id),
            level varchar(4) encode bytedict unique,
            loaded timestamp default getdate(),
            constraint named foreign key (level) references levels
        ) backup no diststyle key distkey (songplay_id) compound sortkey (start_time, songplay_id)
    """)
    ask("create table plays (number bigint distkey sortkey) encode auto")
    ask("create table everywhere (number int) diststyle all interleaved sortkey (number)")
    ask("insert into songplays (songplay_id, start_time) values ('a', '2018-11-01 01:02:03.796')")
    moment = datetime(2018, 11, 1, 1, 2, 3, 796000)
    assert ask("select songplay_id, start_time, user_id, level, loaded <= getdate() from songplays") == [
        ["a", moment, 2, None, True]
    ]


@pytest.mark.sandbox_only
def test_sort_distribution_and_declared_keys_and_blocks_become_indexes(ask: Ask) -> None:
    ask("""
        create table songplays (
            id int primary key, day date, user_id int unique, title varchar(9), session_id bigint)
        distkey (user_id) compound sortkey (day, id)
    """)
    indexes = ask("select indexdef from pg_indexes where tablename = 'songplays' order by 1")
    assert [index.rpartition(" USING ")[2] for (index,) in indexes] == [
        "btree (day, id)",
        "btree (id)",
        "brin (session_id) WITH (pages_per_range='32', autosummarize='on')",
        "btree (user_id)",
    ]


def test_keys_are_declared_and_not_enforced(ask: Ask) -> None:
    ask("create table users (id int primary key, name varchar(8) unique, song int references nowhere (id))")
    ask("insert into users values (1, 'a', 7), (1, 'a', 8)")
    assert ask("select count(*) from users") == [[2]]
    assert failing(ask, "insert into users (name) values ('b')")[0] == "23502"


def test_if_not_exists_leaves_the_table_that_is_there(ask: Ask) -> None:
    for column in ("number", "other"):
        ask(f"create table if not exists plays ({column} int) sortkey ({column})")
    ask("insert into plays (number) values (1)")
    ask("create temp table if not exists plays (shadow int)")
    ask("create temp table if not exists plays (again int)")
    assert ask("select shadow from plays") == []
    assert ask("select * from public.plays") == [[1]]


@pytest.mark.parametrize(
    ("definition", "sqlstate"),
    [
        ("(a int) diststyle key", "42P16"),
        ("(a int) diststyle all distkey (a)", "42P16"),
        ("(a int distkey, b int distkey)", "42P16"),
        ("(a int) sortkey (b)", "42703"),
        ("(a varchar(8) encode az64)", "42P16"),
        ("(a varchar(8) identity(0, 1))", "42P16"),
        ("(a int encode nonsense)", "42601"),
        ("(tag int)", "42601"),
        ("(a int check (a > 0))", "0A000"),
        ("(a geometry)", "0A000"),
        ("(a varchar(65536))", "22023"),
        ("(a decimal(39, 2))", "22023"),
    ],
)
def test_a_table_that_redshift_refuses_is_refused(ask_quickly: Ask, definition: str, sqlstate: str) -> None:
    assert failing(ask_quickly, f"create table plays {definition}")[0] == sqlstate


def test_identity_values_have_gaps(ask: Ask) -> None:
    ask("create table plays (id bigint identity(0, 1), number int)")
    ask("insert into plays (number) values (1), (2), (3)")
    identities = [row[0] for row in ask("select id from plays order by id")]
    assert len(set(identities)) == 3
    assert identities != [0, 1, 2]
    assert failing(ask, "insert into plays values (1, 1)")[0] == "428C9"


def test_temporary_tables_are_the_sessions_own(ask: Ask, connect: Any) -> None:
    ask("create table plays (number int, name varchar(8))")
    ask("create temp table staged (like plays)")
    ask("create table #counted as select count(*) as plays from plays")
    ask("insert into staged values (1, 'a')")
    ask("insert into plays select * from staged")
    assert ask("select * from plays") == [[1, "a"]]
    assert ask("select plays from #counted") == [[0]]
    other = connect().cursor()
    with pytest.raises(redshift_connector.ProgrammingError, match="does not exist"):
        other.execute("select * from staged")


def test_create_table_as_takes_attributes_and_a_view_a_query(ask: Ask) -> None:
    ask("create table plays distkey (number) sortkey (number) as select 1 as number, 'a'::varchar(8) as name")
    ask("create or replace view named as select top 1 name from plays order by number")
    assert ask("select * from named") == [["a"]]
    ask("drop view if exists named")
    ask("drop table plays cascade")


def test_columns_are_added_renamed_widened_and_dropped(ask: Ask) -> None:
    ask("create table plays (number int, name varchar(8))")
    ask("insert into plays values (1, 'a')")
    ask("alter table plays add column level varchar(4) default 'free' encode zstd")
    ask("alter table plays rename column name to title")
    assert failing(ask, "insert into plays (title) values ('äääää')") == TOO_LONG
    ask("alter table plays alter column title type varchar(10)")
    ask("alter table plays alter sortkey (number)")
    ask("alter table plays drop column number")
    ask("alter table plays rename to songplays")
    ask("insert into songplays (title) values ('äääää')")
    assert ask("select * from songplays order by 1") == [["a", "free"], ["äääää", "free"]]
    assert failing(ask, "alter table songplays append from other")[0] == "0A000"


# Values


def test_varchar_counts_bytes(ask: Ask) -> None:
    ask("create table plays (name varchar(8), copied varchar(8))")
    ask("insert into plays values ('ääää', null), ('12345678', null), (null, null)")
    assert failing(ask, "insert into plays values ('äääää', null)") == TOO_LONG
    assert failing(ask, "insert into plays values ('123456789', null)") == TOO_LONG
    assert failing(ask, "insert into plays select 'äääää'") == TOO_LONG
    assert failing(ask, "update plays set copied = name || 'ä'") == TOO_LONG
    ask("create temp table staged (like plays)")
    assert failing(ask, "insert into staged values ('äääää', null)") == TOO_LONG
    assert ask("select name, len(name), octet_length(name) from plays where name like '%ä'") == [
        ["ääää", 4, 8]
    ]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # Strings
        (r"'a\'b'", "a'b"),
        (r"'a\\d'", "a\\d"),
        ("'it''s'", "it's"),
        ("'ääää'::varchar(3)", "ä"),
        ("'abc'::char(2)", "ab"),
        ("concat('a', null)", None),
        ("'a' || null", None),
        ("len('äb')", 2),
        ("charindex('b', 'abc')", 2),
        ("position('c' in 'abc')", 3),
        ("substring('abc', 2, 1) || substring('abc' from 3)", "bc"),
        ("regexp_replace('aXbX', 'X', '-')", "a-b-"),
        ("regexp_substr('abc', 'z')", ""),
        ("regexp_count('aaa', 'a')", 3),
        ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("sha2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("strtol('ff', 16)", 255),
        ("json_extract_path_text('{\"a\": {\"b\": 1}}', 'a', 'b')", "1"),
        ("json_extract_path_text('{\"a\": 1}', 'c')", ""),
        ("is_valid_json('{}')", True),
        ("translate('abc', 'ab', 'x')", "xc"),
        # Numbers
        ("5 / 2", 2),
        ("3.75::decimal", Decimal(4)),
        ("245.99465::decimal(8, 2)", Decimal("245.99")),
        ("round(1.555, 2)", Decimal("1.56")),
        ("trunc(2.99)", Decimal(2)),
        ("log(100.0)", Decimal(2)),
        ("convert(integer, '7')", 7),
        # Conditions
        ("nvl(null, 2)", 2),
        ("nvl2(1, 'a', 'b')", "a"),
        ("decode(null, 1, 'a', null, 'b', 'c')", "b"),
        ("decode(3, 1, 'a', 'c')", "c"),
        ("case when 'a' ilike 'A' then 1 end", 1),
        # Dates and times
        ("timestamp 'epoch' + 1541106106796 / 1000 * interval '1 second'", datetime(2018, 11, 1, 21, 1, 46)),
        ("dateadd(month, 18, '2008-02-28')", datetime(2009, 8, 28)),
        ("dateadd(ms, 796, timestamp '2018-11-01')", datetime(2018, 11, 1, 0, 0, 0, 796000)),
        ("datediff(year, '2008-12-31', '2009-01-01')", 1),
        ("datediff(hour, '2009-01-01 08:30:00', '2009-01-01 10:00:00')", 2),
        ("datediff(week, '2018-11-03', '2018-11-04')", 1),
        ("date_trunc('month', date '2018-11-30')", datetime(2018, 11, 1)),
        ("extract(sec from timestamp '2009-09-21 11:10:03.189717')", 3),
        ("extract(ms from timestamp '2009-09-21 11:10:03.189717')", 189),
        ("date_part(sec, timestamp '2009-09-21 11:10:03.189717')", 3.189717),
        ("date_part(dow, date '2018-11-04')", 0.0),
        ("extract(week from timestamp '2018-12-31')", 1),
        ("last_day('2018-02-03')", date(2018, 2, 28)),
        ("add_months('2008-02-29', 1)", datetime(2008, 3, 31)),
        ("next_day('2014-08-20', 'Tuesday')", date(2014, 8, 26)),
        ("convert_timezone('America/New_York', '2018-11-01 00:00:00')", datetime(2018, 10, 31, 20)),
        ("to_char(timestamp '2018-11-01 13:05:00', 'YYYY-MM-DD HH24:MI')", "2018-11-01 13:05"),
        ("trunc(timestamp '2018-11-01 13:05:00')", date(2018, 11, 1)),
        ("datediff(day, getdate(), sysdate)", 0),
    ],
)
def test_an_expression_has_the_value_that_redshift_documents(
    ask_quickly: Ask, expression: str, value: object
) -> None:
    assert ask_quickly(f"select {expression}") == [[value]]


def test_names_are_folded_to_lower_case_quoted_or_not(ask: Ask) -> None:
    ask('create table "Plays" (Number int, "Level" varchar(4))')
    ask("""insert into PLAYS values (1, 'free')""")
    assert ask('select "NUMBER", level, "plays"."level" from plays') == [[1, "free", "free"]]


def test_reserved_words_name_nothing_unless_quoted(ask_quickly: Ask) -> None:
    assert failing(ask_quickly, "select 1 as tag") == ("42601", 'syntax error at or near "tag"')
    assert failing(ask_quickly, 'select tag from (select 1 as "tag") as t') == (
        "42601",
        'syntax error at or near "tag"',
    )
    assert ask_quickly('select 1 as "tag", 2 as time, 3 as level, 4 as year') == [[1, 2, 3, 4]]


def test_after_a_dot_a_reserved_word_names_a_column(ask_quickly: Ask) -> None:
    assert ask_quickly('select t.tag from (select 1 as "tag") as t where t.TAG = 1') == [[1]]


def test_result_columns_have_redshifts_names(administrator: Any) -> None:
    cursor = administrator.cursor()
    cursor.execute(
        "select nvl(1, 2), 'a'::varchar(3), len('a'), avg(1) over (), getdate(), x::char(1) "
        "from (select 'x' as x)"
    )
    assert [column[0] for column in cursor.description] == [
        "coalesce",
        "varchar",
        "len",
        "avg",
        "getdate",
        "x",
    ]


# Queries


@pytest.fixture
def plays(ask: Ask) -> Ask:
    ask("create table plays (user_id int, day int, level varchar(4))")
    ask("insert into plays values (1, 1, 'free'), (1, 2, 'paid'), (2, 1, 'free'), (3, 1, null)")
    return ask


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select top 1 user_id from plays order by user_id desc", [[3]]),
        ("select user_id from plays where day = 2 limit 1", [[1]]),
        (
            "select user_id, level from plays p "
            "qualify row_number() over (partition by user_id order by day desc) = 1 order by 1",
            [[1, "paid"], [2, "free"], [3, None]],
        ),
        ("select listagg(distinct level, ',') within group (order by level) from plays", [["free,paid"]]),
        ("select listagg(user_id) within group (order by user_id desc, day) from plays", [["3211"]]),
        ("select avg(user_id), avg(user_id::float8) from plays", [[1, 1.75]]),
        ("select avg(user_id::decimal(8, 2)) from plays", [[Decimal("1.75")]]),
        ("select median(user_id) from plays", [[1.5]]),
        ("select approximate count(distinct user_id) from plays", [[3]]),
        ("select percentile_cont(0.5) within group (order by user_id) from plays", [[1.5]]),
        (
            "select day, sum(user_id) over (partition by user_id order by day rows unbounded preceding) "
            "from plays where user_id = 1 order by 1",
            [[1, 1], [2, 2]],
        ),
        ("select lag(day) over (order by day) from plays where user_id = 1 order by day", [[None], [1]]),
        ("select avg(day) over (partition by user_id) from plays where user_id = 1", [[1], [1]]),
        ("select ratio_to_report(day) over () from plays where user_id = 1 order by 1", [[1 / 3], [2 / 3]]),
        ("with d as (select distinct user_id from plays) select count(*) from d", [[3]]),
        (
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3) "
            "select sum(i) from n",
            [[6]],
        ),
        ("select user_id from plays where day = 1 minus select 3 order by 1", [[1], [2]]),
        (
            "select day, count(*) from plays group by rollup (day) order by 1 nulls last",
            [[1, 3], [2, 1], [None, 4]],
        ),
        (
            "select count(*) from plays a join plays b using (user_id) left join plays c on a.day = c.day",
            [[14]],
        ),
        ("select count(*) from plays where (user_id, day) in (select 1, 2) and exists (select 1)", [[1]]),
        ("select user_id from plays where level similar to 'pa(i|y)d' and level ~ '^p'", [[1]]),
    ],
)  # fmt: skip
def test_a_query_is_answered_as_documented(plays: Ask, query: str, rows: list[list[object]]) -> None:
    assert plays(query) == rows


def test_rows_are_changed_by_joins(plays: Ask) -> None:
    plays("create temp table staged as select 1 as user_id, 1 as day, 'new' as level")
    plays("update plays set level = staged.level from staged where plays.user_id = staged.user_id")
    plays("update plays as p set day = 9 where p.user_id = 3")
    plays("delete from plays using staged where plays.user_id = staged.user_id and plays.day = staged.day")
    plays(
        "with gone as (select 2 as user_id) delete from plays using gone where plays.user_id = gone.user_id"
    )
    plays("insert into plays with x as (select 7 as n) select n, n, null from x")
    assert plays("select * from plays order by 1") == [[1, 2, "new"], [3, 9, None], [7, 7, None]]


def test_merge_updates_and_inserts(plays: Ask) -> None:
    plays("create table staged (user_id int, day int, level varchar(4))")
    plays("insert into staged values (3, 1, 'x'), (4, 1, 'y')")
    merge = (
        "merge into plays using staged on plays.user_id = staged.user_id "
        "when matched then update set level = staged.level "
        "when not matched then insert (user_id, day, level) values (staged.user_id, staged.day, staged.level)"
    )
    plays(merge)
    assert plays("select * from plays where user_id > 2 order by 1") == [[3, 1, "x"], [4, 1, "y"]]
    assert failing(plays, merge.split("when not")[0])[0] == "0A000"


@pytest.mark.parametrize("matched", ["update set level = staged.level", "delete"])
def test_merge_refuses_several_source_rows_for_one_target_row(plays: Ask, matched: str) -> None:
    plays("create table staged (user_id int, level varchar(4))")
    plays("insert into staged values (3, 'x'), (3, 'y'), (4, 'z')")
    before = plays("select * from plays order by 1, 2")
    assert failing(
        plays,
        f"merge into plays using staged on plays.user_id = staged.user_id when matched then {matched} "
        "when not matched then insert (user_id, level) values (staged.user_id, staged.level)",
    ) == ("XX000", "Found multiple matches to update the same tuple.")
    assert plays("select * from plays order by 1, 2") == before


def test_super_is_stored_and_serialized(ask: Ask) -> None:
    ask("create table documents (document super)")
    ask("""insert into documents select json_parse('{"a": [1, 2]}')""")
    assert ask("select json_serialize(document) from documents") == [['{"a": [1, 2]}']]
    assert failing(ask, "select document.a[0] from documents d")[0] in ("0A000", "42P01")


# Other statements


def test_settings_of_redshift_are_kept(ask: Ask) -> None:
    ask("set query_group to 'loads'")
    assert ask("show query_group") == [["loads"]]
    ask("reset query_group")
    ask("set enable_result_cache_for_session to off")
    ask("set search_path to '$user', public")
    ask("set statement_timeout to 60000")
    assert ask("show statement_timeout") == [["1min"]]
    assert failing(ask, "set work_mem to '1GB'") == (
        "42704",
        'unrecognized configuration parameter "work_mem"',
    )


def test_maintenance_is_accepted(plays: Ask) -> None:
    for statement in (
        "analyze", "analyze plays", "analyze verbose plays (day)", "analyze plays predicate columns",
        "vacuum", "vacuum full plays to 75 percent boost", "vacuum sort only plays",
        "comment on table plays is 'facts'",
    ):  # fmt: skip
        plays(statement)


@pytest.mark.sandbox_only
def test_a_vacuum_gives_back_the_room_of_deleted_rows(ask: Ask) -> None:
    ask("create table texts (number integer, text varchar(1000))")
    ask(f"insert into texts values (0, '{'x' * 1000}')")
    for _ in range(13):
        ask("insert into texts select number + 1, text from texts")
    megabytes = "select size from svv_table_info where \"table\" = 'texts'"
    assert ask(megabytes)[0][0] in range(8, 12)
    ask("delete from texts where number > 3")
    ask("vacuum texts")
    assert ask(megabytes) == [[1]]
    assert ask("select count(*), max(number) from texts") == [[1 + 13 + 78 + 286, 3]]


def test_a_vacuum_in_a_transaction_block_is_refused(warehouse: Any) -> None:
    cursor = warehouse.cursor()
    with pytest.raises(redshift_connector.ProgrammingError, match="cannot run inside a transaction block"):
        cursor.execute("vacuum")


def test_explain_and_cursors_work(warehouse: Any) -> None:
    cursor = warehouse.cursor()
    cursor.execute("explain select 1")
    assert cursor.fetchall()
    cursor.execute("declare numbers cursor for select 1 as n union all select 2 order by 1")
    cursor.execute("fetch forward 1 from numbers")
    assert list(map(list, cursor.fetchall())) == [[1]]
    cursor.execute("close numbers")


@pytest.mark.sandbox_only
def test_the_branches_of_a_large_union_all_run_side_by_side_and_those_of_a_small_one_do_not(
    warehouse: Any,
) -> None:
    cursor = warehouse.cursor()
    cursor.execute("create table numbers (n int, at timestamp)")
    cursor.execute("insert into numbers values (0, '2018-11-01 12:00:00'), (1, '2018-11-01 13:00:00')")
    counts = """
        select 1 as place, count(*) as found from (select at from numbers group by at having count(*) > 9)
        union all
        select 2, count(*) from numbers where trunc(at) = '2018-11-01' and extract(hour from at) = 12
        union all
        select 3, count(*) from numbers where last_day(at) = '2018-11-30' and getdate() > at
    """
    plans, found = [], []
    for rows in (2, 2**19):
        while cursor.execute("select count(*) from numbers").fetchone()[0] < rows:
            cursor.execute("insert into numbers select n + 2, at from numbers")
        cursor.execute("analyze numbers")
        cursor.execute(f"explain {counts}")
        plans.append("Parallel Append" in str(cursor.fetchall()))
        cursor.execute(counts)
        found.append(sorted(map(list, cursor.fetchall())))
    assert plans == [False, True]
    assert found == [[[1, 0], [2, 1], [3, 2]], [[1, 2], [2, 2**18], [3, 2**19]]]


@pytest.mark.sandbox_only
@pytest.mark.parametrize(
    ("sql", "sqlstate", "named"),
    [
        ("select generate_series(1, 2)", "0A000", "function generate_series()"),
        ("select gen_random_uuid()", "0A000", "function gen_random_uuid()"),
        ("select * from generate_series(1, 2)", "0A000", "function generate_series()"),
        ("select 1 for update", "0A000", "FOR UPDATE"),
        ("select distinct on (a) a from (select 1 as a) t", "0A000", "DISTINCT ON"),
        ("select 1 is distinct from 2", "0A000", "IS DISTINCT FROM"),
        ("select * from (values (1)) t (a)", "0A000", "VALUES outside of INSERT"),
        ("select count(*) filter (where true)", "0A000", "FILTER"),
        ("select lag(a) ignore nulls over (order by a) from (select 1 as a) t", "0A000", "IGNORE NULLS"),
        ("insert into plays values (1) returning a", "0A000", "RETURNING"),
        ("insert into plays values (1) on conflict do nothing", "0A000", "ON CONFLICT"),
        ("with a as (select 1) insert into plays select * from a", "0A000", "WITH before INSERT"),
        ("select array[1]", "0A000", "ARRAY"),
        ("select 1 limit 1 nonsense here", "42601", "syntax error"),
        ("delete from plays p where p.a = 1", "42601", "syntax error"),
        ("update plays set plays.a = 1", "42601", "syntax error"),
        ("savepoint a", "0A000", "SAVEPOINT"),
        ("rollback to a", "0A000", "SAVEPOINT"),
        ("unload ('select 1') to 's3://a/b' iam_role default", "0A000", "UNLOAD"),
        ("create index on plays (a)", "0A000", "CREATE INDEX"),
        ("create function f() returns int as 'select 1' language sql", "0A000", "CREATE FUNCTION"),
        ("call something()", "0A000", "CALL of a stored procedure"),
        ("listen plays", "0A000", "LISTEN"),
        ("select 'unfinished", "42601", "syntax error"),
    ],
)
def test_what_the_sandbox_does_not_know_is_refused_by_name(
    ask_quickly: Ask, sql: str, sqlstate: str, named: str
) -> None:
    refused = failing(ask_quickly, sql)
    assert refused[0] == sqlstate
    assert named in refused[1]


def test_an_aggregate_over_an_order_needs_a_frame(plays: Ask) -> None:
    assert failing(plays, "select sum(day) over (order by user_id) from plays") == NO_FRAME
    assert failing(plays, "select last_value(day) over (order by user_id) from plays") == NO_FRAME
    assert (
        "does not take a frame"
        in failing(plays, "select row_number() over (order by day rows unbounded preceding) from plays")[1]
    )


def test_leader_node_functions_fail_on_tables(plays: Ask) -> None:
    assert plays("select current_schema()") == [["public"]]
    assert failing(plays, "select current_schema(), day from plays") == (
        "0A000",
        "Specified types or functions (one per INFO message) not supported on Redshift tables.",
    )
