"""Objects in S3: listing, reading, writing, and what S3's errors mean.

The only module that imports obstore, which refuses keys that are no paths: odd_names.py has those.
Credentials in the environment are read by obstore itself; without them boto3's chain finds them (profiles,
container and instance roles, web identity).
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any, Literal

import obstore
from obstore.exceptions import BaseError, InvalidPathError, PreconditionError, UnauthenticatedError
from obstore.store import S3Store

from sparkify.errors import PassingError, UsageError
from sparkify.odd_names import OddNames, Refused
from sparkify.settings import ENDPOINTS, Location

# The least that S3 takes as a part of an upload; 10,000 of them are 50 GB. An upload takes no more while so
# many are being sent: one would stop it until S3 has answered.
_UPLOAD_PART = 5 * 1024 * 1024
_UPLOAD_PARTS = 2
# A streamed object is read in ranges of so many bytes, so many of them side by side.
_RANGE = 4 * 1024 * 1024
_RANGES = 6
# A request has failed when S3 is silent for so long, and is repeated. None takes or gives more than a part.
_SILENT_SECONDS = 30
# One buffer of a streamed object: large enough that the event loop's cost does not count.
_BUFFER = 1024 * 1024

# The one that failed of many deletions in a request, whose own answer is 200.
_REFUSED_DELETION = re.compile(r"request failed for key (?P<key>.+): (?P<message>.*) \(code: (?P<code>\w+)\)")
# S3's codes for credentials that it does not know or that are no longer good.
_CREDENTIALS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken")
# S3's codes for what may pass although their status does not say so (S3 API Reference, ErrorResponses).
_PASSING = ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed")
# The same of STS (STS API Reference, AssumeRoleWithWebIdentity and CommonErrors).
_STS_PASSING = ("IDPCommunicationError", "ThrottlingException", "Throttling")
# S3's codes for an object that is gone or another one.
_NO_LONGER_THAT = ("NoSuchKey", "PreconditionFailed")
# What obstore raises for a key that is no path: the one in a listing, the other for an argument.
_NO_PATH = (InvalidPathError, ValueError)
# What an error of obstore has for its developers begins so.
_DEBUGGING = "\n\nDebug source:"
_RIGHTS = {
    "list": "s3:ListBucket",
    "read": "s3:GetObject",
    "write": "s3:PutObject",
    "delete": "s3:DeleteObject",
}


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
            bucket.store, key, buffer_size=_UPLOAD_PART, max_concurrency=_UPLOAD_PARTS
        )

    async def write(self, data: bytes) -> None:
        if data:
            with self._bucket.explained("write", self.key):
                await self._writer.write(data)
            self.size += len(data)

    async def close(self) -> None:
        with self._bucket.explained("write", self.key):
            await self._writer.close()
        self.closed = True

    async def abort(self) -> None:
        """Give up an upload that is not closed, so that S3 keeps none of its pieces."""
        if not self.closed:
            self.closed = True
            with self._bucket.explained("write", self.key):
                # The writer closes at the end of its context, and aborts when that ends by an exception.
                await self._writer.__aexit__(Changed, Changed(), None)


class Bucket:
    """The objects of one location."""

    def __init__(self, location: Location, region: str, setting: str):
        self.location = location
        self._region = region
        self._setting = setting
        _check_endpoint()
        with self.explained("list"):
            self.store = S3Store(
                location.bucket,
                prefix=location.prefix or None,
                region=region,
                credential_provider=_credentials(setting),
                # To hash what is sent costs a twentieth of a large stage. TLS keeps it whole on its way, and
                # rows have a checksum of their own (compressor.py), for COPY to compare.
                unsigned_payload=True,
                client_options={
                    # That of a whole request, a streamed object included.
                    "timeout": timedelta(hours=1),
                    "connect_timeout": timedelta(seconds=5),
                    "read_timeout": timedelta(seconds=_SILENT_SECONDS),
                    # obstore no longer reads the variable when it is given options.
                    "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
                },
                retry_config={"max_retries": 8, "retry_timeout": timedelta(seconds=45)},
            )

    async def list(self, prefix: str) -> list[Object]:
        """The objects whose keys begin with the prefix, which ends with a slash."""
        with self.explained("list", prefix):
            found: list[Object] = []
            try:
                async for objects in self.store.list(prefix, chunk_size=1000):
                    found += [
                        Object(each["path"], each["size"], each["e_tag"], each["last_modified"])
                        for each in objects
                    ]
            except _NO_PATH:
                return [Object(*each) for each in await asyncio.to_thread(self._odd.list, prefix)]
        return found

    async def find(self, key: str) -> Object | None:
        """The object of a key, if it is there."""
        listed = await self.list(f"{key.rpartition('/')[0]}/")
        return next((each for each in listed if each.key == key), None)

    async def stream(
        self, listed: Object, first: int = 0, end: int | None = None
    ) -> AsyncIterator[memoryview]:
        """The object's bytes in buffers, from `first` to before `end`.

        Ranges of it are read side by side: S3 gives more to several connections than to one, and a connection
        that waits for its reader may pause for a fifth of a second (TCP's timer for a closed window).

        Raises:
            Changed: it is not the object that was listed.
        """
        end = listed.size if end is None else min(end, listed.size)
        starts = iter(range(first, end, _RANGE))
        ahead: deque[asyncio.Task[memoryview]] = deque()
        try:
            while True:
                for start in islice(starts, _RANGES - len(ahead)):
                    ahead.append(asyncio.create_task(self._range(listed, start, min(start + _RANGE, end))))
                if not ahead:
                    return
                data = await ahead.popleft()
                for start in range(0, len(data), _BUFFER):
                    yield data[start : start + _BUFFER]
        finally:
            for task in ahead:
                task.cancel()

    async def _range(self, listed: Object, start: int, end: int) -> memoryview:
        return memoryview(await self._read(listed, start, end, range=(start, end)))

    async def get(self, listed: Object) -> bytes:
        """The whole of a small object.

        Raises:
            Changed: it is not the object that was listed.
        """
        return bytes(await self._read(listed, 0, listed.size))

    async def _read(self, listed: Object, start: int, end: int, **options: Any) -> obstore.Bytes | bytes:
        with self.explained("read", listed.key):
            try:
                asked: Any = {"if_match": listed.etag, **options}
                answer = await self.store.get_async(listed.key, options=asked)
                return await answer.bytes_async()
            except _NO_PATH:
                return await asyncio.to_thread(self._odd.read, listed.key, listed.etag, start, end)

    async def put(self, key: str, data: bytes) -> None:
        with self.explained("write", key):
            await self.store.put_async(key, data)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone already do not matter."""
        with self.explained("delete"), suppress(FileNotFoundError):
            await self.store.delete_async(keys)

    @cached_property
    def _odd(self) -> OddNames:
        return OddNames(self.location, self._region, _SILENT_SECONDS)

    @contextmanager
    def explained(self, doing: Literal["list", "read", "write", "delete"], key: str = "") -> Iterator[None]:
        """Raise what obstore raises as what it means."""
        try:
            yield
        except PreconditionError as error:
            raise Changed(_short(error)) from error
        except (Refused, BaseError, OSError) as error:  # a writer raises everything as OSError
            raise self._meaning(error, doing, key) from error

    def _meaning(self, error: Exception, doing: str, key: str) -> Exception:
        if refused := _REFUSED_DELETION.search(str(error)):
            key = refused["key"].removeprefix(self.location.prefix)
        if isinstance(error, Refused):
            status, code, answer = error.status, error.code, str(error)
        else:
            status, code, answer = _answer(str(error))
        where = f"S3 {self.location.url(key)}"
        if isinstance(error, UnauthenticatedError):  # the provider's; S3 itself answers 403
            said = _short(error).partition("External AWS credential provider: ")[2]
            return PassingError(f"{where}: AWS gave no new credentials to {doing} it: {said}; try again")
        if code == "NoSuchBucket":
            return UsageError(f"{where}: there is no bucket {self.location.bucket}; check {self._setting}")
        if isinstance(error, FileNotFoundError) or code in _NO_LONGER_THAT:
            return Changed(_short(error))
        if not status:
            return PassingError(
                f"{where} cannot be reached: {_short(error)}; check the network and the endpoint"
            )
        why = f"{where}: {'may not' if status == 403 else 'cannot'} {doing} it: {answer}"
        if status >= 500 or status == 429 or code in _PASSING:
            return PassingError(f"{why}; it may pass: try again")
        if code in _CREDENTIALS:
            return UsageError(f"{why}; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role")
        if status == 403:
            return UsageError(
                f"{why}; grant {_RIGHTS[doing]} to the worker's credentials, or check {self._setting}"
            )
        return UsageError(f"{why}; check {self._setting}, AWS_REGION and the endpoint")


def _answer(text: str) -> tuple[int, str, str]:
    """S3's answer in an error of obstore: status (0: there was none), code, and all of it in words."""
    if refused := _REFUSED_DELETION.search(text):
        return (
            403 if refused["code"] == "AccessDenied" else 500,
            refused["code"],
            f"{refused['code']}: {refused['message']}",
        )
    status = re.search(r"status code: ((\d\d\d)[\w ]*)", text)
    code, message = (re.search(f"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message"))
    words = status[1].strip() if status else ""
    if code:
        words += f" ({code[1]}{f': {message[1]}' if message else ''})"
    return int(status[2]) if status else 0, code[1] if code else "", " ".join(words.split())


def _short(error: Exception) -> str:
    """What an error of obstore says, without its debugging part, its settings and the answer's XML."""
    text = str(error).split(_DEBUGGING)[0].split(": <?xml")[0]
    text = re.sub(r"^Generic S3 error: |Error performing \w+ request: |, max_retries: .*?(?= -|$)", "", text)
    return " ".join(text.split())[:300]


def _check_endpoint() -> None:
    """Refuse an endpoint that is empty, of which obstore would make a panic."""
    for name in ENDPOINTS:
        if os.environ.get(name) == "":
            raise UsageError(f"settings: {name}='' is not of the form https://host:port")


def _credentials(setting: str) -> Any:
    """Who signs the requests: obstore by the environment's keys (None), else boto3 by what its chain finds.

    boto3 renews what expires a quarter of an hour before it does (botocore, RefreshableCredentials). obstore
    would keep what it is given for half an hour; it is told that it is over at once, so that it asks for each
    request.

    Raises:
        UsageError: there are none, or AWS refuses the role.
        PassingError: whoever gives them out does not answer, or fails.
    """
    if os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"):
        return None
    from botocore import exceptions
    from obstore.auth.boto3 import Boto3CredentialProvider

    none = f"AWS gave no credentials for {setting}"
    try:
        provider = Boto3CredentialProvider(ttl=timedelta())
        provider()  # some are asked for at their first use, in obstore, which leaves an error no type
        return provider
    except exceptions.ClientError as error:
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if status >= 500 or code in _STS_PASSING:
            raise PassingError(f"{none}: {_line(error)}; it may pass: try again") from error
        raise UsageError(
            f"{none}: {_line(error)}; check the role of the pod's ServiceAccount, and whom it trusts"
        ) from error
    except (
        exceptions.CredentialRetrievalError,
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
    ) as error:
        raise PassingError(f"{none}: {_line(error)}; it may pass: try again") from error
    except (ValueError, OSError, exceptions.BotoCoreError) as error:
        raise UsageError(
            f"there are no AWS credentials for {setting}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            f"AWS_PROFILE, or give the pod a role ({_line(error)})"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
