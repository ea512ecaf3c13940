"""`sparkify plan`: what a run of one day would do. It reads a listing and the ledger, and writes nothing."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import date

from sparkify import naming, report, warehouse
from sparkify.log import Log
from sparkify.objects import Bucket, Object
from sparkify.settings import Settings


def plan(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Print what each step of the day's run would do."""
    day: date = args.date
    source = Bucket(settings.source, settings.region, "SPARKIFY_SOURCE")
    events, songs = asyncio.run(_listed(source, day))

    def work(
        transaction: warehouse.Transaction,
    ) -> tuple[list[warehouse.Row], dict[str, str], dict[str, str]]:
        known = [
            {file: etag for file, etag, *_ in transaction.rows("ledger/staged_files/select", source=name)}
            for name in ("events", "songs")
        ]
        return transaction.rows("ledger/staging_versions/plan", day=day), known[0], known[1]

    state, known_events, known_songs = warehouse.read(settings, log, work)
    rows = [
        ("stage songs", _songs(songs, known_songs)),
        ("stage events", _events(events, known_events, settings, day)),
        ("load", _load(state)),
        ("check", "run every check of the day once more, and the warnings"),
    ]
    left_out = sum(not naming.is_events(each.key) for each in events)
    left_out += sum(not naming.is_song(each.key) for each in songs)
    if left_out:
        rows.append(("left out", f"{left_out} objects whose names are not a source file's"))
    print(report.table(["step", "would"], rows))


async def _listed(source: Bucket, day: date) -> tuple[list[Object], list[Object]]:
    events, songs = await asyncio.gather(source.list(naming.events_folder(day)), source.list(naming.SONGS))
    return events, songs


def _songs(listed: Sequence[Object], known: dict[str, str]) -> str:
    found = {each.key: each for each in listed if naming.is_song(each.key)}
    new = [each for key, each in found.items() if key not in known]
    changed = [each for key, each in found.items() if key in known and known[key] != each.etag]
    gone = known.keys() - found.keys()
    if not (new or changed or gone):
        return f"do nothing: all {len(found)} song files are staged as they are"
    size = sum(each.size for each in [*new, *changed])
    return f"read {len(new)} new and {len(changed)} changed song files ({size} bytes), drop {len(gone)} gone"


def _events(listed: Sequence[Object], known: dict[str, str], settings: Settings, day: date) -> str:
    key = naming.events_key(day)
    found = next((each for each in listed if each.key == key), None)
    where = settings.source.url(key)
    if found is None:
        if settings.missing_day == "fail":
            return f"wait and fail: there is no {where}"
        return f"empty the day: there is no {where}"
    before = "again, changed since" if key in known else "for the first time"
    if known.get(key) == found.etag:
        before = "again, unchanged"
    return f"read {where} ({found.size} bytes) {before}"


def _load(state: Sequence[warehouse.Row]) -> str:
    if not state or state[0][2] is None:
        return "write the day into the star for the first time"
    _, _, loaded_at, loaded_by, in_step = state[0]
    step = "" if in_step == "yes" else ", staged again since"
    return f"bring the day in line again; loaded {loaded_at:%Y-%m-%d %H:%M} UTC by {loaded_by}{step}"
