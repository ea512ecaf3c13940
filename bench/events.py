"""Staging one large day of events against DuckDB and Polars reading the same lines.

Those read and write local files, without checks, quarantine and content hash; the worker reads from and
writes to S3. All write the same columns, with the day, the file and the line, as zstd-compressed JSON in as
many parts: with one, all slices of a Redshift but one would have nothing to COPY. To give each the same
cores, and none of them the S3 server's work, the processes measured are kept on one half of the machine's
cores and the server on the other.
"""

import math
import os
import random
import shutil
import string
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path

import msgspec
import psutil

from bench.columns import DAY, KEY, TYPES
from bench.measure import Measured, interleaved, measured, middle, spread
from bench.setting import Setting

EVENTS = 5_000_000
ROUNDS = 5
GOAL = 1.0
MIDNIGHT = 1541030400000
OURS = "sparkify"


def run(setting: Setting) -> str:
    """The result as Markdown."""
    local = setting.folder / "events.json"
    size = write_day(local, EVENTS)
    with local.open("rb") as file:
        setting.put(KEY, file)
    cores = sorted(os.sched_getaffinity(0))
    ours, servers = cores[: len(cores) // 2], cores[len(cores) // 2 :]
    threads = str(len(ours))
    environment = {**setting.environment("events"), "SPARKIFY_PROCESSES": threads}
    target = setting.folder / "parts"

    def worker(memory: bool = False) -> Measured:
        done = measured([sys.executable, "-m", "bench.compact", DAY], environment, memory)
        assert done.out.split()[0] == str(EVENTS), done.out
        return done

    parts = int(worker().out.split()[1])

    def other(program: str, part: int, memory: bool = False) -> Measured:
        shutil.rmtree(target, ignore_errors=True)
        command = [sys.executable, "-m", program, str(local), str(target), threads, str(part)]
        done = measured(command, os.environ, memory)
        assert len(list(target.iterdir())) == parts, list(target.iterdir())
        return done

    cases = {
        OURS: worker,
        # Its parts are by size: all of them have a little less than 18 % of the source's.
        "DuckDB": lambda memory=False: other("bench.with_duckdb", size * 18 // 100 // parts, memory),
        "Polars": lambda memory=False: other("bench.with_polars", math.ceil(EVENTS / parts), memory),
    }
    with _server_on(setting.endpoint.process_id, servers):
        os.sched_setaffinity(0, ours)
        try:
            runs = interleaved(cases, ROUNDS)
            with_memory = {name: case(memory=True) for name, case in cases.items()}
        finally:
            os.sched_setaffinity(0, cores)
    seconds = {name: [run.seconds for run in case] for name, case in runs.items()}
    fastest = min(middle(seconds[name]) for name in cases if name != OURS)
    ratio = middle(seconds[OURS]) / fastest
    return "\n".join(
        [
            f"{EVENTS:,} lines, {size / 2**20:,.0f} MiB, {parts} parts. Seconds of the whole process, median",
            f"(least to most) of {ROUNDS} interleaved runs on {threads} of {len(cores)} cores, the S3 server",
            "on the others; peak memory from a run of its own. The worker reads from S3, checks each line,",
            "hashes its content, and uploads; DuckDB and Polars read and write local files, and do neither.",
            "zstd at level 1; DuckDB's JSON writer knows only its default.",
            "",
            "| | seconds | peak MiB |",
            "| --- | --- | --- |",
            *(f"| {name} | {spread(seconds[name])} | {with_memory[name].memory:.0f} |" for name in cases),
            "",
            f"Ratio to the faster {ratio:.2f}, goal {GOAL}: {'met' if ratio <= GOAL else 'missed'}.",
        ]
    )


@contextmanager
def _server_on(process_id: int, cores: Sequence[int]) -> Iterator[None]:
    """Keep all threads of the sandbox's processes on some cores."""
    root = psutil.Process(process_id)
    before: dict[int, set[int]] = {}
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            for thread in process.threads():
                before[thread.id] = os.sched_getaffinity(thread.id)
                os.sched_setaffinity(thread.id, cores)
    try:
        yield
    finally:
        for thread, affinity in before.items():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, affinity)


def write_day(path: Path, count: int) -> int:
    """The day's file: sessions of many users, side by side, as in the real files; its bytes."""
    random_ = random.Random(2)
    users = [_user(random_, number) for number in range(50_000)]
    songs = [
        {
            "artist": random_.choice(["Björk", "雨"]) if number % 25 == 0 else _words(random_, 2),
            "length": round(random_.uniform(60, 600), 5),
            "song": _words(random_, random_.randint(1, 6)),
        }
        for number in range(30_000)
    ]
    nothing = {"artist": None, "length": None, "song": None}
    pages = ("NextSong", "Home", "Logout", "Add to Playlist", "Thumbs Up", "Settings", "Roll Advert", "Help")
    weights = list(accumulate((84, 6, 2, 2, 2, 2, 1, 1)))
    encode = msgspec.json.Encoder().encode
    active = [[random_.choice(users), number, 0] for number in range(5_000)]
    sessions = len(active)
    with path.open("wb") as file:
        for number in range(count):
            session = random_.choice(active)
            user, identifier, item = session
            session[2] += 1
            if item > 60:
                session[:] = [random_.choice(users), sessions, 0]
                sessions += 1
            page = random_.choices(pages, cum_weights=weights)[0] if user["userId"] else "Home"
            event = {
                **user,
                **(random_.choice(songs) if page == "NextSong" else nothing),
                "itemInSession": item,
                "method": "PUT" if page == "NextSong" else "GET",
                "page": page,
                "sessionId": identifier,
                "status": 200,
                "ts": MIDNIGHT + number * 86_400_000 // count,
            }
            line = encode({name: event[name] for name in TYPES})
            file.write(line.replace(b"/", b"\\/") + b"\n")
    return path.stat().st_size


def _user(random_: random.Random, number: int) -> dict[str, object]:
    known = number % 40 != 0
    browser = random_.randint(20, 40)
    return {
        "auth": "Logged In" if known else "Logged Out",
        "firstName": _words(random_, 1) if known else None,
        "gender": random_.choice("FM") if known else None,
        "lastName": _words(random_, 1) if known else None,
        "level": random_.choice(["free", "paid"]),
        "location": f"{_words(random_, 2)}, {random_.choice(['CA', 'NY-NJ-PA', 'TX', 'GA'])}"
        if known
        else None,
        "registration": float(MIDNIGHT - random_.randrange(10**10)) if known else None,
        "userAgent": f"Mozilla/5.0 (Windows NT 6.{browser % 4}; WOW64) AppleWebKit/537.36 (KHTML, like "
        f"Gecko) Chrome/{browser}.0.{random_.randrange(2000)}.{random_.randrange(200)} Safari/537.36",
        "userId": str(number) if known else "",
    }


def _words(random_: random.Random, count: int) -> str:
    return " ".join(
        "".join(random_.choices(string.ascii_lowercase, k=random_.randint(3, 9))).capitalize()
        for _ in range(count)
    )
