"""The source bucket is made equal to the folder, whatever the files are called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from laptop import source
from laptop.errors import LaptopError
from redshift_sandbox import Endpoint

_numbers = count(1)


class Bucket:
    """A new bucket of the sandbox's S3 server."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.environment = endpoint.env
        self.name = f"mirror-{next(_numbers)}"
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint.s3_endpoint,
            aws_access_key_id=endpoint.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=endpoint.env["AWS_SECRET_ACCESS_KEY"],
            region_name=endpoint.env["AWS_REGION"],
        )

    def mirror(self, folder: Path) -> source.Mirrored:
        return source.mirror(folder, self.name, self.environment)

    def objects(self) -> dict[str, bytes]:
        pages: Any = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {key: self._client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def bucket(sandbox: Endpoint) -> Iterator[Bucket]:
    made = Bucket(sandbox)
    source.make_buckets([made.name], made.environment)
    source.make_buckets([made.name], made.environment)  # a second time changes nothing
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "log_data/2018/11/2018-11-03-events.json",
        "log_data/2018/11/.ipynb_checkpoints/2018-11-03-events-checkpoint.json",
        "log_data/.DS_Store",
        "log_data/x.json.bak",
        "song_data/A/B/C/TRABC.json",
        "song_data/A/B/C/Ünïcode & 100% #1 (copy).json",
        "README",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_every_file_becomes_an_object_of_its_name(bucket: Bucket, folder: Path) -> None:
    assert bucket.mirror(folder) == source.Mirrored(uploaded=7, unchanged=0, deleted=0)
    assert bucket.objects() == files(folder)


def test_only_what_differs_is_uploaded_and_what_is_gone_is_deleted(bucket: Bucket, folder: Path) -> None:
    bucket.mirror(folder)
    (folder / "README").write_text("DAEMER")  # as long as before
    (folder / "log_data/x.json.bak").unlink()
    (folder / "song_data/A/B/C/TRABC.json").rename(folder / "song_data/A/B/C/TRABD.json")
    (folder / "empty").touch()
    assert bucket.mirror(folder) == source.Mirrored(uploaded=3, unchanged=4, deleted=2)
    assert bucket.objects() == files(folder)
    assert bucket.mirror(folder) == source.Mirrored(uploaded=0, unchanged=7, deleted=0)


def test_more_files_than_a_page_of_s3_are_mirrored(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(1100):
        (tmp_path / f"{number}.json").write_text(str(number))
    assert bucket.mirror(tmp_path) == source.Mirrored(uploaded=1100, unchanged=0, deleted=0)
    assert bucket.mirror(tmp_path) == source.Mirrored(uploaded=0, unchanged=1100, deleted=0)
    for number in range(1, 1100):
        (tmp_path / f"{number}.json").unlink()
    assert bucket.mirror(tmp_path) == source.Mirrored(uploaded=0, unchanged=1, deleted=1099)
    assert bucket.objects() == {"0.json": b"0"}


def test_a_bucket_that_is_missing_is_said_in_one_line(sandbox: Endpoint, folder: Path) -> None:
    with pytest.raises(
        LaptopError, match=r"^s3://no-such-bucket cannot be filled from .*NoSuchBucket"
    ) as failure:
        source.mirror(folder, "no-such-bucket", sandbox.env)
    assert "\n" not in str(failure.value)


def test_a_file_that_cannot_be_uploaded_is_said_in_one_line(bucket: Bucket, folder: Path) -> None:
    (folder / "log_data/two\nlines").touch()
    with pytest.raises(
        LaptopError, match=rf"^s3://{bucket.name} cannot be filled from .*\"log_data/two lines\""
    ) as failure:
        bucket.mirror(folder)
    assert "\n" not in str(failure.value)


def test_a_process_that_ends_right_after_it_ends_well(bucket: Bucket, folder: Path) -> None:
    # What the S3 client leaves behind must not be in the way of the interpreter's end: once it aborted in
    # one of nine processes.
    code = "import sys; from pathlib import Path; from laptop import source; import os\n"
    code += "print(source.mirror(Path(sys.argv[1]), sys.argv[2], os.environ))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, folder, bucket.name],
            env={**os.environ, **bucket.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    assert [(each.communicate()[1], each.returncode) for each in processes] == [("", 0)] * 8
