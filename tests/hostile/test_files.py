"""Files that nobody wants: too large for memory, compressed, or with names that are no names."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from sparkify.compressor import Decompressor
from tests.command import SPARKIFY
from tests.hostile import corpus
from tests.lines import EVENT
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, FILE, line, raw_lines, rows, song, staging, staging_keys

MEMORY = 300 * 2**20
LONGEST = 4 * 2**20  # what COPY reads


def filled(opening: bytes, unit: bytes, closing: bytes, size: int) -> bytes:
    """An event whose unknown field has as many units as make a line of about so many bytes."""
    frame = corpus.after(json.dumps(EVENT).encode(), b'"device": %b%b' % (opening, closing))
    count = (size - len(frame)) // len(unit)
    return frame[: -len(closing) - 1] + unit * count + closing + b"}"


# What takes up most memory for its bytes.
SHAPES = {
    "small objects": (b"[", b'{"":{}},', b"0]"),
    "deep nesting": (b"", b"[", b"0"),
    "texts of four bytes a character": (b"[", '"\U0001f600",'.encode(), b"0]"),
}


# Between the test and the command, because a process's peak begins with that of what it was forked from.
MEASURED = """
import os, sys
process_id = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(process_id, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024)
"""


def staged_with_peak(pipeline: Pipeline, **environment: str) -> tuple[int, int]:
    """Exit code of staging the day in one process of its own, and the most memory that it had, in bytes."""
    few = {"SPARKIFY_MAX_BAD_RATIO": "1", "SPARKIFY_PROCESSES": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, SPARKIFY, "stage", "events", "--date", DAY],
        env={**pipeline.environment, **few, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    code, peak = map(int, done.stdout.split())
    return code, peak


@pytest.mark.parametrize("shape", SHAPES)
def test_lines_that_unfold_in_memory_stay_within_its_limit(
    shape: str, pipeline: Pipeline, warehouse: Any
) -> None:
    bad = [filled(*SHAPES[shape], LONGEST), filled(*SHAPES[shape], 20_000_000)]
    pipeline.put_day(DAY, b"\n".join([line().encode(), *bad, line(sessionId=2).encode()]))
    code, peak = staged_with_peak(pipeline)
    assert code == 0
    assert peak < MEMORY
    assert rows(warehouse, "select source_line from staging_events order by 1") == [[1], [4]]
    assert raw_lines(pipeline, warehouse) == bad


def test_short_bad_lines_without_end_stay_within_the_limit_of_memory(pipeline: Pipeline) -> None:
    count = 500_000
    pipeline.put_day(DAY, b"x\n" * count + line().encode())
    code, peak = staged_with_peak(pipeline, SPARKIFY_MAX_BAD_RATIO="0.5")
    assert code == 1
    assert peak < MEMORY
    found = [key for key in staging_keys(pipeline) if key.startswith("quarantine/")]
    bodies = {key: body(pipeline, key) for key in found}
    (raw,) = [each for key, each in bodies.items() if "/raw-" in key]
    assert raw == b"x\n" * count
    (index,) = [each for key, each in bodies.items() if key.endswith(".zst")]
    lines = Decompressor().add(index).splitlines()
    assert [json.loads(lines[number])[3] for number in (0, count // 2, -1)] == [1, count // 2 + 1, count]
    assert len(lines) == count


def body(pipeline: Pipeline, key: str) -> bytes:
    bucket, prefix = staging(pipeline)
    return bytes(pipeline.client.get_object(Bucket=bucket, Key=prefix + key)["Body"].read())


NAMES = [
    "a quote's.json",
    'a "quote".json',
    " blanks .json",
    "100%.json",
    "%41%2e%2e%0a.json",
    "..json",
    "...json",
    "a..b.json",
    "~.json",
    "#+&=?*.json",
    "[1]{2}<3>|^`.json",
    "$(id);--.json",
    "'); drop table songs; --.json",
    "é\u202e\u200f\U0001f600.json",
]


def test_a_file_is_loaded_and_traced_whatever_its_name(pipeline: Pipeline, warehouse: Any) -> None:
    keys = sorted(f"song_data/A/B/C/{name}" for name in NAMES)
    for number, key in enumerate(keys):
        pipeline.put(key, song(song_id=f"SO{number}", artist_id=f"AR{number}") + "\nbad")
    pipeline.put_day(DAY, line())
    pipeline.day(DAY, SPARKIFY_MAX_BAD_RATIO="1")
    assert sorted(rows(warehouse, "select source_file, song_id from songs")) == [
        [key, f"SO{number}"] for number, key in enumerate(keys)
    ]
    assert sorted(rows(warehouse, "select source_file, source_line from quarantine")) == [
        [key, 2] for key in keys
    ]
    assert f"unchanged={len(keys)}" in pipeline.done("stage", "songs").log
    for number, key in enumerate(keys):
        assert f"SO{number}" in pipeline.done("trace", "--file", key, "--line", "1").out
        assert pipeline.done("quarantine", "show", f"{key}:2").out.endswith("\nbad\n")


def test_a_name_cannot_turn_around_what_follows_it_in_the_log(pipeline: Pipeline) -> None:
    pipeline.put("song_data/left\u202eout", song())
    assert r"some=song_data/left\u202eout" in pipeline.done("stage", "songs").log


# S3 takes them; a path's segments cannot be so, and the S3 library refuses to read them.
NO_PATHS = {
    "song_data/A/B/C/new\nline.json": r"new\nline.json",
    "song_data/A/B/C/carriage\rreturn.json": r"carriage\rreturn.json",
    "song_data/A/B/C/../../../secret.json": "..",
    "song_data/A/B/C/./song.json": "C/./song.json",
    "song_data/A/B/C//song.json": "C//song.json",
}


@pytest.mark.parametrize("key", NO_PATHS)
def test_a_file_whose_name_is_no_path_stops_the_stage_by_its_name_and_nothing_is_lost(
    key: str, pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put("song_data/A/B/C/before.json", song())
    pipeline.done("stage", "songs")
    with listing(key) as endpoint:
        ended = pipeline.run("stage", "songs", AWS_ENDPOINT_URL_S3=endpoint)
    assert ended.code == 1
    assert NO_PATHS[key] in ended.log
    assert "; rename or remove the object  step=stage_songs" in ended.log
    assert ended.log.count("\n") == 1
    assert "\r" not in ended.log
    assert rows(warehouse, "select source_file from staging_songs") == [["song_data/A/B/C/before.json"]]


@contextmanager
def listing(key: str) -> Iterator[str]:
    """An S3 of which each listing has this key."""
    entity = "".join(each if each.isalnum() or each in "/._" else f"&#{ord(each)};" for each in key)
    answer = (
        "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult><IsTruncated>false</IsTruncated>"
        f"<Contents><Key>{entity}</Key><LastModified>2018-11-01T00:00:00.000Z</LastModified>"
        "<ETag>&quot;0&quot;</ETag><Size>1</Size></Contents></ListBucketResult>"
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("encoding", [{}, {"ContentEncoding": "gzip"}], ids=["as it is", "declared"])
def test_a_compressed_file_under_a_source_files_name_is_not_unpacked_but_kept_to_the_byte(
    encoding: dict[str, str], pipeline: Pipeline, warehouse: Any
) -> None:
    bomb = gzip.compress(b"\n" * 50_000_000 + line().encode())
    pipeline.client.put_object(Bucket=pipeline.bucket, Key=FILE, Body=bomb, **encoding)
    code, peak = staged_with_peak(pipeline)
    assert code == 0
    assert peak < MEMORY
    assert rows(warehouse, "select * from staging_events") == []
    assert b"\n".join(raw_lines(pipeline, warehouse)) == bomb
    assert pipeline.run("stage", "events", "--date", DAY).code == 1


def test_a_compressed_file_under_a_name_of_its_own_is_left_out_and_reported(pipeline: Pipeline) -> None:
    pipeline.put(f"{FILE}.gz", gzip.compress(line().encode()))
    ended = pipeline.run("stage", "events", "--date", DAY)
    assert ended.code == 75
    assert f"some={FILE}.gz" in ended.log
    assert f"{DAY} has no object" in ended.log
