"""The objects in S3 that a COPY reads, and S3's failures as Redshift reports them.

Redshift Database Developer Guide, copy-parameters-data-source-s3 and loading-data-files-using-manifest.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from redshift_sandbox.errors import RedshiftError
from redshift_sandbox.s3 import S3Settings

# Objects up to this size are fetched whole, so many at a time; larger ones are streamed, one at a time.
_SMALL = 1024 * 1024
_CONCURRENT = 32
_STREAMED = 1024 * 1024

_URL = re.compile(r"s3://(?P<bucket>[^/]+)/?(?P<key>.*)", re.DOTALL)


def is_url(text: str) -> bool:
    """Whether a text names an object, or a prefix of objects, in S3."""
    return _URL.fullmatch(text) is not None


@dataclass(frozen=True)
class S3Object:
    url: str
    bucket: str
    key: str
    size: int


class Storage:
    """The S3 server, and its failures as Redshift reports them."""

    def __init__(self, settings: S3Settings, session_id: int) -> None:
        self._settings = settings
        self._session_id = session_id
        self._stores: dict[str, S3Store] = {}

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            self._stores[bucket] = S3Store(
                bucket,
                endpoint=self._settings.endpoint,
                access_key_id=self._settings.access_key,
                secret_access_key=self._settings.secret_key,
                region=self._settings.region,
                virtual_hosted_style_request=False,
                client_options={"allow_http": True},
            )
        return self._stores[bucket]

    def failure(self, message: str, context: str = "") -> RedshiftError:
        """An error that comes before the load, in Redshift's form."""
        detail = (
            "\n  -----------------------------------------------"
            f"\n  error:  {message}"
            "\n  code:      8001"
            f"\n  context:   {context}"
            "\n  query:     0"
            "\n  location:  objects.py"
            f"\n  process:   padbmaster [pid={self._session_id}]"
            "\n  -----------------------------------------------\n"
        )
        return RedshiftError("XX000", message, detail)

    def refused(self, error: Exception, context: str, prefix: str = "") -> RedshiftError:
        """What S3 answered, in the words that Redshift passes on."""
        answer = str(error)
        code = re.search(r"<Code>([^<]+)</Code>", answer)
        message = re.search(r"<Message>([^<]*)</Message>", answer)
        status = re.search(r"status code: (\d+)", answer)
        if code is None or status is None:
            return self.failure(f"{prefix}S3ServiceException:{answer.splitlines()[0]}", context)
        text = message[1] if message else code[1]
        return self.failure(
            f"{prefix}S3ServiceException:{text},Status {status[1]},Error {code[1]},"
            "Rid 0000000000000000,ExtRid 0,CanRetry 1",
            context,
        )

    async def under(self, url: str) -> list[S3Object]:
        """The objects whose keys begin with a prefix, in the order of their keys."""
        bucket, prefix = _split(url)
        folder = prefix.rpartition("/")[0]
        context = f"Listing bucket={bucket} prefix={prefix}"
        objects = []
        try:
            # In a thread: obstore crashes when a listing that still connects is dropped, as by a cancel.
            for page in await asyncio.to_thread(list, obstore.list(self._store(bucket), folder or None)):
                objects += [
                    S3Object(f"s3://{bucket}/{each['path']}", bucket, each["path"], each["size"])
                    for each in page
                    if each["path"].startswith(prefix) and not each["path"].endswith("/")
                ]
        except BaseError as error:
            raise self.refused(error, context) from error
        if not objects:
            raise self.failure(f"The specified S3 prefix '{prefix}' does not exist")
        return sorted(objects, key=lambda each: each.key)

    async def content(self, url: str, prefix: str = "") -> bytes:
        """A small file that the statement itself names."""
        bucket, key = _split(url)
        try:
            answer = await obstore.get_async(self._store(bucket), key)
            return bytes(await answer.bytes_async())
        except (BaseError, FileNotFoundError) as error:
            raise self.refused(error, f"S3 key being read : {url}", prefix) from error

    async def listed(self, url: str) -> list[S3Object]:
        """The objects that a manifest lists, as often and in the order as it lists them."""
        text = await self.content(url, "Problem reading manifest file - ")
        try:
            manifest = msgspec.json.decode(text, type=_Manifest)
        except msgspec.DecodeError:
            raise self.failure(
                "Manifest file is not in correct json format", f"Manifest file location = {url}"
            ) from None

        async def found(entry: _Entry) -> S3Object | None:
            if not _URL.fullmatch(entry.url):
                raise self.failure(
                    f"Invalid url in manifest file: {entry.url}", f"Manifest file location = {url}"
                )
            bucket, key = _split(entry.url)
            try:
                size = (await obstore.head_async(self._store(bucket), key))["size"]
            except FileNotFoundError:
                if entry.mandatory:
                    raise self.failure(
                        "Mandatory url is not present in manifest file.",
                        f"Manifest file location = {url} url = {entry.url}",
                    ) from None
                return None
            except BaseError as error:
                raise self.refused(error, f"S3 key being read : {entry.url}") from error
            return S3Object(entry.url, bucket, key, size)

        objects: list[S3Object] = []
        for start in range(0, len(manifest.entries), _CONCURRENT):
            some = manifest.entries[start : start + _CONCURRENT]
            objects += [each for each in await asyncio.gather(*map(found, some)) if each is not None]
        return objects

    async def contents(
        self, objects: Sequence[S3Object]
    ) -> AsyncIterator[tuple[S3Object, AsyncIterator[bytes]]]:
        """Each object with its bytes; the small ones after it are fetched meanwhile."""
        waiting = deque(objects)
        fetching: deque[tuple[S3Object, asyncio.Task[bytes] | None]] = deque()
        try:
            while waiting or fetching:
                while waiting and len(fetching) < _CONCURRENT:
                    each = waiting.popleft()
                    small = each.size <= _SMALL
                    fetching.append((each, asyncio.ensure_future(self._whole(each)) if small else None))
                each, task = fetching.popleft()
                yield each, (self._stream(each) if task is None else _one(task))
        finally:
            for _, task in fetching:
                if task is not None:
                    task.cancel()

    async def _whole(self, each: S3Object) -> bytes:
        return await self.content(each.url)

    async def _stream(self, each: S3Object) -> AsyncIterator[bytes]:
        try:
            answer = await obstore.get_async(self._store(each.bucket), each.key)
            async for chunk in answer.stream(_STREAMED):
                yield bytes(chunk)
        except (BaseError, FileNotFoundError) as error:
            raise self.refused(error, f"S3 key being read : {each.url}") from error


class _Entry(msgspec.Struct):
    url: str
    mandatory: bool = False


class _Manifest(msgspec.Struct):
    entries: list[_Entry]


async def _one(task: asyncio.Task[bytes]) -> AsyncIterator[bytes]:
    yield await task


def _split(url: str) -> tuple[str, str]:
    found = _URL.fullmatch(url)
    assert found is not None
    return found["bucket"], found["key"]
