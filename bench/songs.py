"""Staging the song files of the source bucket against `s5cmd cp` of the same objects from the same server."""

import asyncio
import json
import os
import random
import shutil
import string
import sys
from itertools import count
from pathlib import Path

from obstore.store import S3Store

from bench.measure import Measured, interleaved, measured, middle, spread
from bench.setting import SOURCE, Setting

FILES = 14_896
ROUNDS = 5
GOAL = 1.0
OURS = "sparkify stage songs"
THEIRS = "s5cmd cp"


def run(setting: Setting) -> str:
    """The result as Markdown."""
    size = asyncio.run(_fill(setting))
    numbers = count()
    runs = interleaved(
        {OURS: lambda: _ours(setting, next(numbers)), THEIRS: lambda: _theirs(setting)}, ROUNDS
    )
    with_memory = {OURS: _ours(setting, next(numbers), memory=True), THEIRS: _theirs(setting, memory=True)}
    seconds = {name: [run.seconds for run in case] for name, case in runs.items()}
    ratio = middle(seconds[OURS]) / middle(seconds[THEIRS])
    return "\n".join(
        [
            f"{FILES:,} objects of {size / FILES:.0f} bytes on average. Seconds of the whole command,",
            f"median (least to most) of {ROUNDS} interleaved runs; the worker's includes the checks, the",
            "parts, their upload, the COPY into an empty warehouse and the ledger; s5cmd's writes the files.",
            "Peak memory from a run of its own.",
            "",
            "| | seconds | peak MiB |",
            "| --- | --- | --- |",
            *(f"| `{name}` | {spread(seconds[name])} | {with_memory[name].memory:.0f} |" for name in runs),
            "",
            f"Ratio {ratio:.2f}, goal {GOAL}: {'met' if ratio <= GOAL else 'missed'}.",
        ]
    )


def _ours(setting: Setting, number: int, memory: bool = False) -> Measured:
    environment = setting.environment(f"songs_{number}")
    setting.sparkify(environment, "tables", "create")
    done = measured([str(setting.sparkify_command), "stage", "songs"], environment, memory)
    assert f"loaded={FILES} " in done.log, done.log
    return done


def _theirs(setting: Setting, memory: bool = False) -> Measured:
    folder = setting.folder / "s5cmd"
    shutil.rmtree(folder, ignore_errors=True)
    command = [
        *(str(Path(sys.executable).with_name("s5cmd")), "--endpoint-url", setting.endpoint.s3_endpoint),
        *("--log", "error", "cp", f"s3://{SOURCE}/song_data/*", f"{folder}/"),
    ]
    done = measured(command, {**os.environ, **setting.endpoint.env}, memory)
    assert sum(path.is_file() for path in folder.rglob("*")) == FILES
    return done


async def _fill(setting: Setting) -> int:
    """Put the songs there; their bytes."""
    env = setting.endpoint.env
    store = S3Store(
        SOURCE,
        endpoint=env["AWS_ENDPOINT_URL_S3"],
        access_key_id=env["AWS_ACCESS_KEY_ID"],
        secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region=env["AWS_REGION"],
        client_options={"allow_http": True},
    )
    random_ = random.Random(1)
    songs = iter([_song(random_, number) for number in range(FILES)])
    size = 0

    async def put() -> None:
        nonlocal size
        for key, body in songs:
            size += len(body)
            await store.put_async(key, body)

    await asyncio.gather(*(put() for _ in range(32)))
    return size


def _song(random_: random.Random, number: int) -> tuple[str, bytes]:
    """A song like those of the Million Song Dataset, and its key."""
    known = number % 3 == 0
    name = "TR" + "".join(random_.choices(string.ascii_uppercase, k=5)) + f"{number:011X}"
    song = {
        "num_songs": 1,
        "artist_id": f"AR{random_.randrange(9_000):016X}",
        "artist_latitude": round(random_.uniform(-60, 70), 5) if known else None,
        "artist_longitude": round(random_.uniform(-180, 180), 5) if known else None,
        "artist_location": "London, England" if known else "",
        "artist_name": f"The {_word(random_)} {_word(random_)}",
        "song_id": f"SO{number:016X}",
        "title": " ".join(_word(random_) for _ in range(random_.randint(1, 6))),
        "duration": round(random_.uniform(60, 600), 5),
        "year": random_.choice([0, random_.randint(1950, 2010)]),
    }
    return f"song_data/{name[2]}/{name[3]}/{name[4]}/{name}.json", json.dumps(song).encode()


def _word(random_: random.Random) -> str:
    return "".join(random_.choices(string.ascii_lowercase, k=random_.randint(2, 9))).capitalize()
