"""`sparkify freshness`: what it says of days that are loaded, late, and of a warehouse that is away."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.command import Ended, run
from tests.receiver import Receiver, receiving
from tests.star.conftest import Pipeline, day_key
from tests.worker.staging import line, rows
from tests.worker.test_access_denied import denied
from tests.worker.test_command_line import COMPLETE

# Times at which 2018-11-03, the newest day that is loaded, is due, and the one after it.
DUE = "2018-11-04T06:00"
NEXT_DUE = "2018-11-05T06:00"


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def loaded(pipeline: Pipeline, warehouse: Any) -> Pipeline:
    """A ledger in which three days are loaded, the first of them a month before the others."""
    cursor = warehouse.cursor()
    for day in ("2018-10-01", "2018-11-02", "2018-11-03"):
        cursor.execute(f"insert into loaded_days values ('{day}', 'version', 'load')")
    warehouse.commit()
    return pipeline


def fresh(pipeline: Pipeline, as_of: str, webhook: Receiver, *options: str, **environment: str) -> Ended:
    arguments = ("freshness", "--as-of", as_of, "--days", "2", *options)
    ended = pipeline.run(*arguments, SPARKIFY_NOTICE_URL=webhook.url, **environment)
    assert "canary" not in ended.log + ended.out
    return ended


def message(ended: Ended) -> str:
    (error,) = [each for each in ended.log.splitlines() if " ERROR " in each]
    return error.split(maxsplit=2)[2].split("  step=")[0]


def test_when_every_day_that_is_due_is_loaded_it_says_so_and_posts_nothing(
    loaded: Pipeline, webhook: Receiver
) -> None:
    for as_of in (DUE, "2018-11-05T05:59"):
        ended = fresh(loaded, as_of, webhook)
        assert (ended.code, ended.log) == (0, "")
        assert ended.out == (
            "fresh: the newest loaded day is 2018-11-03; every day that is due, to 2018-11-03, is loaded\n"
        )
    assert fresh(loaded, NEXT_DUE, webhook, "--hours", "7").code == 0
    # Days before the first one are not missed.
    assert fresh(loaded, "2018-10-02T06:00", webhook).code == 0
    assert webhook.texts == []


def test_a_day_that_the_pipeline_loaded_counts(pipeline: Pipeline, webhook: Receiver) -> None:
    pipeline.put_day("2018-11-01", line() + "\n")
    pipeline.day("2018-11-01")
    assert fresh(pipeline, "2018-11-02T06:00", webhook).code == 0
    assert fresh(pipeline, "2018-11-03T06:00", webhook).code == 1


def test_a_late_day_is_one_line_exit_1_and_a_notice(
    loaded: Pipeline, webhook: Receiver, warehouse: Any
) -> None:
    key = day_key("2018-11-04")
    late = (
        "late: 2018-11-04 is not loaded; it ended 6 hours ago, of which 6 are allowed; "
        f"the newest loaded day is 2018-11-03; s3://{loaded.bucket}/{key} is "
    )
    before = rows(warehouse, "select count(*) from loaded_days")
    said = []
    for _ in range(2):
        ended = fresh(loaded, NEXT_DUE, webhook)
        assert (ended.code, ended.out) == (1, "")
        said.append(message(ended))
        loaded.put(key, line())
    assert said == [
        f"{late}not there: ask whoever delivers it",
        f"{late}there: look at the day's run in Airflow",
    ]
    assert webhook.texts == [f"Sparkify of s3://{loaded.bucket}/: {each}" for each in said]
    assert rows(warehouse, "select count(*) from loaded_days") == before


def test_a_gap_is_seen_though_later_days_are_loaded_and_many_days_are_counted(
    loaded: Pipeline, webhook: Receiver
) -> None:
    said = message(fresh(loaded, DUE, webhook, "--days", "10"))
    assert said.startswith(
        "late: 2018-10-25, 2018-10-26, 2018-10-27 and 5 more are not loaded; the first ended 222 hours ago, "
    )
    assert fresh(loaded, DUE, webhook, "--days", "2").code == 0


def test_a_late_day_is_late_though_nobody_can_see_whether_its_file_is_there(
    loaded: Pipeline, webhook: Receiver
) -> None:
    with denied(loaded, loaded.bucket, "ListBucket"):
        said = message(fresh(loaded, NEXT_DUE, webhook))
        assert fresh(loaded, NEXT_DUE, webhook, SPARKIFY_MISSING_DAY="empty").code == 64
    assert said.startswith("late: 2018-11-04 is not loaded; ")
    assert "2018-11-04-events.json could not be looked for: " in said
    assert "grant s3:ListBucket" in said


def test_a_day_without_an_object_is_not_missed_where_that_means_a_day_without_events(
    loaded: Pipeline, webhook: Receiver
) -> None:
    assert fresh(loaded, NEXT_DUE, webhook, SPARKIFY_MISSING_DAY="empty").code == 0
    loaded.put_day("2018-11-04", line())
    assert fresh(loaded, NEXT_DUE, webhook, SPARKIFY_MISSING_DAY="empty").code == 1


def test_when_nothing_was_ever_loaded_it_says_what_to_look_at(pipeline: Pipeline, webhook: Receiver) -> None:
    ended = fresh(pipeline, DUE, webhook)
    assert ended.code == 1
    assert "no day was ever loaded; is the DAG sparkify_daily unpaused?" in ended.log
    assert len(webhook.texts) == 1


def test_tables_that_are_not_there_are_a_notice_too(pipeline: Pipeline, webhook: Receiver) -> None:
    pipeline.done("tables", "drop", "--yes")
    assert fresh(pipeline, DUE, webhook).code == 1
    assert webhook.texts[0].endswith("; make the tables with: sparkify tables create")


def test_a_warehouse_that_is_away_is_asked_again_and_then_a_notice(
    pipeline: Pipeline, webhook: Receiver
) -> None:
    away = {"SPARKIFY_WAREHOUSE_PORT": "1"}
    ended = fresh(pipeline, DUE, webhook, "--patience", "0", **away)
    assert ended.code == 75
    assert len(ended.log.splitlines()) == 2  # the notice was delivered, the error
    assert "cannot be reached: communication error" in webhook.texts[0]
    ended = fresh(pipeline, DUE, webhook, "--patience", "1", **away)
    assert "asking again  step=freshness" in ended.log


def test_a_notice_that_is_not_delivered_is_a_warning_and_nothing_else(loaded: Pipeline) -> None:
    with receiving(404) as webhook:
        refused = fresh(loaded, NEXT_DUE, webhook)
    away = fresh(loaded, NEXT_DUE, webhook)
    for ended, reason in (
        (refused, "the answer was 404 Not Found"),
        (away, "[Errno 111] Connection refused"),
    ):
        assert ended.code == 1
        assert "the notice was not delivered; check SPARKIFY_NOTICE_URL  step=freshness" in ended.log
        assert f'reason="{reason}"' in ended.log


def test_without_a_webhook_the_line_is_all(loaded: Pipeline) -> None:
    ended = loaded.run("freshness", "--as-of", NEXT_DUE)
    assert ended.code == 1
    assert len(ended.log.splitlines()) == 1


def test_a_webhook_that_is_none_is_refused_and_not_shown() -> None:
    ended = run(("freshness",), {**COMPLETE, "SPARKIFY_NOTICE_URL": "ftp://canary-7c2e"})
    assert ended.code == 64
    assert "settings: SPARKIFY_NOTICE_URL is not of the form https://host/path" in ended.log
    assert "canary" not in ended.log


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--as-of", "yesterday"), "'yesterday' is not a time of the form 2018-11-04T06:00"),
        (("--as-of", "2018-11-31T06:00"), "'2018-11-31T06:00' is not a time: day is out of range for month"),
        (("--days", "0"), "'0' is not a number from 1 to 366"),
        (("--hours", "-1"), "'-1' is not a number"),
        (("--hours", "9999"), "'9999' is not a number from 0 to 720"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: tuple[str, ...], message: str) -> None:
    ended = run(("freshness", *options), COMPLETE)
    assert ended.code == 64
    assert message in ended.log
