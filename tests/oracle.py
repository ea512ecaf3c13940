"""The star, computed from the files in plain Python: what the pipeline is held against.

Shares nothing with the worker: no SQL, no statement, no parser of its. A line that is no JSON is bad; all
others are taken as good.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]
Star = dict[str, set[Row]]

COPY_DAYS = 3
TOLERANCE = 0.5

COLUMNS = {
    "songplays": "songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, "
    "user_agent, source_day, source_line",
    "users": "user_id, first_name, last_name, gender, level",
    "songs": "song_id, title, artist_id, year, duration",
    "artists": "artist_id, name, location, latitude, longitude",
    '"time"': "start_time, hour, day, week, month, year, weekday",
}


def lines(text: bytes) -> Iterable[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.decode("utf-8-sig").split("\n"), start=1):
        try:
            yield number, json.loads(line)
        except ValueError:
            continue


def read(folder: Path, days: Iterable[str]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of a folder laid out as the source bucket: events by day, songs by path."""
    events = {day: (folder / f"log_data/{day[:4]}/{day[5:7]}/{day}-events.json").read_bytes() for day in days}
    songs = {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("song_data/*/*/*/*.json")
    }
    return events, songs


def star(events: Mapping[str, bytes], songs: Mapping[str, bytes]) -> Star:
    """The five tables, as sets of rows in the order of COLUMNS; events are keyed by their file's day."""
    song_lines = [song for path in sorted(songs) for _, song in lines(songs[path])]
    by_song, by_artist = {}, {}
    for song in song_lines:
        by_song.setdefault(song["song_id"], song)
        by_artist.setdefault(song["artist_id"], song)

    plays, last_seen = [], {}
    for day in sorted(events):
        file_day = datetime.fromisoformat(day)
        for number, event in lines(events[day]):
            if event["page"] != "NextSong":
                continue
            key = (event["sessionId"], event["itemInSession"])
            content = json.dumps(event, sort_keys=True)
            earlier = last_seen.get((key, content))
            last_seen[key, content] = file_day
            if earlier is None or file_day - earlier > timedelta(days=COPY_DAYS):
                moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=event["ts"])
                plays.append((moment.replace(tzinfo=None), key, day, number, event))

    tables: Star = {name: set() for name in COLUMNS}
    latest: dict[str, tuple[Any, ...]] = {}
    for moment, key, day, number, event in plays:
        song = _match(event, by_song.values())
        tables["songplays"].add(
            (
                f"{key[0]}-{key[1]}",
                moment,
                str(event["userId"]),
                event["level"],
                song and song["song_id"],
                song and song["artist_id"],
                key[0],
                event["location"],
                event["userAgent"],
                day,
                number,
            )
        )
        week, weekday = moment.isocalendar()[1], moment.isoweekday() % 7
        parts = (moment.hour, moment.day, week, moment.month, moment.year, weekday)
        tables['"time"'].add((moment, *parts))
        user = str(event["userId"])
        latest[user] = max(
            latest.get(user, (moment, key, event)), (moment, key, event), key=lambda play: play[:2]
        )
    for user, (_, _, event) in latest.items():
        tables["users"].add((user, event["firstName"], event["lastName"], event["gender"], event["level"]))
    for song in by_song.values():
        year = song["year"] or None
        tables["songs"].add((song["song_id"], song["title"], song["artist_id"], year, song["duration"]))
    for song in by_artist.values():
        place = (song["artist_latitude"], song["artist_longitude"])
        tables["artists"].add(
            (song["artist_id"], song["artist_name"], song["artist_location"] or None, *place)
        )
    return tables


def _match(event: Mapping[str, Any], songs: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    if event["length"] is None:
        return None
    same = [
        song
        for song in songs
        if (song["title"], song["artist_name"]) == (event["song"], event["artist"])
        and abs(song["duration"] - event["length"]) <= TOLERANCE
    ]
    return min(
        same, key=lambda song: (abs(song["duration"] - event["length"]), song["song_id"]), default=None
    )


def loaded(connection: Any) -> Star:
    """The five tables as the warehouse has them, in the same form."""
    cursor = connection.cursor()
    tables: Star = {}
    for name, columns in COLUMNS.items():
        cursor.execute(f"select {columns} from {name}")
        rows = [tuple(row) for row in cursor.fetchall()]
        tables[name] = {tuple(str(v) if type(v).__name__ == "date" else v for v in row) for row in rows}
        assert len(tables[name]) == len(rows), f"{name} has a row twice"
    connection.rollback()
    return tables
