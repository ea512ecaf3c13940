"""A folder laid out as the source bucket: which days it has, and how the bucket is made to mirror it."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import boto3
import obstore
from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError
from obstore.store import S3Store

from laptop.errors import LaptopError, UsageError

_EVENTS = re.compile(r"log_data/(\d{4})/(\d{2})/((\d{4})-(\d{2})-\d{2})-events\.json")
_CONCURRENCY = 32  # a local server answers in a millisecond; more only queue there


def plan(folder: Path, first: date | None, last: date | None) -> list[date]:
    """The days to run: those with a file, or every day from `first` to `last` where one of them is given.

    Raises:
        UsageError: there is no such folder, no log_data in it, or no day to run.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if not (folder / "log_data").is_dir():
        raise UsageError(f"{folder} has no folder log_data: it must be laid out as the source bucket")
    found = _days(folder)
    if first is None and last is None:
        if not found:
            raise UsageError(f"{folder} has no file log_data/YYYY/MM/YYYY-MM-DD-events.json")
        return found
    if not found and (first is None or last is None):
        raise UsageError(f"{folder} has no day to begin or end with: give both --from and --to")
    return days_between(first or found[0], last or found[-1])


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included.

    Raises:
        UsageError: `first` is after `last`.
    """
    if first > last:
        raise UsageError(f"there is no day from {first} to {last}")
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _days(folder: Path) -> list[date]:
    days = set()
    for path in (folder / "log_data").glob("*/*/*-events.json"):
        name = _EVENTS.fullmatch(path.relative_to(folder).as_posix())
        if name and name[1] == name[4] and name[2] == name[5]:
            try:
                days.add(date.fromisoformat(name[3]))
            except ValueError:
                continue  # no such day in the calendar: the file is one of those that the worker reports
    return sorted(days)


@dataclass(frozen=True)
class Mirrored:
    """What it took to make the bucket equal to the folder, in objects."""

    uploaded: int
    unchanged: int
    deleted: int


def mirror(folder: Path, bucket: str, environment: Mapping[str, str]) -> Mirrored:
    """Make the bucket's objects those of the folder, whatever their names.

    New and changed files are uploaded, objects without a file deleted.

    Raises:
        LaptopError: a file cannot be read or has control characters in its name, or S3 does not do what it
            is asked.
    """
    store = S3Store(
        bucket,
        endpoint=environment["AWS_ENDPOINT_URL_S3"],
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region=environment["AWS_REGION"],
        client_options={"allow_http": True},
    )
    try:
        return _mirror(store, folder)
    except (BaseError, ValueError) as error:  # ValueError: a name with control characters
        raise LaptopError(f"s3://{bucket} cannot be filled from {folder}: {_one_line(error)}") from error
    except OSError as error:
        raise LaptopError(f"{error.filename or folder} cannot be read: {error.strerror or error}") from error


def make_buckets(names: Sequence[str], environment: Mapping[str, str]) -> None:
    """Make the buckets that are not there yet.

    Raises:
        LaptopError: S3 does not do it.
    """
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    try:
        there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        for name in names:
            if name not in there:
                client.create_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as error:
        raise LaptopError(f"the buckets {', '.join(names)} cannot be made: {_one_line(error)}") from error


def _mirror(store: S3Store, folder: Path) -> Mirrored:
    there = {}
    for page in obstore.list(store):
        there.update({item["path"]: (item["size"], item["e_tag"]) for item in page})
    files = dict(_files(folder))
    uploads = [key for key, path in files.items() if not _same(path, there.get(key))]
    # Threads that wait for S3, not coroutines: a thread of obstore's that has just ended a coroutine's
    # request still holds Python objects, on which the end of a short process aborts.
    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        list(threads.map(lambda key: obstore.put(store, key, files[key]), uploads))
    gone = sorted(there.keys() - files.keys())
    if gone:
        obstore.delete(store, gone)
    return Mirrored(len(uploads), len(files) - len(uploads), len(gone))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    def refuse(error: OSError) -> None:
        raise error

    for directory, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            path = Path(directory, name)
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path


def _same(path: Path, there: tuple[int, str | None] | None) -> bool:
    """Whether an object has the file's bytes: the ETag of one uploaded in one piece is the bytes' MD5."""
    if there is None or there[0] != path.stat().st_size:
        return False
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return there[1] is not None and there[1].strip('"') == md5


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
