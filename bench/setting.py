"""What the benchmarks share: a sandbox, buckets and the worker's command."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import redshift_connector

from redshift_sandbox import Endpoint

SOURCE = "bench-source"
STAGING = "bench-staging"


@dataclass
class Setting:
    """A running sandbox, made ready; `folder` is for files of the benchmark's own."""

    endpoint: Endpoint
    folder: Path
    sparkify_command: Path = field(default_factory=lambda: Path(sys.executable).with_name("sparkify"))

    def __post_init__(self) -> None:
        os.environ["SSL_CERT_FILE"] = self.endpoint.ca_file
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.endpoint.s3_endpoint,
            aws_access_key_id=self.endpoint.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.endpoint.env["AWS_SECRET_ACCESS_KEY"],
            region_name=self.endpoint.env["AWS_REGION"],
        )
        for bucket in (SOURCE, STAGING):
            self.client.create_bucket(Bucket=bucket)

    def environment(self, name: str) -> dict[str, str]:
        """What a worker needs for an empty database (and a source prefix of its own, if it makes one)."""
        connection = self.connect(self.endpoint.database)
        connection.autocommit = True
        connection.cursor().execute(f"create database bench_{name}")
        connection.close()
        return {
            **os.environ,
            **self.endpoint.env,
            "SPARKIFY_WAREHOUSE_DATABASE": f"bench_{name}",
            "SPARKIFY_SOURCE": f"s3://{SOURCE}",
            "SPARKIFY_STAGING": f"s3://{STAGING}/{name}",
            "SPARKIFY_COPY_ROLE": "default",
        }

    def connect(self, database: str) -> redshift_connector.Connection:
        return redshift_connector.connect(
            host=self.endpoint.host,
            port=self.endpoint.port,
            database=database,
            user=self.endpoint.user,
            password=self.endpoint.password,
        )

    def put(self, key: str, body: bytes | BinaryIO) -> None:
        """Put an object at once and with a type: of other text the S3 server keeps gzip, and to unpack it
        costs more than all that the worker does with it."""
        self.client.put_object(Bucket=SOURCE, Key=key, Body=body, ContentType="application/json")

    def sparkify(self, environment: dict[str, str], *arguments: str) -> None:
        """Run a command of the worker that must succeed."""
        ended = subprocess.run(
            [self.sparkify_command, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            raise RuntimeError(f"sparkify {' '.join(arguments)}: {ended.stderr}")
