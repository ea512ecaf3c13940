"""`sparkify connect`: one row goes every way that a run's data goes."""

import pytest

from tests.star.conftest import Pipeline
from tests.worker.staging import FILE, line, staging
from tests.worker.test_access_denied import denied


def left(pipeline: Pipeline) -> list[str]:
    listed = pipeline.client.list_objects_v2(Bucket=staging(pipeline)[0])
    return [each["Key"] for each in listed.get("Contents", [])]


def test_it_says_what_answered_before_there_are_tables_and_leaves_nothing(pipeline: Pipeline) -> None:
    pipeline.done("tables", "drop", "--yes")
    pipeline.put(FILE, line())
    pipeline.put(f"{FILE}.bak", line())
    ended = pipeline.done("connect")
    assert [row.split("  ", 1)[0] for row in ended.out.splitlines()] == [
        "what",
        "source",
        "staging",
        "warehouse",
        "copy",
    ]
    assert f"s3://{pipeline.bucket}/ can be listed; day files: 1\n" in ended.out
    assert left(pipeline) == []


@pytest.mark.parametrize("right", ["PutObject", "GetObject"])
def test_a_missing_right_in_the_staging_bucket_is_named(pipeline: Pipeline, right: str) -> None:
    with denied(pipeline, staging(pipeline)[0], right):
        ended = pipeline.run("connect")
    assert ended.code == 64
    assert ended.out == ""
    assert f"s3:{right}" in ended.log
    assert left(pipeline) == []


def test_a_source_that_may_not_be_listed_is_named(pipeline: Pipeline) -> None:
    with denied(pipeline, pipeline.bucket, "ListBucket"):
        ended = pipeline.run("connect")
    assert ended.code == 64
    assert "grant s3:ListBucket to the worker's credentials, or check SPARKIFY_SOURCE" in ended.log


def test_a_warehouse_that_is_away_is_a_passing_failure_and_nothing_is_left(pipeline: Pipeline) -> None:
    ended = pipeline.run("connect", SPARKIFY_WAREHOUSE_PORT="1")
    assert ended.code == 75
    assert "cannot be reached" in ended.log
    assert left(pipeline) == []
