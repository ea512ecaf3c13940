"""`python -m bench.compact DAY`: the worker's stage of a day's events, without its COPY.

For comparisons with programs that write files: it lists, reads, checks, compresses and uploads.
"""

import asyncio
import os
import sys
from datetime import date

from sparkify import sources
from sparkify.compaction import Compaction, SourceFile
from sparkify.log import Log
from sparkify.objects import Bucket
from sparkify.settings import Settings


async def compact(day: date) -> str:
    settings = Settings.from_env(os.environ)
    source = Bucket(settings.source, settings.region, "SPARKIFY_SOURCE")
    staging = Bucket(settings.staging, settings.region, "SPARKIFY_STAGING")
    files = [SourceFile(each.key, each) for each in await source.list(f"log_data/{day:%Y/%m}/")]
    log = Log("bench", "bench", str(day))
    compaction = Compaction(
        sources.events(settings.sql, day), settings, log, f"bench-{os.getpid()}", source, staging
    )
    await compaction.run(files)
    compacted = await compaction.finish(files)
    return f"{compacted.loaded} {compaction.parts.count} {compaction.parts.size}"


if __name__ == "__main__":
    print(asyncio.run(compact(date.fromisoformat(sys.argv[1]))), flush=True)
    os._exit(0)  # as the command does
