"""A source bucket, a warehouse with tables, and the `sparkify` command as Airflow starts it."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from redshift_sandbox import Endpoint
from tests import command, s3
from tests.command import Ended

_numbers = count(1)


@dataclass(frozen=True)
class Pipeline:
    """One source, one warehouse, and the commands that bring the one into the other."""

    client: Any
    bucket: str
    environment: dict[str, str]

    def put(self, key: str, body: bytes | str | list[dict[str, Any]]) -> None:
        """An object of the source; a list becomes JSON lines."""
        if isinstance(body, list):
            body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in body)
        data = body if isinstance(body, bytes) else body.encode()
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def put_day(self, day: str, body: bytes | str | list[dict[str, Any]]) -> None:
        self.put(day_key(day), body)

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return command.start(arguments, {**self.environment, **environment})

    def run(self, *arguments: str, **environment: str) -> Ended:
        return command.run(arguments, {**self.environment, **environment})

    def done(self, *arguments: str, **environment: str) -> Ended:
        """Run a command that must succeed."""
        ended = self.run(*arguments, **environment)
        assert ended.code == 0, ended.log
        return ended

    def day(self, day: str, **environment: str) -> None:
        """The daily graph of one day."""
        self.done("stage", "songs", **environment)
        self.done("stage", "events", "--date", day, **environment)
        self.done("load", "--date", day, **environment)
        self.done("check", "--date", day, **environment)


def day_key(day: str) -> str:
    return f"log_data/{day[:4]}/{day[5:7]}/{day}-events.json"


@pytest.fixture
def pipeline(sandbox: Endpoint, database: str) -> Iterator[Pipeline]:
    """An empty source and a warehouse with empty tables."""
    client = s3.client(sandbox)
    number = next(_numbers)
    source, staging = f"source-{os.getpid()}-{number}", f"staging-{os.getpid()}-{number}"
    for bucket in (source, staging):
        client.create_bucket(Bucket=bucket)
    environment = {
        **os.environ,
        **sandbox.env,
        "SPARKIFY_WAREHOUSE_DATABASE": database,
        "SPARKIFY_SOURCE": f"s3://{source}",
        "SPARKIFY_STAGING": f"s3://{staging}/staging",
        "SPARKIFY_COPY_ROLE": "default",
    }
    made = Pipeline(client, source, environment)
    made.done("tables", "create")
    yield made
    client.close()
