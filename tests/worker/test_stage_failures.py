"""What `sparkify stage` does when S3, the warehouse or its own process fails, and with files of any size."""

import json
import os
import random
import re
import signal
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import zstandard

from tests.command import end
from tests.faults.s3_proxy import Exchange, s3_proxy
from tests.star.conftest import Pipeline
from tests.star.test_readers_and_writers import SQL, fault
from tests.worker.staging import DAY, FILE, line, quarantine, rows, song, stage, staging, staging_keys

EVENTS = ("stage", "events", "--date", DAY)


def one_line(log: str) -> str:
    """The message of a command that logged one event."""
    assert log.count("\n") == 1, log
    return log


def test_an_s3_that_is_not_there_may_be_tried_again(pipeline: Pipeline) -> None:
    ended = pipeline.run(*EVENTS, AWS_ENDPOINT_URL_S3="http://127.0.0.1:1")
    assert ended.code == 75
    assert re.search(
        rf"ERROR   S3 s3://{pipeline.bucket}/log_data/2018/11/ cannot be reached: "
        r"Error performing GET \S+ in [\d.]+s, after 8 retries - HTTP error: error sending request; "
        r"check the network and the endpoint  step=",
        one_line(ended.log),
    )


@pytest.mark.parametrize(
    "endpoint", ["s3.example.com", "http://127.0.0.1:99999", "http://:::1", "http://a b", "http://a/b c"]
)
def test_an_endpoint_that_is_no_url_is_a_wrong_setting(endpoint: str, pipeline: Pipeline) -> None:
    ended = pipeline.run(*EVENTS, AWS_ENDPOINT_URL_S3=endpoint)
    assert ended.code == 64
    assert f"settings: AWS_ENDPOINT_URL_S3='{endpoint}' is not of the form https://host:port" in one_line(
        ended.log
    )


@pytest.mark.parametrize("setting", ["SPARKIFY_SOURCE", "SPARKIFY_STAGING"])
def test_a_bucket_that_is_not_there_is_a_wrong_setting(setting: str, pipeline: Pipeline) -> None:
    for command in (EVENTS, ("stage", "songs")):
        ended = pipeline.run(*command, **{setting: "s3://no-such-bucket/prefix"})
        assert ended.code == 64
        assert f"there is no bucket no-such-bucket; check {setting}" in one_line(ended.log)


def test_credentials_that_s3_refuses_are_a_wrong_setting(pipeline: Pipeline) -> None:
    for wrong in ({"AWS_ACCESS_KEY_ID": "UNKNOWN"}, {"AWS_SECRET_ACCESS_KEY": "wrong"}):
        ended = pipeline.run(*EVENTS, **wrong)
        assert ended.code == 64
        assert "403 Forbidden" in one_line(ended.log)
        assert "; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role" in ended.log


def test_no_credentials_at_all_are_a_missing_setting(pipeline: Pipeline, tmp_path: Any) -> None:
    without = {name: value for name, value in pipeline.environment.items() if not name.startswith("AWS_ACC")}
    without |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    ended = Pipeline(pipeline.client, pipeline.bucket, without).run(*EVENTS)
    assert ended.code == 64
    assert "there are no AWS credentials for SPARKIFY_SOURCE" in one_line(ended.log)


def test_what_an_earlier_failed_run_left_is_never_loaded_and_is_removed(
    pipeline: Pipeline, warehouse: Any
) -> None:
    bucket, prefix = staging(pipeline)
    left = [
        f"events/{DAY}/0123456789abcdef/rows/part-00000.zst",
        f"events/{DAY}/0123456789abcdef/rows/manifest.json",
        f"quarantine/events/{DAY}/0123456789abcdef/raw-00000",
    ]
    others = [
        "events/2018-11-02/0123456789abcdef/rows/part-00000.zst",
        "quarantine/events/2018-11-02/0123456789abcdef/raw-00000",
    ]
    for key in (*left, *others):
        pipeline.client.put_object(Bucket=bucket, Key=prefix + key, Body=b"left")
    time.sleep(1.1)  # S3 tells times in seconds
    pipeline.put_day(DAY, line() + "\n")
    assert stage(pipeline).code == 0
    assert rows(warehouse, "select count(*) from staging_events") == [[1]]
    assert staging_keys(pipeline) == others


def test_what_copy_refuses_is_traced_to_its_source_line_and_nothing_is_half_loaded(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line() + "\n")
    assert stage(pipeline).code == 0
    before = rows(warehouse, "select source_file, etag, version from staged_files")
    cursor = warehouse.cursor()
    cursor.execute("select * into kept from staging_events")
    cursor.execute("drop table staging_events")
    cursor.execute(
        "create table staging_events (day date, session_id bigint, item_in_session integer, ts timestamp, "
        "page varchar(4), user_id varchar(64), first_name varchar(256), last_name varchar(256), "
        "gender varchar(16), level varchar(16), auth varchar(64), artist varchar(1024), song varchar(1024), "
        "length double precision, location varchar(1024), method varchar(16), registration bigint, "
        "status integer, user_agent varchar(2048), source_file varchar(1024), source_line bigint, "
        "content_hash char(32), rescued_data super)"
    )
    warehouse.commit()
    pipeline.put_day(DAY, line(page="Home") + "\n\nbad\n" + line(page="Logout", userId="7") + "\n")
    ended = stage(pipeline)
    assert ended.code == 1
    message = re.sub(r"^\S+ +|[0-9a-f]{32}|  step=.*", "", ended.log.splitlines()[-1])
    part = f"{pipeline.environment['SPARKIFY_STAGING']}/events/{DAY}//rows/part-00000.zst"
    assert message == (
        f'ERROR   COPY refused {FILE}:4 column page varchar(4), value "Logout": '
        f"String length exceeds DDL length, error 1204 ({part} line 2); staging is as it was; "
        "the rules let pass what the table cannot take: compare it with sql/staging/events/create.sql"
    )
    assert rows(warehouse, "select source_file, etag, version from staged_files") == before
    assert rows(warehouse, "select * from staging_events") == []


@pytest.mark.parametrize(
    ("table", "definition", "column", "said"),
    [
        (
            "staging_songs",
            "staging/songs",
            "title",
            "song_data/A/B/C/TR.json:3 column title varchar(4), value",
        ),
        ("staging_events", "staging/events", "page", f"{FILE}:1 column page varchar(4), value"),
        ("quarantine", "ledger/quarantine", "reason", f"{FILE}:2 column reason varchar(4), value"),
        ("staged_parts", "ledger/staged_parts", "part", f"{FILE} column part varchar(4), value"),
    ],
)
def test_what_copy_refuses_is_traced_whatever_table_it_is_for(
    table: str, definition: str, column: str, said: str, pipeline: Pipeline, warehouse: Any
) -> None:
    text = re.sub("--[^\n]*", "", (SQL / definition / "create.sql").read_text())
    narrow = re.sub(rf"\b{column} varchar\(\d+\)", f"{column} varchar(4)", text)
    assert narrow != text
    cursor = warehouse.cursor()
    cursor.execute(f"drop table {table}")
    cursor.execute(narrow)
    warehouse.commit()
    pipeline.put_day(DAY, line() + "\n" + line(page=None) + "\n")
    pipeline.put("song_data/A/B/C/TR.json", song(title="A") + "\n\n" + song(song_id="SO2") + "\n")
    ended = pipeline.run("stage", "songs") if "songs" in table else stage(pipeline)
    assert ended.code == 1
    message = ended.log.splitlines()[-1]
    assert f"COPY refused {said}" in message
    assert f"what the table cannot take: compare it with sql/{definition}/create.sql" in message


class Damaging(Exchange):
    """Has a letter of what a part says arrive as another one, beside the checksum of what was written."""

    def pass_on(self) -> None:
        if self.command == "PUT" and "/rows/part-" in self.path:
            rows = zstandard.ZstdDecompressor().decompressobj().decompress(self.body)
            assert b"unusual" in rows
            checksum = 4 * zstandard.get_frame_parameters(self.body).has_checksum
            compressor = zstandard.ZstdCompressor(write_checksum=checksum > 0)
            frame = compressor.compress(rows.replace(b"unusual", b"unusuAl"))
            self.body = frame[: len(frame) - checksum] + self.body[len(self.body) - checksum :]
            self.headers.replace_header("Content-Length", str(len(self.body)))
        super().pass_on()


def test_a_part_that_is_not_what_was_written_is_refused(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line() + "\n")
    assert stage(pipeline).code == 0
    before = rows(warehouse, "select * from staging_events")
    pipeline.put_day(DAY, line(page="unusual") + "\n")
    with s3_proxy(pipeline.environment["AWS_ENDPOINT_URL_S3"], Damaging) as proxy:
        ended = stage(pipeline, AWS_ENDPOINT_URL_S3=proxy.endpoint)
    assert ended.code == 75
    part = f"{pipeline.environment['SPARKIFY_STAGING']}/events/{DAY}//rows/part-00000.zst"
    assert re.sub(r"^\S+ +|[0-9a-f]{32}|  step=.*", "", ended.log.splitlines()[-1]) == (
        f"ERROR   COPY refused a part; staging is as it was: {part} is not what was written "
        "(Restored data doesn't match checksum); stage the same again"
    )
    assert rows(warehouse, "select * from staging_events") == before
    assert stage(pipeline).code == 0
    assert rows(warehouse, "select page from staging_events") == [["unusual"]]


def test_an_object_that_changes_while_it_is_read_is_read_again_from_its_listing(
    pipeline: Pipeline, warehouse: Any
) -> None:
    junk = line(junk=["x" * 1000] * 1000) + "\n"
    pipeline.put_day(DAY, junk * 150)
    process = pipeline.start(*EVENTS)
    assert process.stderr
    log = [process.stderr.readline()]
    assert "listed" in log[0]
    pipeline.put_day(DAY, line(sessionId=7) + "\n")
    ended = end(process)
    assert ended.code == 0
    assert "beginning again" in ended.log
    assert rows(warehouse, "select session_id from staging_events") == [[7]]
    assert rows(warehouse, "select lines from staged_files") == [[1]]


def parsing(process_id: int) -> list[psutil.Process]:
    """The processes that parse lines, once one has started: the driver asks `uname` in one of its own."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        found = []
        for child in psutil.Process(process_id).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "sparkify.press" in child.cmdline():
                    found.append(child)
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("no process that parses lines was started")


def test_sigterm_ends_a_large_stage_and_its_processes_and_nothing_is_staged(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, (line(junk=["x" * 1000] * 1000) + "\n") * 150)
    process = pipeline.start(*EVENTS, SPARKIFY_PROCESSES="2")
    started = parsing(process.pid)
    process.send_signal(signal.SIGTERM)
    ended = end(process)
    assert ended.code == 143, ended.log
    assert "terminated" in ended.log.splitlines()[-1]
    assert "Traceback" not in ended.log
    assert not any(child.is_running() for child in started)
    assert rows(warehouse, "select * from staging_versions") == []


def test_children_end_when_their_parent_is_killed(pipeline: Pipeline) -> None:
    pipeline.put_day(DAY, (line(junk=["x" * 1000] * 1000) + "\n") * 150)
    process = pipeline.start(*EVENTS, SPARKIFY_PROCESSES="2")
    started = parsing(process.pid)
    process.kill()
    end(process)
    assert not psutil.wait_procs(started, timeout=20)[1]


class Peak(threading.Thread):
    """Watches the memory of a process and of all that it starts."""

    def __init__(self, process_id: int) -> None:
        super().__init__(daemon=True)
        self.process_id = process_id
        self.most = 0

    def run(self) -> None:
        try:
            root = psutil.Process(self.process_id)
            while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
                each = [root, *root.children(recursive=True)]
                self.most = max(self.most, sum(one.memory_info().rss for one in each))
                time.sleep(0.02)
        except psutil.NoSuchProcess:
            pass


@pytest.fixture
def large(pipeline: Pipeline) -> int:
    """A file of the day of some hundred megabytes: lines that are long, too long, and that do not compress.

    How many of its lines are good.
    """
    text = random.Random(1)
    long = (line(junk=["x" * 1000] * 1000) + "\n").encode()
    longest = (line(junk=["x" * 1000] * 4000) + "\n").encode()
    random_ = [
        line(song=text.randbytes(500).hex(), userAgent=text.randbytes(1000).hex()) + "\n"
        for _ in range(20_000)
    ]
    pieces = [long * 20, b"y" * 100_000_000 + b"\n", "".join(random_).encode(), longest * 8, line().encode()]
    pipeline.put_day(DAY, b"".join(pieces))
    return 20 + 20_000 + 8 + 1


@pytest.mark.parametrize("processes", ["1", "2", "4"])
def test_memory_does_not_grow_with_the_file(
    processes: str, large: int, pipeline: Pipeline, warehouse: Any
) -> None:
    process = pipeline.start(*EVENTS, SPARKIFY_PROCESSES=processes)
    peak = Peak(process.pid)
    peak.start()
    ended = end(process)
    peak.join()
    assert ended.code == 0, ended.log
    assert rows(warehouse, "select count(*), max(source_line) from staging_events") == [[large, large + 1]]
    assert quarantine(warehouse) == [[21, "size", "the line has 100000000 bytes, COPY reads 4194304"]]
    assert peak.most < 300 * 2**20


def test_a_process_that_is_killed_may_be_tried_again(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, (line(junk=["x" * 1000] * 1000) + "\n") * 150)
    process = pipeline.start(*EVENTS, SPARKIFY_PROCESSES="2")
    started = parsing(process.pid)
    started[0].kill()
    ended = end(process)
    assert ended.code == 75, ended.log
    assert "a process that parses lines ended with code -9; if memory was short" in ended.log.splitlines()[-1]
    assert "Traceback" not in ended.log
    assert rows(warehouse, "select * from staging_versions") == []


def test_a_large_day_is_written_by_several_processes_in_equal_parts(
    pipeline: Pipeline, warehouse: Any
) -> None:
    written: dict[str, list[Any]] = {}

    class Keeping(Exchange):
        """Keeps the lines' numbers that a part has, by its URL."""

        def pass_on(self) -> None:
            path = urlsplit(self.path).path
            if self.command == "PUT" and "/rows/part-" in path:
                rows = zstandard.ZstdDecompressor().decompressobj().decompress(self.body).splitlines()
                written[f"s3:/{path}"] = [json.loads(row)[-3] for row in rows]
            super().pass_on()

    bulk = " " * 20_000  # white space in the JSON: a large file in few lines
    lines = [line(sessionId=number).replace(", ", "," + bulk, 1) for number in range(1, 4001)]
    lines[1999] = "bad" + bulk
    pipeline.put_day(DAY, "\n".join(lines))
    with s3_proxy(pipeline.environment["AWS_ENDPOINT_URL_S3"], Keeping) as proxy:
        ended = pipeline.run(
            *EVENTS, SPARKIFY_PROCESSES="2", SPARKIFY_SLICES="4", AWS_ENDPOINT_URL_S3=proxy.endpoint
        )
    assert ended.code == 0, ended.log
    assert "lines=4000 loaded=3999 quarantined=1 parts=4" in ended.log
    assert rows(
        warehouse,
        "select count(*), count(distinct source_line), min(source_line), max(source_line), "
        "sum(case when source_line = session_id then 0 else 1 end) from staging_events",
    ) == [[3999, 3999, 1, 4000, 0]]
    assert [row[:2] for row in quarantine(warehouse)] == [[2000, "json"]]
    ranges = rows(warehouse, "select source_file, first_line, last_line, part from staged_parts")
    assert {(file, part) for file, _, _, part in ranges} == {(FILE, part) for part in written}
    assert len(written) == 4
    travelled = {number: part for part, numbers in written.items() for number in numbers}
    assert len(travelled) == 3999
    for number, part in travelled.items():
        assert [part] == [named for _, first, last, named in ranges if first <= number <= last], number
    alone = pipeline.run(*EVENTS, SPARKIFY_PROCESSES="1")
    assert alone.code == 0
    query = "select source_line, content_hash from staging_events order by 1"
    assert len(rows(warehouse, query)) == 3999


def test_a_stage_that_another_overtook_begins_again(pipeline: Pipeline, warehouse: Any) -> None:
    """While one waits in its transaction, the file changes and another stages it: the last file counts."""
    pipeline.put(FILE, line(sessionId=1) + "\n")
    fault(warehouse, action="delay", seconds=2, match="lock lock_staging_events")
    slow = pipeline.start(*EVENTS)
    time.sleep(1.2)
    pipeline.put(FILE, line(sessionId=2) + "\n")
    assert pipeline.run(*EVENTS).code == 0
    ended = end(slow)
    assert ended.code == 0
    assert rows(warehouse, "select session_id from staging_events") == [[2]]


def test_a_lost_answer_to_commit_is_found_in_the_ledger_for_songs_too(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put("song_data/A/B/C/TR.json", song())
    fault(warehouse, action="lose_commit", application="sparkify stage_songs")
    ended = pipeline.done("stage", "songs")
    assert "asking the ledger" in ended.log
    assert rows(warehouse, "select count(*) from staging_songs") == [[1]]


def test_a_process_leaves_no_temporary_files(pipeline: Pipeline, tmp_path: Any) -> None:
    pipeline.put_day(DAY, line() + "\n")
    process = pipeline.start(*EVENTS, TMPDIR=str(tmp_path), HOME=str(tmp_path))
    assert end(process).code == 0
    assert os.listdir(tmp_path) == []
