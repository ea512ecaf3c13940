"""`sparkify stage songs`: only what is new, changed or gone, and what becomes of each line."""

import json
from typing import Any

import pytest

from tests.command import Ended
from tests.star.conftest import Pipeline
from tests.star.test_meaning import REAL_DATA
from tests.worker.staging import quarantine, raw_lines, rows, song, staging_keys

ONE = "song_data/A/B/C/TRABCONE.json"
TWO = "song_data/A/B/D/TRABDTWO.json"


def stage_songs(pipeline: Pipeline, **environment: str) -> Ended:
    return pipeline.run("stage", "songs", **{"SPARKIFY_MAX_BAD_RATIO": "1", **environment})


def staged(connection: Any) -> list[list[Any]]:
    return rows(connection, "select source_file, source_line, song_id from staging_songs order by 1, 2")


def test_a_song_is_staged_with_every_field_its_file_and_its_line(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put(ONE, song())
    assert stage_songs(pipeline).code == 0
    assert rows(warehouse, "select * from staging_songs") == [
        [
            1,
            "AR62SOJ1187FB47BB5",
            51.50632,
            -0.12714,
            "London, England",
            "Chase & Status",
            "SOGVQGJ12AB017F169",
            "Ten Tonne",
            337.68444,
            2005,
            ONE,
            1,
            "1dd19ea1a6ecada85146b087ec0f7164",
            None,
        ]
    ]
    assert rows(warehouse, "select source, day, source_file, lines, loaded from staged_files") == [
        ["songs", None, ONE, 1, 1]
    ]


def test_what_nobody_knows_is_null(pipeline: Pipeline, warehouse: Any) -> None:
    unknown = {"artist_location": " ", "artist_latitude": None, "artist_longitude": None, "year": 0}
    pipeline.put(ONE, song(**unknown) + "\n" + song(num_songs=..., artist_location=..., year=...))
    assert stage_songs(pipeline).code == 0
    columns = "artist_location, artist_latitude, year, num_songs"
    assert rows(warehouse, f"select {columns} from staging_songs order by source_line") == [
        [None, None, None, 1],
        [None, 51.50632, None, None],
    ]


def test_each_bad_line_is_quarantined_with_its_reason_and_its_bytes(
    pipeline: Pipeline, warehouse: Any
) -> None:
    bad = [
        ("nonsense", "json", None),
        (song(song_id=...), "required", "song_id is missing"),
        (song(title=""), "required", "title: expected `str` of length >= 1"),
        (song(artist_name=" \t"), "required", "artist_name is blank"),
        (song(artist_id=None), "required", "artist_id is null"),
        (song(duration=...), "required", "duration is missing"),
        (song(duration="337"), "type", "duration: expected `float`, got `str`"),
        (song(duration=-1), "type", "duration: expected `float` >= 0.0"),
        (song(year=1999.5), "type", "year: expected `int`, got `float`"),
        (song(artist_latitude=90.1), "type", "artist_latitude: expected `float` <= 90.0"),
        (song(artist_longitude=-180.1), "type", "artist_longitude: expected `float` >= -180.0"),
        (song(title="é" * 513), "size", "title has 1026 bytes, its column holds 1024"),
        (song(song_id="x" * 65), "size", "song_id: expected `str` of length <= 64"),
    ]
    pipeline.put(ONE, "\n".join([*(text for text, _, _ in bad), song()]))
    assert stage_songs(pipeline).code == 0
    found = quarantine(warehouse)
    assert [row[:2] for row in found] == [[number, reason] for number, (_, reason, _) in enumerate(bad, 1)]
    assert [row[2] for row in found[1:]] == [detail for _, _, detail in bad[1:]]
    assert raw_lines(pipeline, warehouse) == [text.encode() for text, _, _ in bad]
    assert staged(warehouse) == [[ONE, len(bad) + 1, "SOGVQGJ12AB017F169"]]


def test_only_new_and_changed_objects_are_read(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put(ONE, song(song_id="S1"))
    pipeline.put(TWO, song(song_id="S2"))
    first = stage_songs(pipeline)
    assert "unchanged=0 new=2 changed=0 gone=0" in first.log
    pipeline.put(TWO, song(song_id="S2b"))
    three = "song_data/Z/Z/Z/TRZZZTHREE.json"
    pipeline.put(three, song(song_id="S3") + "\n" + song(song_id="S4"))
    second = stage_songs(pipeline)
    assert "unchanged=1 new=1 changed=1 gone=0" in second.log
    assert "files=2 lines=3 loaded=3" in second.log
    assert staged(warehouse) == [[ONE, 1, "S1"], [TWO, 1, "S2b"], [three, 1, "S3"], [three, 2, "S4"]]
    runs = rows(warehouse, "select source_file, version from staged_files order by 1")
    assert len({version for _, version in runs}) == 2


def test_nothing_changed_is_a_success_that_writes_nothing(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put(ONE, song())
    assert stage_songs(pipeline).code == 0
    before = rows(warehouse, "select version, staged_at from staging_versions")
    again = stage_songs(pipeline)
    assert again.code == 0
    assert "nothing changed" in again.log
    assert rows(warehouse, "select version, staged_at from staging_versions") == before


def test_no_songs_at_all_is_a_success_with_a_warning(pipeline: Pipeline, warehouse: Any) -> None:
    ended = stage_songs(pipeline)
    assert ended.code == 0
    assert "WARNING there are no song objects" in ended.log
    assert staged(warehouse) == []


def test_songs_whose_objects_are_gone_leave(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put(ONE, song(song_id="S1"))
    pipeline.put(TWO, "bad\n" + song(song_id="S2"))
    assert stage_songs(pipeline).code == 0
    pipeline.remove(TWO)
    ended = stage_songs(pipeline)
    assert ended.code == 0
    assert "gone=1" in ended.log
    assert staged(warehouse) == [[ONE, 1, "S1"]]
    assert rows(warehouse, "select source_file from staged_files") == [[ONE]]
    assert quarantine(warehouse) == []
    pipeline.remove(ONE)
    last = stage_songs(pipeline)
    assert last.code == 0
    assert "there are no song objects" in last.log
    assert staged(warehouse) == []
    assert rows(warehouse, "select * from staged_files") == []


def test_objects_with_other_names_are_left_out_and_reported(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put(ONE, song())
    strays = ("A/B/C/.ipynb_checkpoints/TR.json", "A/B/TR.json", "A/B/C/TR.json.bak", "AB/C/D/TR.json")
    for stray in (*strays, ".DS_Store"):
        pipeline.put(f"song_data/{stray}", song(song_id="stray"))
    ended = stage_songs(pipeline)
    assert ended.code == 0
    assert staged(warehouse) == [[ONE, 1, "SOGVQGJ12AB017F169"]]
    assert "objects=5" in ended.log


def test_the_quarantine_of_files_that_stay_is_kept_and_that_of_a_corrected_one_leaves(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put(ONE, "bad one\n")
    pipeline.put(TWO, "bad two\n" + song())
    assert stage_songs(pipeline).code == 0
    pipeline.put(TWO, song(song_id="S2"))
    assert stage_songs(pipeline).code == 0
    assert rows(warehouse, "select source_file from quarantine") == [[ONE]]
    assert raw_lines(pipeline, warehouse) == [b"bad one"]
    pipeline.put(ONE, song(song_id="S1"))
    assert stage_songs(pipeline).code == 0
    assert quarantine(warehouse) == []
    assert staging_keys(pipeline) == []


def test_the_share_of_bad_lines_is_that_of_all_songs_not_of_the_new_ones(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put(ONE, "\n".join(song(song_id=f"S{number}") for number in range(9)))
    assert stage_songs(pipeline).code == 0
    pipeline.put(TWO, "bad")
    refused = stage_songs(pipeline, SPARKIFY_MAX_BAD_RATIO="0.09")
    assert refused.code == 1
    assert "1 of 10 lines are bad (json 1)" in refused.log
    assert rows(warehouse, "select source_file from staged_files") == [[ONE]]
    assert stage_songs(pipeline, SPARKIFY_MAX_BAD_RATIO="0.1").code == 0
    assert rows(warehouse, "select source_file, quarantined from staged_files order by 1") == [
        [ONE, 0],
        [TWO, 1],
    ]


def test_a_name_in_any_alphabet_is_traced_back_to_its_object(pipeline: Pipeline, warehouse: Any) -> None:
    key = 'song_data/A/B/C/TR "é" 雨%20#+.json'
    pipeline.put(key, song())
    assert stage_songs(pipeline).code == 0
    assert staged(warehouse) == [[key, 1, "SOGVQGJ12AB017F169"]]
    assert "unchanged=1" in stage_songs(pipeline).log


def test_the_real_songs_are_staged_as_plain_python_reads_them(pipeline: Pipeline, warehouse: Any) -> None:
    paths = list((REAL_DATA / "song_data").rglob("*.json"))
    if not paths:
        pytest.skip("the real files are not in ../shared/data")
    for path in paths:
        pipeline.put(str(path.relative_to(REAL_DATA)), path.read_bytes())
    assert stage_songs(pipeline).code == 0
    expected = [json.loads(path.read_bytes()) for path in paths]
    found = rows(
        warehouse, "select song_id, title, duration, coalesce(year, 0) from staging_songs order by 1"
    )
    assert found == sorted([one["song_id"], one["title"], one["duration"], one["year"]] for one in expected)
