"""Every line of every source file is accounted for, and a check says when one is not."""

import json
from typing import Any

import pytest

from tests.lines import SONG
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, FILE, MIDNIGHT, line, rows, song

SONGS = "song_data/A/B/C/TR1.json"
LENIENT = {"SPARKIFY_MAX_BAD_RATIO": "1"}


@pytest.fixture
def loaded(pipeline: Pipeline) -> Pipeline:
    """A day and a song file that have lines of every kind."""
    plays = [line(), line(itemInSession=2), line(), line(itemInSession=3, page="Home"), "", "bad"]
    pipeline.put_day(DAY, "\n".join(plays))
    pipeline.put(SONGS, "\n".join([song(), "", "bad", song(), song(song_id="SO2")]))
    pipeline.day(DAY, **LENIENT)
    return pipeline


def test_every_line_is_loaded_a_duplicate_left_out_blank_or_quarantined(
    loaded: Pipeline, warehouse: Any
) -> None:
    assert rows(
        warehouse,
        "select source_file, lines, loaded, quarantined, blank from staged_files order by source_file",
    ) == [[FILE, 6, 4, 1, 1], [SONGS, 5, 3, 1, 1]]
    assert rows(warehouse, "select source_line from songplays order by 1") == [[1], [2]]
    assert rows(warehouse, "select song_id, source_line from songs order by 1") == [
        ["SO2", 5],
        [SONG["song_id"], 1],
    ]
    assert rows(warehouse, "select source_file, source_line from quarantine order by 1") == [
        [FILE, 6],
        [SONGS, 3],
    ]
    assert rows(
        warehouse, "select source_file, first_line, last_line from staged_parts order by source_file"
    ) == [[FILE, 1, 5], [SONGS, 1, 5]]


LOST: dict[str, tuple[str, str]] = {
    "delete from staging_events where source_line = 4": ("staging_events", "events.reconciliation"),
    "insert into staging_events select * from staging_events where source_line = 4": (
        "staging_events",
        "events.reconciliation",
    ),
    # One line in the place of another: the numbers of rows agree.
    "update staging_events set source_line = 3 where source_line = 4": (
        "staging_events",
        "events.reconciliation",
    ),
    "delete from quarantine where source = 'events'": ("quarantine", "events.reconciliation"),
    "update quarantine set version = 'older' where source = 'events'": (
        "quarantine",
        "events.reconciliation",
    ),
    "update staged_files set blank = 0 where source = 'events'": ("staged_files", "events.reconciliation"),
    "delete from staged_files where source = 'events'": ("staged_files", "events.reconciliation"),
    "delete from songplays where source_line = 2": ("songplays", "songplays.reconciliation"),
    "delete from staging_songs where source_line = 4": ("staging_songs", "songs.reconciliation"),
    "update staging_songs set source_line = 1 where source_line = 4": (
        "staging_songs",
        "songs.reconciliation",
    ),
    "delete from quarantine where source = 'songs'": ("quarantine", "songs.reconciliation"),
    "update staged_files set lines = 6 where source = 'songs'": ("staged_files", "songs.reconciliation"),
    "delete from songs where song_id = 'SO2'": ("songs", "songs.in_line_with_staging"),
    "update songs set song_id = 'SO3' where song_id = 'SO2'": ("songs", "songs.in_line_with_staging"),
    "update songs set content_hash = 'x' where song_id = 'SO2'": ("songs", "songs.in_line_with_staging"),
    # The same content, but not the first line of it.
    "update songs set source_line = 4 where source_line = 1": ("songs", "songs.in_line_with_staging"),
}


def test_a_line_that_is_lost_or_there_twice_is_found(loaded: Pipeline, warehouse: Any) -> None:
    cursor = warehouse.cursor()
    for table in {table for table, _ in LOST.values()}:
        cursor.execute(f"create table kept_{table} as select * from {table}")
    found = {}
    for spoil, (table, _) in LOST.items():
        cursor.execute(spoil)
        warehouse.commit()
        ended = loaded.run("check", "--date", DAY)
        assert ended.code == 1, spoil
        failed = {
            name for (name,) in rows(warehouse, "select check_name from check_results where offending > 0")
        }
        found[spoil] = LOST[spoil][1] in failed
        cursor.execute(f"delete from {table}")
        cursor.execute(f"insert into {table} select * from kept_{table}")
        cursor.execute("delete from check_results")
        warehouse.commit()
    assert found == dict.fromkeys(LOST, True)
    loaded.done("check", "--date", DAY)


# What songplays.reconciliation says of plays 1 and 2 and of line 4, a copy of line 1; another day has play 7.
PLAYS: dict[str, list[tuple[int, str, str, int | None]]] = {
    "delete from songplays where source_line = 2": [(2, "yes", "no", None)],
    "delete from songplays where source_line = 1": [(1, "yes", "no", None), (4, "yes", "no", None)],
    # A copy is held by an earlier line, not by a later one.
    "update songplays set source_line = 4 where source_line = 1": [(1, "yes", "no", None)],
    "update songplays set source_line = 9 where source_line = 2": [
        (2, "yes", "no", None),
        (9, "no", "yes", None),
    ],
    "update songplays set content_hash = 'x' where source_line = 1": [(4, "yes", "no", None)],
    "delete from staging_events where source_line = 2": [(2, "no", "yes", None)],
    # The file of the day before has the play too, so that this day's line should be the copy.
    f"""
        update staging_events set session_id = of_day.session_id, item_in_session = of_day.item_in_session,
            content_hash = of_day.content_hash
        from (select * from staging_events where day = '{DAY}' and source_line = 2) as of_day
        where staging_events.day <> '{DAY}'
    """: [(2, "yes", "yes", 1)],
}


def test_a_play_that_the_star_should_have_or_should_not_have_is_named(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day("2018-10-31", line(itemInSession=7, ts=MIDNIGHT - 1))
    pipeline.put_day(
        DAY, "\n".join([line(), line(itemInSession=2), line(itemInSession=3, page="Home"), line()])
    )
    pipeline.day("2018-10-31")
    pipeline.day(DAY)
    cursor = warehouse.cursor()
    for table in ("songplays", "staging_events"):
        cursor.execute(f"create table kept_{table} as select * from {table}")
    found = {}
    for spoil in PLAYS:
        cursor.execute(spoil)
        warehouse.commit()
        ended = pipeline.run("check", "--date", DAY)
        assert ended.code == 1, spoil
        ((sample,),) = rows(
            warehouse,
            "select sample from check_results where check_name like 'songplays.rec%' and offending > 0",
        )
        found[spoil] = sorted(
            (each["source_line"], each["staged"], each["in_star"], each["original_line"])
            for each in json.loads(sample)
        )
        for table in ("songplays", "staging_events"):
            cursor.execute(f"delete from {table}")
            cursor.execute(f"insert into {table} select * from kept_{table}")
        cursor.execute("delete from check_results")
        warehouse.commit()
    assert found == PLAYS
    pipeline.done("check", "--date", DAY)


def test_a_copy_of_a_copy_is_accounted_for_though_its_original_is_long_ago(pipeline: Pipeline) -> None:
    # Copies are looked for a day away: the last is one of the second, and the star has the first.
    days = ("2018-10-31", DAY, "2018-11-02")
    for day in days:
        pipeline.put_day(day, line())
    for day in days:
        pipeline.day(day, SPARKIFY_DUPLICATE_DAYS="1")


def test_songs_that_are_staged_anew_wait_for_their_load(loaded: Pipeline, warehouse: Any) -> None:
    loaded.put(SONGS, json.dumps({**SONG, "title": "Another"}))
    loaded.done("stage", "songs")
    loaded.done("check", "--date", DAY)
    loaded.done("load", "--date", DAY)
    assert rows(warehouse, "select title from songs") == [["Another"]]
