"""COPY from S3 as Redshift documents it: sources, mappings, limits and failures."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import redshift_connector
import zstandard

from tests.sandbox.conftest import Ask, Put

JSON = "iam_role default json 'auto'"


def failing(ask: Ask, sql: str) -> dict[str, str]:
    """The fields of the error that a statement ends with."""
    with pytest.raises(redshift_connector.ProgrammingError) as caught:
        ask(sql)
    error: dict[str, str] = caught.value.args[0]
    return error


@pytest.fixture
def refused(ask: Ask) -> Callable[[str], dict[str, str]]:
    return partial(failing, ask)


def lines(*documents: object) -> str:
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)


# Mappings


def test_auto_takes_the_lower_case_keys_and_ignores_the_others(ask: Ask, put: Put) -> None:
    ask("create table songs (song_id varchar(18), title varchar(50), year int)")
    url = put("songs.json", lines({"title": "Söng", "song_id": "S1", "Year": 1999, "more": [1]}, {}))
    ask(f"copy songs from '{url}' {JSON}")
    assert ask("select * from songs order by 1") == [["S1", "Söng", None], [None, None, None]]


def test_auto_ignorecase_takes_keys_in_any_case(ask: Ask, put: Put) -> None:
    ask("create table events (userid int, firstname varchar(20))")
    url = put("events.json", lines({"userId": 8, "firstName": "Kaylee"}))
    ask(f"copy events from '{url}' iam_role default format as json 'auto ignorecase'")
    assert ask("select * from events") == [[8, "Kaylee"]]


@pytest.mark.parametrize(
    "paths",
    [["$.id", "$.store.book.title", "$.tags[1]"], ["$['id']", "$['store']['book']['title']", "$['tags'][1]"]],
    ids=["dots", "brackets"],
)
def test_jsonpaths_lead_into_objects_and_arrays(ask: Ask, put: Put, paths: list[str]) -> None:
    ask("create table books (id int, title varchar(20), label varchar(20))")
    url = put(
        "data/books.json", lines({"id": 1, "store": {"book": {"title": "A"}}, "tags": ["x", "y"]}, {"id": 2})
    )
    described = put("paths.json", json.dumps({"jsonpaths": paths}))
    ask(f"copy books from '{url}' iam_role default json '{described}'")
    assert ask("select * from books order by 1") == [[1, "A", "y"], [2, None, None]]


def test_jsonpaths_take_the_columns_of_a_column_list_from_arrays(ask: Ask, put: Put) -> None:
    ask("create table plays (number int default 7, name varchar(20), length float8)")
    url = put("plays.json", lines(["a", 1.5], ["b", None], ["c"]))
    described = put("paths", json.dumps({"jsonpaths": ["$[1]", "$[0]"]}))
    ask(f"copy plays (length, name) from '{url}' iam_role default json '{described}'")
    assert ask("select * from plays order by 2") == [[7, "a", 1.5], [7, "b", None], [7, "c", None]]


def test_another_key_than_jsonpaths_means_auto(ask: Ask, put: Put) -> None:
    ask("create table plays (number int)")
    url, described = put("plays", lines({"number": 1})), put("paths", '{"JSONPaths": ["$.other"]}')
    ask(f"copy plays from '{url}' iam_role default json '{described}'")
    assert ask("select * from plays") == [[1]]


def test_as_many_jsonpaths_as_columns_are_needed(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int, name varchar(20))")
    url, described = put("plays", lines([1])), put("paths", '{"jsonpaths": ["$[0]"]}')
    error = refused(f"copy plays from '{url}' iam_role default json '{described}'")
    assert (error["C"], error["M"]) == (
        "XX000",
        "Number of jsonpaths and the number of columns should match. "
        "JSONPath size: 1, Number of columns in table or column list: 2",
    )


@pytest.mark.parametrize("path", ["$.a*", "$[*]", "a", "$", "$.a['b']", "$[-1]"])
def test_a_jsonpath_is_one_explicit_path_in_one_notation(
    ask_quickly: Ask, put_quickly: Put, path: str
) -> None:
    ask_quickly("create table plays (number int)")
    url, described = put_quickly("plays", lines([1])), put_quickly("paths", json.dumps({"jsonpaths": [path]}))
    error = failing(ask_quickly, f"copy plays from '{url}' iam_role default json '{described}'")
    assert error["M"].startswith("Invalid JSONPath format")


def test_an_object_or_array_is_loaded_as_its_text(ask: Ask, put: Put) -> None:
    ask("create table plays (tags varchar(50))")
    ask(f"copy plays from '{put('plays', lines({'tags': ['é', {'id': 1.50}, None]}))}' {JSON}")
    assert ask("select * from plays") == [['["é",{"id":1.5},null]']]


def test_noshred_loads_whole_documents_into_super(ask: Ask, put: Put) -> None:
    ask("create table documents (document super)")
    ask(f"copy documents from '{put('plays', lines({'a': [1, 2]}, [3]))}' iam_role default json 'noshred'")
    assert ask("select json_serialize(document) from documents order by 1") == [["[3]"], ['{"a": [1, 2]}']]


def test_documents_may_span_lines_and_share_them(ask: Ask, put: Put) -> None:
    ask("create table plays (number int, name varchar(20))")
    text = '\n{\n "number": 1,\n "name": "a}\\"{\\nb"\n}{"number": 2} \r\n\t[\n]{"number":3}'.replace(
        "[\n]", ""
    )
    ask(f"copy plays from '{put('plays', text)}' {JSON}")
    assert ask("select * from plays order by 1") == [[1, 'a}"{\nb'], [2, None], [3, None]]


def test_documents_that_cross_the_borders_of_blocks_are_whole(ask: Ask, put: Put) -> None:
    ask("create table plays (number int, name varchar(max))")
    documents = [{"number": number, "name": "x" * (37 + number % 4999)} for number in range(2000)]
    url = put(
        "plays", "\n".join(json.dumps(each, indent=2 if each["number"] % 3 else None) for each in documents)
    )
    ask(f"copy plays from '{url}' {JSON}")
    assert ask("select count(*), sum(number), sum(len(name)) from plays") == [
        [2000, 1999000, sum(len(str(each["name"])) for each in documents)]
    ]


def test_escapes_and_special_characters_arrive_as_they_are(ask: Ask, put: Put) -> None:
    ask("create table escapes (number int, name varchar(40))")
    names = [
        "tab\there",
        "line\nbreak",
        "return\rhere",
        "back\\slash",
        "\\N",
        "quote\"'",
        "坂本龍一 ♫",
        "\\.",
        "",
    ]
    body = lines(*({"number": number, "name": name} for number, name in enumerate(names)))
    ask(f"copy escapes from '{put('e', body)}' {JSON}")
    assert ask("select name from escapes order by number") == [[name] for name in names]


# Sources


def test_a_prefix_names_every_object_that_begins_with_it(ask: Ask, put: Put) -> None:
    ask("create table plays (number int)")
    for number, key in enumerate(["day/x.json", "day/x.json.bak", "day/x.json/deep", "day/y.json", "other"]):
        url = put(key, lines({"number": number}))
    ask(f"copy plays from '{url.removesuffix('other')}day/x.json' {JSON}")
    assert ask("select * from plays order by 1") == [[0], [1], [2]]


def manifest(*entries: tuple[str, bool] | str) -> str:
    return json.dumps(
        {
            "entries": [
                {"url": each} if isinstance(each, str) else {"url": each[0], "mandatory": each[1]}
                for each in entries
            ]
        }
    )


def test_a_manifest_loads_what_it_lists_as_often_as_it_lists_it(ask: Ask, put: Put) -> None:
    ask("create table plays (number int)")
    first, second = put("a", lines({"number": 1})), put("b", lines({"number": 2}))
    put("c", lines({"number": 3}))
    url = put("manifest", manifest((first, True), second, (first, False), (first + "-gone", False)))
    ask(f"copy plays from '{url}' {JSON} manifest")
    assert ask("select * from plays order by 1") == [[1], [1], [2]]


def test_a_mandatory_file_that_is_missing_fails_the_load(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int)")
    url = put("a", lines({"number": 1}))
    listing = put("manifest", manifest((url, True), (url + "-gone", True)))
    error = refused(f"copy plays from '{listing}' {JSON} manifest")
    assert (error["C"], error["M"]) == ("XX000", "Mandatory url is not present in manifest file.")
    assert f"{url}-gone" in error["D"]
    assert ask("select count(*) from plays") == [[0]]


def test_a_manifest_must_be_there_and_well_formed(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int)")
    url = put("manifest", '{"entries": [{"mandatory": true}]}')
    assert refused(f"copy plays from '{url}' {JSON} manifest")["M"] == (
        "Manifest file is not in correct json format"
    )
    assert refused(f"copy plays from '{url}s' {JSON} manifest")["M"].startswith(
        "Problem reading manifest file - S3ServiceException:The specified key does not exist.,"
        "Status 404,Error NoSuchKey,"
    )


def test_a_missing_prefix_or_bucket_is_an_error(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int)")
    url = put("plays", "")
    _, _, key = url.removeprefix("s3://").partition("/")
    error = refused(f"copy plays from '{url}/none' {JSON}")
    assert (error["C"], error["M"]) == ("XX000", f"The specified S3 prefix '{key}/none' does not exist")
    assert "code:      8001" in error["D"]
    error = refused(f"copy plays from 's3://no-such-bucket/plays' {JSON}")
    assert error["M"].startswith(
        "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket,Rid "
    )
    assert "Listing bucket=no-such-bucket prefix=plays" in error["D"]


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize(
    ("option", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)], ids=["gzip", "zstd"]
)
def test_compressed_objects_are_read(
    ask: Ask, put: Put, option: str, compress: Callable[[bytes], bytes], frames: int
) -> None:
    ask("create table plays (number int)")
    body = b"".join(compress(lines({"number": number}).encode()) for number in range(frames))
    ask(f"copy plays from '{put('plays', body)}' {JSON} {option}")
    assert ask("select count(*) from plays") == [[frames]]


@pytest.mark.parametrize("option", ["gzip", "zstd"])
def test_what_is_not_compressed_or_cut_off_fails(ask: Ask, put: Put, refused: Any, option: str) -> None:
    ask("create table plays (number int)")
    whole = gzip.compress(b'{"number": 1}') if option == "gzip" else zstandard.compress(b'{"number": 1}')
    for body in (b'{"number": 1}', whole[:-5]):
        assert refused(f"copy plays from '{put('plays', body)}' {JSON} {option}")["M"].startswith(
            "Load into table"
        )
    assert ask("select count(*) from plays") == [[0]]


def test_many_small_objects_are_loaded_in_one_go(ask: Ask, put: Put) -> None:
    ask("create table songs (number int)")
    for number in range(100):
        url = put(f"songs/{number}.json", lines({"number": number}))
    ask(f"copy songs from '{url.removesuffix('99.json')}' {JSON}")
    assert ask("select count(*), sum(number) from songs") == [[100, 4950]]


def test_a_role_or_other_credentials_are_needed(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int)")
    url = put("plays", lines({"number": 1}))
    assert refused(f"copy plays from '{url}' json 'auto'")["C"] == "42601"
    assert refused(f"copy plays from '{url}' iam_role 'me' json 'auto'")["M"] == "Invalid IAM role ARN: me"
    for role in (
        "iam_role 'arn:aws:iam::123456789012:role/loads'",
        "iam_role default",
        "credentials 'aws_iam_role=x'",
    ):
        ask(f"copy plays from '{url}' {role} json 'auto' region 'eu-west-1'")
    assert ask("select count(*) from plays") == [[3]]


def test_a_table_that_is_missing_is_named(put: Put, refused: Any) -> None:
    error = refused(f"copy nowhere from '{put('plays', '')}' {JSON}")
    assert (error["C"], error["M"]) == ("XX000", "Cannot COPY into nonexistent table nowhere")


# Values


@pytest.mark.parametrize(
    ("column", "value", "loaded"),
    [
        ("int", 5, 5),
        ("int", "5", 5),
        ("int", " 5 ", 5),
        ("int", "", None),
        ("int", "  ", None),
        ("bigint", -9223372036854775808, -9223372036854775808),
        ("decimal(8,2)", 20.259, Decimal("20.25")),
        ("decimal(8,2)", "20.259", Decimal("20.25")),
        ("decimal(8,2)", -20.259, Decimal("-20.25")),
        ("decimal(18,3)", 1.5e3, Decimal("1500.000")),
        ("decimal", 245.99465, Decimal("245")),
        ("float8", 245.99465, 245.99465),
        ("float8", "1e-400", 0.0),
        ("real", 0.5, 0.5),
        ("boolean", True, True),
        ("boolean", "no", False),
        ("boolean", 1, True),
        ("varchar(8)", 1.10, "1.1"),
        ("varchar(8)", 12, "12"),
        ("varchar(8)", False, "false"),
        ("varchar(8)", None, None),
        ("varchar(8)", "", ""),
        ("varchar(3)", "abc   ", "abc"),
        ("char(3)", "a", "a  "),
        ("date", "2018-11-30", datetime(2018, 11, 30).date()),
        ("timestamp", "2018-11-30 01:02:03.456789", datetime(2018, 11, 30, 1, 2, 3, 456789)),
    ],
)
def test_a_value_becomes_that_of_its_column(
    ask_quickly: Ask, put_quickly: Put, column: str, value: object, loaded: object
) -> None:
    ask_quickly(f"create table plays (number {column})")
    ask_quickly(f"copy plays from '{put_quickly('plays', lines({'number': value}))}' {JSON}")
    assert ask_quickly("select * from plays") == [[loaded]]


@pytest.mark.parametrize(
    ("option", "column", "value", "loaded"),
    [
        ("roundec", "decimal(8,2)", 20.259, Decimal("20.26")),
        ("roundec", "decimal(8,2)", -20.255, Decimal("-20.26")),
        ("truncatecolumns", "varchar(5)", "ääää", "ää"),
        ("truncatecolumns", "char(2)", "abc", "ab"),
        ("blanksasnull", "varchar(5)", "  ", None),
        ("blanksasnull", "varchar(5)", "", ""),
        ("emptyasnull", "varchar(5)", "", None),
        ("emptyasnull", "varchar(5)", " ", " "),
        ("trimblanks", "varchar(5)", "a  ", "a"),
        ("timeformat 'epochmillisecs'", "timestamp", 1541106106796, datetime(2018, 11, 1, 21, 1, 46, 796000)),
        ("timeformat 'epochmillisecs'", "timestamp", "-1", datetime(1969, 12, 31, 23, 59, 59, 999000)),
        ("timeformat as 'epochsecs'", "timestamp", 1541106106, datetime(2018, 11, 1, 21, 1, 46)),
        (
            "timeformat 'DD/MM/YY HH12:MI:SS AM'",
            "timestamp",
            "01/11/18 12:01:46 am",
            datetime(2018, 11, 1, 0, 1, 46),
        ),
        (
            "timeformat 'auto'",
            "timestamp",
            "2019-02-11T05:09:12.195Z",
            datetime(2019, 2, 11, 5, 9, 12, 195000),
        ),
        ("timeformat 'auto'", "timestamp", "19960108 040809", datetime(1996, 1, 8, 4, 8, 9)),
        ("dateformat 'MON-DD-YYYY'", "date", "Jan-01-1999", datetime(1999, 1, 1).date()),
        ("dateformat 'auto'", "date", "2018-11-30 10:11:12", datetime(2018, 11, 30).date()),
        ("acceptanydate dateformat 'YYYY-MM-DD'", "date", "00/00/00", None),
    ],
)
def test_an_option_changes_how_a_value_is_taken(
    ask_quickly: Ask, put_quickly: Put, option: str, column: str, value: object, loaded: object
) -> None:
    ask_quickly(f"create table plays (number {column})")
    ask_quickly(f"copy plays from '{put_quickly('plays', lines({'number': value}))}' {JSON} {option}")
    assert ask_quickly("select * from plays") == [[loaded]]


def test_invalid_characters_are_replaced_byte_for_byte(ask: Ask, put: Put) -> None:
    ask("create table plays (number int, name varchar(20))")
    body = b'{"number": 1, "name": "a\xff\xe0\xa1b"}\n{"number": 2, "name": "\xc3\xa4"}\n'
    url = put("plays", body)
    ask(f"copy plays from '{url}' {JSON} acceptinvchars as '^'")
    ask(f"copy plays from '{url}' {JSON} acceptinvchars")
    assert ask("select name from plays where number = 1 order by 1") == [["a???b"], ["a^^^b"]]
    assert ask("select name from plays where number = 2") == [["ä"], ["ä"]]
    assert ask("select trim(filename), line_number from stl_replacements") == [[url, 1], [url, 1]]


def test_ignoreheader_skips_lines(ask: Ask, put: Put) -> None:
    ask("create table plays (number int)")
    url = put("plays", "one\ntwo\n" + lines({"number": 1}))
    ask(f"copy plays from '{url}' {JSON} ignoreheader 2")
    assert ask("select * from plays") == [[1]]


# Bad data

ERRORS = """
    select line_number, trim(column_name), trim(column_type), trim(column_length), error_code,
        trim(error_message)
    from sys_load_error_detail order by line_number
"""


@pytest.mark.parametrize(
    ("column", "value", "code", "message"),
    [
        ("int", "12x", 1207, "Invalid digit, Value 'x', Pos 2, Type: Integer"),
        ("int", 1.5, 1207, "Invalid digit, Value '.', Pos 1, Type: Integer"),
        ("smallint", "x", 1207, "Invalid digit, Value 'x', Pos 0, Type: Short"),
        ("int", 2147483648, 1222, "Overflow, Type: Integer"),
        ("decimal(4,2)", 123.4, 1204, "Numeric data overflow, Type: Decimal(4,2)"),
        ("decimal(4,2)", "1,5", 1207, "Invalid digit, Value ',', Pos 1, Type: Decimal"),
        ("boolean", "maybe", 1210, "Unknown boolean format"),
        ("varchar(5)", "äää", 1204, "String length exceeds DDL length"),
        ("char(2)", "abc", 1204, "Char length exceeds DDL length"),
        (
            "char(8)",
            "aé",
            1220,
            "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). Invalid char: c3 a9",
        ),
        ("date", "30.11", 1205, "Invalid Date Format - length must be 10 or more"),
        ("date", "2018-02-30", 1205, "Invalid Date Format [YYYY-MM-DD]"),
        ("timestamp", 1541106106796, 1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"),
        ("int not null", None, 1213, "Missing data for not-null field"),
        ("varchar(5) not null", None, 1213, "Missing data for not-null field"),
    ],
)
def test_a_bad_value_fails_the_load_and_is_described(
    ask_quickly: Ask, put_quickly: Put, column: str, value: object, code: int, message: str
) -> None:
    ask_quickly(f"create table plays (id int, number {column})")
    url = put_quickly("plays", lines({"id": 1, "number": value}))
    error = failing(ask_quickly, f"copy plays from '{url}' {JSON}")
    assert (error["C"], error["M"]) == (
        "XX000",
        "Load into table 'plays' failed.  Check 'sys_load_error_detail' system table for details.",
    )
    assert ask_quickly("select count(*) from plays") == [[0]]
    assert ask_quickly(
        "select line_number, trim(column_name), error_code, trim(error_message) "
        f"from sys_load_error_detail where file_name = '{url}'"
    ) == [[1, "number", code, message]]


def test_a_load_error_has_the_file_line_column_and_raw_value(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int, name varchar(5))")
    put("plays/a", lines(*({"number": number} for number in range(5000))))
    url = put("plays/b", '{\n"number": 1}\n{"number": 2,\n"name":\n"too löng"}\n')
    refused(f"copy plays from '{url.removesuffix('b')}' {JSON}")
    (described,) = ask("""
        select trim(file_name), line_number, trim(column_name), trim(column_type), trim(column_length),
            position, error_code, trim(error_message), session_id = pg_backend_pid(),
            trim(database_name) = current_database()
        from sys_load_error_detail
    """)
    too_long = "String length exceeds DDL length"
    assert described == [url, 5, "name", "varchar", "5", 0, 1204, too_long, True, True]
    assert ask(
        "select trim(colname), trim(raw_line), trim(raw_field_value), err_code from stl_load_errors"
    ) == [["name", '{"number": 2,\n"name":\n"too l.ng"}', "too l.ng", 1204]]


@pytest.mark.parametrize(
    "text",
    [
        '{"number": 1,}',
        '{"number": ',
        "number",
        '{"number": NaN}',
        "[1]",
        "1",
        '{"number": 1}},',
        '{"number": 1',
    ],
)
def test_what_is_no_json_object_fails_the_load(ask_quickly: Ask, put_quickly: Put, text: str) -> None:
    ask_quickly("create table plays (number int)")
    url = put_quickly("plays", lines({"number": 1}) + text + "\n")
    error = failing(ask_quickly, f"copy plays from '{url}' {JSON}")
    assert error["M"].startswith("Load into table 'plays' failed.")
    assert ask_quickly(
        f"select line_number, error_code from sys_load_error_detail where file_name = '{url}'"
    ) == [[2, 1216]]


def test_invalid_characters_fail_the_load_with_their_bytes(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int, name varchar(20))")
    url = put("plays", b'{"number": 1, "name": "a\xa4"}')
    refused(f"copy plays from '{url}' {JSON}")
    assert ask(ERRORS) == [
        [
            1,
            "name",
            "varchar",
            "20",
            1220,
            "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: a4 (error 3)",
        ]
    ]


def test_maxerror_lets_fewer_bad_rows_pass(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int)")
    url = put(
        "plays", lines({"number": 1}, {"number": "x"}, {"number": 3}) + "{nonsense}\n" + lines({"number": 5})
    )
    ask(f"copy plays from '{url}' {JSON} maxerror 3")
    assert ask("select * from plays order by 1") == [[1], [3], [5]]
    assert ask("select pg_last_copy_count()") == [[3]]
    assert ask("select line_number, error_code from sys_load_error_detail order by 1") == [
        [2, 1207],
        [4, 1216],
    ]
    refused(f"copy plays from '{url}' {JSON} maxerror 2")
    refused(f"copy plays from '{url}' {JSON} maxerror 100001")
    assert ask("select count(*) from plays") == [[3]]


def test_load_errors_survive_the_rollback(warehouse: Any, put: Put) -> None:
    cursor = warehouse.cursor()
    cursor.execute("create table plays (number int)")
    warehouse.commit()
    url = put("plays", lines({"number": "x"}))
    with pytest.raises(redshift_connector.ProgrammingError):
        cursor.execute(f"copy plays from '{url}' {JSON}")
    warehouse.rollback()
    cursor.execute("select trim(file_name), error_code from sys_load_error_detail")
    assert list(map(list, cursor.fetchall())) == [[url, 1207]]


def test_an_array_or_object_of_more_than_4_mb_fails(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int)")
    url = put("plays", lines({"number": 1, "more": "x" * (4 * 1024 * 1024)}))
    refused(f"copy plays from '{url}' {JSON}")
    assert ask("select error_code from sys_load_error_detail") == [[1216]]


# Transactions, counts, options


def test_a_copy_is_part_of_its_transaction(warehouse: Any, connect: Any, put: Put) -> None:
    cursor = warehouse.cursor()
    cursor.execute("create table plays (number int)")
    warehouse.commit()
    url = put("plays", lines({"number": 1}, {"number": 2}))
    cursor.execute("delete from plays")
    cursor.execute(f"copy plays from '{url}' {JSON}")
    cursor.execute("select pg_last_copy_count(), count(*) from plays")
    assert list(map(list, cursor.fetchall())) == [[2, 2]]
    other = connect().cursor()
    other.execute("select count(*) from plays")
    assert other.fetchone() == [0]
    warehouse.rollback()
    cursor.execute("select count(*) from plays")
    assert cursor.fetchone() == [0]


def test_pg_last_copy_count_is_that_of_the_sessions_last_copy(ask: Ask, connect: Any, put: Put) -> None:
    ask("create table plays (number int)")
    assert ask("select pg_last_copy_count(), pg_last_copy_id()") == [[0, -1]]
    ask(f"copy plays from '{put('a', lines({'number': 1}, {'number': 2}))}' {JSON}")
    ask(f"copy plays from '{put('b', lines({'number': 1}))}' {JSON}")
    assert ask("select pg_last_copy_count()") == [[1]]
    ((copied,),) = ask("select pg_last_copy_id()")
    assert ask(f"select loaded_rows, status from sys_load_history where query_id = {copied}") == [
        [1, "completed"]
    ]
    other = connect().cursor()
    other.execute("select pg_last_copy_count()")
    assert other.fetchone() == [0]


def test_noload_checks_without_loading(ask: Ask, put: Put, refused: Any) -> None:
    ask("create table plays (number int)")
    ask(f"copy plays from '{put('good', lines({'number': 1}))}' {JSON} noload")
    refused(f"copy plays from '{put('bad', lines({'number': 'x'}))}' {JSON} noload")
    assert ask("select count(*) from plays") == [[0]]


def test_identity_columns_are_numbered_and_defaults_used(ask: Ask, put: Put) -> None:
    ask("create table plays (id bigint identity(0, 1), number int, level varchar(4) default 'free')")
    ask(f"copy plays (number) from '{put('plays', lines({'number': 5}, {'number': 6}))}' {JSON}")
    rows = ask("select id, number, level from plays order by number")
    assert [row[1:] for row in rows] == [[5, "free"], [6, "free"]]
    assert len({row[0] for row in rows}) == 2


def test_the_primary_key_is_not_enforced(ask: Ask, put: Put) -> None:
    ask("create table plays (number int primary key)")
    ask(f"copy plays from '{put('plays', lines({'number': 5}, {'number': 5}))}' {JSON}")
    assert ask("select count(*) from plays") == [[2]]


def test_options_about_encodings_and_statistics_are_accepted(ask: Ask, put: Put) -> None:
    ask("create table plays (number int)")
    url = put("plays", lines({"number": 1}))
    for options in (
        "compupdate off statupdate off",
        "compupdate preset comprows 1000",
        "compupdate statupdate on",
        "statupdate true encoding as utf8",
    ):
        ask(f"copy plays from '{url}' {JSON} {options}")
    assert ask("select count(*) from plays") == [[4]]


@pytest.mark.sandbox_only
@pytest.mark.parametrize(
    ("options", "sqlstate", "message"),
    [
        ("json 'auto' delimiter ','", "0A000", "DELIMITER is not supported with the JSON format"),
        ("json 'auto' escape", "0A000", "ESCAPE is not supported with the JSON format"),
        ("json 'auto' null as 'x'", "0A000", "NULL is not supported with the JSON format"),
        ("format as parquet", "0A000", "COPY FORMAT PARQUET is not supported by the sandbox"),
        ("", "0A000", "COPY of another format than JSON is not supported by the sandbox"),
        ("json 'auto' bzip2", "0A000", "COPY BZIP2 is not supported by the sandbox"),
        ("json 'auto' explicit_ids", "0A000", "COPY EXPLICIT_IDS is not supported by the sandbox"),
        ("json 'auto' nonsense", "42601", 'syntax error at or near "nonsense"'),
        ("json 'auto' gzip zstd", "42601", "conflicting or redundant options"),
        ("json 'auto' gzip gzip", "42601", "conflicting or redundant options"),
    ],
)
def test_an_option_that_is_not_known_is_refused_by_name(
    ask_quickly: Ask, put_quickly: Put, options: str, sqlstate: str, message: str
) -> None:
    error = failing(ask_quickly, f"copy plays from '{put_quickly('plays', '')}' iam_role default {options}")
    assert (error["C"], error["M"]) == (sqlstate, message)


@pytest.mark.sandbox_only
def test_copy_from_elsewhere_is_refused(refused: Any) -> None:
    assert refused(f"copy plays from 'emr://cluster/x' {JSON}")["C"] == "0A000"
    assert refused("copy plays from stdin")["C"] == "42601"
