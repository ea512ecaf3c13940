"""`sparkify stage`: bring S3 objects into the staging tables.

The objects are read, checked and written as compressed parts before the lock is taken; one transaction then
replaces what was staged. It is refused when another stage committed meanwhile: this one begins again.

Below SPARKIFY_STAGING each attempt has its own prefixes, named after its version. Its parts are deleted after
the commit. Whatever lies there from before its manifest was written, and belongs to another version, is
garbage by then: the attempt that wrote it has failed, or will see that this one committed and begin again.
Both times are S3's, so clocks do not matter. Raw bytes that the quarantine's index names stay.
"""

import argparse
import asyncio
import signal
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from sparkify import checks, naming, refusals, sources, warehouse
from sparkify.compaction import Compacted, Compaction, SourceFile
from sparkify.compressor import DamagedPart
from sparkify.errors import DataError, NothingToDo, PassingError, SparkifyError, Terminated
from sparkify.log import Log
from sparkify.metrics import BYTES, LINES, QUARANTINED
from sparkify.objects import Bucket, Changed, Object
from sparkify.parts import CopySource
from sparkify.settings import Settings
from sparkify.sources import Source
from sparkify.statements import literal
from sparkify.warehouse import Transaction

Result = TypeVar("Result")

_TRIES = 5
# Departures from the contract that the log tells one by one.
_TOLD = 20


class _Overtaken(Exception):
    """Another stage of the same source and day committed since this one began."""


def events(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Stage one day's events: what its file says now replaces what was staged.

    Raises:
        PassingError: the day has no object, and SPARKIFY_MISSING_DAY is fail.
        NothingToDo: it has none, SPARKIFY_MISSING_DAY is empty, and nothing of the day is staged.
        DataError: too many lines are bad, the warehouse refused the rows, or a blocking check of staging
            found offending ones; staging is as it was.
    """
    day: date = args.date
    name = naming.events_key(day)

    def choose(listed: Sequence[Object], staged: _Staged) -> list[SourceFile]:
        _report_left_out(log, [each for each in listed if not naming.is_events(each.key)])
        found = [SourceFile(each.key, each) for each in listed if each.key == name]
        if not found:
            where = settings.source.url(name)
            if settings.missing_day == "fail":
                raise PassingError(
                    f"{day} has no object: looked for {where} among {len(listed)} below its folder; "
                    "it may still come; SPARKIFY_MISSING_DAY=empty would mean a day without events"
                )
            if staged.version is None:
                raise NothingToDo(f"{day} has no object at {where}, and nothing of it is staged")
            log.warning("the day has no object: what was staged of it leaves", looked_for=where)
        return found

    _Stage(sources.events(settings.sql, day), settings, log).run(naming.events_folder(day), choose)


def songs(args: argparse.Namespace, settings: Settings, log: Log) -> None:
    """Stage the songs whose objects are new, changed or gone since the last time.

    Raises:
        DataError: too many lines are bad, or the warehouse refused the rows; staging is as it was.
    """

    def choose(listed: Sequence[Object], staged: _Staged) -> list[SourceFile]:
        found = {each.key: each for each in listed if naming.is_song(each.key)}
        _report_left_out(log, [each for each in listed if each.key not in found])
        if not found:
            log.warning(
                "there are no song objects",
                looked_at=settings.source.url(naming.SONGS),
                staged=len(staged.etags),
            )
        changed = [SourceFile(key, each) for key, each in found.items() if staged.etags.get(key) != each.etag]
        gone = [SourceFile(key, None) for key in staged.etags if key not in found]
        log.info(
            "compared with the ledger",
            unchanged=len(found) - len(changed),
            new=sum(file.key not in staged.etags for file in changed),
            changed=sum(file.key in staged.etags for file in changed),
            gone=len(gone),
        )
        return changed + gone

    _Stage(sources.songs(settings.sql), settings, log).run(naming.SONGS, choose)


def again(source: Source, etags: Mapping[str, str | None], settings: Settings, log: Log) -> None:
    """Stage files once more that are staged with these ETags: as they are, by the rules in force now.

    Raises:
        DataError: one of them is no longer the object that was staged; or as for another stage.
    """

    def choose(listed: Sequence[Object], staged: _Staged) -> list[SourceFile]:
        found = {each.key: each for each in listed}
        for key, etag in etags.items():
            if key not in found or found[key].etag != etag:
                what = "has changed" if key in found else "is gone"
                step = f"stage {source.name}{f' --date {source.day}' if source.day else ''}"
                raise DataError(
                    f"{settings.source.url(key)} {what} since it was staged: the lines that were kept of it "
                    f"are no longer its lines; bring staging in line with: sparkify {step}"
                )
        return [SourceFile(key, found[key]) for key in etags]

    prefix = naming.events_folder(source.day) if source.day else naming.SONGS
    _Stage(source, settings, log).run(prefix, choose)


def _report_left_out(log: Log, objects: Sequence[Object]) -> None:
    if objects:
        log.warning(
            "left out objects whose names are not a source file's",
            objects=len(objects),
            some=", ".join(each.key for each in objects[:3]),
        )


@dataclass(frozen=True)
class _Staged:
    """What is staged now: its version, if any, and for songs what the ledger says of each file."""

    version: str | None
    etags: dict[str, str] = field(default_factory=dict)
    lines: dict[str, tuple[int, int]] = field(default_factory=dict)


_Choose = Callable[[Sequence[Object], _Staged], list[SourceFile]]


class _Stage:
    def __init__(self, source: Source, settings: Settings, log: Log):
        self._source = source
        self._settings = settings
        self._log = log
        self._lock = f"lock_staging_{source.name}"
        self._checks = checks.blocking(settings, f"stage {source.name}")

    def run(self, prefix: str, choose: _Choose) -> None:
        source, staging = (
            Bucket(self._settings.source, self._settings.region, "SPARKIFY_SOURCE"),
            Bucket(self._settings.staging, self._settings.region, "SPARKIFY_STAGING"),
        )
        for _ in range(_TRIES):
            started = time.monotonic()
            staged = warehouse.read(self._settings, self._log, self._staged)
            version = uuid.uuid4().hex
            try:
                compacted = _interruptible(self._prepare(version, source, staging, prefix, choose, staged))
                if compacted is None:
                    self._log.info("staged already: nothing changed")
                    return
                dead, alive = self._commit(compacted, staged, staging)
            except (Changed, _Overtaken) as reason:
                self._log.warning("beginning again", reason=str(reason))
                continue
            self._measure(compacted)
            rows = compacted.loaded
            self._log.info("staged", rows=rows, version=version, seconds=time.monotonic() - started)
            try:
                _interruptible(self._clear(staging, version, dead, alive))
            except (SparkifyError, Changed) as error:
                self._log.warning("staged, but left objects for the next stage to delete", reason=str(error))
            return
        raise PassingError(f"gave up after {_TRIES} tries: the objects or the staging tables keep changing")

    def _measure(self, compacted: Compacted) -> None:
        files, name, metrics = compacted.files, self._source.name, self._log.metrics
        quarantined = sum(file.quarantined for file in files)
        metrics.set(LINES, compacted.loaded, source=name, outcome="loaded")
        metrics.set(LINES, quarantined, source=name, outcome="quarantined")
        metrics.set(QUARANTINED, quarantined, source=name)
        metrics.set(LINES, sum(file.blank for file in files), source=name, outcome="blank")
        read = sum(file.listed.size for file in files if file.listed)
        metrics.set(BYTES, read, source=name, direction="read")
        metrics.set(BYTES, compacted.size, source=name, direction="written")

    def _staged(self, transaction: Transaction) -> _Staged:
        version = self._version(transaction)
        if self._source.day:
            return _Staged(version)
        rows = transaction.rows("ledger/staged_files/select", source=self._source.name)
        return _Staged(
            version,
            {file: etag for file, etag, *_ in rows},
            {file: (lines, quarantined) for file, _, lines, quarantined in rows},
        )

    def _version(self, transaction: Transaction) -> str | None:
        rows = transaction.rows(
            "ledger/staging_versions/select", source=self._source.name, day=self._source.day
        )
        return rows[0][0] if rows else None

    async def _prepare(
        self, version: str, source: Bucket, staging: Bucket, prefix: str, choose: _Choose, staged: _Staged
    ) -> Compacted | None:
        """Read, check and write; None when there is nothing to replace."""
        started = time.monotonic()
        listed = await source.list(prefix)
        # For its errors: that the bucket can be used is better known before the work.
        await staging.list(f"{self._source.place}{version}/")
        self._log.info(
            "listed",
            prefix=source.location.url(prefix),
            objects=len(listed),
            bytes=sum(each.size for each in listed),
            seconds=time.monotonic() - started,
        )
        files = choose(listed, staged)
        if not files and self._source.day is None:
            return None
        started = time.monotonic()
        compaction = Compaction(self._source, self._settings, self._log, version, source, staging)
        try:
            await compaction.run(files)
            self._judge(files, staged, compaction)
        except DataError:
            with suppress(SparkifyError, Changed):  # the next stage deletes what this one leaves
                await compaction.parts.discard()
            raise
        compacted = await compaction.finish(files)
        self._log.info(
            "wrote parts",
            files=sum(file.listed is not None for file in files),
            gone=sum(file.listed is None for file in files) or None,
            lines=sum(file.lines for file in files),
            loaded=compacted.loaded,
            quarantined=compaction.quarantine.lines,
            blank=sum(file.blank for file in files) or None,
            parts=compaction.parts.count,
            bytes=compaction.parts.size,
            seconds=time.monotonic() - started,
        )
        return compacted

    def _judge(self, files: Sequence[SourceFile], staged: _Staged, compaction: Compaction) -> None:
        """Report the bad lines and departures from the contract; stop when too many of all lines are bad."""
        told = compaction.drift.summary
        for file, each in told[:_TOLD]:
            self._log.warning(
                "lines depart from the contract",
                field=each.field,
                reason=each.reason,
                lines=each.lines,
                first=f"{file}:{each.first_line}",
                example=each.example,
            )
        if len(told) > _TOLD:
            self._log.warning("more departs from the contract: see schema_drift", more=len(told) - _TOLD)
        quarantine = compaction.quarantine
        if not quarantine.lines:
            return
        touched = {file.key for file in files}
        others = [counts for key, counts in staged.lines.items() if key not in touched]
        lines = sum(file.lines - file.blank for file in files) + sum(count for count, _ in others)
        bad = quarantine.lines + sum(count for _, count in others)
        reasons = ", ".join(f"{reason} {count}" for reason, count in quarantine.reasons.most_common())
        examples = "; ".join(quarantine.examples)
        if bad > lines * self._settings.max_bad_ratio:
            raise DataError(
                f"{bad} of {lines} lines are bad ({reasons}), more than SPARKIFY_MAX_BAD_RATIO="
                f"{self._settings.max_bad_ratio:g} allows; staging is as it was; the first of each: "
                f"{examples}; all of them: sparkify quarantine list --at {quarantine.url}"
            )
        self._log.warning(
            "quarantined lines", lines=quarantine.lines, reasons=reasons, first=examples, at=quarantine.url
        )

    def _commit(self, compacted: Compacted, staged: _Staged, staging: Bucket) -> tuple[set[str], set[str]]:
        """Replace what is staged; versions that nothing names any more, and those of the quarantine."""
        started = time.monotonic()
        try:
            versions = warehouse.write(
                self._settings,
                self._log,
                self._lock,
                lambda transaction: self._replace(transaction, compacted, staged),
                lambda transaction: self._version(transaction) == compacted.version,
            )
        except checks.Blocked as blocked:
            day = self._source.day
            checks.keep_alone(self._settings, self._lock, blocked.results, self._log, day)
            raise DataError(
                f"{day or 'songs'}: staging is as it was: {blocked}; "
                f"check_results has all results of run {self._log.run}"
            ) from None
        except DataError:
            if refused := self._refused(staging, compacted.version):
                raise DataError(f"COPY refused {refused}") from None
            raise
        self._log.info("committed", rows=compacted.loaded, seconds=time.monotonic() - started)
        return versions

    def _refused(self, staging: Bucket, version: str) -> str:
        try:
            return refusals.explain(self._settings, self._log, staging, self._source, version)
        except DamagedPart as damaged:
            raise DamagedPart(f"COPY refused a part; staging is as it was: {damaged}") from None
        except SparkifyError:
            return ""

    def _replace(
        self, transaction: Transaction, compacted: Compacted, staged: _Staged
    ) -> tuple[set[str], set[str]]:
        replaced = self._version(transaction)
        if replaced != staged.version:
            raise _Overtaken("another stage of the same committed meanwhile")
        before = {*self._quarantined(transaction), *([replaced] if replaced else [])}
        name = self._source.name
        parameters = {
            "source": name,
            "day": self._source.day,
            "version": compacted.version,
            "run": self._log.run,
        }
        transaction.execute("ledger/touched_files/create")
        self._copy(transaction, "ledger/touched_files/copy", compacted.touched, len(compacted.files))
        transaction.execute(f"staging/{name}/delete", **parameters)
        self._copy(transaction, f"staging/{name}/copy", compacted.rows, compacted.loaded)
        transaction.execute("ledger/staged_parts/delete", **parameters)
        self._copy(transaction, "ledger/staged_parts/copy", compacted.part_lines, compacted.ranges)
        transaction.execute("ledger/quarantine/delete", **parameters)
        quarantined = sum(file.quarantined for file in compacted.files)
        self._copy(transaction, "ledger/quarantine/copy", compacted.quarantine, quarantined)
        transaction.execute("ledger/schema_drift/delete", **parameters)
        self._copy(transaction, "ledger/schema_drift/copy", compacted.drift, compacted.departures)
        transaction.execute("ledger/staged_files/delete", **parameters)
        transaction.execute("ledger/staged_files/insert", **parameters)
        transaction.execute("ledger/staging_versions/delete", **parameters)
        transaction.execute("ledger/staging_versions/insert", **parameters)
        values = checks.bound(transaction, self._checks, self._source.day)
        checks.demand(transaction, self._log, self._checks, values, self._source.day)
        after = self._quarantined(transaction)
        return before - after, after

    def _quarantined(self, transaction: Transaction) -> set[str]:
        """The versions whose raw lines the quarantine names."""
        rows = transaction.rows(
            "ledger/quarantine/select_versions", source=self._source.name, day=self._source.day
        )
        return {version for (version,) in rows}

    def _copy(self, transaction: Transaction, name: str, source: CopySource | None, rows: int) -> None:
        if source is None:
            return
        role = self._settings.copy_role
        copied = transaction.copy(
            name,
            manifest=literal(source.manifest),
            jsonpaths=literal(source.jsonpaths),
            copy_role=role if role == "default" else literal(role),
            region=literal(self._settings.region),
        )
        if copied != rows:
            raise DataError(
                f"COPY from {source.manifest} loaded {copied} rows of {rows}; nothing is changed, "
                "and the parts are still there to be looked into"
            )

    async def _clear(self, staging: Bucket, own: str, dead: set[str], alive: set[str]) -> None:
        """Delete this version's parts, and what versions before it left."""
        place = self._source.place
        parts, raw = await asyncio.gather(staging.list(place), staging.list(f"quarantine/{place}"))
        written = max((each.modified for each in parts if _version(place, each) == own), default=None)

        def is_garbage(each: Object) -> bool:
            return _version(place, each) in dead or (written is not None and each.modified < written)

        garbage = [each for each in parts if _version(place, each) == own or is_garbage(each)]
        garbage += [each for each in raw if _version(place, each) not in {own, *alive} and is_garbage(each)]
        await staging.delete([each.key for each in garbage])


def _version(place: str, each: Object) -> str:
    """The version that an object's prefix names."""
    return each.key.removeprefix("quarantine/").removeprefix(place).split("/")[0]


def _interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end; SIGTERM cancels it, so that what it started ends with it.

    An exception raised by a signal handler could end in any callback of the event loop, which would only
    log it.
    """

    terminated: list[bool] = []

    async def watched() -> Result:
        task = asyncio.current_task()
        assert task

        def terminate() -> None:
            terminated.append(True)
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        return await work

    handler = signal.getsignal(signal.SIGTERM)
    try:
        return asyncio.run(watched())
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if terminated else handler)
        if terminated:
            # Whatever the work made of being cancelled: it may have ended, or failed in another way.
            raise Terminated
