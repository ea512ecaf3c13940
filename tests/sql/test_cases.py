"""SQL cases as data: each YAML file below this folder is a case, and its name the sentence that it proves.

`steps` are done in order: `stage` (day → rows of staging_events), `songs` (all rows of staging_songs),
`load` (a day; `fails` is part of the expected message). `expect` names tables and their rows, in any order,
with the columns that matter. What a row does not say gets the defaults below.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parent
CASES = sorted(FOLDER.glob("*/*.yaml"))

EVENT = {
    "session_id": 1,
    "item_in_session": 0,
    "page": "NextSong",
    "user_id": "8",
    "first_name": "Kaylee",
    "last_name": "Summers",
    "gender": "F",
    "level": "free",
    "artist": "Des'ree",
    "song": "You Gotta Be",
    "length": 246.30812,
    "location": "Phoenix-Mesa-Scottsdale, AZ",
    "user_agent": "Mozilla/5.0",
}
SONG = {
    "song_id": "SO1",
    "title": "You Gotta Be",
    "artist_id": "AR1",
    "artist_name": "Des'ree",
    "artist_location": None,
    "artist_latitude": None,
    "artist_longitude": None,
    "duration": 246.30812,
    "year": None,
}


def content_hash(row: dict[str, Any]) -> str:
    return hashlib.md5(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()


def insert(cursor: Any, table: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        marks = ", ".join(["%s"] * len(row))
        cursor.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values()))


def stage(cursor: Any, day: str, rows: list[dict[str, Any]], version: str) -> None:
    cursor.execute("delete from staging_events where day = %s", (day,))
    cursor.execute("delete from staging_versions where day = %s", (day,))
    cursor.execute("delete from staged_files where day = %s", (day,))
    file = f"log_data/{day}-events.json"
    made = []
    for line, row in enumerate(rows, start=1):
        event = {**EVENT, "ts": f"{day} 12:00:00.796", **row}
        lineage = {"day": day, "source_file": file, "source_line": line, "content_hash": content_hash(event)}
        made.append({**event, **lineage})
    insert(cursor, "staging_events", made)
    version_row = {"source": "events", "day": day, "version": version, "run": "case"}
    insert(cursor, "staging_versions", [version_row])
    counts = {"lines": len(rows), "loaded": len(rows), "quarantined": 0, "etag": "e", "size": 1}
    if rows:
        insert(cursor, "staged_files", [{**version_row, **counts, "source_file": file}])


def stage_songs(cursor: Any, rows: list[dict[str, Any]], version: str) -> None:
    cursor.execute("delete from staging_songs")
    cursor.execute("delete from staging_versions where source = 'songs'")
    cursor.execute("delete from staged_files where source = 'songs'")
    made = []
    for number, row in enumerate(rows):
        song = {**SONG, **row}
        lineage = {"source_file": f"song_data/{number:05}.json", "source_line": 1}
        made.append({**song, **lineage, "content_hash": content_hash(song)})
    insert(cursor, "staging_songs", made)
    version_row = {"source": "songs", "version": version, "run": "case"}
    insert(cursor, "staging_versions", [version_row])
    counts = {"lines": 1, "loaded": 1, "quarantined": 0, "blank": 0, "etag": "e", "size": 1}
    insert(
        cursor, "staged_files", [{**version_row, **counts, "source_file": row["source_file"]} for row in made]
    )


@pytest.mark.parametrize("case", CASES, ids=[f"{case.parent.name}/{case.stem}" for case in CASES])
def test_the_tables_after_these_steps_are_exactly_these(
    case: Path, sparkify: Callable[..., Any], warehouse: Any
) -> None:
    assert sparkify("tables", "create").code == 0
    text = yaml.safe_load(case.read_text(encoding="utf-8"))
    cursor = warehouse.cursor()
    for number, step in enumerate(text["steps"]):
        for day, rows in step.get("stage", {}).items():
            stage(cursor, str(day), rows, f"version-{number}")
        if "songs" in step:
            stage_songs(cursor, step["songs"], f"version-{number}")
        warehouse.commit()
        if "load" in step:
            outcome = sparkify("load", "--date", str(step["load"]))
            expected = (1, True) if "fails" in step else (0, True)
            assert (outcome.code, step.get("fails", "") in outcome.log) == expected, outcome.log
    for table, rows in text["expect"].items():
        columns = list(rows[0]) if rows else ["*"]
        cursor.execute(f"select {', '.join(columns)} from {table}")
        found = [[_plain(value) for value in row] for row in cursor.fetchall()]
        wanted = [[_plain(row[column]) for column in columns] for row in rows]
        assert sorted(found, key=str) == sorted(wanted, key=str), table
    warehouse.commit()


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else str(value)
