"""Any sequence of what happens to files, days and runs ends in the tables of one clean load of the files.

A machine makes up the sequences: files that come, change, grow late events and go, songs that do, days that
are staged, loaded and checked in any order, again and side by side, and failures in the middle of each. Some
sequences, the same each time, are part of `make test`; `make order` makes up as many others as one wants.
"""

import json
import os
import signal
import time
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests import oracle
from tests.command import Ended, end
from tests.lines import EVENT, SONG
from tests.star.conftest import Pipeline, day_key

# None: the sequences of `make test`.
EXAMPLES = int(os.environ["ORDER_EXAMPLES"]) if os.environ.get("ORDER_EXAMPLES") else None

DAYS = [f"2018-11-{day:02}" for day in range(1, 5 if EXAMPLES else 4)]
NOON = {day: 1541030400000 + 43200000 + 86400000 * number for number, day in enumerate(DAYS)}
EVENTS = range(3)  # of each day
USERS = [("8", "Kaylee"), ("10", "Sylvie")]
TITLES = ["You Gotta Be", "Ten Tonne"]
SONGS = [f"song_data/A/B/C/TR{number}.json" for number in range(3)]
ENVIRONMENT = {"SPARKIFY_MISSING_DAY": "empty", "SPARKIFY_MAX_BAD_RATIO": "1"}
TABLES = [
    *oracle.COLUMNS,
    *("staging_events", "staging_songs", "staged_files", "staged_parts", "quarantine", "schema_drift"),
]
# The other tables of the ledger tell of stages and loads, of which one clean load has fewer.
OF_A_RUN = {"load_id", "version", "run", "staged_at", "raw_object", "part"}
STEPS = ["load", "stage events", "stage songs", "check"]

Key = tuple[str, int]  # of an event: the day when it happened, and which of that day's it is

days = st.sampled_from(DAYS)
events = st.tuples(days, st.sampled_from(EVENTS))
song_lines = st.builds(
    lambda song, artist, title, nearer, place: {
        **SONG,
        "song_id": f"SO{song}",
        "artist_id": f"AR{artist}",
        "artist_name": EVENT["artist"],
        "artist_location": place,
        "title": TITLES[title],
        "duration": EVENT["length"] + (0.2 if nearer else 0.4),
    },
    *(st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.booleans()),
    st.sampled_from(["London, England", ""]),
)
LOADED = st.sampled_from([True, False])
# What is no play, in a file: each is counted and in no table of the star.
OTHERS = [json.dumps({**EVENT, "page": "Home", "sessionId": 1}), "", "bad"]
FAULTS = st.one_of(
    st.fixed_dictionaries(
        {
            "action": st.sampled_from(["drop", "serialization_failure", "conflict"]),
            "nth": st.integers(2, 60),
            "when": st.just("before"),
        }
    ),
    st.fixed_dictionaries(
        {"action": st.just("drop"), "when": st.just("after"), "nth": st.integers(2, 60)},
    ),
    st.just({"action": "lose_commit"}),
    st.just({"action": "drop", "match": "^commit"}),
)


def event(key: Key, version: int) -> dict[str, Any]:
    """An event; its versions say different things under one key, as a correction does."""
    day, item = key
    user, name = USERS[(item + version) % len(USERS)]
    return {
        **EVENT,
        "sessionId": 100 + DAYS.index(day),
        "itemInSession": item,
        "ts": NOON[day] + item // 2,  # the first two in one millisecond
        "userId": user,
        "firstName": name,
        "level": ["free", "paid"][(DAYS.index(day) + item // 2 + version) % 2],
        "song": TITLES[(item + version) % len(TITLES)],
    }


class Order(RuleBasedStateMachine):
    """The files as they are now, and what is staged and loaded of them."""

    pipeline: Pipeline
    warehouse: Any

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[Key, int] = {}  # what is right of each event now
        self.files: dict[str, list[tuple[Key, int] | str]] = {}
        self.songs: dict[str, list[dict[str, Any]]] = {}
        self.staged: dict[str, bytes | None] = {}  # None where there was no file, which is not an empty one
        self.staged_songs: dict[str, bytes] = {}
        self.loaded_songs: dict[str, bytes] = {}
        self.loaded: set[str] = set()
        self.out_of_step: set[str] = set()
        self._empty_tables()
        for key in [*map(day_key, DAYS), *SONGS]:
            self.pipeline.remove(key)

    def _empty_tables(self) -> None:
        self._arm(None)
        cursor = self.warehouse.cursor()
        cursor.execute(
            "select table_name from information_schema.tables"
            " where table_schema = 'public' and table_type = 'BASE TABLE'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'delete from "{table}"')
        self.warehouse.commit()

    # What happens to the files

    @initialize(
        files=st.fixed_dictionaries({day: st.lists(events, min_size=4, max_size=6) for day in DAYS}),
        songs=st.lists(song_lines, min_size=1, max_size=2),
    )
    def begin(self, files: dict[str, list[Key]], songs: list[dict[str, Any]]) -> None:
        self.songs_come_change_and_go(SONGS[0], songs)
        for day, keys in files.items():
            self._deliver(day, keys, None)
            self._put(day, loaded=True)

    # A change is taken over more often than not: what is easiest for Hypothesis comes first.
    @rule(day=days, how=st.sampled_from(["withdraw", "correct", "replace"]), loaded=LOADED, data=st.data())
    def a_file_changes(self, day: str, how: str, loaded: bool, data: st.DataObject) -> None:
        if how == "withdraw" and day in self.files:
            del self.files[day]
            self.pipeline.remove(day_key(day))
            if loaded:
                self._take_over(day)
            return
        if how == "correct" and self.files.get(day):
            # An event is put right in one file; others that have it still say what they said.
            line = data.draw(st.sampled_from(self.files[day]))
            if isinstance(line, str):
                self.files[day].remove(line)
            else:
                self.versions[line[0]] = self.versions.get(line[0], 0) + 1
                self._put_right(day)
        else:
            keys = data.draw(st.lists(events, max_size=6))
            self._deliver(day, keys, data.draw(st.none() | st.sampled_from(OTHERS)))
        self._put(day, loaded)

    @rule(key=st.sampled_from(SONGS), lines=st.lists(song_lines, max_size=2))
    def songs_come_change_and_go(self, key: str, lines: list[dict[str, Any]]) -> None:
        self._put_songs(key, lines)
        self.stage_songs()

    def _put_songs(self, key: str, lines: list[dict[str, Any]]) -> None:
        self.songs.pop(key, None)
        self.pipeline.remove(key)
        if lines:
            self.songs[key] = lines
            self.pipeline.put(key, lines)

    def _deliver(self, day: str, keys: list[Key], other: str | None) -> None:
        """A file comes, or another in its place. An event is at most a day late or early, and may be there
        twice, in this file and in others."""
        near = [key for key in keys if abs(DAYS.index(key[0]) - DAYS.index(day)) <= 1]
        self.files[day] = [(key, self.versions.get(key, 0)) for key in near]
        if other is not None:
            self.files[day].insert(len(near) // 2, other)

    def _put(self, day: str, loaded: bool) -> None:
        self.pipeline.put_day(day, self._body(day))
        if loaded:
            self._take_over(day)

    def _take_over(self, day: str) -> None:
        self.stage(day)
        self.load(day)

    def _body(self, day: str) -> bytes:
        lines = [line if isinstance(line, str) else json.dumps(event(*line)) for line in self.files[day]]
        return "".join(f"{line}\n" for line in lines).encode()

    def _put_right(self, day: str) -> bool:
        """Bring a file's events to what is right now; whether that changes any."""
        before = self.files[day]
        self.files[day] = [
            line if isinstance(line, str) else (line[0], self.versions.get(line[0], 0)) for line in before
        ]
        return self.files[day] != before

    # What is run

    @rule(day=days, step=st.sampled_from(["whole day", "load", "stage events", "check"]))
    def a_step_is_run(self, day: str, step: str) -> None:
        if step == "stage events":
            self.stage(day)
        elif step == "load":
            self.load(day)
        elif step == "whole day":
            self.stage_songs()
            self._take_over(day)
        else:
            self._checked(day, self._run("check", "--date", day))

    @rule(day=days, step=st.sampled_from(STEPS), fault=FAULTS)
    def a_step_fails(self, day: str, step: str, fault: dict[str, Any]) -> None:
        """Something breaks during a step: the worker repeats it, or ends so that Airflow does."""
        self._arm({**fault, "application": f"sparkify {step.replace(' ', '_')}"})
        self._again(day, step)

    @rule(
        runs=st.lists(st.tuples(days, st.sampled_from(STEPS)), min_size=2, max_size=3),
        songs=st.lists(song_lines, max_size=2),
    )
    def some_are_run_side_by_side(self, runs: list[tuple[str, str]], songs: list[dict[str, Any]]) -> None:
        """Steps of several days at the same time, as a backfill runs them, or of one day, even one twice."""
        steps = {step for _, step in runs}
        if "stage songs" in steps:
            self._put_songs(SONGS[1], songs)
        known = set(self.staged)
        started = [(day, step, self._start(day, step)) for day, step in runs]
        ends = [(day, step, end(process)) for day, step, process in started]
        for day, step, ended in ends:
            if step == "stage songs":
                self._songs_staged(ended)
            elif step == "stage events":
                self._staged(day, ended)
        for day, step, ended in ends:
            if step == "load" and steps == {"load"}:
                self._loaded(day, ended, None)
            elif step == "load" and day in known:
                assert ended.code == 0 or "songplays.grain" in ended.log, ended.log
        if steps != {"load"}:  # whether a load came before what was staged is not known
            for day in {day for day, step, _ in ends if step == "load"}:
                self.load(day)
        for day in {day for day, step, _ in ends if step == "check"}:
            self._checked(day, self._run("check", "--date", day))

    @rule(
        day=days,
        step=st.sampled_from(STEPS),
        match=st.sampled_from(["insert", "delete"]),
        songs=st.lists(song_lines, max_size=2),
    )
    def a_worker_is_killed(self, day: str, step: str, match: str, songs: list[dict[str, Any]]) -> None:
        """In the middle of its transaction, or before it, and Airflow repeats the step."""
        if step == "stage songs":
            self._put_songs(SONGS[2], songs)
        self._arm({"action": "delay", "seconds": 1, "match": match, "application": "sparkify"})
        process = self._start(day, step)
        while process.poll() is None and not self._turn_is_taken():
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        end(process)
        self._arm(None)
        self._again(day, step)

    def _start(self, day: str, step: str) -> Any:
        return self.pipeline.start(*self._command(day, step), **ENVIRONMENT)

    @staticmethod
    def _command(day: str, step: str) -> tuple[str, ...]:
        return (*step.split(), *(() if step == "stage songs" else ("--date", day)))

    def stage(self, day: str) -> None:
        self._staged(day, self._run("stage", "events", "--date", day))

    def stage_songs(self) -> None:
        self._songs_staged(self._run("stage", "songs"))

    def load(self, day: str) -> None:
        before = oracle.loaded(self.warehouse)
        self._loaded(day, self._run("load", "--date", day), before)

    def _again(self, day: str, step: str) -> None:
        before = oracle.loaded(self.warehouse)
        ended = self._run(*self._command(day, step))
        if ended.code == 75:
            assert oracle.loaded(self.warehouse) == before
        self._arm(None)
        if ended.code == 75:
            ended = self._run(*self._command(day, step))
        if step == "load":
            self._loaded(day, ended, before)
        elif step == "stage songs":
            self._songs_staged(ended)
        elif step == "check":
            self._checked(day, ended)
        else:
            self._staged(day, ended)

    def _run(self, *arguments: str) -> Ended:
        note(" ".join(arguments))
        return self.pipeline.run(*arguments, **ENVIRONMENT)

    def _arm(self, fault: dict[str, Any] | None) -> None:
        self.warehouse.rollback()
        cursor = self.warehouse.cursor()
        cursor.execute("call sandbox.clear_faults()")
        if fault:
            cursor.execute(f"call sandbox.fault('{json.dumps(fault)}')")
        self.warehouse.commit()

    def _turn_is_taken(self) -> bool:
        """Whether a transaction writes."""
        cursor = self.warehouse.cursor()
        cursor.execute(
            "select count(*) from pg_locks join pg_stat_user_tables on relid = relation "
            "where granted and relname like 'lock_%'"
        )
        (count,) = cursor.fetchone()
        self.warehouse.rollback()
        return int(count) > 0

    # What must be true after it

    def _staged(self, day: str, ended: Ended) -> None:
        if day not in self.files and day not in self.staged:
            assert ended.code == 99, ended.log
            return
        assert ended.code == 0, ended.log
        self.staged[day] = self._body(day) if day in self.files else None
        self.out_of_step.add(day)

    def _songs_staged(self, ended: Ended) -> None:
        assert ended.code == 0, ended.log
        self.staged_songs = {key: as_file(lines) for key, lines in self.songs.items()}

    def _checked(self, day: str, ended: Ended) -> None:
        """Whether a day that was never loaded is staged does not matter to a check."""
        if day in self.loaded and day not in self.out_of_step:
            assert ended.code == 0, ended.log
        elif day in self.loaded:
            assert (ended.code, "was staged again after its load" in ended.log) == (75, True), ended.log
        else:
            assert (ended.code, f"{day} is not loaded" in ended.log) == (1, True), ended.log

    def _loaded(self, day: str, ended: Ended, before: oracle.Star | None) -> None:
        if day not in self.staged:
            assert (ended.code, f"{day} is not staged" in ended.log) == (1, True), ended.log
        elif ended.code == 1:
            # Files that contradict each other, while a correction has not reached them all.
            assert "songplays.grain" in ended.log, ended.log
            assert self.versions
            assert before is None or oracle.loaded(self.warehouse) == before
        else:
            assert ended.code == 0, ended.log
            self.loaded.add(day)
            self.loaded_songs = self.staged_songs
            self.out_of_step.discard(day)
            if not self.out_of_step:
                self._compare()

    def _compare(self) -> None:
        staged = {day: body or b"" for day, body in self.staged.items()}
        assert oracle.loaded(self.warehouse) == oracle.star(staged, self.loaded_songs)

    def teardown(self) -> None:
        """Whatever happened: once each correction is in all files and each file is loaded, the tables are
        those that plain Python computes; and of the longer sequences, those of one clean load."""
        for day in sorted(self.files):
            if self._put_right(day):
                self._put(day, loaded=False)
        self.stage_songs()
        for day in DAYS:
            if self.staged.get(day) != (self._body(day) if day in self.files else None):
                self.stage(day)
        behind = [day for day in DAYS if day in self.out_of_step] or list(self.staged)[:1]
        while behind:
            for day in behind:
                self.load(day)
            left = [day for day in behind if day in self.out_of_step]
            assert len(left) < len(behind), left
            behind = left
        self._compare()
        if EXAMPLES and self.files:
            found = self._tables()
            self._empty_tables()
            self._done("stage", "songs")
            for day in sorted(self.files):
                self._done("stage", "events", "--date", day)
                self._done("load", "--date", day)
            assert found == self._tables()

    def _done(self, *arguments: str) -> None:
        self.pipeline.done(*arguments, **ENVIRONMENT)

    def _tables(self) -> dict[str, Counter[tuple[str, ...]]]:
        """What each table holds of the files, without what differs between two runs."""
        found = {}
        cursor = self.warehouse.cursor()
        for table in TABLES:
            cursor.execute(f"select * from {table}")
            names = [column[0] for column in cursor.description]
            found[table] = Counter(
                tuple(str(value) for name, value in zip(names, row, strict=True) if name not in OF_A_RUN)
                for row in cursor.fetchall()
            )
        self.warehouse.rollback()
        return found


def as_file(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def test_any_sequence_ends_in_the_tables_of_one_clean_load_of_the_files(
    pipeline: Pipeline, warehouse: Any
) -> None:
    machine = type("Order", (Order,), {"pipeline": pipeline, "warehouse": warehouse})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=EXAMPLES or 4,
            stateful_step_count=30 if EXAMPLES else 8,
            derandomize=EXAMPLES is None,
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
