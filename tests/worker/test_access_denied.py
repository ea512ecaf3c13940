"""Rights that are missing in S3: one line that says what, where and what to do, and nothing half loaded."""

import asyncio
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from sparkify.errors import UsageError
from sparkify.objects import Bucket
from sparkify.settings import Location
from tests.star.conftest import Pipeline
from tests.star.test_readers_and_writers import fault
from tests.worker.staging import DAY, FILE, line, rows, song, stage, staging

SONG = "song_data/A/B/C/TR.json"
TABLES = ("staging_events", "staging_songs", "staged_files", "staging_versions", "quarantine")

# Of each right in each bucket, the message when it is missing; VERSION is the attempt's own.
MESSAGES = {
    ("SOURCE", "ListBucket"): (
        r"S3 s3://SOURCE/FOLDER/: may not list it: 403 Forbidden \(AccessDenied: Access Denied.\); "
        "grant s3:ListBucket to the worker's credentials, or check SPARKIFY_SOURCE"
    ),
    ("SOURCE", "GetObject"): (
        r"S3 s3://SOURCE/KEY: may not read it: 403 Forbidden \(AccessDenied: Access Denied.\); "
        "grant s3:GetObject to the worker's credentials, or check SPARKIFY_SOURCE"
    ),
    ("STAGING", "ListBucket"): (
        r"S3 s3://STAGING/staging/PLACE/VERSION/: may not list it: 403 Forbidden "
        r"\(AccessDenied: Access Denied.\); grant s3:ListBucket to the worker's credentials, or check "
        "SPARKIFY_STAGING"
    ),
    ("STAGING", "PutObject"): (
        r"S3 s3://STAGING/staging/PLACE/VERSION/rows/part-00000.zst: may not write it: 403 Forbidden "
        r"\(AccessDenied: Access Denied.\); grant s3:PutObject to the worker's credentials, or check "
        "SPARKIFY_STAGING"
    ),
    ("STAGING", "GetObject"): (
        r"warehouse: COPY may not read S3: Access Denied. \(AccessDenied\), S3 key being read : "
        r"s3://STAGING/staging/PLACE/VERSION/files/\w+.json; attach the role that SPARKIFY_COPY_ROLE names "
        r"to the warehouse, and let it read SPARKIFY_STAGING \(s3:GetObject, s3:ListBucket\)"
    ),
}


@contextmanager
def denied(pipeline: Pipeline, bucket: str, action: str) -> Iterator[None]:
    """S3 refuses an action in a bucket to everybody."""
    resource = f"arn:aws:s3:::{bucket}" + ("" if action == "ListBucket" else "/*")
    statement = {"Effect": "Deny", "Principal": "*", "Action": [f"s3:{action}"], "Resource": [resource]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    pipeline.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    yield
    pipeline.client.delete_bucket_policy(Bucket=bucket)


def everything_staged(connection: Any) -> list[list[list[Any]]]:
    return [rows(connection, f"select * from {table} order by 1, 2, 3") for table in TABLES]


@pytest.mark.parametrize(("bucket", "right"), MESSAGES, ids=lambda word: word)
@pytest.mark.parametrize("source", ["events", "songs"])
def test_a_missing_right_is_named_and_staging_stays_as_it_was(
    source: str, bucket: str, right: str, pipeline: Pipeline, warehouse: Any
) -> None:
    command = ["stage", "events", "--date", DAY] if source == "events" else ["stage", "songs"]
    key = FILE if source == "events" else SONG
    pipeline.put(key, line() if source == "events" else song())
    pipeline.done(*command)
    before = everything_staged(warehouse)
    pipeline.put(key, line(level="paid") if source == "events" else song(year=2006))
    names = {
        "SOURCE": pipeline.bucket,
        "STAGING": staging(pipeline)[0],
        "KEY": key,
        "FOLDER": "log_data/2018/11" if source == "events" else "song_data",
        "PLACE": f"events/{DAY}" if source == "events" else "songs/all",
        "VERSION": "[0-9a-f]{32}",
    }
    with denied(pipeline, names[bucket], right):
        ended = pipeline.run(*command)
    assert ended.code == 64
    (said,) = [each for each in ended.log.splitlines() if " INFO " not in each]
    message = re.sub("SOURCE/|STAGING/|KEY|FOLDER|PLACE|VERSION", _named(names), MESSAGES[bucket, right])
    assert re.fullmatch(rf"\S+ ERROR   {message}  step=\S+ .*", said), said
    assert everything_staged(warehouse) == before
    pipeline.done(*command)
    assert everything_staged(warehouse) != before


def _named(names: dict[str, str]) -> Any:
    return lambda found: names[found[0].rstrip("/")] + ("/" if found[0].endswith("/") else "")


# What Redshift's users have reported: of a role that it may not take, and of a manifest that it may not read.
@pytest.mark.parametrize(
    "said",
    [
        "User arn:aws:redshift:eu-west-1:123456789012:dbuser:plays/awsuser is not authorized to assume "
        "IAM Role arn:aws:iam::123456789012:role/copy",
        "Not authorized to get credentials of role arn:aws:iam::123456789012:role/copy",
        "COPY with MANIFEST parameter requires full path of an S3 object.",
    ],
)
def test_what_redshift_says_of_missing_rights_is_a_wrong_setting(
    said: str, pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line())
    fault(warehouse, action="error", sqlstate="XX000", message=said, match="copy staging_events")
    ended = pipeline.run("stage", "events", "--date", DAY)
    assert ended.code == 64
    assert f"COPY may not read S3: {said}; attach the role that SPARKIFY_COPY_ROLE" in ended.log
    assert everything_staged(warehouse) == [[], [], [], [], []]


def test_an_s3_that_is_too_busy_for_copy_is_tried_again(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line())
    said = "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown,Rid 1,CanRetry 1"
    fault(warehouse, action="error", sqlstate="XX000", message=said, match="copy staging_events")
    assert "repeating the whole transaction" in pipeline.done("stage", "events", "--date", DAY).log
    assert rows(warehouse, "select count(*) from staging_events") == [[1]]


def test_a_right_that_is_missing_in_the_warehouse_is_a_wrong_setting(
    pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line())
    said = "permission denied for relation staging_events"
    fault(warehouse, action="error", sqlstate="42501", message=said, match="copy staging_events")
    ended = pipeline.run("stage", "events", "--date", DAY)
    assert ended.code == 64
    assert f"warehouse: {said}; grant the right to SPARKIFY_WAREHOUSE_USER" in ended.log


def test_a_large_upload_that_is_refused_is_one_line_too(pipeline: Pipeline) -> None:
    """A line of 20 MB, which is quarantined in several pieces."""
    pipeline.put_day(
        DAY, random.Random(1).randbytes(20_000_000).replace(b"\n", b"") + b"\n" + line().encode()
    )
    with denied(pipeline, staging(pipeline)[0], "PutObject"):
        ended = stage(pipeline)
    assert ended.code == 64
    (said,) = [each for each in ended.log.splitlines() if " INFO " not in each]
    assert "raw-00000: may not write it: 403 Forbidden (AccessDenied: Access Denied.)" in said


def test_a_day_that_is_too_bad_is_told_so_although_its_parts_may_not_be_deleted(pipeline: Pipeline) -> None:
    pipeline.put_day(DAY, line() + "\nbad\n")
    with denied(pipeline, staging(pipeline)[0], "DeleteObject"):
        ended = pipeline.run("stage", "events", "--date", DAY)
    assert ended.code == 1
    assert "1 of 2 lines are bad" in ended.log.splitlines()[-1]


class _RefusesDeletion(BaseHTTPRequestHandler):
    """What Amazon S3 answers when of several deletions in one request one is not allowed.

    SeaweedFS does not look at bucket policies there.
    """

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = (
            b'<?xml version="1.0" encoding="UTF-8"?>'
            b'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Error><Key>staging/a</Key>'
            b"<Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>"
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_refused_deletion_is_named(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)
    with ThreadingHTTPServer(("127.0.0.1", 0), _RefusesDeletion) as server:
        Thread(target=server.serve_forever).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        bucket = Bucket(Location("parts", "staging/"), "us-east-1", "SPARKIFY_STAGING")
        with pytest.raises(UsageError) as refused:
            asyncio.run(bucket.delete(["a", "b"]))
        server.shutdown()
    assert str(refused.value) == (
        "S3 s3://parts/staging/a: may not delete it: AccessDenied: Access Denied; grant "
        "s3:DeleteObject to the worker's credentials, or check SPARKIFY_STAGING"
    )
