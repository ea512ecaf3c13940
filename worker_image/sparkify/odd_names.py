"""Objects whose keys are no paths: with an empty segment, with `.` or `..` as one, with a line's end.

S3 takes any key; obstore refuses these, and with them the listing that they are in. boto3 takes what S3
takes. It is imported only where such a key is met.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sparkify.settings import Location


class Refused(Exception):
    """S3's answer to a request that failed: status (0: there was none), code, and all of it in words."""

    def __init__(self, status: int, code: str, words: str):
        super().__init__(words)
        self.status = status
        self.code = code


class OddNames:
    """Lists and reads the objects of one location, whatever their keys."""

    def __init__(self, location: Location, region: str, silent_seconds: int):
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        self._location = location
        self._errors: tuple[type[Exception], type[Exception]] = (ClientError, BotoCoreError)
        retries: Any = {"mode": "standard", "max_attempts": 8}
        self._client: Any = boto3.client(
            "s3",
            region_name=region,
            config=Config(connect_timeout=5, read_timeout=silent_seconds, retries=retries),
        )

    def list(self, prefix: str) -> list[tuple[str, int, str, datetime]]:
        """Key below the location, size in bytes, ETag and last change of each object below a prefix.

        Raises:
            Refused: S3 does not give the list.
        """
        found = []
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._location.bucket, Prefix=self._location.prefix + prefix
            )
            for page in pages:
                for each in page.get("Contents", []):
                    key = each["Key"].removeprefix(self._location.prefix)
                    found.append((key, each["Size"], each["ETag"], each["LastModified"]))
        except self._errors as error:
            raise _refused(error) from error
        return found

    def read(self, key: str, etag: str, first: int, end: int) -> bytes:
        """The object's bytes from `first` to before `end`; of an empty object none.

        Raises:
            Refused: S3 does not give them; with the status 412 or 404 where it is no longer that object.
        """
        span = {"Range": f"bytes={first}-{end - 1}"} if end > first else {}
        try:
            answer = self._client.get_object(
                Bucket=self._location.bucket, Key=self._location.prefix + key, IfMatch=etag, **span
            )
            return bytes(answer["Body"].read())
        except self._errors as error:
            raise _refused(error) from error


def _refused(error: Any) -> Refused:
    answer = getattr(error, "response", None)
    if answer is None:
        return Refused(0, "", " ".join(str(error).split()))
    status, said = answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]
    code, message = said.get("Code", ""), said.get("Message", "")
    return Refused(status, code, f"{status} ({code}{f': {message}' if message else ''})")
