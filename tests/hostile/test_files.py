"""Files that nobody wants: too large for memory, compressed, or with names that are no names."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sparkify.compressor import Decompressor
from tests.command import SPARKIFY, end
from tests.hostile import corpus
from tests.hostile.odd_s3 import also_holding
from tests.lines import EVENT
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, FILE, line, raw_lines, rows, song, staging, staging_keys
from tests.worker.test_stage_failures import Peak

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


@pytest.mark.parametrize("size", [130_000, 2_000_000])
def test_lines_that_unfold_in_several_processes_stay_within_the_limit_of_memory(
    size: int, pipeline: Pipeline
) -> None:
    lines = [filled(*SHAPES["small objects"], size)] * (24_000_000 // size)
    # The line that is too long makes the file large enough for several processes, and is not parsed. So many
    # bad lines save the wait for COPY.
    bad = [b"y" * 45_000_000, *[b"x"] * len(lines)]
    pipeline.put_day(DAY, b"\n".join([*lines, *bad]))
    process = pipeline.start("stage", "events", "--date", DAY, SPARKIFY_PROCESSES="4")
    peak = Peak(process.pid)
    peak.start()
    ended = end(process)
    peak.join()
    assert ended.code == 1
    assert f"{len(bad)} of {len(lines) + len(bad)} lines are bad" in ended.log
    assert peak.most < MEMORY


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
    lines = Decompressor("the index").add(index).splitlines()
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
    "$(touch x);--.json",
    "'); drop table songs; --.json",
    "é\u202e\u200f\U0001f600.json",
]


def pasted(command: str, folder: Path) -> list[str]:
    """What `sparkify` is given when a command is pasted into a shell; nothing else may run."""
    assert command.isprintable()
    done = subprocess.run(
        ["bash", "-c", f'sparkify() {{ printf "%s\\0" "$@"; }}\n{command}'],
        env={"LC_ALL": "C.UTF-8"},
        cwd=folder,
        stdout=subprocess.PIPE,
        check=True,
    )
    assert list(folder.iterdir()) == []
    return done.stdout.decode().split("\0")[:-1]


def shown_bytes(pipeline: Pipeline, traced: str, folder: Path) -> str:
    """What the command shows that a trace ends with."""
    _, _, command = traced.rpartition("\nits bytes: ")
    return pipeline.done(*pasted(command.removesuffix("\n"), folder)).out


def test_a_file_is_loaded_and_traced_whatever_its_name(
    pipeline: Pipeline, warehouse: Any, tmp_path: Path
) -> None:
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
        bad = pipeline.done("trace", "--file", key, "--line", "2").out
        assert shown_bytes(pipeline, bad, tmp_path).endswith("\nbad\n")
        assert pipeline.done("quarantine", "show", f"{key}:2").out.endswith("\nbad\n")


def test_a_check_leads_to_a_file_by_a_command_that_can_be_pasted_whatever_its_name(
    pipeline: Pipeline, warehouse: Any, tmp_path: Path
) -> None:
    names = ["$(touch x);--.json", "a quote's\u202e.json", "\x85\U000e0001.json"]
    keys = sorted(f"song_data/A/B/C/{name}" for name in names)
    for number, key in enumerate(keys):
        pipeline.put(key, song(song_id=f"SO{number}", artist_id=f"AR{number}"))
    pipeline.put_day(DAY, line())
    pipeline.day(DAY)
    warehouse.cursor().execute("update songs set title = ''")
    warehouse.commit()
    assert pipeline.run("check", "--date", DAY).code == 1
    out = pipeline.done("check", "--results", "--date", DAY).out
    found = out.partition("\nsongs.required found in check, for example\n")[2].partition("\n\n")[0]
    ways = [pasted(each, tmp_path) for each in re.findall(r"^ +(sparkify .*)", found, re.MULTILINE)]
    assert sorted(ways) == [["trace", f"{key}:1"] for key in keys]


def test_a_name_cannot_turn_around_what_follows_it_in_the_log(pipeline: Pipeline) -> None:
    left_out = "song_data/left\u202e\x85\U000e0001out"
    pipeline.put(left_out, song())
    assert r"song_data/left\u202e\x85\U000e0001out" in pipeline.done("stage", "songs").log
    log = pipeline.done("stage", "songs", SPARKIFY_LOG="json").log
    assert log.replace("\n", "").isprintable()
    assert left_out in [json.loads(each).get("some") for each in log.splitlines()]


def test_a_name_cannot_turn_around_what_follows_it_in_the_quarantines_json(pipeline: Pipeline) -> None:
    key = "song_data/A/B/C/right\u202eto left.json"
    pipeline.put(key, song() + "\nbad")
    pipeline.done("stage", "songs", SPARKIFY_MAX_BAD_RATIO="1")
    (listed,) = pipeline.done("quarantine", "list", "--format", "json").out.splitlines()
    assert listed.isprintable()
    assert json.loads(listed)["source_file"] == key


# S3 takes them; no path's segments are so, and the sandbox's S3 keeps its objects by their paths.
NO_PATHS = {
    "song_data/A/B/C/new\nline.json": True,
    "song_data/A/B/C/carriage\rreturn.json": True,
    "song_data/A/B/C/a quote's \\n and a new\nline.json": True,
    "song_data/A/B/C/../../../secret.json": False,
    "song_data/A/B/C/../song.json": False,
    "song_data/A/B/C/./song.json": False,
    "song_data/A/B/C//song.json": False,
    "song_data//A/B/C/song.json": False,
}


def test_a_song_is_loaded_whose_files_name_is_no_path_and_left_out_what_is_no_song_file(
    pipeline: Pipeline, warehouse: Any, tmp_path: Path
) -> None:
    pipeline.put("song_data/A/B/C/plain.json", song(song_id="plain"))
    pipeline.put_day(DAY, line())
    songs = {key: f"SO{number}" for number, key in enumerate(NO_PATHS)}
    bodies = {key: song(song_id=song_id) + "\nbad" for key, song_id in songs.items()}
    loaded = [key for key, is_song in NO_PATHS.items() if is_song]
    with also_holding(pipeline, bodies) as proxy:
        ended = pipeline.done(
            "stage", "songs", AWS_ENDPOINT_URL_S3=proxy.endpoint, SPARKIFY_MAX_BAD_RATIO="1"
        )
        assert f"objects={len(NO_PATHS) - len(loaded)} some=" in ended.log
        assert ended.log.count("\n") == len(re.findall(r"^\S+ +(INFO|WARNING) ", ended.log, re.MULTILINE))
        again = pipeline.done(
            "stage", "songs", AWS_ENDPOINT_URL_S3=proxy.endpoint, SPARKIFY_MAX_BAD_RATIO="1"
        )
        assert f"unchanged={len(loaded) + 1} new=0 changed=0 gone=0" in again.log
    pipeline.done("stage", "events", "--date", DAY)
    pipeline.done("load", "--date", DAY)
    assert rows(warehouse, "select source_file, song_id from songs order by 2") == [
        *([key, songs[key]] for key in loaded),
        ["song_data/A/B/C/plain.json", "plain"],
    ]
    assert rows(warehouse, "select source_file, source_line from quarantine order by 1") == [
        [key, 2] for key in sorted(loaded)
    ]
    for key in loaded:
        assert pipeline.done("quarantine", "show", f"{key}:2").out.endswith("\nbad\n")
        assert songs[key] in pipeline.done("trace", "--file", key, "--line", "1").out
        bad = pipeline.done("trace", "--file", key, "--line", "2").out
        assert shown_bytes(pipeline, bad, tmp_path).endswith("\nbad\n")


def test_a_day_is_staged_beside_files_whose_names_are_no_paths(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line())
    stray = FILE.replace("/2018-", "//2018-")
    with also_holding(pipeline, {stray: "bad"}) as proxy:
        ended = pipeline.done("stage", "events", "--date", DAY, AWS_ENDPOINT_URL_S3=proxy.endpoint)
    assert f"objects=1 some={stray}" in ended.log
    assert rows(warehouse, "select source_file from staging_events") == [[FILE]]


ODD = "song_data/A/B/C/new\nline.json"
READ = f"get bytes=0-{len(song()) - 1} {ODD}"
REFUSALS = {
    # The first listing is obstore's, which cannot go on.
    "list": (("list song_data/", 2), 403, "AccessDenied", 64, "may not list it: 403 (AccessDenied: "),
    "read": ((READ, 1), 403, "AccessDenied", 64, "may not read it: 403 (AccessDenied: "),
    "gone": ((READ, 1), 404, "NoSuchKey", 0, "beginning again"),
    "another": ((READ, 1), 412, "PreconditionFailed", 0, "beginning again"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_s3_refuses_of_a_name_that_is_no_path_is_what_it_refuses_of_others(
    case: str, pipeline: Pipeline, warehouse: Any
) -> None:
    request, status, code, ends, said = REFUSALS[case]
    with also_holding(pipeline, {ODD: song()}) as proxy:
        proxy.begin(request, lambda exchange: exchange.refuse(status, code))
        ended = pipeline.run("stage", "songs", AWS_ENDPOINT_URL_S3=proxy.endpoint)
    assert (ended.code, said in ended.log) == (ends, True), ended.log
    assert len(rows(warehouse, "select source_file from staging_songs")) == (1 if ends == 0 else 0)


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
