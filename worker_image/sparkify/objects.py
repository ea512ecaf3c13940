"""Objects in S3: listing, reading, writing, and what S3's errors mean.

The only module that imports obstore. Credentials in the environment are read by obstore itself; without them
boto3's chain finds them (profiles, container and instance roles, web identity).
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import obstore
from obstore.exceptions import BaseError, InvalidPathError, PreconditionError
from obstore.store import S3Store

from sparkify.errors import DataError, PassingError, UsageError
from sparkify.settings import Location

# S3 takes 10,000 parts an upload: 8 MiB each are 80 GB.
_UPLOAD_PART = 8 * 1024 * 1024
# A streamed object is read in ranges of so many bytes, so many of them side by side.
_RANGE = 8 * 1024 * 1024
_RANGES = 4
# One buffer of a streamed object: large enough that the event loop's cost does not count.
_BUFFER = 1024 * 1024


class Changed(Exception):
    """An object is no longer what the listing said."""


@dataclass(frozen=True)
class Object:
    """An object as it was listed; `key` is relative to its location, `size` is in bytes."""

    key: str
    size: int
    etag: str
    modified: datetime


class Upload:
    """An object being written; it exists once it is closed."""

    def __init__(self, bucket: "Bucket", key: str):
        self.key = key
        self.size = 0
        self.closed = False
        self._bucket = bucket
        self._writer = obstore.open_writer_async(
            bucket.store, key, buffer_size=_UPLOAD_PART, max_concurrency=4
        )

    async def write(self, data: bytes) -> None:
        if data:
            with self._bucket.explained():
                await self._writer.write(data)
            self.size += len(data)

    async def close(self) -> None:
        with self._bucket.explained():
            await self._writer.close()
        self.closed = True

    async def abort(self) -> None:
        """Give up an upload that is not closed, so that S3 keeps none of its pieces."""
        if not self.closed:
            self.closed = True
            with self._bucket.explained():
                # The writer closes at the end of its context, and aborts when that ends by an exception.
                await self._writer.__aexit__(Changed, Changed(), None)


class Bucket:
    """The objects of one location."""

    def __init__(self, location: Location, region: str, setting: str):
        self.location = location
        self._setting = setting
        with self.explained():
            self.store = S3Store(
                location.bucket,
                prefix=location.prefix or None,
                region=region,
                credential_provider=_credentials(setting),
                client_options={
                    # That of a whole request, a streamed object included.
                    "timeout": timedelta(hours=1),
                    "connect_timeout": timedelta(seconds=5),
                    # obstore no longer reads the variable when it is given options.
                    "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
                },
                retry_config={"max_retries": 8, "retry_timeout": timedelta(seconds=45)},
            )

    async def list(self, prefix: str) -> list[Object]:
        """The objects whose keys begin with the prefix, which ends with a slash."""
        with self.explained():
            found: list[Object] = []
            async for objects in self.store.list(prefix, chunk_size=1000):
                found += [
                    Object(each["path"], each["size"], each["e_tag"], each["last_modified"])
                    for each in objects
                ]
        return found

    async def stream(self, listed: Object) -> AsyncIterator[bytes]:
        """The object's bytes in buffers.

        Ranges of it are read side by side: S3 gives more to several connections than to one, and a connection
        that waits for its reader may pause for a fifth of a second (TCP's timer for a closed window).

        Raises:
            Changed: it is not the object that was listed.
        """
        starts = iter(range(0, listed.size, _RANGE))
        ahead: deque[asyncio.Task[bytes]] = deque()
        try:
            while True:
                for start in islice(starts, _RANGES - len(ahead)):
                    ahead.append(asyncio.create_task(self._range(listed, start)))
                if not ahead:
                    return
                data = await ahead.popleft()
                for start in range(0, len(data), _BUFFER):
                    yield data[start : start + _BUFFER]
        finally:
            for task in ahead:
                task.cancel()

    async def _range(self, listed: Object, start: int) -> bytes:
        end = min(start + _RANGE, listed.size)
        with self.explained():
            answer = await self.store.get_async(
                listed.key, options={"if_match": listed.etag, "range": (start, end)}
            )
            return bytes(await answer.bytes_async())

    async def get(self, listed: Object) -> bytes:
        """The whole of a small object.

        Raises:
            Changed: it is not the object that was listed.
        """
        with self.explained():
            answer = await self.store.get_async(listed.key, options={"if_match": listed.etag})
            return bytes(await answer.bytes_async())

    async def put(self, key: str, data: bytes) -> None:
        with self.explained():
            await self.store.put_async(key, data)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone already do not matter."""
        with self.explained(), suppress(FileNotFoundError):
            await self.store.delete_async(keys)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise what obstore raises as what it means."""
        try:
            yield
        except PreconditionError as error:
            raise Changed(_short(error)) from error
        except InvalidPathError as error:
            raise DataError(
                f"S3 {self.location.url()}: {_short(error)}; rename or remove the object"
            ) from error
        except (BaseError, FileNotFoundError) as error:
            raise self._meaning(error) from error

    def _meaning(self, error: Exception) -> Exception:
        text = str(error)
        where = f"S3 {self.location.url()}"
        code = found[1] if (found := re.search(r"<Code>(\w+)</Code>", text)) else ""
        if code == "NoSuchBucket":
            return UsageError(f"{where}: there is no bucket {self.location.bucket}; check {self._setting}")
        if isinstance(error, FileNotFoundError):
            return Changed(_short(error))
        if code in ("SlowDown", "RequestTimeTooSkewed") or re.search(r"status code: (5\d\d|429)", text):
            return PassingError(f"{where}: {code or _short(error)}")
        if status := re.search(r"status code: ([34]\d\d [A-Z][\w ]*)", text):
            return UsageError(
                f"{where}: {status[1]}{f' ({code})' if code else ''}; "
                f"check {self._setting}, AWS_REGION, the credentials and their rights"
            )
        return PassingError(f"{where} cannot be reached: {_short(error)}; check the network and the endpoint")


def _short(error: Exception) -> str:
    """What an error of obstore says, without its debugging part and the answer's XML."""
    text = str(error).split("\n\nDebug source:")[0].split(": <?xml")[0]
    return " ".join(text.split())[:300]


def _credentials(setting: str) -> Any:
    if "AWS_ACCESS_KEY_ID" in os.environ and "AWS_SECRET_ACCESS_KEY" in os.environ:
        return None
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider()
    except (ValueError, BotoCoreError) as error:
        raise UsageError(
            f"there are no AWS credentials for {setting}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            f"AWS_PROFILE, or give the pod a role ({error})"
        ) from error
