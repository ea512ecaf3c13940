"""The sandbox in the cluster: the files in its S3, the tables in its warehouse, and what they must be."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import redshift_connector

from tests import oracle
from tests.e2e.cluster import RELEASE, Forward, secret, situation

BUCKET = "sparkify-source"
SERVICE = f"{RELEASE}-sandbox"


class Source:
    """The bucket that the pipeline reads."""

    def __init__(self, folder: Path, days: list[str]) -> None:
        self.original, self.songs = oracle.read(folder, days)
        self.events = dict(self.original)
        secrets = secret(SERVICE)
        self._keys = {
            "aws_access_key_id": secrets["s3-access-key"],
            "aws_secret_access_key": secrets["s3-secret-key"],
        }
        self._forward = Forward(SERVICE, 9000)

    def close(self) -> None:
        self._forward.close()

    def fill(self) -> None:
        """Make the bucket hold the files of the folder and no others."""
        files = {event_key(day): body for day, body in self.original.items()} | self.songs
        with self._client() as client:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
                for each in page.get("Contents", []):
                    if each["Key"] not in files:
                        client.delete_object(Bucket=BUCKET, Key=each["Key"])
            for key, body in files.items():
                client.put_object(Bucket=BUCKET, Key=key, Body=body)
        self.events = dict(self.original)

    def correct(self, day: str) -> None:
        """Deliver a day's file again with other content, so that a run which does nothing would show.

        The first time its last lines are missing, and what is then the last play has another level; the next
        time it is the original again. (The demo's other plays may have copies on other days.)
        """
        if self.events[day] != self.original[day]:
            self.events[day] = self.original[day]
        else:
            lines = self.original[day].split(b"\n")[:-6]
            last = max(number for number, line in enumerate(lines) if b'"NextSong"' in line)
            event = json.loads(lines[last])
            event["level"] = "free" if event["level"] == "paid" else "paid"
            lines[last] = json.dumps(event).encode()
            self.events[day] = b"\n".join(lines) + b"\n"
        with self._client() as client:
            client.put_object(Bucket=BUCKET, Key=event_key(day), Body=self.events[day])

    @contextmanager
    def _client(self) -> Iterator[Any]:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._forward.port()}",
            region_name="us-east-1",
            **self._keys,
        )
        yield client
        client.close()


class Warehouse:
    """The tables, read as any client does: over TLS that it verifies."""

    def __init__(self, folder: Path) -> None:
        secrets = secret(SERVICE)
        self._password = secrets["password"]
        self.ca_file = folder / "sandbox-ca.crt"
        self.ca_file.write_text(secrets["ca.crt"])
        self._forward = Forward(SERVICE, 5439)

    def close(self) -> None:
        self._forward.close()

    def environment(self) -> dict[str, str]:
        """What a worker on this machine needs to reach it."""
        return {
            "SPARKIFY_WAREHOUSE_HOST": "127.0.0.1",
            "SPARKIFY_WAREHOUSE_PORT": str(self._forward.port()),
            "SPARKIFY_WAREHOUSE_PASSWORD": self._password,
            "SPARKIFY_SOURCE": f"s3://{BUCKET}",
            "SPARKIFY_STAGING": "s3://sparkify-staging",
            "SPARKIFY_COPY_ROLE": "default",
            "AWS_REGION": "us-east-1",
            "SSL_CERT_FILE": str(self.ca_file),
        }

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection; tried again while the warehouse starts."""
        deadline = time.monotonic() + 90
        while True:
            try:
                connection = redshift_connector.connect(
                    host="127.0.0.1",
                    port=self._forward.port(),
                    database="dev",
                    user="awsuser",
                    password=self._password,
                    application_name="e2e",
                )
                break
            except (redshift_connector.Error, OSError) as error:
                # A port-forward may outlive the container behind it.
                self._forward.close()
                if time.monotonic() >= deadline:
                    raise AssertionError(f"no warehouse: {error}\n{situation()}") from error
                time.sleep(1)
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.connection() as connection:
            cursor = connection.cursor()
            cursor.execute(query)
            return [tuple(row) for row in cursor.fetchall()]

    def arm(self, **fault: Any) -> None:
        """Have the sandbox fail (sandbox/README.md: Make it fail)."""
        with self.connection() as connection:
            connection.cursor().execute(f"call sandbox.fault('{json.dumps(fault)}')")

    def disarm(self) -> None:
        with self.connection() as connection:
            connection.cursor().execute("call sandbox.clear_faults()")

    def last_statement(self) -> int:
        ((number,),) = self.rows("select coalesce(max(number), 0) from sandbox.statements")
        return int(number)

    def star(self) -> oracle.Star:
        with self.connection() as connection:
            connection.autocommit = False
            return oracle.loaded(connection)

    def ledger(self) -> dict[str, set[tuple[Any, ...]]]:
        """What the ledger says, without what differs from one load to the next: versions, runs and times."""
        return {
            "staged files": {
                tuple(row)
                for row in self.rows(
                    "select source_file, trim('\"' from etag), size, lines, quarantined from staged_files"
                )
            },
            "days in step": {(str(day),) for (day,) in self.rows("select day from days_in_step")},
        }


def expected_ledger(events: dict[str, bytes], songs: dict[str, bytes]) -> dict[str, set[tuple[Any, ...]]]:
    """The same, counted from the files."""
    files = {event_key(day): body for day, body in events.items()} | songs
    staged = set()
    for key, body in files.items():
        each = body.removesuffix(b"\n").split(b"\n") if body else []
        bad = sum(bool(line.strip()) for line in each) - sum(1 for _ in oracle.lines(body))
        lines = len(each)
        staged.add((key, hashlib.md5(body).hexdigest(), len(body), lines, bad))
    return {"staged files": staged, "days in step": {(day,) for day in events}}


def event_key(day: str) -> str:
    return f"log_data/{day[:4]}/{day[5:7]}/{day}-events.json"
