"""The demo's days: the same bytes every time, and everything in them that real logs have."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest

from laptop import demo_data

EVENT_KEYS = [
    *("artist", "auth", "firstName", "gender", "itemInSession", "lastName", "length", "level", "location"),
    *("method", "page", "registration", "sessionId", "song", "status", "ts", "userAgent", "userId"),
]
SONG_KEYS = [
    *("num_songs", "artist_id", "artist_latitude", "artist_longitude", "artist_location", "artist_name"),
    *("song_id", "title", "duration", "year"),
]
DAYS = ["2018-11-01", "2018-11-02", "2018-11-03", "2018-11-04"]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return demo_data.files()


@pytest.fixture(scope="module")
def lines(files: dict[str, bytes]) -> dict[str, list[str]]:
    """Day → the lines of its file."""
    names = {day: f"log_data/{day[:4]}/{day[5:7]}/{day}-events.json" for day in DAYS}
    assert {name for name in files if name.startswith("log_data")} == set(names.values())
    return {day: files[name].decode().split("\n") for day, name in names.items()}


@pytest.fixture(scope="module")
def events(lines: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Every line that is whole, each event once."""
    whole = dict.fromkeys(line for of_day in lines.values() for line in of_day if line.endswith("}"))
    return [json.loads(line) for line in whole]


@pytest.fixture(scope="module")
def songs(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [json.loads(content) for name, content in files.items() if name.startswith("song_data")]


def test_the_same_bytes_are_made_every_time(files: dict[str, bytes]) -> None:
    whole = sha256()
    for name in sorted(files):
        whole.update(name.encode() + b"\0" + files[name] + b"\0")
    assert whole.hexdigest() == "f3797166eec5165e6c10eff8900afd7d8a4e4fe4baeeff7ceff6e63cf403468c"
    assert demo_data.files() == files


def test_the_days_have_as_many_lines_as_a_small_service(lines: dict[str, list[str]]) -> None:
    assert {day: len(of_day) for day, of_day in lines.items()} == {
        "2018-11-01": 838,
        "2018-11-02": 647,
        "2018-11-03": 889,
        "2018-11-04": 1116,
    }


def test_songs_lie_in_folders_by_the_letters_of_their_track(files: dict[str, bytes]) -> None:
    names = [name for name in files if not name.startswith("log_data")]
    assert len(names) == 107
    for name in names:
        found = re.fullmatch(r"song_data/([A-Z])/([A-Z])/([A-Z])/TR([A-Z]{3})[A-Z0-9]{13}\.json", name)
        assert found, name
        assert found[4] == found[1] + found[2] + found[3]


def test_an_event_has_the_fields_of_the_real_logs_in_their_order(events: list[dict[str, Any]]) -> None:
    assert all(list(event) == EVENT_KEYS for event in events)
    kinds = {key: {type(event[key]).__name__ for event in events} for key in EVENT_KEYS}
    text, maybe_text, whole = {"str"}, {"str", "NoneType"}, {"int"}
    maybe_decimal = {"float", "NoneType"}
    assert kinds == {
        **dict.fromkeys(("auth", "level", "method", "page", "userId"), text),
        **dict.fromkeys(
            ("artist", "firstName", "gender", "lastName", "location", "song", "userAgent"), maybe_text
        ),
        **dict.fromkeys(("itemInSession", "sessionId", "status", "ts"), whole),
        **dict.fromkeys(("length", "registration"), maybe_decimal),
    }


def test_a_song_has_the_fields_of_the_real_metadata_in_their_order(songs: list[dict[str, Any]]) -> None:
    assert all(list(song) == SONG_KEYS for song in songs)
    assert {song["num_songs"] for song in songs} == {1}
    assert len({song["song_id"] for song in songs}) == len(songs)


def test_every_page_of_the_service_is_visited(events: list[dict[str, Any]]) -> None:
    assert set(Counter(event["page"] for event in events)) == {
        *("NextSong", "Home", "Login", "Logout", "Settings", "Save Settings", "Help", "About", "Error"),
        *("Upgrade", "Submit Upgrade", "Downgrade", "Submit Downgrade"),
    }


def test_a_session_is_one_users_with_rising_items_and_times(events: list[dict[str, Any]]) -> None:
    sessions: dict[int, list[dict[str, Any]]] = {}
    for event in sorted(events, key=lambda event: (event["sessionId"], event["itemInSession"])):
        sessions.setdefault(event["sessionId"], []).append(event)
    for session in sessions.values():
        items = [event["itemInSession"] for event in session]
        assert items == list(range(items[0], items[0] + len(items)))
        times = [event["ts"] for event in session]
        assert times == sorted(times)
        assert len({event["userId"] for event in session} - {""}) <= 1


def test_a_logged_out_event_tells_nothing_of_its_user(events: list[dict[str, Any]]) -> None:
    personal = ("firstName", "lastName", "gender", "location", "registration", "userAgent")
    out = [event for event in events if event["auth"] == "Logged Out"]
    assert out
    assert all(event["userId"] == "" and all(event[key] is None for key in personal) for event in out)
    assert all(event["page"] != "NextSong" for event in out)


def test_a_submitted_upgrade_or_downgrade_changes_the_level_from_the_next_event_on(
    events: list[dict[str, Any]],
) -> None:
    by_key = {(event["sessionId"], event["itemInSession"]): event for event in events}
    changes = Counter()
    for event in events:
        after = by_key.get((event["sessionId"], event["itemInSession"] + 1))
        if event["page"] in ("Submit Upgrade", "Submit Downgrade") and after:
            changes[event["page"], event["level"], after["level"]] += 1
        elif after:
            assert after["level"] == event["level"]
    assert set(changes) == {("Submit Upgrade", "free", "paid"), ("Submit Downgrade", "paid", "free")}


def test_some_songs_are_skipped_and_most_are_heard_to_the_end(events: list[dict[str, Any]]) -> None:
    by_key = {(event["sessionId"], event["itemInSession"]): event for event in events}
    heard = Counter()
    for event in events:
        after = by_key.get((event["sessionId"], event["itemInSession"] + 1))
        if event["page"] == "NextSong" and after:
            heard["skipped" if after["ts"] - event["ts"] < 1000 * int(event["length"]) else "whole"] += 1
    assert 0.1 < heard["skipped"] / heard.total() < 0.25


def test_most_plays_and_not_all_have_a_song_file(
    events: list[dict[str, Any]], songs: list[dict[str, Any]]
) -> None:
    known = {(song["title"], song["artist_name"], song["duration"]) for song in songs}
    plays = [event for event in events if event["page"] == "NextSong"]
    matched = [play for play in plays if (play["song"], play["artist"], play["length"]) in known]
    assert 0.85 < len(matched) / len(plays) < 0.95


def test_titles_are_re_used_by_other_artists_and_in_another_length(songs: list[dict[str, Any]]) -> None:
    artists: dict[str, set[str]] = {}
    lengths: dict[tuple[str, str], set[float]] = {}
    for song in songs:
        artists.setdefault(song["title"], set()).add(song["artist_id"])
        lengths.setdefault((song["title"], song["artist_id"]), set()).add(song["duration"])
    assert sorted(title for title, of_title in artists.items() if len(of_title) > 1) == ["Home"]
    assert len([key for key, of_song in lengths.items() if len(of_song) == 2]) == 3


def test_names_titles_and_places_are_not_all_ascii(
    events: list[dict[str, Any]], songs: list[dict[str, Any]]
) -> None:
    for key in ("firstName", "lastName", "location", "artist", "song"):
        assert any(event[key] and not event[key].isascii() for event in events), key
    for key in ("title", "artist_name", "artist_location"):
        assert any(not song[key].isascii() for song in songs), key


def test_a_session_over_midnight_has_each_event_in_the_file_of_its_utc_day(
    lines: dict[str, list[str]],
) -> None:
    sessions: dict[str, set[int]] = {}
    late = 0
    for day, of_day in lines.items():
        for event in (json.loads(line) for line in of_day if line.endswith("}")):
            sessions.setdefault(day, set()).add(event["sessionId"])
            late += _utc_day(event["ts"]) != day
    assert late == 1  # the one line that its sender delivered again after midnight
    for first, second in pairwise(DAYS):
        assert sessions[first] & sessions[second]


def test_four_lines_are_delivered_twice_and_one_is_cut_off(lines: dict[str, list[str]]) -> None:
    everything = Counter(line for of_day in lines.values() for line in of_day)
    assert sorted(everything.values())[-5:] == [1, 2, 2, 2, 2]
    cut = [(day, line) for day, of_day in lines.items() for line in of_day if not line.endswith("}")]
    assert [day for day, _ in cut] == ["2018-11-04"]


def _utc_day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
