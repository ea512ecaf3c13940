"""Every fault at the requests that only a large file needs: its ranges, and the parts of an upload.

As in test_matrix.py, whose ground has small files: a clean run is recorded, then each of these requests meets
each fault, and the step is repeated as Airflow does it. `make faults` runs all cases; each fault at one
request is part of `make test`.
"""

import base64
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sparkify import objects
from tests.faults.s3_proxy import Exchange, Request, S3Proxy, s3_proxy
from tests.faults.test_matrix import (
    ALL_REQUEST_FAULTS,
    DENIED,
    GONE,
    OTHER,
    REQUEST_FAULTS,
    WHOLE,
    Case,
    chosen,
    finish,
)
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, FILE, line, rows

EVENTS = ("stage", "events", "--date", DAY)
STEP = "stage events, large"
# What a small file never needs.
KINDS = ("get bytes=", "begin upload ", "upload part ", "end upload ")


def large(seed: int) -> bytes:
    """Lines that do not compress: a file of three ranges, rows of two parts of an upload."""
    text = random.Random(seed)
    noise = (base64.b85encode(text.randbytes(1500)).decode() for _ in range(4000))
    return "".join(
        f"{line(sessionId=number, userAgent=each)}\n" for number, each in enumerate(noise)
    ).encode()


FILE_NOW, FILE_CHANGED = large(1), large(2)


@pytest.fixture
def proxy(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    monkeypatch.setattr(objects, "_SILENT_SECONDS", 1)
    with s3_proxy(pipeline.environment["AWS_ENDPOINT_URL_S3"]) as made:
        pipeline.environment["AWS_ENDPOINT_URL_S3"] = made.endpoint
        yield made


def staged(warehouse: Any) -> list[list[Any]]:
    """The rows, and what the ledger says of the file."""
    return [
        *rows(warehouse, "select source_line, content_hash from staging_events order by 1, 2"),
        *rows(warehouse, "select source_file, lines, loaded, quarantined from staged_files"),
        *rows(warehouse, "select first_line, last_line from staged_parts order by 1"),
    ]


def clean(pipeline: Pipeline, proxy: S3Proxy, warehouse: Any, body: bytes) -> tuple[list[Request], Any]:
    """What a clean run of the file asks S3 for that no small file needs, and what comes out."""
    pipeline.put_day(DAY, body)
    proxy.begin()
    pipeline.done(*EVENTS)
    asked = [request for request in proxy.seen if request[0].startswith(KINDS)]
    return sorted(asked), staged(warehouse)


@pytest.mark.parametrize("names", [[name] for name in ALL_REQUEST_FAULTS] if WHOLE else [ALL_REQUEST_FAULTS])
def test_a_fault_at_any_request_of_a_large_file_ends_in_the_rows_of_a_clean_run(
    names: list[str],
    pipeline: Pipeline,
    proxy: S3Proxy,
    warehouse: Any,
    record_property: Callable[[str, object], None],
) -> None:
    _, changed = clean(pipeline, proxy, warehouse, FILE_CHANGED)
    requests, expected = clean(pipeline, proxy, warehouse, FILE_NOW)
    assert {kind for kind in KINDS for request, _ in requests if request.startswith(kind)} == set(KINDS)
    assert len(requests) >= 6
    assert changed != expected
    cases = [
        at_request(pipeline, proxy, warehouse, requests, number, name, changed if name == OTHER else expected)
        for name in names
        for number in chosen(range(1, len(requests) + 1), name, ALL_REQUEST_FAULTS)
    ]
    finish(record_property, cases)


def at_request(
    pipeline: Pipeline,
    proxy: S3Proxy,
    warehouse: Any,
    requests: list[Request],
    number: int,
    name: str,
    expected: list[list[Any]],
) -> Case:
    """One of the requests meets a fault."""
    request = requests[number - 1]
    case = Case(STEP, name, number, " ".join(map(str, request)))
    pipeline.put_day(DAY, FILE_NOW)
    proxy.begin(request, REQUEST_FAULTS.get(name) or moving(pipeline, name))
    case.ends.append(pipeline.run(*EVENTS).code)
    if not proxy.struck:
        case.wrong.append("the request was not sent")
    if name == GONE:
        pipeline.put_day(DAY, FILE_NOW)  # it comes back
    case.repeat(lambda: int(pipeline.run(*EVENTS).code))
    if case.ends[-1] == 64 or name in (OTHER, GONE):  # a person gave the right, or it is the next run
        case.ends.append(pipeline.run(*EVENTS).code)
    if case.ends[-1] != 0 or case.ends[0] not in ({64} if name == DENIED else {0, 75}):
        case.wrong.append(f"ended {case.ends}")
    if staged(warehouse) != expected:
        case.wrong.append("other rows than those of a clean run")
    return case


def moving(pipeline: Pipeline, name: str) -> Callable[[Exchange], None]:
    """The file changes, or goes, right before a request is served."""

    def move() -> None:
        if name == GONE:
            pipeline.remove(FILE)
        else:
            pipeline.put_day(DAY, FILE_CHANGED)

    return lambda exchange: exchange.pass_on_after(move)
