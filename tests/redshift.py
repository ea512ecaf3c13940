"""Which warehouse the tests of behaviours are for: a sandbox of their own, or the one that REDSHIFT names.

That one is reached as a worker reaches it, by the worker's own settings (README.md); REDSHIFT is its host.
What the tests make there is in databases of their own, and below a prefix of SPARKIFY_STAGING of their own,
and goes when they end.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

from redshift_sandbox import Endpoint
from sparkify import warehouse
from sparkify.settings import Location, Settings


def is_given() -> bool:
    return os.environ.get("REDSHIFT", "sandbox") not in ("", "sandbox")


def settings(**changed: str) -> Settings:
    """Raises UsageError, which names all that is missing."""
    return Settings.from_env(environment(**changed))


def environment(**changed: str) -> dict[str, str]:
    # No day's files are wanted before there is one: a smoke test has none of its own elsewhere.
    staging = os.environ.get("SPARKIFY_STAGING", "")
    host = os.environ["REDSHIFT"]
    return {**os.environ, "SPARKIFY_SOURCE": staging, "SPARKIFY_WAREHOUSE_HOST": host, **changed}


def endpoint() -> Endpoint:
    """As a sandbox says where it is."""
    given = settings()
    return Endpoint(
        host=given.host,
        port=given.port,
        database=given.database,
        user=given.user,
        s3_endpoint=os.environ.get("AWS_ENDPOINT_URL_S3", ""),
        ca_file=os.environ.get("SSL_CERT_FILE", ""),
        env=environment(),
        process_id=0,
    )


def login(endpoint: Endpoint) -> dict[str, Any]:
    """The driver's arguments: who, and how."""
    if not is_given():
        return {"user": endpoint.user, "password": endpoint.password}
    return {**warehouse.login(settings()), "sslmode": "verify-full"}


@dataclass(frozen=True)
class Place:
    """A bucket, and a prefix in it that is empty or ends with a slash."""

    client: Any
    location: Location

    def put(self, key: str, body: str | bytes) -> str:
        """Write an object; its URL."""
        data = body.encode() if isinstance(body, str) else body
        self.client.put_object(Bucket=self.location.bucket, Key=self.location.prefix + key, Body=data)
        return self.location.url(key)


@contextmanager
def place() -> Iterator[Place]:
    """A place of one's own in the real S3; its objects are deleted at the end."""
    given = settings()
    client = boto3.client("s3", region_name=given.region)
    prefix = f"{given.staging.prefix}smoke/{secrets.token_hex(6)}/"
    made = Place(client, Location(given.staging.bucket, prefix))
    try:
        yield made
    finally:
        for page in client.get_paginator("list_objects_v2").paginate(
            Bucket=given.staging.bucket, Prefix=prefix
        ):
            for each in page.get("Contents", []):
                client.delete_object(Bucket=given.staging.bucket, Key=each["Key"])
        client.close()
