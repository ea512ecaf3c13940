"""What the tests of staging share: good lines to spoil, and a look at the tables and the buckets."""

import json
import re
from typing import Any

from tests.lines import EVENT, SONG
from tests.star.conftest import Pipeline, day_key

DAY = "2018-11-01"
FILE = day_key(DAY)
MIDNIGHT = 1541030400000  # of DAY, in milliseconds


def line(**changed: object) -> str:
    """A good event in which something is changed; None leaves a field null, ... leaves it out."""
    return json.dumps({name: value for name, value in {**EVENT, **changed}.items() if value is not ...})


def song(**changed: object) -> str:
    return json.dumps({name: value for name, value in {**SONG, **changed}.items() if value is not ...})


def stage(pipeline: Pipeline, **environment: str) -> Any:
    """Stage the day; however many of its few lines are bad."""
    return pipeline.run("stage", "events", "--date", DAY, **{"SPARKIFY_MAX_BAD_RATIO": "1", **environment})


def rows(connection: Any, query: str) -> list[list[Any]]:
    connection.rollback()
    cursor = connection.cursor()
    cursor.execute(query)
    found = [list(row) for row in cursor.fetchall()]
    connection.rollback()
    return found


def quarantine(connection: Any) -> list[list[Any]]:
    """Line, reason and detail of each bad line."""
    return rows(connection, "select source_line, reason, detail from quarantine order by source_file, 1")


def staging_keys(pipeline: Pipeline) -> list[str]:
    bucket, prefix = staging(pipeline)
    found = pipeline.client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [each["Key"].removeprefix(prefix) for each in found]


def staging(pipeline: Pipeline) -> tuple[str, str]:
    match = re.fullmatch("s3://([^/]+)/(.+)", pipeline.environment["SPARKIFY_STAGING"])
    assert match
    return match[1], f"{match[2]}/"


def raw_lines(pipeline: Pipeline, connection: Any) -> list[bytes]:
    """The bytes that the quarantine's index says each bad line had."""
    found, bodies = [], dict[str, bytes]()
    for url, offset, length in rows(
        connection,
        "select raw_object, raw_offset, raw_length from quarantine order by source_file, source_line",
    ):
        if url not in bodies:
            bucket, key = url.removeprefix("s3://").split("/", 1)
            bodies[url] = pipeline.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        found.append(bodies[url][offset : offset + length])
    return found
